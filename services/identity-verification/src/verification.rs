//! 本人確認: the machine of one verification. Pure: no I/O, no clock, no randomness; its id is the case's.
//!
//! The case asks (`VerifyIdentity`), a member of staff looks at the papers and confirms, asks for completion or rejects.
//! Commands and facts of the case carry the case machine's `sequence`: a late end of an earlier life of a revived case
//! does not close the verification that the revived case asked for, and a late command does not open an ended one.

use crate::documents::{Judgement, Matrix};
use calendar::jst_date;
use chassis::machine::{Machine, Verdict};
use contracts::{
    Capacity, CaseId, Channel, Code, Kind, Message, Service, StaffId, Track,
    identity::{IdentityConfirmed, IdentityDeficient, IdentityRejected},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
        /// Until when the mending is awaited ([`completion_due`]).
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

type Said = Verdict<Event, Refusal>;

/// The machine.
pub struct Verification;

impl Machine for Verification {
    const KIND: &'static str = "verification";
    const SERVICE: Service = Service::Identity;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Said {
        match input {
            Input::Verify { ask, seq } => asked(state, ask, *seq),
            Input::CaseEnded { at, seq } => ended(state, *at, *seq),
            Input::CaseErased { at } => match state {
                State::Erased { .. } => Verdict::Already,
                _ => one(Event::Erased { at: *at }),
            },
            Input::Clock { now } => match state {
                State::Deficient { due_at, overdue: false, .. } if due_at <= now => {
                    one(Event::CompletionOverdue { at: *now })
                }
                _ => Verdict::Already,
            },
            Input::Confirm { papers, by, at } => match open(state) {
                Open::Ask(ask) => confirm(ask, papers, *by, *at),
                Open::Confirmed => Verdict::Already,
                Open::Not(verdict) => verdict,
            },
            Input::AskForCompletion { reasons, by, at, due_at } => match open(state) {
                Open::Ask(_) if !(1..=REASONS_MAX).contains(&reasons.len()) => Verdict::Refused(Refusal::ReasonCount),
                Open::Ask(_) if asks(state) >= COMPLETIONS_MAX => Verdict::Refused(Refusal::TooManyCompletions),
                Open::Ask(_) => {
                    one(Event::CompletionAsked { reasons: reasons.clone(), by: *by, at: *at, due_at: *due_at })
                }
                Open::Confirmed => Verdict::Refused(Refusal::AlreadyConfirmed),
                Open::Not(verdict) => verdict,
            },
            Input::Reject { reasons, by, at } => match open(state) {
                Open::Ask(_) if !(1..=REASONS_MAX).contains(&reasons.len()) => Verdict::Refused(Refusal::ReasonCount),
                Open::Ask(_) => one(Event::Rejected { reasons: reasons.clone(), by: *by, at: *at }),
                Open::Confirmed => Verdict::Refused(Refusal::AlreadyConfirmed),
                Open::Not(Verdict::Refused(Refusal::AlreadyRejected)) => Verdict::Already,
                Open::Not(verdict) => verdict,
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event.clone() {
            Event::Asked { ask, seq } => State::Pending { ask, last: seq },
            Event::Confirmed { rule, by, at, .. } => State::Confirmed { last: last(&state), rule, by, at },
            Event::CompletionAsked { reasons, due_at, .. } => {
                let (last, asks) = (last(&state), asks(&state).saturating_add(1));
                match state {
                    State::Pending { ask, .. } | State::Deficient { ask, .. } => {
                        State::Deficient { ask, last, reasons, due_at, overdue: false, asks }
                    }
                    other => other,
                }
            }
            Event::CompletionOverdue { .. } => match state {
                State::Deficient { ask, last, reasons, due_at, asks, .. } => {
                    State::Deficient { ask, last, reasons, due_at, overdue: true, asks }
                }
                other => other,
            },
            Event::Rejected { reasons, by, at } => State::Rejected { last: last(&state), reasons, by, at },
            Event::Closed { at, seq } => State::Closed { last: seq, at },
            Event::Erased { at } => State::Erased { at },
        }
    }

    fn announce(id: Uuid, _after: &State, event: &Event) -> Vec<Message> {
        let case = CaseId(id);
        match event.clone() {
            Event::Confirmed { rule, by, at, .. } => vec![IdentityConfirmed { case, at, by, rule }.into()],
            Event::CompletionAsked { reasons, at, due_at, .. } => {
                vec![IdentityDeficient { case, at, reasons, due_at }.into()]
            }
            Event::Rejected { reasons, at, .. } => vec![IdentityRejected { case, at, reasons }.into()],
            Event::Asked { .. } | Event::CompletionOverdue { .. } | Event::Closed { .. } | Event::Erased { .. } => {
                vec![]
            }
        }
    }

    fn wake(state: &State) -> Option<Timestamp> {
        match state {
            State::Deficient { due_at, overdue: false, .. } => Some(*due_at),
            _ => None,
        }
    }

    fn clock(now: Timestamp) -> Input {
        Input::Clock { now }
    }

    fn status(state: &State) -> Code {
        match state {
            State::None => Code::of("none"),
            State::Pending { .. } => Code::of("pending"),
            State::Deficient { overdue: false, .. } => Code::of("deficient"),
            State::Deficient { overdue: true, .. } => Code::of("deficient-overdue"),
            State::Confirmed { .. } => Code::of("confirmed"),
            State::Rejected { .. } => Code::of("rejected"),
            State::Closed { .. } => Code::of("closed"),
            State::Erased { .. } => Code::of("erased"),
        }
    }
}

/// Until when the mending is awaited: `days` after the day on which it is asked for (初日不算入, 民法140条), to the end of
/// that day in Japan, or of the counter's next open day. The number of days is the operator's own (UNVERIFIED).
pub fn completion_due(at: Timestamp, days: u16) -> Timestamp {
    let rule = calendar::Rule::new("operator's procedure: 補正の期間", calendar::Counting::From, calendar::Span::Days(days))
        .or_next_open(calendar::Schedule::Office);
    calendar::end_of(calendar::last_day(jst_date(at), &rule, calendar::Calendar::embedded()))
}

enum Open<'s> {
    Ask(&'s Ask),
    Confirmed,
    Not(Said),
}

/// Whether a member of staff can act on it.
fn open(state: &State) -> Open<'_> {
    match state {
        State::None => Open::Not(Verdict::TooEarly),
        State::Pending { ask, .. } | State::Deficient { ask, .. } => Open::Ask(ask),
        State::Confirmed { .. } => Open::Confirmed,
        State::Rejected { .. } => Open::Not(Verdict::Refused(Refusal::AlreadyRejected)),
        State::Closed { .. } => Open::Not(Verdict::Refused(Refusal::CaseEnded)),
        State::Erased { .. } => Open::Not(Verdict::Refused(Refusal::CaseErased)),
    }
}

fn one(event: Event) -> Said {
    Verdict::Events(vec![event])
}

fn asked(state: &State, ask: &Ask, seq: i64) -> Said {
    match state {
        State::Erased { .. } => Verdict::Already,
        State::None => one(Event::Asked { ask: ask.clone(), seq }),
        _ if seq > last(state) => one(Event::Asked { ask: ask.clone(), seq }),
        _ => Verdict::Already,
    }
}

fn ended(state: &State, at: Timestamp, seq: i64) -> Said {
    match state {
        State::Erased { .. } => Verdict::Already,
        State::None => one(Event::Closed { at, seq }),
        _ if seq > last(state) => one(Event::Closed { at, seq }),
        _ => Verdict::Already,
    }
}

fn confirm(ask: &Ask, papers: &[Code], by: StaffId, at: Timestamp) -> Said {
    if !(1..=PAPERS_MAX).contains(&papers.len()) {
        return Verdict::Refused(Refusal::PaperCount);
    }
    let matrix = Matrix::embedded();
    match matrix.suffices(papers, ask.capacity, ask.track, jst_date(ask.received_at)) {
        Judgement::Sufficient { rule } => {
            one(Event::Confirmed { papers: papers.to_vec(), rule, edition: matrix.edition().clone(), by, at })
        }
        Judgement::Missing { codes, not_accepted } => Verdict::Refused(match not_accepted.into_iter().next() {
            Some(paper) => Refusal::NotAccepted(paper),
            None => Refusal::Missing(codes),
        }),
        Judgement::UnknownPaper(_) => Verdict::Refused(Refusal::UnknownPaper),
        Judgement::NoRule => Verdict::Refused(Refusal::NoRule),
    }
}

fn last(state: &State) -> i64 {
    match state {
        State::None | State::Erased { .. } => 0,
        State::Pending { last, .. }
        | State::Deficient { last, .. }
        | State::Confirmed { last, .. }
        | State::Rejected { last, .. }
        | State::Closed { last, .. } => *last,
    }
}

fn asks(state: &State) -> u8 {
    match state {
        State::Deficient { asks, .. } => *asks,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
