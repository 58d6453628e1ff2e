//! Names as banks write them: half-width kana, small kana made large, long vowels as a hyphen (付録1 使用文字).
//!
//! Only as much as is needed to find the payment reference at the front of a remitter's name and to show or compare
//! names in one form. Nothing here decides a match: names never do.

/// A text in the bank's characters, and whether all of it has a form there (kanji are kept and flagged).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    /// Half-width text.
    pub text: String,
    /// Whether every character is one of the format.
    pub clean: bool,
}

/// Small kana as they lie in U+30A1 … U+30FC order, with the large half-width form; voiced ones as two characters.
const KANA: &[(char, &str)] = &[
    ('ァ', "ｱ"),
    ('ア', "ｱ"),
    ('ィ', "ｲ"),
    ('イ', "ｲ"),
    ('ゥ', "ｳ"),
    ('ウ', "ｳ"),
    ('ェ', "ｴ"),
    ('エ', "ｴ"),
    ('ォ', "ｵ"),
    ('オ', "ｵ"),
    ('カ', "ｶ"),
    ('ガ', "ｶﾞ"),
    ('キ', "ｷ"),
    ('ギ', "ｷﾞ"),
    ('ク', "ｸ"),
    ('グ', "ｸﾞ"),
    ('ケ', "ｹ"),
    ('ゲ', "ｹﾞ"),
    ('コ', "ｺ"),
    ('ゴ', "ｺﾞ"),
    ('サ', "ｻ"),
    ('ザ', "ｻﾞ"),
    ('シ', "ｼ"),
    ('ジ', "ｼﾞ"),
    ('ス', "ｽ"),
    ('ズ', "ｽﾞ"),
    ('セ', "ｾ"),
    ('ゼ', "ｾﾞ"),
    ('ソ', "ｿ"),
    ('ゾ', "ｿﾞ"),
    ('タ', "ﾀ"),
    ('ダ', "ﾀﾞ"),
    ('チ', "ﾁ"),
    ('ヂ', "ﾁﾞ"),
    ('ッ', "ﾂ"),
    ('ツ', "ﾂ"),
    ('ヅ', "ﾂﾞ"),
    ('テ', "ﾃ"),
    ('デ', "ﾃﾞ"),
    ('ト', "ﾄ"),
    ('ド', "ﾄﾞ"),
    ('ナ', "ﾅ"),
    ('ニ', "ﾆ"),
    ('ヌ', "ﾇ"),
    ('ネ', "ﾈ"),
    ('ノ', "ﾉ"),
    ('ハ', "ﾊ"),
    ('バ', "ﾊﾞ"),
    ('パ', "ﾊﾟ"),
    ('ヒ', "ﾋ"),
    ('ビ', "ﾋﾞ"),
    ('ピ', "ﾋﾟ"),
    ('フ', "ﾌ"),
    ('ブ', "ﾌﾞ"),
    ('プ', "ﾌﾟ"),
    ('ヘ', "ﾍ"),
    ('ベ', "ﾍﾞ"),
    ('ペ', "ﾍﾟ"),
    ('ホ', "ﾎ"),
    ('ボ', "ﾎﾞ"),
    ('ポ', "ﾎﾟ"),
    ('マ', "ﾏ"),
    ('ミ', "ﾐ"),
    ('ム', "ﾑ"),
    ('メ', "ﾒ"),
    ('モ', "ﾓ"),
    ('ャ', "ﾔ"),
    ('ヤ', "ﾔ"),
    ('ュ', "ﾕ"),
    ('ユ', "ﾕ"),
    ('ョ', "ﾖ"),
    ('ヨ', "ﾖ"),
    ('ラ', "ﾗ"),
    ('リ', "ﾘ"),
    ('ル', "ﾙ"),
    ('レ', "ﾚ"),
    ('ロ', "ﾛ"),
    ('ヮ', "ﾜ"),
    ('ワ', "ﾜ"),
    ('ヰ', "ｲ"),
    ('ヱ', "ｴ"),
    ('ヲ', "ｦ"),
    ('ン', "ﾝ"),
    ('ヴ', "ｳﾞ"),
    ('ヵ', "ｶ"),
    ('ヶ', "ｹ"),
    ('・', "･"),
    ('。', "｡"),
    ('、', "､"),
    ('「', "｢"),
    ('」', "｣"),
    ('゛', "ﾞ"),
    ('゜', "ﾟ"),
];

/// Half-width small kana and their large forms.
const SMALL_HALF: &[(char, char)] =
    &[('ｧ', 'ｱ'), ('ｨ', 'ｲ'), ('ｩ', 'ｳ'), ('ｪ', 'ｴ'), ('ｫ', 'ｵ'), ('ｬ', 'ﾔ'), ('ｭ', 'ﾕ'), ('ｮ', 'ﾖ'), ('ｯ', 'ﾂ')];

