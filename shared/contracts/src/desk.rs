//! What the person sees of a case on the status page: no name, no address, only how the request stands.

use crate::{
    Code, DecisionOutcome, EndedAs, Kind, ReceiptNumber, Step,
    payment::{PaymentReference, Yen},
};
use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a request stands; written by intake with every step, sealed to the person's code, opened by the door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// 受付番号.
    pub receipt_number: ReceiptNumber,
    /// What was asked.
    pub kind: Kind,
    /// Arrival at the desk.
    pub received_at: Timestamp,
    /// What it waits for.
    pub step: Step,
    /// Since when.
    pub since: Timestamp,
    /// The fee that is asked for or paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<FeeView>,
    /// What is missing (不備), as codes whose words are configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub missing: Vec<Code>,
    /// A block holds since (stops only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_since: Option<Timestamp>,
    /// How many recipients were instructed and how many have reported (stops only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<RecipientsView>,
    /// 三つの回答: stopped, erased, could not be reached and why, once every recipient has reported (stops only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub answer: Vec<crate::opt_out::AnswerPart>,
    /// The decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// First day on which a suit is open (APPI art. 39), where the kind has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suit_from: Option<Date>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_as: Option<EndedAs>,
}

/// 手数料.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeeView {
    /// How much.
    pub amount: Yen,
    /// What to put before the remitter's name.
    pub reference: PaymentReference,
    /// Last day.
    pub due_on: Date,
    /// Paid.
    pub paid: bool,
}

/// 通知先の数.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecipientsView {
    /// Instructed.
    pub instructed: u32,
    /// Reported and verified.
    pub reported: u32,
}

/// 決定.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionView {
    /// The answer.
    pub outcome: DecisionOutcome,
    /// The article.
    pub ground: Code,
    /// When.
    pub at: Timestamp,
}
