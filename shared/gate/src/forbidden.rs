//! Numbers that may not become keys (duty M13): neither indexed nor hashed nor logged.
//!
//! My Number (個人番号: My Number Act art. 15, 20) and the resident record code (住民票コード: Basic Resident Registers Act
//! art. 30-38(1)). A column that is named so refuses the whole file; a value in a key column that *is* a My Number refuses
//! its row. The resident record code is known by its column's name only: eleven digits are too many other things.

/// Whether these twelve digits are a My Number: the check digit fits.
///
/// Order of the Ministry on the number (平成26年総務省令第85号) art. 5: 11 less the remainder of Σ Pₙ·Qₙ by 11, where Pₙ is the
/// n-th digit from the right without the check digit and Qₙ is n+1 up to 6 and n−5 from 7 on; a remainder of 0 or 1 gives 0.
pub fn is_my_number(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    if bytes.len() != 12 || !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = (1..=11u32)
        .map(|n| {
            let weight = if n <= 6 { n + 1 } else { n - 5 };
            u32::from(bytes[11 - n as usize] - b'0') * weight
        })
        .sum();
    let check = match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    u32::from(bytes[11] - b'0') == check
}

/// What such columns are called; compared after [`plain`].
const COLUMNS: [&str; 14] = [
    "個人番号",
    "マイナンバー",
    "マイナンバ",
    "mynumber",
    "mynum",
    "individualnumber",
    "kojinbango",
    "kojinbangou",
    "住民票コード",
    "住民票コド",
    "residentrecordcode",
    "juminhyocode",
    "juminhyoucode",
    "住基コード",
];

/// Whether a column of this name holds a number that nobody may ask for.
pub fn is_forbidden_column(name: &str) -> bool {
    COLUMNS.contains(&plain(name).as_str())
}

/// A column's name without case, width, spaces, hyphens and underscores.
pub fn plain(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let kept = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '_' | '・' | '\u{feff}' | '.' | '(' | ')');
    name.nfkc().take(200).filter(kept).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fitting_check_digit_makes_twelve_digits_a_my_number() {
        // The number that the ministries print on their specimens.
        let good: Vec<String> = (0..10).map(|d| format!("12345678901{d}")).filter(|text| is_my_number(text)).collect();
        assert_eq!(good, ["123456789018"]);
        for not in ["12345678901", "1234567890188", "12345678901x", "", "１２３４５６７８９０１８"] {
            assert!(!is_my_number(not), "{not}");
        }
    }

    #[test]
    fn columns_are_known_however_they_are_written() {
        for name in [
            "個人番号",
            "マイナンバー",
            "My Number",
            "my_number",
            "ＭＹ－ＮＵＭＢＥＲ",
            "住民票コード",
            "\u{feff}個人番号",
        ] {
            assert!(is_forbidden_column(name), "{name}");
        }
        for name in ["患者番号", "number", "記号・番号", ""] {
            assert!(!is_forbidden_column(name), "{name}");
        }
    }
}
