//! The few fixed words of a letter.

use crate::content::{Honorific, Lang};
use calendar::era::EraDate;
use jiff::civil::Date;

/// 令和8年11月23日, or 23 November 2026.
pub(crate) fn date(lang: Lang, day: Date) -> String {
    match lang {
        Lang::En => day.strftime("%-d %B %Y").to_string(),
        Lang::Ja | Lang::JaPlain => EraDate::of(day)
            .map_or_else(|| format!("{}年{}月{}日", day.year(), day.month(), day.day()), |era| era.to_string()),
    }
}

/// The reference, named.
pub(crate) fn reference(lang: Lang, number: &str) -> String {
    match lang {
        Lang::En => format!("Reference {number}"),
        Lang::Ja | Lang::JaPlain => format!("受付番号 {number}"),
    }
}

/// 〒100-0001; what is no seven digits stands as it was written.
pub(crate) fn postcode(lang: Lang, code: &str) -> String {
    let digits: String = code.chars().filter(char::is_ascii_digit).collect();
    let text = if digits.len() == 7 { format!("{}-{}", &digits[..3], &digits[3..]) } else { code.to_owned() };
    if lang == Lang::En { text } else { format!("〒{text}") }
}

/// The addressee, with 様 or 御中 in Japanese.
pub(crate) fn name(lang: Lang, name: &str, honorific: Honorific) -> String {
    match (lang, honorific) {
        (Lang::En, _) => name.to_owned(),
        (_, Honorific::Sama) => format!("{name}　様"),
        (_, Honorific::Onchu) => format!("{name}　御中"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_addresses_in_their_own_way() {
        let day = "2026-11-03".parse().unwrap();
        assert_eq!(date(Lang::Ja, day), "令和8年11月3日");
        assert_eq!(date(Lang::Ja, "2019-05-01".parse().unwrap()), "令和元年5月1日");
        assert_eq!(date(Lang::En, day), "3 November 2026");
        assert_eq!(postcode(Lang::Ja, "1000001"), "〒100-0001");
        assert_eq!(postcode(Lang::Ja, "W1A 1AA"), "〒W1A 1AA");
        assert_eq!(name(Lang::JaPlain, "見本 花子", Honorific::Sama), "見本 花子　様");
        assert_eq!(name(Lang::Ja, "みどり病院", Honorific::Onchu), "みどり病院　御中");
    }
}
