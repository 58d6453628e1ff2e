//! What staff see of the gate (照合): one possible match with both people's values, the filings, and what was checked. Values
//! of people travel sealed to the console.

use crate::{Code, Date, EntryId, Scope, Sealed, StaffId, gate::ReviewRow};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `req.optout.review`: the values of one possible match. The console has written down who looks before it asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowReview {
    /// The review.
    pub review: Uuid,
    /// Who looks.
    pub staff: StaffId,
    /// The console's row of who looked.
    pub cause: Uuid,
}

/// The answer to [`ShowReview`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ReviewReply {
    /// Here it is.
    Found(Box<ReviewDetail>),
    /// No such review, or it is decided.
    Unknown,
    /// The values do not open (the entry's key was destroyed, or the key file is another one).
    Unreadable,
}

/// One possible match.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewDetail {
    /// As in the list.
    pub row: ReviewRow,
    /// What the first of two people said, where there is one.
    #[serde(default)]
    pub first: Option<(StaffId, bool)>,
    /// The row's folded values as a JSON object, sealed to the console; additional data = the review's id.
    pub found: Sealed,
    /// The entry's identifiers as a JSON object, sealed to the console; additional data = the review's id.
    pub stopped: Sealed,
}

/// `req.optout.filings`: what hospitals have filed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListFilings {}

/// At most 500, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FilingList {
    /// The filings.
    #[schemars(length(max = 500))]
    pub filings: Vec<FilingRow>,
}

/// 届出: one filing for one track. The hospital by its code; its name stays in the register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FilingRow {
    /// The hospital.
    pub supplier: Code,
    /// The track.
    pub track: Scope,
    /// The number of the filing.
    pub number: Code,
    /// Filed with the ministers.
    pub filed_on: Date,
    /// Published by them.
    #[serde(default)]
    pub published_on: Option<Date>,
    /// Planned start.
    pub starts_on: Date,
    /// Days that a person has after the notice.
    pub notice_days: u16,
    /// The last day of supply.
    #[serde(default)]
    pub ended_on: Option<Date>,
    /// Recorded here.
    pub at: Timestamp,
}

/// `req.optout.gate-runs`: what was checked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListGateRuns {}

/// At most 200, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GateRunList {
    /// The runs.
    #[schemars(length(max = 200))]
    pub runs: Vec<GateRunRow>,
}

/// One check that left something behind (Act art. 55).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateRunRow {
    /// The run.
    pub run: Uuid,
    /// Who asked: a recipient's id or a service.
    pub asker: Code,
    /// How the data flow.
    pub flow: Code,
    /// For which track.
    pub track: Scope,
    /// From whom.
    #[serde(default)]
    pub supplier: Option<Code>,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// As of which position.
    pub position: i64,
    /// `complete`, or why not; none: it runs, or its process died.
    #[serde(default)]
    pub outcome: Option<Code>,
    /// All rows, may be used, stopped, held back, bad, not notified or filed.
    #[serde(default)]
    pub counts: Option<[u64; 6]>,
    /// The first rows that did not pass: line, answer, entry.
    #[schemars(length(max = 20))]
    pub findings: Vec<(i64, Code, Option<EntryId>)>,
}
