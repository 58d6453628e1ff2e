//! Fields of one CSV record (RFC 4180), strictly: what two readers could read differently is refused.

use crate::part::Bad;
use std::borrow::Cow;

/// A field of a record, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    from: usize,
    to: usize,
    /// It holds doubled quotes.
    doubled: bool,
}

impl Field {
    /// Its bytes.
    pub fn of<'a>(&self, record: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = &record[self.from..self.to];
        if !self.doubled {
            return Cow::Borrowed(raw);
        }
        let mut out = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter();
        while let Some(b) = bytes.next() {
            out.push(*b);
            if *b == b'"' {
                bytes.next();
            }
        }
        Cow::Owned(out)
    }
}

/// The record without its line end.
pub fn body(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// The line end of a record: `\r\n`, `\n`, or nothing at the end of a file.
pub fn line_end(record: &[u8]) -> &[u8] {
    &record[body(record).len()..]
}

/// Splits a record.
///
/// # Errors
/// A quote inside a bare field, or text after a closing quote.
pub fn fields(record: &[u8], out: &mut Vec<Field>) -> Result<(), Bad> {
    out.clear();
    let text = body(record);
    let mut at = 0;
    loop {
        if text.get(at) == Some(&b'"') {
            let from = at + 1;
            let (mut to, mut doubled) = (from, false);
            loop {
                match (text.get(to), text.get(to + 1)) {
                    (Some(b'"'), Some(b'"')) => (to, doubled) = (to + 2, true),
                    (Some(b'"'), None | Some(b',')) => break,
                    (Some(b'"'), Some(_)) => return Err(Bad::Quote),
                    (Some(_), _) => to += 1,
                    (None, _) => return Err(Bad::QuoteNotClosed),
                }
            }
            out.push(Field { from, to, doubled });
            at = to + 1;
        } else {
            let from = at;
            while let Some(byte) = text.get(at) {
                match byte {
                    b',' => break,
                    b'"' => return Err(Bad::Quote),
                    _ => at += 1,
                }
            }
            out.push(Field { from, to: at, doubled: false });
        }
        if at >= text.len() {
            return Ok(());
        }
        at += 1;
        if at == text.len() {
            // A comma at the end: one more field, and an empty one.
            out.push(Field { from: at, to: at, doubled: false });
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Vec<String>, Bad> {
        let mut out = vec![];
        fields(text.as_bytes(), &mut out)?;
        Ok(out.iter().map(|f| String::from_utf8(f.of(text.as_bytes()).into_owned()).unwrap()).collect())
    }

    #[test]
    fn fields_are_read_strictly() {
        let ok = |text: &str, wanted: &[&str]| assert_eq!(split(text).unwrap(), wanted, "{text}");
        ok("a,b,c\r\n", &["a", "b", "c"]);
        ok("a,,\n", &["a", "", ""]);
        ok("", &[""]);
        ok(",", &["", ""]);
        ok("\"a,\"\"b\"\"\",\"x\ny\"\n", &["a,\"b\"", "x\ny"]);
        ok("\"\",\"\"\"\"", &["", "\""]);
        assert_eq!(split("a\"b,c"), Err(Bad::Quote));
        assert_eq!(split("\"a\"b,c"), Err(Bad::Quote));
        assert_eq!(split("\"a,b"), Err(Bad::QuoteNotClosed));
    }
}
