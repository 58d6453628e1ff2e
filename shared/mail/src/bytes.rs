//! Limits that are counted on the bytes, before any parser sees them: what goes beyond one could make a parser die or never end.
//!
//! One pass, no recursion. It counts what a parser might take for a header, a part or a mail inside a mail, rather too many than
//! too few: a mail that is refused here is kept for a person like any other that cannot be read.

use std::collections::HashSet;

/// The largest mail, in bytes (25 MiB).
pub const BYTES_MAX: usize = 25 * 1024 * 1024;
/// Mails inside mails. `message/rfc822` in 50,000 levels parses, and then overflows the stack.
pub const NESTED_MAX: usize = 100;
/// Parts of all multiparts.
pub const PARTS_MAX: usize = 1_000;
/// Lines of header, of all parts together.
pub const HEADER_LINES_MAX: usize = 2_000;
/// One line of header, in bytes.
pub const HEADER_LINE_MAX: usize = 64 * 1024;

/// A limit that a mail is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.code())]
pub enum TooMuch {
    /// [`BYTES_MAX`].
    Bytes,
    /// [`NESTED_MAX`].
    Nested,
    /// [`PARTS_MAX`].
    Parts,
    /// [`HEADER_LINES_MAX`].
    HeaderLines,
    /// [`HEADER_LINE_MAX`].
    HeaderLine,
}

impl TooMuch {
    /// The word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bytes => "too-many-bytes",
            Self::Nested => "too-deep",
            Self::Parts => "too-many-parts",
            Self::HeaderLines => "too-many-header-lines",
            Self::HeaderLine => "header-line-too-long",
        }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Lines of header.
    pub header_lines: usize,
    /// Parts of multiparts.
    pub parts: usize,
    /// Mails inside mails, in all.
    pub nested: usize,
}

/// Counts.
///
/// # Errors
/// The first limit that it is over.
pub fn check(raw: &[u8]) -> Result<Measured, TooMuch> {
    if raw.len() > BYTES_MAX {
        return Err(TooMuch::Bytes);
    }
    let mut counted = Measured::default();
    let mut boundaries: HashSet<&[u8]> = HashSet::new();
    let mut in_header = true;
    // A part whose body is a mail begins with a header again.
    let mut is_mail = false;
    for line in raw.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if in_header {
            if line.is_empty() {
                in_header = std::mem::take(&mut is_mail);
                continue;
            }
            counted.header_lines += 1;
            if line.len() > HEADER_LINE_MAX {
                return Err(TooMuch::HeaderLine);
            }
            if contains(line, b"message/") {
                is_mail = true;
                counted.nested += 1;
            }
            boundaries.extend(boundary(line));
        }
        if let Some(rest) = line.strip_prefix(b"--")
            && (boundaries.contains(rest) || rest.strip_suffix(b"--").is_some_and(|rest| boundaries.contains(rest)))
        {
            counted.parts += 1;
            (in_header, is_mail) = (true, false);
        }
        over(&counted)?;
    }
    Ok(counted)
}

fn over(counted: &Measured) -> Result<(), TooMuch> {
    if counted.nested > NESTED_MAX {
        Err(TooMuch::Nested)
    } else if counted.parts > PARTS_MAX {
        Err(TooMuch::Parts)
    } else if counted.header_lines > HEADER_LINES_MAX {
        Err(TooMuch::HeaderLines)
    } else {
        Ok(())
    }
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// What stands behind `boundary=` in a line.
fn boundary(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"boundary=";
    let at = line.windows(NAME.len()).position(|part| part.eq_ignore_ascii_case(NAME))? + NAME.len();
    let value = &line[at..];
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|b| *b == b'"').next()?,
        None => value.split(|b| matches!(b, b';' | b' ' | b'\t')).next()?,
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_with_parts_is_counted() {
        let mail = "Subject: s\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
            --not a part\r\nKey: value\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext: text\r\n--b--\r\n";
        assert_eq!(check(mail.as_bytes()), Ok(Measured { header_lines: 6, parts: 3, nested: 1 }));
        assert_eq!(check(b""), Ok(Measured::default()));
    }

    #[test]
    fn every_limit_is_found() {
        let nested = "Content-Type: message/rfc822\n\n".repeat(NESTED_MAX + 1);
        assert_eq!(check(nested.as_bytes()), Err(TooMuch::Nested));
        let parts = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\n".repeat(PARTS_MAX + 1));
        assert_eq!(check(parts.as_bytes()), Err(TooMuch::Parts));
        assert_eq!(check("A: b\n".repeat(HEADER_LINES_MAX + 1).as_bytes()), Err(TooMuch::HeaderLines));
        assert_eq!(check(&vec![b'x'; HEADER_LINE_MAX + 1]), Err(TooMuch::HeaderLine));
        assert_eq!(check(&vec![b'\n'; BYTES_MAX + 1]), Err(TooMuch::Bytes));
        assert!(check(&[b"A: b\n\n".to_vec(), vec![b'x'; 1 << 20]].concat()).is_ok(), "a body may have long lines");
    }
}
