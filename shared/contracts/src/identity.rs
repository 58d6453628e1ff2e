//! Identity verification (本人確認): the command it obeys and the facts it states.

use crate::{Capacity, CaseId, Channel, Code, Kind, StaffId, Track};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Command: find out whether this is the person, or somebody who may act for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyIdentity {
    /// The case.
    pub case: CaseId,
    /// What is asked.
    pub kind: Kind,
    /// The law.
    pub track: Track,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// The door.
    pub channel: Channel,
    /// When the request arrived: papers are judged by the rules of that day.
    pub received_at: Timestamp,
}

/// 確認: the person, or the capacity of whoever acts, is proved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityConfirmed {
    /// The case.
    pub case: CaseId,
    /// When.
    pub at: Timestamp,
    /// Who confirmed.
    pub by: StaffId,
    /// The rule of the document matrix (確認書類一覧) that the papers satisfied.
    pub rule: Code,
}

/// 不備: papers are missing or do not suffice; the person is asked to mend it (補正).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityDeficient {
    /// The case.
    pub case: CaseId,
    /// When.
    pub at: Timestamp,
    /// What is missing, as codes whose words are configuration.
    #[schemars(length(min = 1, max = 20))]
    pub reasons: Vec<Code>,
    /// Until when the mending is awaited.
    pub due_at: Timestamp,
}

/// 確認不能: it is not the person, or nobody who may act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityRejected {
    /// The case.
    pub case: CaseId,
    /// When.
    pub at: Timestamp,
    /// Why, as codes.
    #[schemars(length(min = 1, max = 20))]
    pub reasons: Vec<Code>,
}
