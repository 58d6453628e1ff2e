//! Bytes to records. Line ends are a suffix of each record (後付け): CRLF, LF, CR or none, never two kinds in one file.

use super::{MAX_BYTES, MAX_RECORDS, Place, Problem, RECORD, ZenginError, field::Record};

const EOF: u8 = 0x1A;

/// Cuts a file into records of 200 bytes. `pad` fills short records with spaces (and only then).
pub(crate) fn records(bytes: &[u8], pad: bool) -> Result<Vec<Record>, ZenginError> {
    if bytes.len() > MAX_BYTES {
        return Err(ZenginError::file(Problem::TooLarge));
    }
    refuse_other_encodings(bytes)?;
    let body = &bytes[..bytes.iter().rposition(|b| *b != EOF).map_or(0, |last| last + 1)];
    if body.is_empty() {
        return Err(ZenginError::file(Problem::Empty));
    }
    let pieces = match separator(body)? {
        None => body.chunks(RECORD).collect(),
        Some(end) => split(body, end),
    };
    if pieces.len() > MAX_RECORDS {
        return Err(ZenginError::file(Problem::TooLarge));
    }
    pieces.into_iter().zip(1..).map(|(piece, number)| record(piece, number, pad)).collect()
}

fn refuse_other_encodings(bytes: &[u8]) -> Result<(), ZenginError> {
    let starts = |prefix: &[u8]| bytes.starts_with(prefix);
    if bytes.is_empty() {
        return Err(ZenginError::file(Problem::Empty));
    }
    if starts(&[0xF1]) {
        return Err(ZenginError::file(Problem::Ebcdic));
    }
    if starts(b"\xEF\xBB\xBF") || starts(b"\xFF\xFE") || starts(b"\xFE\xFF") || starts(b"1\0") || starts(b"\x001") {
        return Err(ZenginError::file(Problem::Unicode));
    }
    // Pairs of half-width kana bytes can look like two-byte UTF-8; three-byte characters start with 0xE0 to 0xEF, which
    // is no JIS X 0201 byte.
    if std::str::from_utf8(bytes).is_ok_and(|text| text.chars().any(|c| ('\u{3000}'..='\u{FFEF}').contains(&c))) {
        return Err(ZenginError::file(Problem::Unicode));
    }
    if starts(b"<") || starts(b"\"") || starts(b"1,") {
        return Err(ZenginError::file(Problem::NotFixed));
    }
    Ok(())
}

/// The one separator of the file, if any.
fn separator(body: &[u8]) -> Result<Option<&'static [u8]>, ZenginError> {
    let mut found: Option<&'static [u8]> = None;
    let mut i = 0;
    let mut record = 1;
    while let Some(offset) = body[i..].iter().position(|b| matches!(b, b'\r' | b'\n')) {
        let at = i + offset;
        let this: &'static [u8] = match (body[at], body.get(at + 1)) {
            (b'\r', Some(b'\n')) => b"\r\n",
            (b'\r', _) => b"\r",
            _ => b"\n",
        };
        if found.is_some_and(|f| f != this) {
            let place = Place { record, column: column(offset), field: "line-end", ja: "レコード区切り" };
            return Err(ZenginError { place: Some(place), problem: Problem::MixedSeparators });
        }
        found = Some(this);
        i = at + this.len();
        record += 1;
    }
    Ok(found)
}

fn column(offset: usize) -> u16 {
    u16::try_from(offset + 1).unwrap_or(u16::MAX)
}

fn split<'a>(body: &'a [u8], end: &[u8]) -> Vec<&'a [u8]> {
    // Only one kind of separator is left, so splitting at its last byte and dropping the rest of it is exact.
    let body = body.strip_suffix(end).unwrap_or(body);
    let last = end[end.len() - 1];
    body.split(|b| *b == last)
        .map(|piece| if end.len() == 2 { piece.strip_suffix(b"\r").unwrap_or(piece) } else { piece })
        .collect()
}

fn record(piece: &[u8], number: u32, pad: bool) -> Result<Record, ZenginError> {
    let at =
        |column: usize| Place { record: number, column: self::column(column), field: "record", ja: "レコード" };
    if piece.len() > RECORD || piece.is_empty() || (piece.len() < RECORD && !pad) {
        return Err(ZenginError { place: Some(at(piece.len().min(RECORD))), problem: Problem::RecordLength });
    }
    if let Some(column) = piece.iter().position(|b| *b < 0x20 || *b == 0x7F) {
        return Err(ZenginError { place: Some(at(column)), problem: Problem::ControlByte });
    }
    let mut bytes = Box::new([b' '; RECORD]);
    bytes[..piece.len()].copy_from_slice(piece);
    Ok(Record { number, bytes })
}
