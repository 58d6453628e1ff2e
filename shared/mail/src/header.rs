//! Headers as they are written: RFC 2047 words in all their mis-encodings, RFC 2231 parameters, raw eight-bit bytes.

use crate::{charset, view::Doubt};
use mail_parser::decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode};
use std::collections::BTreeSet;

/// A run of a header: bytes in one set of characters.
enum Run {
    Plain(Vec<u8>),
    Word { charset: String, bytes: Vec<u8> },
}

/// The text of a header.
///
/// Encoded words of one set that follow each other are put together before they are decoded: many programs cut between the two
/// bytes of a character. White space between two of them is no part of the text (RFC 2047, 6.2).
pub fn decode(raw: &[u8], doubts: &mut BTreeSet<Doubt>) -> String {
    let raw: Vec<u8> = raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let mut runs: Vec<Run> = vec![];
    let mut rest = &raw[..];
    while !rest.is_empty() {
        let at = rest.windows(2).position(|pair| pair == b"=?").unwrap_or(rest.len());
        let (before, from) = rest.split_at(at);
        match word(from, doubts) {
            Some((charset, bytes, length)) => {
                put_plain(&mut runs, before, true);
                put_word(&mut runs, charset, bytes);
                rest = &from[length..];
            }
            None => {
                let cut = from.len().min(2);
                put_plain(&mut runs, &rest[..at + cut], false);
                rest = &rest[at + cut..];
            }
        }
    }
    let mut text = String::new();
    for run in runs {
        text.push_str(&match run {
            Run::Plain(bytes) => charset::decode(&bytes, "", doubts),
            Run::Word { charset, bytes } => charset::decode(&bytes, &charset, doubts),
        });
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

/// `before_word`: white space alone between two words is left out.
fn put_plain(runs: &mut Vec<Run>, bytes: &[u8], before_word: bool) {
    let only_space = bytes.iter().all(u8::is_ascii_whitespace);
    if bytes.is_empty() || (before_word && only_space && matches!(runs.last(), Some(Run::Word { .. }))) {
        return;
    }
    match runs.last_mut() {
        Some(Run::Plain(last)) => last.extend_from_slice(bytes),
        _ => runs.push(Run::Plain(bytes.to_vec())),
    }
}

fn put_word(runs: &mut Vec<Run>, charset: String, bytes: Vec<u8>) {
    match runs.last_mut() {
        Some(Run::Word { charset: last, bytes: all }) if *last == charset => all.extend_from_slice(&bytes),
        _ => runs.push(Run::Word { charset, bytes }),
    }
}

/// `=?charset?B?text?=` at the beginning: its set, its bytes, its length.
fn word(from: &[u8], doubts: &mut BTreeSet<Doubt>) -> Option<(String, Vec<u8>, usize)> {
    let mut parts = from.strip_prefix(b"=?")?.splitn(3, |b| *b == b'?');
    let (charset, how, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if charset.is_empty() || charset.len() > 40 || !charset.is_ascii() {
        return None;
    }
    let end = rest.windows(2).position(|pair| pair == b"?=")?;
    let (text, length) = (&rest[..end], 2 + charset.len() + 1 + how.len() + 1 + end + 2);
    let bytes = match how {
        b"B" | b"b" => decode_base64(text, doubts),
        b"Q" | b"q" => {
            let spaced: Vec<u8> = text.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
            quoted_printable_decode(&spaced).unwrap_or_else(|| {
                doubts.insert(Doubt::Encoding);
                spaced
            })
        }
        _ => return None,
    };
    // RFC 2231, 5: a language may follow the set.
    let charset = String::from_utf8_lossy(charset).split('*').next().unwrap_or_default().to_ascii_lowercase();
    Some((charset, bytes, length))
}

/// As much as is base64, whatever stands in between.
pub(crate) fn decode_base64(text: &[u8], doubts: &mut BTreeSet<Doubt>) -> Vec<u8> {
    let mut clean: Vec<u8> =
        text.iter().copied().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).collect();
    let rest = clean.len() % 4;
    if rest == 1 {
        doubts.insert(Doubt::Encoding);
        clean.pop();
    } else if rest > 1 {
        clean.extend(std::iter::repeat_n(b'=', 4 - rest));
    }
    base64_decode(&clean).unwrap_or_default()
}

/// The parameters of `Content-Type` and `Content-Disposition`: names in lower case, values decoded.
///
/// RFC 2231 (`name*0*=utf-8''…`), RFC 2047 inside quotes, which no standard allows and half of the world writes, and both mixed.
pub fn parameters(raw: &[u8], doubts: &mut BTreeSet<Doubt>) -> Vec<(String, String)> {
    let mut pieces: Vec<(String, usize, bool, Vec<u8>)> = vec![];
    for piece in split_unquoted(raw).into_iter().skip(1).take(100) {
        let Some(at) = piece.iter().position(|b| *b == b'=') else { continue };
        let name = String::from_utf8_lossy(&piece[..at]).trim().to_ascii_lowercase();
        let (name, is_extended) = match name.strip_suffix('*') {
            Some(name) => (name.to_owned(), true),
            None => (name, false),
        };
        let (name, number) = match name.split_once('*') {
            Some((name, number)) => (name.to_owned(), number.parse().unwrap_or(0)),
            None => (name, 0),
        };
        pieces.push((name, number, is_extended, unquoted(&piece[at + 1..])));
    }
    let mut found: Vec<(String, String)> = vec![];
    while let Some((name, ..)) = pieces.first().cloned() {
        let (mut mine, others): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|piece| piece.0 == name);
        pieces = others;
        mine.sort_by_key(|piece| piece.1);
        // Written twice, once for old programs: the extended one is right.
        if mine.iter().any(|piece| piece.2) && mine.iter().filter(|piece| piece.1 == 0).count() > 1 {
            mine.retain(|piece| piece.2 || piece.1 > 0);
        }
        let text = value(&mine, doubts);
        found.push((name, text));
    }
    found
}

fn value(pieces: &[(String, usize, bool, Vec<u8>)], doubts: &mut BTreeSet<Doubt>) -> String {
    if !pieces.iter().any(|piece| piece.2) {
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.3.clone()).collect();
        return decode(&all, doubts);
    }
    let (mut charset, mut bytes) = (String::new(), vec![]);
    for (_, number, is_extended, text) in pieces {
        let mut text = &text[..];
        if *number == 0 && *is_extended {
            let mut quoted = text.splitn(3, |b| *b == b'\'');
            if let (Some(set), Some(_), Some(rest)) = (quoted.next(), quoted.next(), quoted.next()) {
                charset = String::from_utf8_lossy(set).into_owned();
                text = rest;
            }
        }
        if *is_extended { percent(text, &mut bytes) } else { bytes.extend_from_slice(text) }
    }
    charset::decode(&bytes, &charset, doubts)
}

