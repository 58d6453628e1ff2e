//! 請求案件, the process manager: the only machine of the house that commands, and the only place that knows the order
//! of the steps. It knows no *how*: identity, money, search, register and letters are their services' own business.
//!
//! - [`decide`]: the flow. [`note`]: what a fact of another service is to this case.
//! - [`state`]: the facts, in a form that does not depend on the order of hearing. [`stage`]: what follows from them.
//! - [`event`], [`input`], [`evolve`], [`announce`]: as in every machine.
//!
//! Pure: no clock, no I/O, no randomness; the calendar is the one that is built into the program.

pub mod announce;
pub mod decide;
pub mod event;
pub mod evolve;
pub mod input;
pub mod note;
pub mod stage;
pub mod state;

pub use event::Event;
pub use input::{Author, Fact, Input, Refusal};
pub use stage::{Stage, stage};
pub use state::{Answer, Block, Fee, File, Hold, Identity, Request, State, Stop, Terms};

use calendar::Calendar;
use chassis::machine::{Machine, Verdict};
use contracts::{Code, Message, Service, Timestamp, Uuid};

/// The machine.
#[derive(Debug)]
pub struct Case;

impl Machine for Case {
    // Not `case`: that is a word of SQL.
    const KIND: &'static str = "cases";
    const SERVICE: Service = Service::Intake;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Verdict<Event, Refusal> {
        decide::decide(state, input, Calendar::embedded())
    }
    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
    fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
        announce::announce(id, after, event)
    }
    fn wake(state: &State) -> Option<Timestamp> {
        decide::lapse_at(state)
    }
    fn clock(now: Timestamp) -> Input {
        Input::Clock { now }
    }
    fn status(state: &State) -> Code {
        match state {
            State::Absent => Code::of("absent"),
            State::Open { file } => stage::step(file).0.code(),
            State::Ended { ended_as, .. } => ended_as.code(),
            State::Erasing { .. } => Code::of("erasing"),
            State::Erased { .. } => Code::of("erased"),
        }
    }
}

/// Every status that [`Machine::status`] gives: the states of the diagram in the README.
pub const STATUSES: &[&str] = &[
    "absent",
    "verifying",
    "completing",
    "awaiting-fee",
    "answering",
    "propagating",
    "decided",
    "stopped",
    "withdrawn",
    "lapsed",
    "not-confirmed",
    "erasing",
    "erased",
];

#[cfg(test)]
mod tests;
