//! Payment reconciliation (消込): the command it obeys and the facts it states. Money is integer yen.

use crate::{BankLineId, CaseId, ChargeId, Code, Kind, StatementId};
use jiff::{Timestamp, civil::Date};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;

/// Yen, never a fraction. At most 10^12 (the widest amount field of the Zengin records).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Yen(pub i64);

/// 振込番号: at most ten digits that the payer puts before the name; the last one is a check digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PaymentReference(Box<str>);

impl PaymentReference {
    /// `None` unless it is 2 to 10 digits. Whether the check digit fits is payment's own rule.
    pub fn new(digits: &str) -> Option<Self> {
        ((2..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())).then(|| Self(digits.into()))
    }
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl<'de> Deserialize<'de> for PaymentReference {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(&Cow::<'de, str>::deserialize(d)?).ok_or_else(|| de::Error::custom("not 2 to 10 digits"))
    }
}
impl JsonSchema for PaymentReference {
    fn schema_name() -> Cow<'static, str> {
        "PaymentReference".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{2,10}$"})
    }
}

/// Command: ask for the fee that this request costs, in advance (前納).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestFee {
    /// The case.
    pub case: CaseId,
    /// The charge, named by the case.
    pub charge: ChargeId,
    /// The kind decides the amount in the dated fee table.
    pub kind: Kind,
    /// When the request arrived: the fee table of that day holds.
    pub received_at: Timestamp,
}

/// 手数料の請求: the person was asked for money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeeRequested {
    /// The case.
    pub case: CaseId,
    /// The charge.
    pub charge: ChargeId,
    /// What to put before the remitter's name.
    pub reference: PaymentReference,
    /// How much.
    pub amount: Yen,
    /// Last day, a bank business day.
    pub due_on: Date,
    /// When it was asked.
    pub at: Timestamp,
}

/// 入金・充当: the charge is paid in full and posted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeePaid {
    /// The case.
    pub case: CaseId,
    /// The charge.
    pub charge: ChargeId,
    /// How much.
    pub amount: Yen,
    /// The bank's value date (起算日 or 勘定日).
    pub paid_on: Date,
    /// The line that paid it.
    pub line: BankLineId,
    /// When it was matched here.
    pub at: Timestamp,
}

/// The time to pay ran out and the statement that covers the last day is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChargeExpired {
    /// The case.
    pub case: CaseId,
    /// The charge.
    pub charge: ChargeId,
    /// When.
    pub at: Timestamp,
}

/// A bank statement was taken in whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatementImported {
    /// The statement.
    pub statement: StatementId,
    /// Lines in it.
    pub lines: u32,
    /// Lines that paid a charge with certainty.
    pub matched: u32,
    /// Lines that need a person (例外).
    pub exceptions: u32,
    /// When.
    pub at: Timestamp,
}

/// A line that could not be matched with certainty waits in suspense (仮受金) for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LineUnmatched {
    /// The statement.
    pub statement: StatementId,
    /// The line.
    pub line: BankLineId,
    /// Why.
    pub reason: Code,
    /// How much.
    pub amount: Yen,
    /// When.
    pub at: Timestamp,
}
