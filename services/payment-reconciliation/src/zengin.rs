//! 全銀協 record formats, 200 bytes: 振込入金通知 (type 01, layouts A and B) and 入出金取引明細 (type 03).
//!
//! JBA「AP-I-12 別冊」令和元年12月, §1 and §2, 付録1 (characters) and 付録3 (account kinds). Pure: bytes, a profile and the day of
//! arrival go in; a whole statement or one error comes out. Nothing of a file is used before all of it was understood
//! and its totals fit. Work is in bytes, field by field: one kana is one byte here and nowhere else.
//!
//! - [`framing`](self): bytes to records (CRLF, LF, CR or none; 0x1A at the end), encodings that must be refused.
//! - `field`: where a field lies, how digits and text are read, where an error lies.
//! - `day`: six digits without an era to a day, by the window of arrival.
//! - `deposit`, `transactions`: the two layouts.
//! - [`sample`]: makes such files, for the demonstration and for tests.

mod day;
mod deposit;
mod error;
mod field;
mod framing;
mod layout;
pub mod sample;
mod transactions;

pub use error::{Place, Problem, ZenginError};

use contracts::payment::Yen;
use jiff::civil::Date;
use privacy_seal::Personal;

/// The most bytes a file may have: 100,000 records with line ends.
pub const MAX_BYTES: usize = 20_200_000;
/// The most records a file may have.
pub const MAX_RECORDS: usize = 100_000;
/// Bytes of a record without its line end.
pub const RECORD: usize = 200;

/// Which layout a file has. The file itself does not say A or B; the account's profile does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Layout {
    /// 振込入金通知, format A: one amount field of ten digits.
    #[serde(rename = "01-a")]
    DepositsA,
    /// 振込入金通知, format B: a second amount field of twelve digits.
    #[serde(rename = "01-b")]
    DepositsB,
    /// 入出金取引明細 of ordinary, current and savings accounts.
    #[serde(rename = "03")]
    Transactions,
}

/// How the files of one bank account are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The layout; detection only contradicts it.
    pub layout: Layout,
    /// The bank writes western years (26) instead of era years (08).
    pub western_years: bool,
    /// The lenient mode for copies whose trailing spaces were stripped: short records are filled up with spaces.
    pub pad_short_records: bool,
    /// How many days before its arrival a file may speak of.
    pub oldest_days: u16,
}

impl Profile {
    /// The usual reading of a layout: era years, whole records, 400 days back.
    pub const fn of(layout: Layout) -> Self {
        Self { layout, western_years: false, pad_short_records: false, oldest_days: 400 }
    }
}

/// Text about a payer as the bank sent it, half-width, without the filling spaces. Personal: it never shows itself.
pub type PayerText = Personal<String>;

/// Our account that a group of lines is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// 銀行コード, four digits.
    pub bank: String,
    /// 支店コード, three digits.
    pub branch: String,
    /// 預金種目: 1 普通, 2 当座, 4 貯蓄.
    pub kind: u8,
    /// 口座番号 without leading zeros beyond seven digits.
    pub number: String,
}

/// Which way the money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// 入金
    In,
    /// 出金
    Out,
}

/// What a line means for an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// An ordinary line.
    Ordinary,
    /// 取消区分 1 (type 01): an earlier deposit is taken back.
    Cancellation,
    /// 取引区分 19 訂正 (type 03): the bank corrects an earlier line.
    Correction,
}

/// One line, 入出金明細.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Record number in the file, from 1.
    pub record: u32,
    /// 照会番号, digits as sent; not unique.
    pub inquiry: Option<String>,
    /// 勘定日: the bank's booking day.
    pub booked_on: Date,
    /// 起算日 (01) or 預入・払出日 (03): the value day.
    pub value_on: Date,
    /// In or out.
    pub direction: Direction,
    /// Always as sent, never negative.
    pub amount: Yen,
    /// うち他店券金額: the part that is a cheque not yet cleared.
    pub uncleared: Yen,
    /// Ordinary, cancellation or correction.
    pub sort: Sort,
    /// 取引区分 of type 03: 10 cash, 11 transfer, 12 other bank's cheque, 13 exchange, 14 transfer inside, 18 other, 19.
    pub transaction: Option<u8>,
    /// 振込依頼人コード, ten digits as sent; `None` when blank or all zeros.
    pub remitter_code: Option<String>,
    /// 振込依頼人名 (or 契約者番号).
    pub remitter: PayerText,
    /// 仕向銀行名.
    pub sending_bank: PayerText,
    /// 仕向店名.
    pub sending_branch: PayerText,
    /// EDI情報.
    pub edi: PayerText,
    /// 摘要内容 (03).
    pub summary: PayerText,
    /// Remitter code, name, bank and branch exactly as sent: part of the key by which overlapping files are recognised.
    pub party: Personal<Vec<u8>>,
}

impl Line {
    /// The day on which the payer has paid: the value day if it is earlier, else the booking day.
    pub fn paid_on(&self) -> Date {
        self.value_on.min(self.booked_on)
    }
}

/// Header to trailer: the lines of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whose lines.
    pub account: Account,
    /// 作成日
    pub made_on: Date,
    /// 勘定日 (自)
    pub from: Date,
    /// 勘定日 (至)
    pub to: Date,
    /// 取引前残高, negative when overdrawn (03 only, optional).
    pub opening: Option<i64>,
    /// 取引後残高.
    pub closing: Option<i64>,
    /// In file order; may be empty.
    pub lines: Vec<Line>,
}

/// A character outside the set that the format allows (付録1). Banks do send them; the file is taken all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
}

/// A whole file, understood and with fitting totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The layout it was read as.
    pub layout: Layout,
    /// One per account.
    pub groups: Vec<Group>,
    /// At most 100.
    pub warnings: Vec<Warning>,
}

impl Statement {
    /// How many lines all groups have.
    pub fn line_count(&self) -> usize {
        self.groups.iter().map(|g| g.lines.len()).sum()
    }
}

/// Reads a whole file that arrived on `arrival`.
///
/// `Err` names the record, the column, the field and the remedy, and quotes nothing of the file.
pub fn parse(bytes: &[u8], profile: &Profile, arrival: Date) -> Result<Statement, ZenginError> {
    let records = framing::records(bytes, profile.pad_short_records)?;
    let days = day::Window { arrival, oldest_days: profile.oldest_days, western_years: profile.western_years };
    let (groups, warnings) = layout::walk(&records, profile.layout, &days)?;
    Ok(Statement { layout: profile.layout, groups, warnings })
}

#[cfg(test)]
mod tests;
