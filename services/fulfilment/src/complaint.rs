//! 苦情処理記録: what the law wants written down of a complaint before it may be closed (430M60000582001 art. 25): its content, the cause that
//! was found, the measures and what was improved. Pure.

use contracts::Code;
use privacy::Personal;
use serde::{Deserialize, Serialize};

/// The most characters of each part: as many as the form takes.
pub const PART_MAX: usize = 2_000;

/// The three parts. Sealed with the decision, and kept three years whatever becomes of the case.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplaintRecord {
    /// 苦情の内容.
    pub content: String,
    /// 調査により判明した原因.
    pub cause: String,
    /// 措置及び改善の内容.
    pub measures: String,
}

impl ComplaintRecord {
    /// Looks whether it is complete.
    ///
    /// # Errors
    /// The reason of the refusal, and which part.
    pub fn check(&self) -> Result<(), (Code, Code)> {
        let parts = [
            (&self.content, Code::of("content")),
            (&self.cause, Code::of("cause")),
            (&self.measures, Code::of("measures")),
        ];
        for (text, part) in parts {
            match text.trim().chars().count() {
                0 => return Err((Code::of("complaint-record-incomplete"), part)),
                n if n > PART_MAX => return Err((Code::of("complaint-record-too-long"), part)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// As it came, opened.
///
/// # Errors
/// It is no such record; nothing of it is quoted.
pub fn read(opened: &Personal<Vec<u8>>) -> Result<Personal<ComplaintRecord>, (Code, Code)> {
    opened.json().map_err(|_| (Code::of("complaint-record-unreadable"), Code::of("complaint")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ComplaintRecord {
        let text = |s: &str| s.to_owned();
        ComplaintRecord { content: text("電話"), cause: text("回線"), measures: text("増やした") }
    }

    #[test]
    fn all_three_parts_are_there_or_it_says_which_is_not() {
        assert_eq!(record().check(), Ok(()));
        let blank = |change: fn(&mut ComplaintRecord)| {
            let mut record = record();
            change(&mut record);
            record.check().unwrap_err().1.to_string()
        };
        assert_eq!(blank(|r| r.content = " \n".into()), "content");
        assert_eq!(blank(|r| r.cause.clear()), "cause");
        assert_eq!(blank(|r| r.measures.clear()), "measures");
        let long = ComplaintRecord { cause: "あ".repeat(PART_MAX + 1), ..record() };
        assert_eq!(long.check().unwrap_err().0.as_str(), "complaint-record-too-long");
    }

    #[test]
    fn anything_else_is_no_record() {
        for other in [&b"{}"[..], b"[]", br#"{"content":"a","cause":"b","measures":"c","colour":"d"}"#] {
            assert!(read(&Personal::new(other.to_vec())).is_err());
        }
    }
}
