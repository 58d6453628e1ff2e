//! Characters: what may stand in a field, and the one form in which it is kept.
//!
//! A name is kept as written. NFC composes か + ゛ to が, which every system expects, but it also replaces the CJK
//! compatibility ideographs (U+FA19 神 becomes U+795E 神), and those are how some people write their names: they stay as
//! they are. NFKC is used for digits and kana only, never for a name or an address.

use unicode_normalization::UnicodeNormalization;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadText {
    /// A control character, or one that changes the direction or hides (Trojan source).
    Control,
    /// Private use (外字) or no character at all: other systems cannot show it.
    Unreadable,
}

/// One line or several, trimmed and in the kept form.
///
/// # Errors
/// A character that may not stand there. Line breaks are control characters unless `lines`.
pub fn clean(text: &str, lines: bool) -> Result<String, BadText> {
    let text = text.trim();
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if lines => {
                if chars.peek() != Some(&'\n') {
                    plain.push('\n');
                }
            }
            '\n' | '\t' if lines => plain.push(c),
            c if c.is_control() || hides(c) => return Err(BadText::Control),
            c if unreadable(c) => return Err(BadText::Unreadable),
            c => plain.push(c),
        }
    }
    Ok(compose(&plain))
}

/// Marks of direction and characters of no width, but for the variation selectors that names need (IVS).
const fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

const fn unreadable(c: char) -> bool {
    let u = c as u32;
    matches!(u, 0xe000..=0xf8ff | 0xf0000..=0x10_ffff | 0xfffd) || u & 0xfffe == 0xfffe || matches!(u, 0xfdd0..=0xfdef)
}

/// A CJK compatibility ideograph, which NFC would replace.
const fn compatibility(c: char) -> bool {
    matches!(c, '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}

/// NFC, but compatibility ideographs stay.
fn compose(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| compatibility(*c)) {
        out.extend(rest[..at].nfc());
        out.push(c);
        rest = &rest[at + c.len_utf8()..];
    }
    out.extend(rest.nfc());
    out
}

/// The reading of a name in full-width katakana, from katakana, hiragana or half-width kana; `None` if anything else stands
/// in it. Middle dots and single spaces between the parts are kept.
pub fn katakana(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkc() {
        match c {
            'ぁ'..='ゖ' | 'ゝ' | 'ゞ' => out.push(char::from_u32(c as u32 + 0x60)?),
            'ァ'..='ヺ' | 'ー' | 'ヽ' | 'ヾ' | '・' => out.push(c),
            // What input methods make of the long vowel mark.
            '-' | '‐' | '−' | '–' | '―' if !out.is_empty() => out.push('ー'),
            c if c.is_whitespace() => {
                if !out.ends_with('\u{3000}') {
                    out.push('\u{3000}');
                }
            }
            _ => return None,
        }
    }
    out.chars().any(|c| matches!(c, 'ァ'..='ヺ')).then_some(out)
}

/// Is the name written in Latin letters only? Then it has no reading (foreign residents).
pub fn is_latin(name: &str) -> bool {
    let letter = |c: char| matches!(c, 'A'..='Z' | 'a'..='z' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
    name.chars().any(letter) && name.chars().all(|c| letter(c) || c.is_whitespace() || "'’-‐.,・".contains(c))
}

/// A telephone number in ASCII: digits, hyphens, brackets, spaces and a leading plus; 9 to 15 digits (E.164).
pub fn telephone(text: &str) -> Option<String> {
    let ascii: String = text
        .nfkc()
        .map(|c| match c {
            'ー' | '‐' | '−' | '–' | '―' => '-',
            c if c.is_whitespace() => ' ',
            c => c,
        })
        .collect();
    let form = ascii.char_indices().all(|(at, c)| c.is_ascii_digit() || " -().".contains(c) || (c == '+' && at == 0));
    let digits = ascii.bytes().filter(u8::is_ascii_digit).count();
    (form && (9..=15).contains(&digits)).then_some(ascii)
}

/// An e-mail address as the HTML standard has it (`input type=email`), at most 254 characters. It allows the dots in a row
/// that old mobile carriers gave out, which RFC 5321 does not.
pub fn is_mail(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
        && domain.contains('.')
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_as_they_are_written() {
        for (typed, kept) in [
            (" 山﨑 花子 ", "山﨑 花子"),
            ("\u{fa19}田", "\u{fa19}田"),
            ("葛\u{e0100}城", "葛\u{e0100}城"),
            ("か\u{3099}", "が"),
            ("\u{fa19}か\u{3099}\u{fa1a}", "\u{fa19}が\u{fa1a}"),
            ("①ﾔﾏﾀﾞ", "①ﾔﾏﾀﾞ"),
        ] {
            assert_eq!(clean(typed, false).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn what_hides_or_cannot_be_shown_is_refused() {
        for bad in ["a\u{0}b", "a\nb", "a\u{7f}b", "a\u{202e}b", "a\u{200b}b", "a\u{85}b"] {
            assert_eq!(clean(bad, false), Err(BadText::Control), "{bad:?}");
        }
        for bad in ["\u{e000}", "\u{fffd}", "\u{ffff}", "\u{10fffe}", "\u{fdd0}"] {
            assert_eq!(clean(bad, false), Err(BadText::Unreadable), "{bad:?}");
        }
        assert_eq!(clean("a\r\nb\rc\nd", true).as_deref(), Ok("a\nb\nc\nd"));
    }

    #[test]
    fn readings_become_full_width_katakana() {
        for (typed, kept) in [
            ("ﾔﾏﾀﾞ ﾊﾅｺ", "ヤマダ\u{3000}ハナコ"),
            ("やまだ　　はなこ", "ヤマダ\u{3000}ハナコ"),
            ("ジョン・スミス", "ジョン・スミス"),
            ("オ-ノ", "オーノ"),
        ] {
            assert_eq!(katakana(typed).as_deref(), Some(kept));
        }
        for bad in ["山田", "Yamada", "ヤマダ1", "", "ー", "・"] {
            assert_eq!(katakana(bad), None, "{bad}");
        }
        assert!(is_latin("John O'Neill-Smith") && is_latin("José Núñez") && !is_latin("山田 John") && !is_latin(" "));
    }

    #[test]
    fn addresses_and_numbers() {
        for good in ["a@example.jp", "a..b.@docomo.example.jp", "x+y@a-b.example"] {
            assert!(is_mail(good), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.jp", "a@.jp", "a@-b.jp", "a b@c.jp", "山@c.jp", "a@b..jp"] {
            assert!(!is_mail(bad), "{bad}");
        }
        assert_eq!(telephone("０３－５９８１－９０９９").as_deref(), Some("03-5981-9099"));
        assert_eq!(telephone("+81 (3) 5981 9099").as_deref(), Some("+81 (3) 5981 9099"));
        for bad in ["110", "03-5981-90a9", "1234567890123456", "03+59819099"] {
            assert_eq!(telephone(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text: String) {
            if let Ok(once) = clean(&text, true) {
                prop_assert_eq!(clean(&once, true), Ok(once.clone()));
            }
            let _ = (katakana(&text), telephone(&text), is_mail(&text), is_latin(&text));
        }
    }
}
