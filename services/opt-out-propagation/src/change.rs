//! One change of a register entry, fanned out: the machine that says to whom instructions went. Pure.
//!
//! It is born in the fan-out's own transaction, so `ChangeFannedOut` is said if and only if the instructions exist.

use chassis::{Machine, Verdict};
use contracts::{
    CaseId, ChangeId, Code, EntryId, InstructionId, Message, Service, Timestamp, Uuid,
    opt_out::{ChangeFannedOut, Issued},
};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// The machine.
#[derive(Debug)]
pub enum Change {}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// Not fanned out.
    #[default]
    Absent,
    /// Fanned out.
    FannedOut {
        /// The case.
        case: CaseId,
        /// To how many recipients.
        instructions: u32,
        /// When.
        at: Timestamp,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Fanned out.
    FannedOut {
        /// The case.
        case: CaseId,
        /// The entry.
        entry: EntryId,
        /// The instructions, one per recipient in force; may be none.
        instructions: Vec<InstructionId>,
        /// The same, with recipient, position and deadline.
        #[serde(default)]
        issued: Vec<Issued>,
        /// When.
        at: Timestamp,
    },
}

/// Nothing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Never(Infallible);

impl From<Never> for Code {
    fn from(never: Never) -> Code {
        match never.0 {}
    }
}

impl Machine for Change {
    const KIND: &'static str = "change";
    const SERVICE: Service = Service::OptOut;
    type State = State;
    /// What the fan-out did; the only input there is.
    type Input = Option<Event>;
    type Event = Event;
    type Refusal = Never;

    fn decide(state: &State, input: &Self::Input) -> Verdict<Event, Never> {
        match (state, input) {
            (State::Absent, Some(event)) => Verdict::Events(vec![event.clone()]),
            (State::Absent, None) | (State::FannedOut { .. }, _) => Verdict::Already,
        }
    }
    fn evolve(_: State, event: &Event) -> State {
        let Event::FannedOut { case, instructions, at, .. } = event;
        State::FannedOut { case: *case, instructions: instructions.len().try_into().unwrap_or(u32::MAX), at: *at }
    }
    fn announce(id: Uuid, _: &State, event: &Event) -> Vec<Message> {
        let Event::FannedOut { case, entry, instructions, issued, at } = event.clone();
        vec![Message::ChangeFannedOut(ChangeFannedOut { case, entry, change: ChangeId(id), instructions, issued, at })]
    }
    fn wake(_: &State) -> Option<Timestamp> {
        None
    }
    fn clock(_: Timestamp) -> Self::Input {
        None
    }
    fn status(state: &State) -> Code {
        Code::of(match state {
            State::Absent => "absent",
            State::FannedOut { .. } => "fanned-out",
        })
    }
    fn correlation(id: Uuid, state: &State) -> Uuid {
        match state {
            State::Absent => id,
            State::FannedOut { case, .. } => case.0,
        }
    }
}
