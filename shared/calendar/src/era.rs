//! 和暦: Japanese era dates. On 1912-07-30 and 1926-12-25 two eras have the same day; in 1989 and 2019 none overlap.
//!
//! Eras since 2019: 元号法 (354AC0000000043) and its orders. Meiji dates before 1873 were of the lunar calendar: the
//! western date must be given for them.

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};
use std::fmt;

/// 元号: an era.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Era {
    /// 明治
    Meiji,
    /// 大正
    Taisho,
    /// 昭和
    Showa,
    /// 平成
    Heisei,
    /// 令和
    Reiwa,
}

impl Era {
    /// All eras, oldest first.
    pub const ALL: [Era; 5] = [Era::Meiji, Era::Taisho, Era::Showa, Era::Heisei, Era::Reiwa];

    /// Its first day. For Meiji the first day of the solar calendar, the first that can be converted by rule.
    pub const fn first_day(self) -> Date {
        match self {
            Era::Meiji => date(1873, 1, 1),
            Era::Taisho => date(1912, 7, 30),
            Era::Showa => date(1926, 12, 25),
            Era::Heisei => date(1989, 1, 8),
            Era::Reiwa => date(2019, 5, 1),
        }
    }

    /// Its last day; the current era has none yet.
    pub const fn last_day(self) -> Option<Date> {
        match self {
            Era::Meiji => Some(date(1912, 7, 30)),
            Era::Taisho => Some(date(1926, 12, 25)),
            Era::Showa => Some(date(1989, 1, 7)),
            Era::Heisei => Some(date(2019, 4, 30)),
            Era::Reiwa => None,
        }
    }

    /// The western year of its year 1 (元年).
    const fn year_one(self) -> i16 {
        match self {
            Era::Meiji => 1868,
            Era::Taisho => 1912,
            Era::Showa => 1926,
            Era::Heisei => 1989,
            Era::Reiwa => 2019,
        }
    }

    /// 令和 and so on.
    pub const fn kanji(self) -> &'static str {
        match self {
            Era::Meiji => "明治",
            Era::Taisho => "大正",
            Era::Showa => "昭和",
            Era::Heisei => "平成",
            Era::Reiwa => "令和",
        }
    }

    const fn letter(self) -> char {
        match self {
            Era::Meiji => 'M',
            Era::Taisho => 'T',
            Era::Showa => 'S',
            Era::Heisei => 'H',
            Era::Reiwa => 'R',
        }
    }

    fn has(self, day: Date) -> bool {
        day >= self.first_day() && self.last_day().is_none_or(|last| day <= last)
    }

    /// The western date of year, month and day of this era; refused when that day was not in the era.
    ///
    /// ```text
    /// Era::Showa.date(64, 1, 7) = 1989-01-07;  Era::Showa.date(64, 2, 1) = an error
    /// ```
    pub fn date(self, year: i16, month: i8, day: i8) -> Result<Date, EraError> {
        let west = self.year_one().checked_add(year).and_then(|y| y.checked_sub(1)).filter(|_| year >= 1);
        let day = west.and_then(|y| Date::new(y, month, day).ok()).ok_or(EraError::NoSuchDay)?;
        match self.has(day) {
            true => Ok(day),
            false if self == Era::Meiji && day < self.first_day() => Err(EraError::Lunar),
            false => Err(EraError::OutsideEra(self)),
        }
    }
}

/// Why a text is no date.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EraError {
    /// Not a form that is known.
    #[error("write a date as 2026-04-01, 2026年4月1日, 令和8年4月1日 or R8.4.1")]
    Form,
    /// 30 February and the like.
    #[error("there is no such day in the calendar")]
    NoSuchDay,
    /// 昭和64年2月 and the like.
    #[error("that day is not in the era {}: use the western year", .0.kanji())]
    OutsideEra(Era),
    /// Before 1873.
    #[error("before 1873 the lunar calendar was in use: give the western date")]
    Lunar,
}

/// A day as an era has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraDate {
    /// 元号
    pub era: Era,
    /// 1 is 元年.
    pub year: i16,
    /// 1 to 12
    pub month: i8,
    /// 1 to 31
    pub day: i8,
}

impl EraDate {
    /// The day in the newest era that has it; nothing before 1873.
    pub fn of(day: Date) -> Option<Self> {
        Self::all_of(day).last().copied()
    }

    /// The day in every era that has it: two on the overlap days of 1912 and 1926, older first.
    pub fn all_of(day: Date) -> Vec<Self> {
        let named = |era: &Era| EraDate {
            era: *era,
            year: day.year() - era.year_one() + 1,
            month: day.month(),
            day: day.day(),
        };
        Era::ALL.iter().filter(|era| era.has(day)).map(named).collect()
    }

    /// The western date.
    pub fn date(self) -> Result<Date, EraError> {
        self.era.date(self.year, self.month, self.day)
    }
}

/// 令和8年4月1日, 令和元年5月1日.
impl fmt::Display for EraDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.year {
            1 => write!(f, "{}元年{}月{}日", self.era.kanji(), self.month, self.day),
            y => write!(f, "{}{y}年{}月{}日", self.era.kanji(), self.month, self.day),
        }
    }
}

/// Reads a date as people in Japan write it: 2026-04-01, 2026/4/1, 2026年4月1日, 令和8年4月1日, 令和元年５月１日, R8.4.1.
///
/// Full-width characters and spaces are accepted. Two-digit western years are not: they look like era years.
pub fn parse_date(text: &str) -> Result<Date, EraError> {
    if text.len() > 100 {
        return Err(EraError::Form);
    }
    let folded: String = text.chars().filter(|c| !c.is_whitespace()).map(fold).collect();
    let era = Era::ALL.iter().find_map(|era| {
        let short = folded.strip_prefix([era.letter(), era.letter().to_ascii_lowercase()]);
        folded.strip_prefix(era.kanji()).or(short).map(|rest| (*era, rest))
    });
    match era {
        Some((era, rest)) => {
            let (year, month, day) = three(&rest.replacen('元', "1", 1)).ok_or(EraError::Form)?;
            era.date(year, month, day)
        }
        None => {
            let (year, month, day) = three(&folded).ok_or(EraError::Form)?;
            if year < 1000 {
                return Err(EraError::Form);
            }
            Date::new(year, month, day).map_err(|_| EraError::NoSuchDay)
        }
    }
}

fn fold(c: char) -> char {
    match c {
        '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '−' | '‐' | 'ー' | '–' => '-',
        c => c,
    }
}

/// Three numbers between one kind of mark, or year-month-day in kanji.
fn three(text: &str) -> Option<(i16, i8, i8)> {
    let kanji = text.strip_suffix('日').map(|t| t.replacen('年', "-", 1).replacen('月', "-", 1));
    let text = kanji.unwrap_or_else(|| text.replace(['/', '.'], "-"));
    let mut parts = text.split('-').map(|p| if p.len() <= 4 && p.bytes().all(|b| b.is_ascii_digit()) { p } else { "" });
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((year, month, day))
}
