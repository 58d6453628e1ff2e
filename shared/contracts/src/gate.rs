//! 照合 (the gate) inside the house, and what staff do about it. Rows and filings travel sealed: they name people or hospitals.

use crate::{Code, Date, EntryId, Scope, Sealed};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `req.optout.gate`: may I use these people?
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckGate {
    /// Names the question; the additional data of the seal.
    pub question: Uuid,
    /// Who asks: a service.
    pub asker: Code,
    /// How the data flow (`hospital-supply`, `from-creator`, `to-creator`, `build`, `linking`, `use`).
    pub flow: Code,
    /// For which track.
    pub track: Scope,
    /// From whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Code>,
    /// The supplier states that everybody was notified through this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_through: Option<Date>,
    /// At most 100 rows, one JSON object per line, sealed to opt-out propagation.
    pub rows: Sealed,
}

/// The reply to [`CheckGate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateAnswers {
    /// As of which life of the register.
    pub epoch: i32,
    /// As of which position in it.
    pub position: i64,
    /// The version of the key rules.
    pub rules: Code,
    /// Nothing may be used, for this reason (`not-filed` …): then there are no answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Code>,
    /// One per row, in order.
    #[schemars(length(max = 100))]
    pub answers: Vec<GateAnswer>,
}

/// The answer about one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateAnswer {
    /// `no-match` (may be used), `exact`, `possible`, `bad`, `not-notified`, `notice-period-running`.
    pub answer: Code,
    /// What is wrong with a bad row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Code>,
    /// The entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The key that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Code>,
}

/// `req.optout.reviews`: possible matches that wait for two people.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListReviews {}

/// At most 200, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewList {
    /// The reviews.
    #[schemars(length(max = 200))]
    pub reviews: Vec<ReviewRow>,
}

/// One possible match.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewRow {
    /// The review.
    pub review: Uuid,
    /// The entry whose person it may be.
    pub entry: EntryId,
    /// The key that was found: why they match.
    pub key: Code,
    /// How the data flow.
    pub flow: Code,
    /// Who asked: a recipient's id or a service.
    pub asker: Code,
    /// Since when it waits.
    pub since: Timestamp,
    /// One person has looked already.
    pub looked: bool,
}

/// `req.optout.decide-review`: one of two people says whether the row is the entry's person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecideReview {
    /// The review.
    pub review: Uuid,
    /// It is the same person.
    pub same: bool,
}

/// `req.optout.keep-filing`: records what a hospital has filed for one track.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeepFiling {
    /// `gate::filing::Filing` as JSON, sealed to opt-out propagation; additional data = the order's token.
    pub filing: Sealed,
}

/// `req.optout.gate-incidents`: records that arrived although they are blocked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListGateIncidents {}

/// At most 200, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GateIncidentList {
    /// The incidents.
    #[schemars(length(max = 200))]
    pub incidents: Vec<GateIncident>,
}

/// One record that arrived although it is blocked (Act art. 56).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateIncident {
    /// The incident.
    pub incident: Uuid,
    /// How the data flowed.
    pub flow: Code,
    /// Who supplied, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Code>,
    /// The file.
    pub file: Code,
    /// Its line.
    pub line: i64,
    /// The entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// Who found it.
    pub asker: Code,
    /// When it was raised.
    pub at: Timestamp,
    /// It passed all the same: the article by which two people let it (Act art. 56, 法令に基づく場合).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<Code>,
}
