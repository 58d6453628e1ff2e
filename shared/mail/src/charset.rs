//! From bytes to characters, as Japanese mail really is: names of sets that no standard has, sets that are not what they say,
//! carriers' pictograms.
//!
//! What a set says is believed first. Where the bytes do not fit it, or there is none, it is guessed, and said
//! ([`Doubt::GuessedCharset`]). A character that only one carrier's telephones could show becomes 〓, as mail readers do, and never
//! some other character.

use crate::view::Doubt;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8};
use std::collections::BTreeSet;

/// What stands for a character that cannot be shown (JIS X 0208 02-14), as carriers' gateways write it.
pub const GETA: char = '〓';

const ESC: u8 = 0x1b;

enum Charset {
    Iso2022Jp,
    Known(&'static Encoding),
    Unknown,
}

fn charset(label: &str) -> Charset {
    let label: String = label.trim().trim_matches('"').to_ascii_lowercase().replace('_', "-");
    match label.as_str() {
        "cp932" | "ms932" | "windows-932" | "ms-kanji" | "sjis" | "x-sjis" | "shift-jis" | "shiftjis" | "sjis-win"
        | "windows-31j" | "cswindows31j" | "csshiftjis" | "shift-jis-2004" | "sjis-docomo" => Charset::Known(SHIFT_JIS),
        "iso-2022-jp" | "csiso2022jp" | "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms"
        | "jis" | "iso2022jp" | "cp50220" | "cp50221" | "cp50222" | "x-iso-2022-jp" => Charset::Iso2022Jp,
        "eucjp-win" | "eucjp-ms" | "eucjp" | "x-euc-jp" => Charset::Known(EUC_JP),
        "utf8" | "utf-8n" | "x-utf-8" => Charset::Known(UTF_8),
        // Seven bits are a subset of everything; when eight come, it was not true.
        "us-ascii" | "ascii" | "" | "unknown-8bit" | "x-unknown" => Charset::Unknown,
        other => Encoding::for_label(other.as_bytes()).map_or(Charset::Unknown, Charset::Known),
    }
}

/// Reads bytes in the set of characters that a mail names; an empty label = it names none.
pub fn decode(bytes: &[u8], label: &str, doubts: &mut BTreeSet<Doubt>) -> String {
    let text = match charset(label) {
        Charset::Iso2022Jp if bytes.contains(&ESC) || bytes.is_ascii() => iso_2022_jp(bytes, doubts),
        Charset::Known(encoding) => match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(text) => text.into_owned(),
            None => guess(bytes, Some(encoding), doubts),
        },
        Charset::Unknown if bytes.is_ascii() && !bytes.contains(&ESC) => String::from_utf8_lossy(bytes).into_owned(),
        Charset::Unknown | Charset::Iso2022Jp => guess(bytes, None, doubts),
    };
    clean(text, doubts)
}

