//! [`Person`]: one row's values, folded to the form in which they are hashed.

use crate::{
    forbidden::is_my_number,
    part::{Bad, Part},
};
use contracts::Date;
use std::fmt;

/// The longest value of one part, in characters.
const CHARS_MAX: usize = 200;

/// Folded values; which are absent is part of the answer. Shows nothing of itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Person {
    parts: [Option<String>; Part::COUNT],
}

impl Person {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// The folded value.
    pub fn get(&self, part: Part) -> Option<&str> {
        self.parts[part as usize].as_deref()
    }

    /// Whether the part is there.
    pub const fn has(&self, part: Part) -> bool {
        self.parts[part as usize].is_some()
    }

    /// Empties it, keeping nothing.
    pub fn clear(&mut self) {
        self.parts = Default::default();
    }

    /// Reads a value as it was written. Blank is absent. A "kana" that is no kana (a foreign resident's name) is a name.
    ///
    /// # Errors
    /// The value is of no use, or a number that may not become a key.
    pub fn set(&mut self, part: Part, raw: &str) -> Result<(), Bad> {
        let raw = raw.trim();
        if raw.is_empty() {
            return Ok(());
        }
        let bad = Bad::Value(part);
        let folded = match part {
            Part::Kana => return self.set_kana(raw),
            Part::Name => fold::name(raw).map_err(|_| bad)?,
            // Digits and small letters fold to themselves.
            Part::PatientNumber | Part::Symbol | Part::Number | Part::Supplier if is_plain(raw) => raw.to_owned(),
            Part::BirthDate | Part::NotifiedOn => date(raw).ok_or(bad)?,
            Part::Sex => match sex(raw).ok_or(bad)? {
                Some(sex) => sex.to_owned(),
                None => return Ok(()),
            },
            Part::Supplier => supplier(raw).ok_or(bad)?,
            Part::Insurer => insurer(&fold::name(raw).map_err(|_| bad)?).ok_or(bad)?,
            Part::Branch => branch(&fold::name(raw).map_err(|_| bad)?).ok_or(bad)?,
            Part::PatientNumber | Part::Symbol | Part::Number => fold::name(raw).map_err(|_| bad)?,
        };
        // What follows a number's name is looked at before leading noughts go.
        if !matches!(part, Part::BirthDate | Part::NotifiedOn | Part::Sex) && is_my_number(&folded) {
            return Err(Bad::ForbiddenNumber(part));
        }
        let folded = match part {
            Part::PatientNumber | Part::Number => without_leading_noughts(folded),
            _ => folded,
        };
        self.parts[part as usize] = Some(folded);
        Ok(())
    }

    fn set_kana(&mut self, raw: &str) -> Result<(), Bad> {
        let folded = match quick_kana(raw) {
            Some(folded) => folded,
            None => fold::kana(raw).map_err(|_| Bad::Value(Part::Kana))?,
        };
        if is_my_number(&folded) {
            return Err(Bad::ForbiddenNumber(Part::Kana));
        }
        if folded.chars().all(|c| matches!(c, '\u{30a1}'..='\u{30fe}')) {
            self.parts[Part::Kana as usize] = Some(folded);
        } else if !self.has(Part::Name) {
            self.parts[Part::Name as usize] = Some(fold::name(raw).map_err(|_| Bad::Value(Part::Kana))?);
        }
        Ok(())
    }

    /// When the person was notified, if the row says so.
    pub fn notified_on(&self) -> Option<Date> {
        self.get(Part::NotifiedOn)?.parse().ok()
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[person]")
    }
}

/// A supplier's name or 医療機関コード in the form in which it is compared.
pub fn supplier(raw: &str) -> Option<String> {
    fold::name(raw).ok()
}

/// What folding leaves as it is.
fn is_plain(raw: &str) -> bool {
    raw.len() <= CHARS_MAX && raw.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// What full-width katakana needs of the folding, without normal forms: nine of ten rows.
fn quick_kana(raw: &str) -> Option<String> {
    let mut folded = String::with_capacity(raw.len());
    let mut count = 0;
    for c in raw.chars() {
        count += 1;
        match c {
            'ァ' | 'ィ' | 'ゥ' | 'ェ' | 'ォ' | 'ッ' | 'ャ' | 'ュ' | 'ョ' | 'ヮ' => {
                folded.push(char::from_u32(c as u32 + 1)?);
            }
            'ヵ' => folded.push('カ'),
            'ヶ' => folded.push('ケ'),
            'ア'..='ヺ' => folded.push(c),
            'ー' | ' ' | '\u{3000}' | '・' => {}
            _ => return None,
        }
    }
    (count <= CHARS_MAX && !folded.is_empty()).then_some(folded)
}

fn date(raw: &str) -> Option<String> {
    let b = raw.as_bytes();
    let digit = |at: usize| b[at].is_ascii_digit().then(|| i16::from(b[at] - b'0'));
    let two = |at: usize| Some(digit(at)? * 10 + digit(at + 1)?);
    let plain = match b.len() {
        10 if b[4] == b[7] && matches!(b[4], b'-' | b'/') => Some((5, 8)),
        8 => Some((4, 6)),
        _ => None,
    };
    if let Some((month, day)) = plain
        && let (Some(y1), Some(y2), Some(month), Some(day)) = (two(0), two(2), two(month), two(day))
    {
        let date = Date::new(y1 * 100 + y2, month as i8, day as i8).ok()?;
        return (1868..=2199).contains(&date.year()).then(|| date.to_string());
    }
    fold::birth_date(raw).ok()
}

/// The codes of JIS X 0303 and ISO/IEC 5218 agree: 1 male, 2 female, 9 and 0 not known. `None`: none of them.
fn sex(raw: &str) -> Option<Option<&'static str>> {
    // As nearly all are written; the others are folded first.
    sex_word(raw).or_else(|| sex_word(&fold::name(raw).ok()?))
}

