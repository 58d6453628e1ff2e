//! The example recipient's journal: a file of JSON lines, synced before anything is acknowledged.
//!
//! Two kinds of lines: an instruction's bytes as received (identifiers stay sealed in them), and a signed report with
//! the fact that it was answered. A line that a crash cut off at the end is thrown away; damage anywhere else stops the start.

use contracts::{InstructionId, Sealed, recipient::SignedReport};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::Path,
};

/// The longest line, in bytes: an instruction in base64 and some.
const LINE_MAX: usize = 256 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// An instruction was taken.
    Taken {
        /// Its bytes as received.
        bytes: Sealed,
    },
    /// A report was signed; it is sent until answered.
    Signed {
        /// About which instruction.
        instruction: InstructionId,
        /// The report.
        report: SignedReport,
    },
    /// The desk has answered the oldest open report of this instruction.
    Answered {
        /// About which instruction.
        instruction: InstructionId,
    },
}

/// A journal, or none (everything in memory, for benchmarks).
pub struct Journal(Option<File>);

impl Journal {
    /// No file.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Opens or makes the file and reads what is in it.
    ///
    /// # Errors
    /// The file cannot be read or made, or a line that is not the last is damaged.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Line>)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut lines = Vec::new();
        let mut good = 0u64;
        let mut reader = BufReader::new(&file);
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = io::Read::take(&mut reader, LINE_MAX as u64).read_until(b'\n', &mut text)?;
            if read == 0 {
                break;
            }
            if text.last() != Some(&b'\n') {
                // Cut off by a crash: it was never acknowledged, so it will come again.
                break;
            }
            match serde_json::from_slice(&text) {
                Ok(line) => lines.push(line),
                Err(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("journal line {} is damaged; restore the file from its backup", lines.len() + 1),
                    ));
                }
            }
            good += read as u64;
        }
        file.set_len(good)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self(Some(file)), lines))
    }

    /// Appends lines and syncs them.
    ///
    /// # Errors
    /// The disk refuses; nothing may be acknowledged then.
    pub fn append(&mut self, lines: &[Line]) -> io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn line(n: u8) -> Line {
        Line::Taken { bytes: Sealed(vec![n; 3]) }
    }

    #[test]
    fn survives_a_restart_and_a_cut_off_line_and_refuses_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, lines) = Journal::open(&path).unwrap();
        assert!(lines.is_empty());
        let answered = Line::Answered { instruction: InstructionId(Uuid::from_u128(1)) };
        journal.append(&[line(1), answered.clone()]).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let mut cut = whole.clone();
        cut.extend_from_slice(b"{\"line\":\"tak");
        std::fs::write(&path, &cut).unwrap();
        let (mut journal, lines) = Journal::open(&path).unwrap();
        assert_eq!(lines, [line(1), answered.clone()]);
        journal.append(&[line(2)]).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1, [line(1), answered, line(2)]);
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[5] = 0;
        std::fs::write(&path, damaged).unwrap();
        assert!(Journal::open(&path).err().unwrap().to_string().contains("line 1"));
    }
}