fn guess(bytes: &[u8], named: Option<&'static Encoding>, doubts: &mut BTreeSet<Doubt>) -> String {
    doubts.insert(Doubt::GuessedCharset);
    let escapes = [&b"\x1b$"[..], b"\x1b(B", b"\x1b(J", b"\x1b(I"];
    if escapes.iter().any(|escape| bytes.windows(escape.len()).any(|part| part == *escape)) {
        return iso_2022_jp(bytes, doubts);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let encoding = detector.guess(Some(b"jp"), Utf8Detection::Allow);
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    if !had_errors {
        return text.into_owned();
    }
    doubts.insert(Doubt::Undefined);
    // Nothing fits: what it says itself is shown, with a mark at each byte that is none.
    named.unwrap_or(encoding).decode_without_bom_handling(bytes).0.into_owned()
}

/// What no mail reader can show, and what only misleads.
fn clean(text: String, doubts: &mut BTreeSet<Doubt>) -> String {
    let is_private = |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    if text.contains('\u{fffd}') {
        doubts.insert(Doubt::Undefined);
    }
    if !text.contains(is_private) {
        return text;
    }
    doubts.insert(Doubt::PrivateUse);
    text.chars().map(|c| if is_private(c) { GETA } else { c }).collect()
}

/// Which set of characters an escape of ISO 2022 switches to.
#[derive(Clone, Copy, PartialEq)]
enum Set {
    Ascii,
    Kana,
    Kanji,
    /// JIS X 0212.
    Supplement,
    /// One that we do not know: all of it becomes 〓.
    Strange,
}

fn escape(bytes: &[u8]) -> (Set, usize) {
    match bytes {
        [ESC, b'(', b'B' | b'J' | b'H', ..] => (Set::Ascii, 3),
        [ESC, b'(', b'I', ..] => (Set::Kana, 3),
        [ESC, b'$', b'B' | b'@', ..] => (Set::Kanji, 3),
        [ESC, b'$', b'(', b'B' | b'@', ..] => (Set::Kanji, 4),
        [ESC, b'$', b'(', b'D', ..] => (Set::Supplement, 4),
        // "What follows is the revision of 1990": the set itself comes with the next escape.
        [ESC, b'&', b'@', ..] => (Set::Ascii, 3),
        [ESC, b'$', ..] => (Set::Strange, 3.min(bytes.len())),
        _ => (Set::Ascii, 1),
    }
}

/// ISO-2022-JP with what mail programs and telephones add: half-width kana, NEC's and IBM's rows, JIS X 0212, pictograms, a
/// missing return to ASCII, eight-bit bytes in between.
fn iso_2022_jp(bytes: &[u8], doubts: &mut BTreeSet<Doubt>) -> String {
    let mut text = String::with_capacity(bytes.len());
    let (mut set, mut at) = (Set::Ascii, 0);
    while at < bytes.len() {
        if bytes[at] == ESC {
            let (next, length) = escape(&bytes[at..]);
            (set, at) = (next, at + length);
            continue;
        }
        let end = bytes[at..].iter().position(|b| *b == ESC || *b == b'\n').map_or(bytes.len(), |n| at + n);
        let run = &bytes[at..end];
        match set {
            Set::Ascii if run.is_ascii() => text.extend(run.iter().map(|b| char::from(*b))),
            Set::Ascii => text.push_str(&decode_other(run, doubts)),
            Set::Kana => text.extend(run.iter().map(|b| half_width(*b, doubts))),
            Set::Kanji | Set::Supplement => kanji(run, set, &mut text, doubts),
            Set::Strange => {
                doubts.insert(Doubt::CarrierPictogram);
                text.extend(std::iter::repeat_n(GETA, run.len().div_ceil(2)));
            }
        }
        at = end;
        if bytes.get(at) == Some(&b'\n') {
            // A line begins in ASCII, also when the return to it was forgotten (RFC 1468).
            text.push('\n');
            (set, at) = (Set::Ascii, at + 1);
        }
    }
    text
}

/// Eight-bit bytes where seven were promised: mostly Shift_JIS.
fn decode_other(run: &[u8], doubts: &mut BTreeSet<Doubt>) -> String {
    doubts.insert(Doubt::GuessedCharset);
    for encoding in [UTF_8, SHIFT_JIS, EUC_JP] {
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(run) {
            return text.into_owned();
        }
    }
    doubts.insert(Doubt::Undefined);
    String::from_utf8_lossy(run).into_owned()
}

fn half_width(byte: u8, doubts: &mut BTreeSet<Doubt>) -> char {
    match byte & 0x7f {
        b @ 0x21..=0x5f => char::from_u32(0xff61 + u32::from(b - 0x21)).unwrap_or(GETA),
        b'\r' => '\r',
        b' ' => ' ',
        _ => {
            doubts.insert(Doubt::Undefined);
            '\u{fffd}'
        }
    }
}

fn kanji(run: &[u8], set: Set, text: &mut String, doubts: &mut BTreeSet<Doubt>) {
    let mut rest = run;
    while let [first, tail @ ..] = rest {
        let (first, second) = match (first & 0x7f, tail) {
            (b'\r' | b' ', _) => {
                text.push(char::from(*first));
                rest = tail;
                continue;
            }
            (first, [second, after @ ..]) => {
                rest = after;
                (first, second & 0x7f)
            }
            (_, []) => {
                doubts.insert(Doubt::Undefined);
                text.push('\u{fffd}');
                return;
            }
        };
        text.push(pair(first, second, set, doubts));
    }
}

/// One character of two bytes. The rows 117 to 126 (0x75 to 0x7E) are no JIS: au's telephones had pictograms there, and NEC's set
/// has IBM's rare kanji (髙, 﨑) in 0x79 to 0x7C, which Outlook writes. A kanji stays one; the rest is 〓.
fn pair(first: u8, second: u8, set: Set, doubts: &mut BTreeSet<Doubt>) -> char {
    let bytes = [0x8f, first | 0x80, second | 0x80];
    let bytes = if set == Set::Supplement { &bytes[..] } else { &bytes[1..] };
    let decoded = EUC_JP.decode_without_bom_handling_and_without_replacement(bytes);
    let one = decoded.as_deref().and_then(|text| {
        let mut chars = text.chars();
        chars.next().filter(|_| chars.next().is_none())
    });
    match one {
        Some(c) if first < 0x75 || matches!(first, 0x79..=0x7c) => c,
        _ if first >= 0x75 => {
            doubts.insert(Doubt::CarrierPictogram);
            GETA
        }
        _ => {
            doubts.insert(Doubt::Undefined);
            '\u{fffd}'
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], label: &str) -> (String, Vec<Doubt>) {
        let mut doubts = BTreeSet::new();
        let text = decode(bytes, label, &mut doubts);
        (text, doubts.into_iter().collect())
    }

    #[test]
    fn sets_by_all_their_names() {
        let (sjis, ..) = SHIFT_JIS.encode("髙﨑①ﾊﾝｶｸ");
        for label in ["cp932", "Windows-31J", "MS_Kanji", "x-sjis", "Shift_JIS", "\"shift-jis\""] {
            assert_eq!(read(&sjis, label), ("髙﨑①ﾊﾝｶｸ".to_owned(), vec![]), "{label}");
        }
        let (euc, ..) = EUC_JP.encode("髙﨑日本");
        assert_eq!(read(&euc, "eucJP-ms").0, "髙﨑日本");
        assert_eq!(read("𠮷野家".as_bytes(), "UTF8").0, "𠮷野家");
        assert_eq!(read(b"plain", ""), ("plain".to_owned(), vec![]));
    }

    #[test]
    fn a_wrong_or_missing_name_is_guessed_and_said() {
        let text = "お世話になっております。開示の請求について伺います。";
        let (sjis, ..) = SHIFT_JIS.encode(text);
        let (euc, ..) = EUC_JP.encode(text);
        for bytes in [&*sjis, &*euc, text.as_bytes()] {
            for label in ["", "us-ascii", "no-such-set"] {
                assert_eq!(read(bytes, label), (text.to_owned(), vec![Doubt::GuessedCharset]), "{label}");
            }
        }
        assert_eq!(read(&sjis, "utf-8"), (text.to_owned(), vec![Doubt::GuessedCharset]));
        assert_eq!(read(&sjis, "iso-2022-jp"), (text.to_owned(), vec![Doubt::GuessedCharset]));
        assert_eq!(read(b"\x1b$B$3\x1b(B", "utf-8x"), ("こ".to_owned(), vec![Doubt::GuessedCharset]));
    }

    #[test]
    fn iso_2022_jp_as_programs_and_telephones_write_it() {
        let cases: &[(&[u8], &str, &[Doubt])] = &[
            (b"a\x1b$B$3$s\x1b(Bb", "aこんb", &[]),
            (b"\x1b$@$3\x1b(J", "こ", &[]),
            (b"\x1b(I1\x1b(B", "ｱ", &[]),
            // NEC's circled number, and IBM's rare kanji by NEC's place.
            (b"\x1b$B-!|b\x1b(B", "①髙", &[]),
            (b"\x1b$(D0!\x1b(B", "丂", &[]),
            // No way back, then a new line.
            (b"\x1b$B$3\nabc", "こ\nabc", &[]),
            (b"\x1b$B$3$", "こ\u{fffd}", &[Doubt::Undefined]),
            // au's pictograms.
            (b"\x1b$Bu!v!$3\x1b(B", "〓〓こ", &[Doubt::CarrierPictogram]),
            // SoftBank's.
            (b"x\x1b$Gj!\x1b(By", "x〓y", &[Doubt::CarrierPictogram]),
            (b"\x1b", "", &[]),
        ];
        for (bytes, text, doubts) in cases {
            assert_eq!(read(bytes, "ISO-2022-JP"), ((*text).to_owned(), doubts.to_vec()));
        }
    }

    #[test]
    fn private_characters_are_geta_and_never_another_character() {
        // docomo's sun in Shift_JIS; a plane-15 pictogram in UTF-8.
        assert_eq!(read(&[0xf8, 0x9f, b'!'], "Shift_JIS"), ("〓!".to_owned(), vec![Doubt::PrivateUse]));
        assert_eq!(read("\u{fe000}".as_bytes(), "utf-8"), ("〓".to_owned(), vec![Doubt::PrivateUse]));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, label in 0usize..6) {
            read(&bytes, ["", "iso-2022-jp", "cp932", "euc-jp", "utf-8", "gb18030"][label]);
            let jis: Vec<u8> = [b"\x1b$B".to_vec(), bytes].concat();
            read(&jis, "iso-2022-jp");
        }
    }
}
