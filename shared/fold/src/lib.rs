//! Folding: bringing the ways of writing one value to one form, before it is hashed for a blind index.
//!
//! NFKC and everything else here happens on the copy that is hashed only; what a person wrote is kept as it was written.
//! Folding may bring two different people's values together (a search result is looked at by staff); it should rarely keep
//! the same person's apart.

use contracts::Date;
use unicode_normalization::UnicodeNormalization;

/// The most characters that are folded.
const CHARS_MAX: usize = 200;

/// Why a value cannot be folded. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Nothing is left after folding.
    #[error("{0}: empty after removing spaces and marks")]
    Empty(&'static str),
    /// Over 200 characters.
    #[error("{0}: over 200 characters")]
    TooLong(&'static str),
    /// Not 9 to 15 digits.
    #[error("telephone: 9 to 15 digits are needed")]
    Telephone,
    /// No date that exists.
    #[error("birth date: not a date; write 1980-04-05, 1980年4月5日 or 昭和55年4月5日")]
    BirthDate,
}

/// 氏名: width and case folded, spaces, hyphens and middle dots removed, selectors of glyph variants dropped, the commonest
/// variant characters of family names brought together.
///
/// # Errors
/// Empty or too long.
pub fn name(text: &str) -> Result<String, FoldError> {
    fold(text, "name", |c| Some(usual_form(c)))
}

/// 振り仮名: as a name; hiragana becomes katakana, small kana large (banks write ショ as シヨ), long vowel marks are removed.
///
/// # Errors
/// Empty or too long.
pub fn kana(text: &str) -> Result<String, FoldError> {
    fold(text, "kana", |c| if c == 'ー' { None } else { Some(large(katakana(c))) })
}

/// 電話番号: digits only; +81 becomes the leading 0.
///
/// # Errors
/// Not 9 to 15 digits, or anything in it that belongs to no telephone number.
pub fn telephone(text: &str) -> Result<String, FoldError> {
    let plain = nfkc(text, "telephone")?;
    let plain = plain.trim();
    let (abroad, rest) = match plain.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, plain),
    };
    let mut digits = String::with_capacity(15);
    for c in rest.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '(' | ')' | '.' | '/' => {}
            c if is_separator(c) => {}
            _ => return Err(FoldError::Telephone),
        }
    }
    if abroad {
        digits = match digits.strip_prefix("81") {
            Some(home) => format!("0{}", home.strip_prefix('0').unwrap_or(home)),
            None => format!("+{digits}"),
        };
    }
    if (9..=15).contains(&digits.trim_start_matches('+').len()) { Ok(digits) } else { Err(FoldError::Telephone) }
}

/// 生年月日: `1980-04-05` from ISO, slashes, dots, 年月日, and the Japanese eras (明治 to 令和, also M T S H R).
///
/// # Errors
/// No date that exists, or outside 1868 to 2199. That an era had begun or ended by that day is not checked.
pub fn birth_date(text: &str) -> Result<String, FoldError> {
    let plain: String = nfkc(text, "birth date")?.chars().filter(|c| !c.is_whitespace()).collect();
    let eras =
        [("明治", 'm', 1867), ("大正", 't', 1911), ("昭和", 's', 1925), ("平成", 'h', 1988), ("令和", 'r', 2018)];
    let lower = plain.to_lowercase();
    let era = eras.iter().find_map(|(long, short, offset)| {
        lower
            .strip_prefix(long)
            .or_else(|| lower.strip_prefix(*short))
            .map(|rest| (*offset, rest.trim_start_matches('.')))
    });
    let (offset, rest) = era.unwrap_or((0, &lower));
    let rest = rest.replacen("元年", "1年", 1);
    let parts: Vec<&str> = rest
        .split(|c: char| matches!(c, '年' | '月' | '日' | '/' | '.') || is_separator(c))
        .filter(|p| !p.is_empty())
        .collect();
    let number = |part: &str| -> Option<i16> {
        ((1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    let date = match parts.as_slice() {
        [year, month, day] => (|| {
            let year = number(year)?.checked_add(offset)?;
            Date::new(year, number(month)?.try_into().ok()?, number(day)?.try_into().ok()?).ok()
        })(),
        // 19800405, of a form with no separators.
        [all] if era.is_none() && all.len() == 8 && all.bytes().all(|b| b.is_ascii_digit()) => all
            .parse::<i32>()
            .ok()
            .and_then(|n| Date::new((n / 10_000) as i16, (n / 100 % 100) as i8, (n % 100) as i8).ok()),
        _ => None,
    };
    match date {
        Some(date) if (1868..=2199).contains(&date.year()) => Ok(date.to_string()),
        _ => Err(FoldError::BirthDate),
    }
}

fn nfkc(text: &str, field: &'static str) -> Result<String, FoldError> {
    if text.chars().nth(CHARS_MAX).is_some() {
        return Err(FoldError::TooLong(field));
    }
    Ok(text.nfkc().collect())
}

fn fold(text: &str, field: &'static str, each: impl Fn(char) -> Option<char>) -> Result<String, FoldError> {
    // Lower case can decompose again (İ), hence a second normal form at the end.
    let lower = nfkc(text, field)?.to_lowercase();
    let kept = lower.chars().filter(|c| !is_separator(*c) && !is_selector(*c)).filter_map(each);
    let folded: String = kept.collect::<String>().nfkc().collect();
    if folded.is_empty() { Err(FoldError::Empty(field)) } else { Ok(folded) }
}

/// Spaces, hyphens as keyboards and input methods make them, middle dots, apostrophes.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '・' | '·' | '\'' | '’' | '\u{200b}'
        )
}

/// Variation selectors, which choose a glyph and not a character.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn katakana(c: char) -> char {
    match c {
        'ぁ'..='ゖ' | 'ゝ' | 'ゞ' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
        _ => c,
    }
}