fn percent(text: &[u8], into: &mut Vec<u8>) {
    let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut rest = text;
    loop {
        match rest {
            [b'%', a, b, after @ ..] => match (hex(*a), hex(*b)) {
                (Some(a), Some(b)) => {
                    into.push(a << 4 | b);
                    rest = after;
                }
                _ => {
                    into.push(b'%');
                    rest = &rest[1..];
                }
            },
            [other, after @ ..] => {
                into.push(*other);
                rest = after;
            }
            [] => return,
        }
    }
}

fn split_unquoted(raw: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut from, mut quoted, mut escaped) = (vec![], 0, false, false);
    for (at, byte) in raw.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                parts.push(&raw[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&raw[from..]);
    parts
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    match value.strip_prefix(b"\"") {
        None => value.to_vec(),
        Some(inner) => {
            let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
            let mut text = Vec::with_capacity(inner.len());
            let mut bytes = inner.iter();
            while let Some(byte) = bytes.next() {
                match byte {
                    // Shift_JIS has the backslash as a second byte: only quotes and backslashes are escaped in practice.
                    b'\\' => match bytes.as_slice().first() {
                        Some(b'"' | b'\\') => text.extend(bytes.next()),
                        _ => text.push(b'\\'),
                    },
                    other => text.push(*other),
                }
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &[u8]) -> String {
        decode(raw, &mut BTreeSet::new())
    }

    fn file_name(raw: &[u8]) -> String {
        let found = parameters(raw, &mut BTreeSet::new());
        found.into_iter().find(|(name, _)| matches!(name.as_str(), "filename" | "name")).map_or(String::new(), |p| p.1)
    }

    #[test]
    fn words_as_they_are_found_in_the_world() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (b"=?UTF-8?B?5qiZ6K2Y?=", "標識"),
            (b"Re: =?iso-2022-jp?B?GyRCJDMbKEI=?= x", "Re: こ x"),
            (b"=?utf-8?Q?=E6=A8=99_=E8=AD=98?=", "標 識"),
            // Cut between the bytes of a character, folded.
            (b"=?utf-8?B?5qiZ6K0=?=\r\n =?utf-8?B?mA==?=", "標識"),
            (b"=?utf-8?B?5qiZ?= =?utf-8?B?6K2Y?=", "標識"),
            (b"\"=?utf-8?B?5qiZ6K2Y?=\" <a@example.jp>", "\"標識\" <a@example.jp>"),
            // ISO-2022-JP that forgot to come back.
            (b"=?ISO-2022-JP?B?GyRCJDM=?= ok", "こ ok"),
            (b"=?utf-8*ja?B?5qiZ?=", "標"),
            (b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
            (b"=?utf-8?B?5qiZ", "=?utf-8?B?5qiZ"),
            (b"a =? b", "a =? b"),
            ("標識".as_bytes(), "標識"),
            (b"\x95\x57\x8e\xaf\x82\xcc\x82\xb1\x82\xc6\x82\xc5\x82\xb7", "標識のことです"),
            (b"x\x00y\tz", "x y z"),
        ];
        for (raw, wanted) in cases {
            assert_eq!(text(raw), *wanted, "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn file_names_in_both_ways_and_in_both_at_once() {
        let cases: &[(&[u8], &str)] = &[
            (b"attachment; filename=a.pdf", "a.pdf"),
            (b"attachment; filename=\"a; b.pdf\"", "a; b.pdf"),
            (b"attachment; filename*=utf-8''%E6%A8%99%E8%AD%98.pdf", "標識.pdf"),
            (b"attachment; filename*0*=utf-8''%E6%A8; filename*1*=%99.p; filename*2=df", "標.pdf"),
            (b"attachment; filename=\"=?utf-8?B?5qiZ6K2Y?=.pdf\"", "標識.pdf"),
            (b"attachment;\r\n filename=\"=?ISO-2022-JP?B?GyRCJDMbKEI=?=\r\n =?ISO-2022-JP?B?GyRCJDMbKEI=?=\"", "ここ"),
            (b"attachment; filename=\"old.pdf\"; filename*=utf-8''new.pdf", "new.pdf"),
            (b"attachment; filename*=iso-2022-jp''%1B%24B%243%1B%28B.txt", "こ.txt"),
            (b"attachment; filename=\"\x95\x5c.txt\"", "表.txt"),
            (b"attachment; filename*=%zz%4", "%zz%4"),
            (b"attachment", ""),
        ];
        for (raw, wanted) in cases {
            assert_eq!(file_name(raw), *wanted, "{}", String::from_utf8_lossy(raw));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(raw: Vec<u8>) {
            text(&raw);
            parameters(&raw, &mut BTreeSet::new());
            text(&[b"=?utf-8?B?".to_vec(), raw.clone(), b"?=".to_vec()].concat());
            parameters(&[b"a; filename*0*=".to_vec(), raw].concat(), &mut BTreeSet::new());
        }
    }
}
