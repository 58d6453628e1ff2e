//! 本人確認: how a verification stands, what may happen to it, what did, and why not. Data only.

use contracts::{Capacity, Channel, Code, Kind, StaffId, Track};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most papers in one confirmation.
pub const PAPERS_MAX: usize = 10;
/// The most reasons in one request for completion or rejection.
pub const REASONS_MAX: usize = 20;
/// How often completion may be asked for: the procedure must not be an excessive burden (過重な負担, APPI art. 37(4)).
pub const COMPLETIONS_MAX: u8 = 10;

/// What the case asked to be verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What is asked.
    pub kind: Kind,
    /// The law.
    pub track: Track,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// The door.
    pub channel: Channel,
    /// Arrival: the matrix of that day holds.
    pub received_at: Timestamp,
}

/// How a verification stands. `last` is the greatest `sequence` of the case that it followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// Nothing asked yet.
    #[default]
    None,
    /// Waits for a member of staff to look at the papers.
    Pending {
        /// What is to be verified.
        ask: Ask,
        /// The case's sequence.
        last: i64,
    },
    /// 補正待ち: the person was asked to mend it.
    Deficient {
        /// What is to be verified.
        ask: Ask,
        /// The case's sequence.
        last: i64,
        /// What is missing.
        reasons: Vec<Code>,
        /// Until when the mending is awaited.
        due_at: Timestamp,
        /// That time has passed. Papers that come late still count until the case itself ends.
        overdue: bool,
        /// How often completion was asked for.
        asks: u8,
    },
    /// 確認済み.
    Confirmed {
        /// The case's sequence.
        last: i64,
        /// The rule that the papers satisfied.
        rule: Code,
        /// Who confirmed.
        by: StaffId,
        /// When.
        at: Timestamp,
    },
    /// 確認不能.
    Rejected {
        /// The case's sequence.
        last: i64,
        /// Why.
        reasons: Vec<Code>,
        /// Who rejected.
        by: StaffId,
        /// When.
        at: Timestamp,
    },
    /// The case ended.
    Closed {
        /// The case's sequence.
        last: i64,
        /// When.
        at: Timestamp,
    },
    /// The case's personal part is destroyed; nothing will happen here any more.
    Erased {
        /// When.
        at: Timestamp,
    },
}

/// What may happen to it.
#[derive(Clone, Debug)]
pub enum Input {
    /// The case's command.
    Verify {
        /// What.
        ask: Ask,
        /// The case's sequence.
        seq: i64,
    },
    /// Staff: the papers prove it.
    Confirm {
        /// The papers seen.
        papers: Vec<Code>,
        /// Who.
        by: StaffId,
        /// When.
        at: Timestamp,
    },
    /// Staff: papers are missing.
    AskForCompletion {
        /// What.
        reasons: Vec<Code>,
        /// Who.
        by: StaffId,
        /// When.
        at: Timestamp,
        /// Until when the mending is awaited ([`super::completion_due`]).
        due_at: Timestamp,
    },
    /// Staff: it is not the person, or nobody who may act.
    Reject {
        /// Why.
        reasons: Vec<Code>,
        /// Who.
        by: StaffId,
        /// When.
        at: Timestamp,
    },
    /// The case ended.
    CaseEnded {
        /// When.
        at: Timestamp,
        /// The case's sequence.
        seq: i64,
    },
    /// The case's personal part was destroyed.
    CaseErased {
        /// When.
        at: Timestamp,
    },
    /// A wake-up.
    Clock {
        /// The time.
        now: Timestamp,
    },
}

/// What did happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The case asked.
    Asked {
        /// What.
        ask: Ask,
        /// The case's sequence.
        seq: i64,
    },
    /// Confirmed. With the history row's time and cause this is the evidence ledger (確認記録).
    Confirmed {
        /// The papers seen.
        papers: Vec<Code>,
        /// The rule that they satisfied.
        rule: Code,
        /// The matrix's edition.
        edition: Code,
        /// Who.
        by: StaffId,
        /// When.
        at: Timestamp,
    },
    /// 補正依頼.
    CompletionAsked {
        /// What is missing.
        reasons: Vec<Code>,
        /// Who asked.
        by: StaffId,
        /// When.
        at: Timestamp,
        /// Until when.
        due_at: Timestamp,
    },
    /// The time for mending passed.
    CompletionOverdue {
        /// When it was noticed.
        at: Timestamp,
    },
    /// Rejected.
    Rejected {
        /// Why.
        reasons: Vec<Code>,
        /// Who.
        by: StaffId,
        /// When.
        at: Timestamp,
    },
    /// The case ended.
    Closed {
        /// When.
        at: Timestamp,
        /// The case's sequence.
        seq: i64,
    },
    /// Erased with the case.
    Erased {
        /// When.
        at: Timestamp,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The papers do not suffice; what is missing, at least one.
    Missing(Vec<Code>),
    /// A paper that is not accepted on the day of arrival.
    NotAccepted(Code),
    /// Nobody can act in this capacity on this track.
    NoRule,
    /// Not a code of the matrix.
    UnknownPaper,
    /// None, or more than [`PAPERS_MAX`].
    PaperCount,
    /// None, or more than [`REASONS_MAX`].
    ReasonCount,
    /// Completion was asked for [`COMPLETIONS_MAX`] times.
    TooManyCompletions,
    /// It is confirmed.
    AlreadyConfirmed,
    /// It is rejected.
    AlreadyRejected,
    /// The case ended.
    CaseEnded,
    /// The case is erased.
    CaseErased,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Self {
        // The words of the matrix are short enough for a prefix (a test holds it); the fallback says the same without the word.
        let named = |prefix: &str, word: &Self, fallback| format!("{prefix}-{word}").parse().unwrap_or(fallback);
        match why {
            Refusal::Missing(codes) => match codes.first() {
                Some(first) => named("missing", first, Self::of("papers-missing")),
                None => Self::of("papers-missing"),
            },
            Refusal::NotAccepted(paper) => named("not-accepted", &paper, Self::of("paper-not-accepted")),
            Refusal::NoRule => Self::of("capacity-not-on-this-track"),
            Refusal::UnknownPaper => Self::of("unknown-paper"),
            Refusal::PaperCount => Self::of("papers-1-to-10"),
            Refusal::ReasonCount => Self::of("reasons-1-to-20"),
            Refusal::TooManyCompletions => Self::of("too-many-completions"),
            Refusal::AlreadyConfirmed => Self::of("already-confirmed"),
            Refusal::AlreadyRejected => Self::of("already-rejected"),
            Refusal::CaseEnded => Self::of("case-ended"),
            Refusal::CaseErased => Self::of("case-erased"),
        }
    }
}