fn sex_word(word: &str) -> Option<Option<&'static str>> {
    Some(match word {
        "1" | "01" | "m" | "male" | "男" | "男性" => Some("male"),
        "2" | "02" | "f" | "female" | "女" | "女性" => Some("female"),
        "3" | "o" | "other" | "その他" => Some("other"),
        "0" | "9" | "u" | "unknown" | "不明" => None,
        _ => return None,
    })
}

/// 保険者番号: six digits (国保) or eight, the last of which checks the others (Luhn).
fn insurer(digits: &str) -> Option<String> {
    let b = digits.as_bytes();
    if !matches!(b.len(), 6 | 8) || !b.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sum: u32 = b
        .iter()
        .rev()
        .enumerate()
        .map(|(n, d)| {
            let value = u32::from(d - b'0') * if n % 2 == 1 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10).then(|| digits.to_owned())
}

fn branch(digits: &str) -> Option<String> {
    match digits.as_bytes() {
        [d] if d.is_ascii_digit() => Some(format!("0{digits}")),
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => Some(digits.to_owned()),
        _ => None,
    }
}

fn without_leading_noughts(number: String) -> String {
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return number;
    }
    let rest = number.trim_start_matches('0');
    if rest.is_empty() { "0".to_owned() } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(part: Part, raw: &str) -> Result<Option<String>, Bad> {
        let mut person = Person::new();
        person.set(part, raw)?;
        Ok(person.get(part).map(str::to_owned))
    }

    #[test]
    fn ways_of_writing_are_one() {
        for raw in ["男", "1", "M", "male", "１", "男性"] {
            assert_eq!(one(Part::Sex, raw), Ok(Some("male".into())), "{raw}");
        }
        assert_eq!(one(Part::Sex, "9"), Ok(None));
        assert_eq!(one(Part::Sex, "x"), Err(Bad::Value(Part::Sex)));
        assert_eq!(one(Part::PatientNumber, " 000-12３ "), Ok(Some("123".into())));
        assert_eq!(one(Part::PatientNumber, "000"), Ok(Some("0".into())));
        assert_eq!(one(Part::PatientNumber, "A-01"), Ok(Some("a01".into())));
        assert_eq!(one(Part::Insurer, "３３１２００１５"), Ok(Some("33120015".into())));
        assert_eq!(one(Part::Insurer, "33120016"), Err(Bad::Value(Part::Insurer)));
        assert_eq!(one(Part::Branch, "1"), Ok(Some("01".into())));
        assert_eq!(one(Part::Supplier, " ０１１０１１３７１９ "), Ok(Some("0110113719".into())));
        assert_eq!(one(Part::Name, "  "), Ok(None));
        assert_eq!(one(Part::BirthDate, "昭和55年4月5日"), Ok(Some("1980-04-05".into())));
        assert_eq!(one(Part::BirthDate, "1980-02-30"), Err(Bad::Value(Part::BirthDate)));
    }

    #[test]
    fn a_reading_that_is_none_is_a_name() {
        let mut person = Person::new();
        person.set(Part::Kana, "Mary Ann").unwrap();
        assert_eq!((person.get(Part::Kana), person.get(Part::Name)), (None, Some("maryann")));
        assert_eq!(format!("{person:?}"), "[person]");
    }

    #[test]
    fn a_my_number_becomes_no_value_in_whatever_column_it_stands() {
        for raw in ["123456789018", "1234-5678-9018", "１２３４　５６７８　９０１８"] {
            for part in [Part::PatientNumber, Part::Number, Part::Symbol, Part::Name, Part::Kana, Part::Supplier] {
                let mut person = Person::new();
                assert_eq!(person.set(part, raw), Err(Bad::ForbiddenNumber(part)), "{part} {raw}");
                assert_eq!(person, Person::new(), "nothing was kept");
            }
        }
        assert_eq!(one(Part::PatientNumber, "123456789012"), Ok(Some("123456789012".into())));
    }

    proptest! {
        /// The quick ways give what the folding of the blind index gives, or leave it to it.
        #[test]
        fn quick_kana_is_the_folding(text in "[ァ-ヺー・ 　ﾞあｱー]{1,12}") {
            if let Some(quick) = quick_kana(&text) {
                prop_assert_eq!(Ok(quick), fold::kana(&text));
            }
        }

        #[test]
        fn what_is_plain_is_the_folding(text in "[0-9a-zA-Z -]{1,20}") {
            if is_plain(&text) {
                prop_assert_eq!(Ok(text.clone()), fold::name(&text));
            }
        }

        #[test]
        fn quick_dates_are_the_folding(year in 1860i16..2210, month in 0i8..14, day in 0i8..33, form in 0usize..3) {
            let text = match form {
                0 => format!("{year:04}-{month:02}-{day:02}"),
                1 => format!("{year:04}/{month:02}/{day:02}"),
                _ => format!("{year:04}{month:02}{day:02}"),
            };
            prop_assert_eq!(date(&text), fold::birth_date(&text).ok());
        }

        #[test]
        fn folding_variants_are_one_person(kana in "[ア-ンー]{1,10}", gap in prop::sample::select(vec!["", " ", "　", "・"])) {
            let hiragana: String = kana.chars().map(|c| match c {
                'ァ'..='ヶ' => char::from_u32(c as u32 - 0x60).unwrap(),
                c => c,
            }).collect();
            let first = one(Part::Kana, &format!("{kana}{gap}ハナ"));
            prop_assert_eq!(&first, &one(Part::Kana, &format!("{hiragana} はな")));
        }
    }
}
