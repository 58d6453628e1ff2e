//! 検索・決定: the machine of one answer. Pure; its id is the case's.
//!
//! The case asks (`PrepareAnswer`), a member of staff decides with a ground, the case ends. As everywhere, what the case
//! says is ordered by the case machine's `sequence`, never by arrival.

use crate::decision::{Decision, Grounds, NotAllowed};
use calendar::jst_date;
use chassis::machine::{Machine, NOTHING_MORE, NOTHING_YET, Verdict, in_sequence};
use contracts::{
    Capacity, CaseId, Code, DecisionOutcome, Kind, Message, Service, StaffId, Track, fulfilment::DecisionMade,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the case asked to be answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What is asked.
    pub kind: Kind,
    /// The law.
    pub track: Track,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// Arrival.
    pub received_at: Timestamp,
}

/// How an answer stands. `last` is the greatest `sequence` of the case that it followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// Nothing asked yet.
    #[default]
    None,
    /// Waits for a decision.
    Open {
        /// What is to be answered.
        ask: Ask,
        /// The case's sequence.
        last: i64,
    },
    /// 決定済み.
    Decided {
        /// The case's sequence.
        last: i64,
        /// The answer.
        outcome: DecisionOutcome,
        /// Its ground.
        ground: Code,
        /// Who decided.
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
    /// The case's personal part is destroyed.
    Erased {
        /// When.
        at: Timestamp,
    },
}

/// What may happen to it.
#[derive(Clone, Debug)]
pub enum Input {
    /// The case's command.
    Prepare {
        /// What.
        ask: Ask,
        /// The case's sequence.
        seq: i64,
    },
    /// Staff: the decision.
    Decide {
        /// The answer.
        outcome: DecisionOutcome,
        /// Its ground.
        ground: Code,
        /// Reasons in words are given (they lie sealed beside the machine, never in it).
        with_reasons: bool,
        /// So does the complete record of a complaint.
        with_record: bool,
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
    /// A wake-up; the machine asks for none.
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
    Opened {
        /// What.
        ask: Ask,
        /// The case's sequence.
        seq: i64,
    },
    /// Decided.
    Decided {
        /// The answer.
        outcome: DecisionOutcome,
        /// Its ground.
        ground: Code,
        /// The edition of the grounds.
        edition: Code,
        /// Reasons in words were given.
        with_reasons: bool,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The decision itself is not possible.
    NotAllowed(NotAllowed),
    /// It is decided, and otherwise.
    AlreadyDecided,
    /// The case ended.
    CaseEnded,
    /// The case is erased.
    CaseErased,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::NotAllowed(NotAllowed::UnknownGround) => Self::of("unknown-ground"),
            Refusal::NotAllowed(NotAllowed::NoRight) => Self::of("capacity-has-no-right"),
            Refusal::NotAllowed(NotAllowed::NoReasons) => Self::of("reasons-missing"),
            Refusal::NotAllowed(NotAllowed::NoRecord) => Self::of("complaint-record-missing"),
            Refusal::NotAllowed(NotAllowed::NoComplaint) => Self::of("not-a-complaint"),
            Refusal::AlreadyDecided => Self::of("already-decided"),
            Refusal::CaseEnded => Self::of("case-ended"),
            Refusal::CaseErased => Self::of("case-erased"),
        }
    }
}

/// The machine.
pub struct Answer;

impl Machine for Answer {
    const KIND: &'static str = "answer";
    const SERVICE: Service = Service::Fulfilment;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Verdict<Event, Refusal> {
        match input {
            Input::Prepare { ask, seq } => {
                in_sequence(last(state), *seq, Event::Opened { ask: ask.clone(), seq: *seq })
            }
            Input::CaseEnded { at, seq } => in_sequence(last(state), *seq, Event::Closed { at: *at, seq: *seq }),
            Input::CaseErased { at } => match state {
                State::Erased { .. } => Verdict::Already,
                _ => Verdict::Events(vec![Event::Erased { at: *at }]),
            },
            Input::Clock { .. } => Verdict::Already,
            Input::Decide { outcome, ground, with_reasons, with_record, by, at } => match state {
                State::None => Verdict::TooEarly,
                State::Open { ask, .. } => {
                    let (outcome, with_reasons, with_record) = (*outcome, *with_reasons, *with_record);
                    let Ask { kind, capacity, .. } = *ask;
                    let decision = Decision { kind, capacity, outcome, ground, with_reasons, with_record };
                    let grounds = Grounds::embedded();
                    match grounds.check(&decision, jst_date(*at)) {
                        Ok(ground) => Verdict::Events(vec![Event::Decided {
                            outcome,
                            ground: ground.code.clone(),
                            edition: grounds.edition().clone(),
                            with_reasons,
                            by: *by,
                            at: *at,
                        }]),
                        Err(why) => Verdict::Refused(Refusal::NotAllowed(why)),
                    }
                }
                State::Decided { outcome: o, ground: g, .. } if o == outcome && g == ground => Verdict::Already,
                State::Decided { .. } => Verdict::Refused(Refusal::AlreadyDecided),
                State::Closed { .. } => Verdict::Refused(Refusal::CaseEnded),
                State::Erased { .. } => Verdict::Refused(Refusal::CaseErased),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event.clone() {
            Event::Opened { ask, seq } => State::Open { ask, last: seq },
            Event::Decided { outcome, ground, by, at, .. } => {
                State::Decided { last: last(&state), outcome, ground, by, at }
            }
            Event::Closed { at, seq } => State::Closed { last: seq, at },
            Event::Erased { at } => State::Erased { at },
        }
    }

    fn announce(id: Uuid, _after: &State, event: &Event) -> Vec<Message> {
        match event.clone() {
            Event::Decided { outcome, ground, by, at, .. } => {
                vec![DecisionMade { case: CaseId(id), outcome, ground, by, at }.into()]
            }
            Event::Opened { .. } | Event::Closed { .. } | Event::Erased { .. } => vec![],
        }
    }

    fn wake(_state: &State) -> Option<Timestamp> {
        None
    }

    fn clock(now: Timestamp) -> Input {
        Input::Clock { now }
    }

    fn status(state: &State) -> Code {
        match state {
            State::None => Code::of("none"),
            State::Open { .. } => Code::of("open"),
            State::Decided { .. } => Code::of("decided"),
            State::Closed { .. } => Code::of("closed"),
            State::Erased { .. } => Code::of("erased"),
        }
    }
}

/// The greatest `sequence` of the case that was followed.
fn last(state: &State) -> i64 {
    match state {
        State::None => NOTHING_YET,
        State::Erased { .. } => NOTHING_MORE,
        State::Open { last, .. } | State::Decided { last, .. } | State::Closed { last, .. } => *last,
    }
}

#[cfg(test)]
mod tests;
