//! One record and its fields: digits (N: right-aligned, zero-filled) and text (C: JIS X 0201, left-aligned).

use super::{PayerText, Place, Problem, RECORD, Warning, ZenginError};
use contracts::payment::Yen;

/// Where a field lies. Positions are those of the bank's tables: bytes from 1.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// Code of the field in errors.
    pub name: &'static str,
    /// Its name in the bank's table.
    pub ja: &'static str,
    /// First byte, from 1.
    pub at: usize,
    /// Bytes.
    pub len: usize,
}

pub(crate) const fn field(name: &'static str, ja: &'static str, at: usize, len: usize) -> Field {
    assert!(at >= 1 && at - 1 + len <= RECORD, "a field lies within its record");
    Field { name, ja, at, len }
}

/// The kind of record, byte 1.
pub(crate) const RECORD_KIND: Field = field("record-kind", "データ区分", 1, 1);

/// 200 bytes with their number in the file.
pub(crate) struct Record {
    pub number: u32,
    pub bytes: Box<[u8; RECORD]>,
}

impl Record {
    pub fn kind(&self) -> u8 {
        self.bytes[0]
    }

    pub fn raw(&self, f: Field) -> &[u8] {
        &self.bytes[f.at - 1..f.at - 1 + f.len]
    }

    pub fn place(&self, f: Field) -> Place {
        Place { record: self.number, column: f.at as u16, field: f.name, ja: f.ja }
    }

    pub fn wrong(&self, f: Field, problem: Problem) -> ZenginError {
        ZenginError { place: Some(self.place(f)), problem }
    }

    fn is_blank(&self, f: Field) -> bool {
        self.raw(f).iter().all(|b| *b == b' ')
    }

    /// Required digits.
    pub fn digits(&self, f: Field) -> Result<&str, ZenginError> {
        if self.is_blank(f) {
            return Err(self.wrong(f, Problem::Blank));
        }
        match std::str::from_utf8(self.raw(f)) {
            Ok(text) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(text),
            _ => Err(self.wrong(f, Problem::NotDigits)),
        }
    }

    /// A required number; at most 14 digits, so it always fits.
    pub fn number(&self, f: Field) -> Result<i64, ZenginError> {
        self.digits(f)?.parse().map_err(|_| self.wrong(f, Problem::NotDigits))
    }

    /// Required yen.
    pub fn yen(&self, f: Field) -> Result<Yen, ZenginError> {
        self.number(f).map(Yen)
    }

    /// An optional number (任意): spaces are nothing.
    pub fn number_if(&self, f: Field) -> Result<Option<i64>, ZenginError> {
        if self.is_blank(f) { Ok(None) } else { self.number(f).map(Some) }
    }

    /// Optional digits kept as text; spaces or zeros alone are nothing.
    pub fn digits_if(&self, f: Field) -> Result<Option<String>, ZenginError> {
        if self.is_blank(f) {
            return Ok(None);
        }
        let text = self.digits(f)?;
        Ok((!text.bytes().all(|b| b == b'0')).then(|| text.to_owned()))
    }

    /// One of the listed characters; a space only where it is listed.
    pub fn one_of(&self, f: Field, allowed: &[u8]) -> Result<u8, ZenginError> {
        let b = self.raw(f)[0];
        match allowed.contains(&b) {
            true => Ok(b),
            false if b == b' ' => Err(self.wrong(f, Problem::Blank)),
            false => Err(self.wrong(f, Problem::UnknownValue)),
        }
    }

    /// Text without its filling spaces; what no character of the format is becomes a warning.
    pub fn text(&self, f: Field, warnings: &mut Vec<Warning>) -> PayerText {
        let (text, clean) = decode(self.raw(f));
        if !clean && warnings.len() < MAX_WARNINGS {
            warnings.push(Warning { place: self.place(f) });
        }
        PayerText::new(text)
    }
}

const MAX_WARNINGS: usize = 100;

/// JIS X 0201 to text. Where a bank sends Shift_JIS double bytes in spite of the format they are read as such; what is
/// neither becomes U+FFFD. The flag says whether all bytes were of the format.
fn decode(raw: &[u8]) -> (String, bool) {
    let trimmed = &raw[..raw.iter().rposition(|b| *b != b' ').map_or(0, |last| last + 1)];
    let single = |b: &u8| match *b {
        0x5C => Some('¥'),
        0x7E => Some('‾'),
        b @ 0x20..=0x7D => Some(b as char),
        b @ 0xA1..=0xDF => char::from_u32(0xFF61 + u32::from(b - 0xA1)),
        _ => None,
    };
    match trimmed.iter().map(single).collect::<Option<String>>() {
        Some(text) => (text, true),
        None => (encoding_rs::SHIFT_JIS.decode_without_bom_handling(trimmed).0.into_owned(), false),
    }
}
