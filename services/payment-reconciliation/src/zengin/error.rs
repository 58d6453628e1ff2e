//! What can be wrong with a bank file: each problem with its code for pages, its place and its remedy.

use contracts::Code;
use std::fmt;

/// Where in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Record, from 1; in a file with line ends the same as the line.
    pub record: u32,
    /// Byte within the record, from 1.
    pub column: u16,
    /// The field's name as a code.
    pub field: &'static str,
    /// The field's name at the bank.
    pub ja: &'static str,
}

impl Place {
    /// `record-3-column-20-amount`.
    pub fn code(&self) -> Code {
        let text = format!("record-{}-column-{}-{}", self.record, self.column, self.field);
        // Field names are short lower-case words of this crate; a test makes a code of each.
        text.parse().unwrap_or(const { Code::of("record") })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}, column {}, {} ({})", self.record, self.column, self.field, self.ja)
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident $code:literal $text:literal,)*) => {
        /// What is wrong. `Display` says it with its remedy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Problem { $($(#[$doc])* $name,)* }
        impl Problem {
            /// Every problem, for the words on the console's pages.
            pub const ALL: &[Problem] = &[$(Problem::$name,)*];
            /// The code that stands in answers to the console.
            pub const fn code(self) -> Code {
                match self { $(Problem::$name => const { Code::of($code) },)* }
            }
        }
        impl fmt::Display for Problem {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Problem::$name => $text,)* })
            }
        }
    };
}

problems! {
    /// Nothing in it.
    Empty "file-empty" "the file is empty: fetch it again",
    /// Over the limit.
    TooLarge "file-too-large" "over 100,000 records or 20 MB: ask the bank for a shorter period",
    /// BOM or UTF-8 kana.
    Unicode "file-unicode" "the file was converted to Unicode, which moves every field: fetch the bank's original bytes",
    /// First byte 0xF1 or コード区分 1.
    Ebcdic "file-ebcdic" "the file is EBCDIC: ask the bank for code 0 (JIS)",
    /// XML of ZEDI, or a CSV.
    NotFixed "file-not-fixed-length" "this is no fixed-length Zengin file (it starts like XML or CSV): choose the profile of that format",
    /// Two kinds of line end.
    MixedSeparators "file-mixed-line-ends" "the file mixes kinds of line ends, so it was edited: fetch the bank's original",
    /// Not 200 bytes.
    RecordLength "record-length" "a record is not 200 bytes: fetch the original, or use a profile with pad_short_records if the bank strips trailing spaces",
    /// A control character within a record.
    ControlByte "control-byte" "a control character stands inside a record: the file is damaged, fetch it again",
    /// A record that may not stand here.
    OutOfOrder "record-out-of-order" "records must come as header 1, data 2, trailer 8 for each account and one end 9: the file is cut or joined wrongly",
    /// No end record.
    NoEnd "record-no-end" "the end record (9) is missing: the file is cut, fetch it again",
    /// 種別 is another.
    OtherType "other-type" "the header's type is not the one of the profile: choose the profile of this account",
    /// Looks like the other variant of type 01.
    OtherVariant "other-variant" "the profile says format A and the records are format B, or the reverse (bytes 149 to 152): choose the other profile",
    /// 預金種目 5, 6, 7 or unknown.
    AccountKind "account-kind" "only ordinary (1), current (2) and savings (4) accounts can be read; time deposits have another layout",
    /// Blank where there must be something.
    Blank "blank" "a required field is blank: ask the bank for the file again",
    /// Something else than digits.
    NotDigits "not-digits" "only digits may stand here: the record is damaged or of another layout",
    /// A code that is not on the list.
    UnknownValue "unknown-value" "a value that the format does not know",
    /// No such day.
    NoSuchDay "no-such-day" "no day of any era fits these six digits",
    /// Outside the window of arrival.
    DayOutOfWindow "day-out-of-window" "no reading of this date lies near the file's arrival: check the file's age, or use a profile with a larger oldest_days or with western_years",
    /// Not between 自 and 至.
    DayOutOfRange "day-out-of-range" "the date is outside the period that the header states",
    /// Both amounts of format B.
    TwoAmounts "two-amounts" "both amount fields of format B are used: only one may be",
    /// More uncleared than all.
    UnclearedOver "uncleared-over-amount" "the other bank's cheque is larger than the amount",
    /// Trailer count.
    CountMismatch "count-mismatch" "the trailer's count is not the number of records: the file is incomplete, fetch it again",
    /// Trailer sum.
    SumMismatch "sum-mismatch" "the trailer's total is not the sum of the records: the file is incomplete or altered, fetch it again",
    /// Opening + in - out.
    BalanceMismatch "balance-mismatch" "opening balance plus deposits minus withdrawals is not the closing balance: fetch the file again",
}

/// A problem at its place; without a place it is about the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZenginError {
    /// Where.
    pub place: Option<Place>,
    /// What.
    pub problem: Problem,
}

impl ZenginError {
    pub(crate) const fn file(problem: Problem) -> Self {
        Self { place: None, problem }
    }
}

impl fmt::Display for ZenginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.problem),
            None => fmt::Display::fmt(&self.problem, f),
        }
    }
}

impl std::error::Error for ZenginError {}
