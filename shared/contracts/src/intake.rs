//! What intake says: the case's commands stand with the service that obeys them; here are its facts.

use crate::{Capacity, CaseId, Channel, EndedAs, Kind, Language, ReceiptNumber, Step, Track};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 受付: a case exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseOpened {
    /// The case.
    pub case: CaseId,
    /// Its number for the person and for the telephone. Opens nothing by itself.
    pub receipt_number: ReceiptNumber,
    /// What is asked.
    pub kind: Kind,
    /// The law.
    pub track: Track,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// The door.
    pub channel: Channel,
    /// The person's language.
    pub language: Language,
    /// Arrival at the desk (民法97条: effective on arrival).
    pub received_at: Timestamp,
}

/// The case moved to another step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseProgressed {
    /// The case.
    pub case: CaseId,
    /// What it waits for now.
    pub step: Step,
    /// Since when.
    pub since: Timestamp,
    /// End of the service clock (処理期間); absent while it is paused (期間の停止).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// First instant at which a suit is open (APPI art. 39; never pauses); absent on kinds without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suit_from: Option<Timestamp>,
}

/// 終了: nothing more will be done unless the case is revived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseEnded {
    /// The case.
    pub case: CaseId,
    /// How.
    pub ended_as: EndedAs,
    /// When.
    pub at: Timestamp,
}

/// The personal part of a case was destroyed with its key (復元不可能な手段: Rules art. 6(iii)ニ).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseErased {
    /// The case.
    pub case: CaseId,
    /// When.
    pub at: Timestamp,
}
