//! 国民の祝日に関する法律 (323AC1000000178) by rule, for the years from 2007 on.
//!
//! Art. 2 names the days, art. 3(2) the substitute holiday (振替休日), art. 3(3) the day between two holidays (国民の休日).
//! The equinox days are data. The one-off laws of 2019 (throne) and of 2020 and 2021 (Olympic Games) are part of the table,
//! so that periods of those years can still be computed.

use jiff::civil::{Date, Weekday, date};
use std::collections::BTreeMap;

/// Why a day is a holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolidayKind {
    /// 国民の祝日, art. 2 (and the one-off laws).
    National,
    /// 振替休日, art. 3(2): the nearest following day that is no national holiday, when one falls on a Sunday.
    Substitute,
    /// 国民の休日, art. 3(3): a day whose neighbours are both national holidays.
    Between,
}

/// A closed day of the nation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holiday {
    /// Its name in Japanese.
    pub name: &'static str,
    /// By which rule it is one.
    pub kind: HolidayKind,
}

/// Day in March and day in September, by year.
pub(crate) type Equinoxes = BTreeMap<i16, [i8; 2]>;

/// How a yearly holiday is found.
enum When {
    Day(i8, i8),
    Monday { month: i8, nth: i8 },
    Spring,
    Autumn,
}

/// (first year, last year, when, name). A change of the law is a line, never an edit of the past.
const YEARLY: &[(i16, i16, When, &str)] = &[
    (2007, 9999, When::Day(1, 1), "元日"),
    (2007, 9999, When::Monday { month: 1, nth: 2 }, "成人の日"),
    (2007, 9999, When::Day(2, 11), "建国記念の日"),
    (2020, 9999, When::Day(2, 23), "天皇誕生日"),
    (2007, 9999, When::Spring, "春分の日"),
    (2007, 9999, When::Day(4, 29), "昭和の日"),
    (2007, 9999, When::Day(5, 3), "憲法記念日"),
    (2007, 9999, When::Day(5, 4), "みどりの日"),
    (2007, 9999, When::Day(5, 5), "こどもの日"),
    (2007, 2019, When::Monday { month: 7, nth: 3 }, "海の日"),
    (2022, 9999, When::Monday { month: 7, nth: 3 }, "海の日"),
    (2016, 2019, When::Day(8, 11), "山の日"),
    (2022, 9999, When::Day(8, 11), "山の日"),
    (2007, 9999, When::Monday { month: 9, nth: 3 }, "敬老の日"),
    (2007, 9999, When::Autumn, "秋分の日"),
    (2007, 2019, When::Monday { month: 10, nth: 2 }, "体育の日"),
    (2022, 9999, When::Monday { month: 10, nth: 2 }, "スポーツの日"),
    (2007, 9999, When::Day(11, 3), "文化の日"),
    (2007, 9999, When::Day(11, 23), "勤労感謝の日"),
    (2007, 2018, When::Day(12, 23), "天皇誕生日"),
];

/// Days of one-off laws, which count as national holidays for art. 3 as well.
const ONCE: &[(Date, &str)] = &[
    (date(2019, 5, 1), "天皇の即位の日"),
    (date(2019, 10, 22), "即位礼正殿の儀の行われる日"),
    (date(2020, 7, 23), "海の日"),
    (date(2020, 7, 24), "スポーツの日"),
    (date(2020, 8, 10), "山の日"),
    (date(2021, 7, 22), "海の日"),
    (date(2021, 7, 23), "スポーツの日"),
    (date(2021, 8, 8), "山の日"),
];

/// The equinox days where nobody has announced them: the usual approximation, good for 1980 to 2099.
pub(crate) fn computed_equinoxes(year: i16) -> [i8; 2] {
    let since = f64::from(year) - 1980.0;
    let day = |base: f64| (base + 0.242194 * since - (since / 4.0).floor()).floor().clamp(1.0, 30.0) as i8;
    [day(20.8431), day(23.2488)]
}

fn national(day: Date, equinoxes: &Equinoxes) -> Option<&'static str> {
    if let Some((_, name)) = ONCE.iter().find(|(once, _)| *once == day) {
        return Some(name);
    }
    let year = day.year();
    let equinox = |which: usize| equinoxes.get(&year).copied().unwrap_or_else(|| computed_equinoxes(year))[which];
    let falls = |when: &When| match *when {
        When::Day(month, d) => (day.month(), day.day()) == (month, d),
        When::Monday { month, nth } => {
            day.month() == month && day.weekday() == Weekday::Monday && (day.day() - 1) / 7 + 1 == nth
        }
        When::Spring => (day.month(), day.day()) == (3, equinox(0)),
        When::Autumn => (day.month(), day.day()) == (9, equinox(1)),
    };
    YEARLY.iter().find(|(first, last, when, _)| (*first..=*last).contains(&year) && falls(when)).map(|(.., name)| *name)
}

/// The holiday on this day, if it is one.
pub(crate) fn holiday(day: Date, equinoxes: &Equinoxes) -> Option<Holiday> {
    if let Some(name) = national(day, equinoxes) {
        return Some(Holiday { name, kind: HolidayKind::National });
    }
    // Walk back over the holidays that touch this day: if one of them is a Sunday, its substitute is this day.
    let mut before = day.yesterday().ok()?;
    while national(before, equinoxes).is_some() {
        if before.weekday() == Weekday::Sunday {
            return Some(Holiday { name: "振替休日", kind: HolidayKind::Substitute });
        }
        before = before.yesterday().ok()?;
    }
    let (yesterday, tomorrow) = (day.yesterday().ok()?, day.tomorrow().ok()?);
    let between = national(yesterday, equinoxes).is_some() && national(tomorrow, equinoxes).is_some();
    between.then_some(Holiday { name: "国民の休日", kind: HolidayKind::Between })
}
