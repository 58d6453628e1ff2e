//! [`Splitter`]: cuts a stream into records without taking more of it into memory than one chunk and one record.
//!
//! A CSV record may hold line breaks inside quotes. A quote that never closes would swallow the rest of the file: a record over
//! the limit gives up its first line as bad, and reading goes on at the next.

use crate::{filter::Format, part::Bad};

/// One record of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it begins in the chunk.
    pub start: usize,
    /// Where it ends, its line end included.
    pub end: usize,
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// Already known to be of no use.
    pub bad: Option<Bad>,
}

/// Whole records.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The records, in order.
    pub rows: Vec<Row>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    FieldStart,
    Bare,
    Quoted,
    AfterQuote,
}

/// Cuts.
pub struct Splitter {
    csv: bool,
    max: usize,
    chunk: Chunk,
    pos: usize,
    start: usize,
    line: u64,
    start_line: u64,
    /// First line end of the record in work: where it is cut if its quote never closes.
    first_end: Option<usize>,
    at: At,
    dropping: bool,
}

impl Splitter {
    /// Records of at most `max` bytes.
    pub fn new(format: Format, max: usize) -> Self {
        Self {
            csv: format == Format::Csv,
            max: max.max(1),
            chunk: Chunk::default(),
            pos: 0,
            start: 0,
            line: 1,
            start_line: 1,
            first_end: None,
            at: At::FieldStart,
            dropping: false,
        }
    }

    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.chunk.bytes.extend_from_slice(bytes);
        self.scan();
    }

    /// Whole records, if there are at least `least` bytes of them (0: any).
    pub fn take(&mut self, least: usize) -> Option<Chunk> {
        if self.chunk.rows.is_empty() || self.start < least {
            return None;
        }
        let rest = self.chunk.bytes.split_off(self.start);
        let taken = std::mem::replace(&mut self.chunk, Chunk { bytes: rest, rows: Vec::new() });
        self.pos -= self.start;
        self.first_end = self.first_end.map(|n| n - self.start);
        self.start = 0;
        Some(taken)
    }

    /// The end of the file: what is left.
    pub fn finish(mut self) -> Option<Chunk> {
        loop {
            if self.dropping {
                self.dropped(self.chunk.bytes.len());
                break;
            }
            if self.start == self.chunk.bytes.len() {
                break;
            }
            if self.csv && self.at == At::Quoted {
                match self.first_end {
                    Some(end) => {
                        self.cut_short(end);
                        self.scan();
                        continue;
                    }
                    None => self.close(self.chunk.bytes.len(), Some(Bad::QuoteNotClosed)),
                }
            } else {
                self.close(self.chunk.bytes.len(), None);
            }
        }
        self.take(0)
    }

    fn scan(&mut self) {
        while self.pos < self.chunk.bytes.len() {
            if self.dropping {
                let rest = &self.chunk.bytes[self.pos..];
                match rest.iter().position(|b| *b == b'\n') {
                    Some(n) => {
                        self.dropped(self.pos + n + 1);
                        self.line += 1;
                        self.start_line = self.line;
                    }
                    None => {
                        self.chunk.bytes.truncate(self.start);
                        self.pos = self.start;
                    }
                }
                continue;
            }
            let byte = self.chunk.bytes[self.pos];
            self.pos += 1;
            if byte == b'\n' {
                self.line += 1;
                if self.csv && self.at == At::Quoted {
                    self.first_end.get_or_insert(self.pos);
                } else {
                    self.close(self.pos, None);
                    continue;
                }
            } else if self.csv {
                self.at = step(self.at, byte);
            }
            if self.pos - self.start > self.max {
                self.over();
            }
        }
    }

    fn over(&mut self) {
        match self.first_end {
            Some(end) => self.cut_short(end),
            None => {
                self.chunk.bytes.drain(self.start..self.pos);
                self.pos = self.start;
                self.dropping = true;
            }
        }
    }

    /// The record's first line is bad; reading goes on at its second.
    fn cut_short(&mut self, end: usize) {
        let line = self.start_line;
        self.close(end, Some(Bad::QuoteNotClosed));
        (self.pos, self.line, self.start_line) = (end, line + 1, line + 1);
    }

    fn dropped(&mut self, end: usize) {
        self.chunk.bytes.drain(self.start..end);
        self.pos = self.start;
        self.close(self.start, Some(Bad::TooLong));
        self.dropping = false;
    }

    fn close(&mut self, end: usize, bad: Option<Bad>) {
        self.chunk.rows.push(Row { start: self.start, end, line: self.start_line, bad });
        (self.start, self.start_line, self.first_end, self.at) = (end, self.line, None, At::FieldStart);
    }
}

const fn step(at: At, byte: u8) -> At {
    match (at, byte) {
        (At::FieldStart, b'"') | (At::AfterQuote, b'"') => At::Quoted,
        (At::Quoted, b'"') => At::AfterQuote,
        (At::Quoted, _) => At::Quoted,
        (_, b',') => At::FieldStart,
        // Text after a closing quote: the record ends with its line, and is refused when it is read.
        _ => At::Bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str, max: usize, at: usize) -> Vec<(String, u64, Option<Bad>)> {
        let mut splitter = Splitter::new(Format::Csv, max);
        let mut out = vec![];
        let mut keep = |chunk: Option<Chunk>| {
            for row in chunk.iter().flat_map(|c| c.rows.iter().map(move |r| (c, r))) {
                let (chunk, row) = row;
                out.push((String::from_utf8_lossy(&chunk.bytes[row.start..row.end]).into_owned(), row.line, row.bad));
            }
        };
        for piece in text.as_bytes().chunks(at.max(1)) {
            splitter.feed(piece);
            keep(splitter.take(7));
        }
        keep(splitter.finish());
        out
    }

    #[test]
    fn records_lines_and_what_is_wrong_with_them() {
        let text = "a,b\r\n\"x\ny\",2\nlast,1";
        for at in 1..text.len() {
            let rows = cut(text, 100, at);
            assert_eq!(
                rows,
                [("a,b\r\n".into(), 1, None), ("\"x\ny\",2\n".into(), 2, None), ("last,1".into(), 4, None)]
            );
        }
        // A quote that never closes costs one line, not the file.
        let text = "1,\"oops\n2,b\n3,c\n4,d\n";
        for at in 1..text.len() {
            let rows: Vec<_> = cut(text, 14, at).into_iter().map(|(_, line, bad)| (line, bad)).collect();
            assert_eq!(rows, [(1, Some(Bad::QuoteNotClosed)), (2, None), (3, None), (4, None)], "{at}");
        }
        let rows = cut(&format!("a\n{}\nb\n", "x".repeat(500)), 64, 10);
        assert_eq!(rows, [("a\n".into(), 1, None), (String::new(), 2, Some(Bad::TooLong)), ("b\n".into(), 3, None)]);
        assert_eq!(cut(&"x".repeat(500), 64, 10), [(String::new(), 1, Some(Bad::TooLong))]);
        assert_eq!(cut("", 64, 10), []);
    }

    proptest! {
        /// However the stream is cut, the records are the same, and no line is lost.
        #[test]
        fn pieces_do_not_matter(text in "[a,\"\n\r]{0,60}", at in 1usize..20) {
            let whole = cut(&text, 16, 1000);
            prop_assert_eq!(&whole, &cut(&text, 16, at));
            prop_assert!(whole.windows(2).all(|w| w[0].1 < w[1].1), "{:?}", whole);
        }
    }
}