/// A name as a bank writes it.
pub fn half_width(text: &str) -> Half {
    let mut out = Half { text: String::with_capacity(text.len()), clean: true };
    for c in text.chars() {
        // Hiragana is read as katakana; combining voice marks as the separate ones.
        let c = match c {
            'ぁ'..='ゖ' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
            '\u{3099}' => 'ﾞ',
            '\u{309A}' => 'ﾟ',
            '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
            '\u{3000}' => ' ',
            c => c,
        };
        match c {
            'ー' | 'ｰ' | '−' | '‐' | '–' | '—' | '―' | '‑' => out.text.push('-'),
            ' '..='~' => out.text.push(c.to_ascii_uppercase()),
            '\u{FF61}'..='\u{FF9F}' => {
                out.text.push(SMALL_HALF.iter().find(|(small, _)| *small == c).map_or(c, |(_, large)| *large));
            }
            c => match KANA.iter().find(|(full, _)| *full == c) {
                Some((_, half)) => out.text.push_str(half),
                None => {
                    out.text.push(c);
                    out.clean = false;
                }
            },
        }
    }
    out
}

/// What banks put before a remitter's name.
const BANK_WORDS: &[&str] = &["振込", "ﾌﾘｺﾐ"];

/// The run of digits at the front of a remitter's name, and the name behind it.
///
/// The digits may be glued to the name. Spaces and the bank's own words before them are skipped.
pub fn leading_digits(remitter: &str) -> (String, String) {
    let folded = half_width(remitter).text;
    let mut rest = folded.trim_start();
    for word in BANK_WORDS {
        if let Some(behind) = rest.strip_prefix(word) {
            rest = behind.trim_start_matches(['*', ' ', '･']);
        }
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (rest[..digits].to_owned(), rest[digits..].trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn names_as_banks_write_them() {
        for (input, half) in [
            ("キュウヨイチロウ", "ｷﾕｳﾖｲﾁﾛｳ"),
            ("ヨーコ", "ﾖ-ｺ"),
            ("キャノン", "ｷﾔﾉﾝ"),
            ("ガ", "ｶﾞ"),
            ("か\u{3099}っこう", "ｶﾞﾂｺｳ"),
            ("ａ", "A"),
            ("ｼｮｳｺﾞ ｰ", "ｼﾖｳｺﾞ -"),
            ("ヴォーリズ　ヶ", "ｳﾞｵ-ﾘｽﾞ ｹ"),
        ] {
            assert_eq!(half_width(input), Half { text: half.into(), clean: true }, "{input}");
        }
        assert_eq!(half_width("カ）サクラ商事"), Half { text: "ｶ)ｻｸﾗ商事".into(), clean: false });
    }

    #[test]
    fn the_collected_vectors() {
        let Some(table) = samples::read("kana_vectors.tsv") else { return };
        let table = String::from_utf8(table).unwrap();
        let mut seen = 0;
        for row in table.lines().filter(|l| !l.starts_with('#')) {
            let columns: Vec<&str> = row.split('\t').collect();
            // One row is a remark about long company forms, not a vector.
            if columns[1].ends_with("...") {
                continue;
            }
            let half = half_width(columns[0]);
            assert_eq!(half.text, columns[1], "{row}");
            assert_eq!(half.clean, !columns[2].contains("outside"), "{row}");
            seen += 1;
        }
        assert!(seen >= 7, "{seen} vectors");
    }

    #[test]
    fn the_reference_stands_before_the_name_or_is_glued_to_it() {
        for (name, digits, rest) in [
            ("1234567890 ﾔﾏﾀﾞ ﾀﾛｳ", "1234567890", "ﾔﾏﾀﾞ ﾀﾛｳ"),
            ("1234567890ﾔﾏﾀﾞ ﾀﾛｳ", "1234567890", "ﾔﾏﾀﾞ ﾀﾛｳ"),
            ("　１２３４５６７８９０　ヤマダ", "1234567890", "ﾔﾏﾀﾞ"),
            ("ﾌﾘｺﾐ 1234567890ﾔﾏﾀﾞ", "1234567890", "ﾔﾏﾀﾞ"),
            ("振込＊1234567890 ﾔﾏﾀﾞ", "1234567890", "ﾔﾏﾀﾞ"),
            ("ﾔﾏﾀﾞ 1234567890", "", "ﾔﾏﾀﾞ 1234567890"),
            ("", "", ""),
            ("12345678901ﾔﾏﾀﾞ", "12345678901", "ﾔﾏﾀﾞ"),
        ] {
            assert_eq!(leading_digits(name), (digits.to_owned(), rest.to_owned()), "{name}");
        }
    }
}
