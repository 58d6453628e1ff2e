//! Fulfilment: the search and the decision (決定).

use crate::{Capacity, CaseId, Code, DecisionOutcome, Kind, StaffId, Track};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Command: search, decide and prepare the answer. Identity is proved and the fee is paid where one is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrepareAnswer {
    /// The case.
    pub case: CaseId,
    /// What is asked.
    pub kind: Kind,
    /// The law.
    pub track: Track,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// When the request arrived.
    pub received_at: Timestamp,
}

/// 決定: how the request is answered, with its ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionMade {
    /// The case.
    pub case: CaseId,
    /// The answer.
    pub outcome: DecisionOutcome,
    /// The article it stands on, as a code (`appi-33-2`).
    pub ground: Code,
    /// Who decided.
    pub by: StaffId,
    /// When.
    pub at: Timestamp,
}
