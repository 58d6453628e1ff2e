//! 引受番号・お問い合わせ番号: the number by which the post (or a carrier) knows an item. A slip of the pen is found by its check digit while
//! the envelope still lies on the desk.
//!
//! Japan Post: registered mail and 特定記録 have 11 digits, parcels and レターパック 12; the last is the rest of the others divided by 7
//! (7DR), as with the large carriers. International items have two letters, nine digits and two letters (UPU S10), their check digit is
//! of modulus 11.

/// Why a text is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotANumber {
    /// Neither 11 or 12 digits nor the form of UPU S10.
    Form,
    /// A digit is wrong, or two are swapped.
    CheckDigit,
}

/// The weights of UPU S10.
const S10: [u32; 8] = [8, 6, 4, 2, 3, 5, 9, 7];

/// The number without spaces and hyphens, in capitals, half width.
///
/// # Errors
/// The form or the check digit.
pub fn read(text: &str) -> Result<String, NotANumber> {
    let kept: String = unicode_normalization::UnicodeNormalization::nfkc(text)
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '−' | '–' | 'ー'))
        .map(|c| c.to_ascii_uppercase())
        .take(20)
        .collect();
    let good = match kept.len() {
        11 | 12 if kept.bytes().all(|b| b.is_ascii_digit()) => by_seven(&kept),
        13 if is_s10(&kept) => by_eleven(&kept[2..11]),
        _ => return Err(NotANumber::Form),
    };
    if good { Ok(kept) } else { Err(NotANumber::CheckDigit) }
}

fn is_s10(text: &str) -> bool {
    text.bytes()
        .enumerate()
        .all(|(at, b)| if (2..11).contains(&at) { b.is_ascii_digit() } else { b.is_ascii_uppercase() })
}

/// 7DR: at most 11 digits and their check digit.
fn by_seven(digits: &str) -> bool {
    let (number, check) = digits.split_at(digits.len() - 1);
    number.parse::<u64>().is_ok_and(|number| (number % 7).to_string() == check)
}

fn by_eleven(digits: &str) -> bool {
    let each = digits.bytes().map(|b| u32::from(b - b'0'));
    let sum: u32 = each.zip(S10).map(|(digit, weight)| digit * weight).sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        rest => rest,
    };
    digits.bytes().last().is_some_and(|last| u32::from(last - b'0') == check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_it_stands_on_the_slip() {
        // 1234567890 mod 7 = 3.
        assert_eq!(read("123-45-67890-3").as_deref(), Ok("12345678903"));
        assert_eq!(read(" １２３－４５－６７８９０－３ ").as_deref(), Ok("12345678903"));
        // The example of UPU S10.
        assert_eq!(read("rr 473 124 829 de").as_deref(), Ok("RR473124829DE"));
    }

    #[test]
    fn a_slip_of_the_pen_is_found() {
        assert_eq!(read("123-45-67890-4"), Err(NotANumber::CheckDigit));
        assert_eq!(read("213-45-67890-3"), Err(NotANumber::CheckDigit), "swapped");
        assert_eq!(read("RR473124828DE"), Err(NotANumber::CheckDigit));
        for other in ["", "1", "1234567890123", "ABCDEFGHIJK", "あいうえおかきくけこさ", "RR47312482ADE", "1234567890é"]
        {
            assert_eq!(read(other), Err(NotANumber::Form), "{other}");
        }
        assert_eq!(read(&"1".repeat(1_000_000)), Err(NotANumber::Form));
    }

    proptest! {
        #[test]
        fn one_wrong_digit_of_a_slip_is_found_unless_it_is_seven_away(number in 0u64..10_000_000_000, at in 0usize..10, other in 0u8..10) {
            let digits = format!("{number:010}");
            let whole = format!("{digits}{}", number % 7);
            prop_assert_eq!(read(&whole), Ok(whole.clone()));
            let was = digits.as_bytes()[at] - b'0';
            prop_assume!(was != other && was.abs_diff(other) != 7);
            let mut wrong = whole.into_bytes();
            wrong[at] = b'0' + other;
            prop_assert_eq!(read(&String::from_utf8(wrong).unwrap()), Err(NotANumber::CheckDigit));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = read(&text);
        }
    }
}