fn large(c: char) -> char {
    match c {
        'ァ' | 'ィ' | 'ゥ' | 'ェ' | 'ォ' | 'ッ' | 'ャ' | 'ュ' | 'ョ' | 'ヮ' => {
            char::from_u32(c as u32 + 1).unwrap_or(c)
        }
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        _ => c,
    }
}

/// 縮退: variant characters that a family register, a driving licence and a web form write differently for one family name. For
/// comparing, and for printing where a font lacks the variant; never for keeping.
pub fn usual_form(c: char) -> char {
    match c {
        '髙' => '高',
        '﨑' | '嵜' => '崎',
        '𠮷' => '吉',
        '濵' | '濱' => '浜',
        '邊' | '邉' => '辺',
        '齋' | '齊' | '斎' => '斉',
        '澤' => '沢',
        '廣' => '広',
        '國' => '国',
        '德' => '徳',
        '惠' => '恵',
        '眞' => '真',
        '櫻' => '桜',
        '瀨' => '瀬',
        '嶋' | '嶌' => '島',
        '冨' => '富',
        '桒' => '桑',
        '栁' => '柳',
        '淵' | '渊' => '渕',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(folding: fn(&str) -> Result<String, FoldError>, ways: &[&str]) {
        let first = folding(ways[0]).unwrap();
        for way in ways {
            assert_eq!(folding(way).as_deref(), Ok(first.as_str()), "{way}");
        }
    }

    #[test]
    fn ways_of_writing_one_name() {
        same(name, &["高橋 花子", "髙橋　花子", "高橋花子", " 高橋 花子 ", "高\u{e0100}橋花子"]);
        same(name, &["渡辺 太郎", "渡邊太郎", "渡邉　太郎"]);
        same(name, &["斉藤", "斎藤", "齋藤", "齊藤"]);
        same(name, &["Mary Ann O'Brien", "ＭＡＲＹ　ＡＮＮ　Ｏ’ＢＲＩＥＮ", "mary-ann obrien"]);
        assert_ne!(name("高橋花子"), name("高橋華子"));
        assert_eq!(name(" 　-・"), Err(FoldError::Empty("name")));
        assert_eq!(name(&"あ".repeat(201)), Err(FoldError::TooLong("name")));
    }

    #[test]
    fn ways_of_writing_one_kana() {
        same(
            kana,
            &[
                "ショウダ　ジュンコ",
                "ｼｮｳﾀﾞ ｼﾞｭﾝｺ",
                "シヨウダジユンコ",
                "しょうだ じゅんこ",
                "ショウダ・ジュンコ",
                "ｼﾖｳﾀﾞ-ｼﾞﾕﾝｺ",
            ],
        );
        same(kana, &["オーノ", "ｵｰﾉ", "おーの", "ｵ-ﾉ"]);
        same(kana, &["ヴァン", "ｳﾞｧﾝ", "ゔぁん"]);
        assert_ne!(kana("ショウダ"), kana("ショウタ"));
    }

    #[test]
    fn ways_of_writing_one_telephone() {
        same(
            telephone,
            &[
                "03-1234-5678",
                "０３（１２３４）５６７８",
                "+81 3 1234 5678",
                "+81-(0)3-1234-5678",
                "03ー1234ー5678".replace('ー', "‐").as_str(),
            ],
        );
        assert_eq!(telephone("+1 202 555 0100").as_deref(), Ok("+12025550100"));
        for bad in ["", "119", "0312345678901234", "03-1234-567x", "none"] {
            assert_eq!(telephone(bad), Err(FoldError::Telephone), "{bad}");
        }
    }

    #[test]
    fn ways_of_writing_one_birth_date() {
        same(
            birth_date,
            &[
                "1980-04-05",
                "1980/4/5",
                "1980.04.05",
                "１９８０年４月５日",
                "昭和55年4月5日",
                "昭和５５年　４月５日",
                "S55.4.5",
                "s55-04-05",
                "19800405",
            ],
        );
        assert_eq!(birth_date("令和元年5月1日").as_deref(), Ok("2019-05-01"));
        assert_eq!(birth_date("平成31.4.30").as_deref(), Ok("2019-04-30"));
        for bad in [
            "",
            "1980-02-30",
            "1980-13-01",
            "55-4-5",
            "昭和",
            "1980-4",
            "1980-4-5-6",
            "80000405",
            "2200-01-01",
            "きのう",
            "198a0405",
        ] {
            assert_eq!(birth_date(bad), Err(FoldError::BirthDate), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_total_and_folds_what_is_folded_to_itself(text: String) {
            for folding in [name, kana, telephone, birth_date] {
                if let Ok(folded) = folding(&text) {
                    prop_assert_eq!(folding(&folded), Ok(folded.clone()));
                }
            }
        }

        #[test]
        fn kana_in_hiragana_folds_as_in_katakana(text in "[ぁ-ゖ]{1,20}") {
            let upper: String = text.chars().map(katakana).collect();
            prop_assert_eq!(kana(&text), kana(&upper));
        }

        #[test]
        fn every_date_reads_back(year in 1868i16..2200, month in 1i8..=12, day in 1i8..=28) {
            let iso = format!("{year:04}-{month:02}-{day:02}");
            prop_assert_eq!(birth_date(&format!("{year}年{month}月{day}日")), Ok(iso.clone()));
            prop_assert_eq!(birth_date(&iso), Ok(iso));
        }
    }
}
