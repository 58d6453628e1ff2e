//! The ten lines that everything hangs on: a state machine is a plain file with no I/O, no clock and no randomness.

use contracts::{Code, Message, Service};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;
use uuid::Uuid;

/// A pure state machine; one row of its table is one machine.
///
/// * Time is an input (`at` on every input); ids are made in shells and come in with the input.
/// * `decide` is total: it has a verdict for every input in every state, because the bus promises no order.
/// * Folding `evolve` over the history always gives the row (property test in each service).
pub trait Machine: Sized + Send + Sync + 'static {
    /// The table: a lower-case word, `case`, `entry` …
    const KIND: &'static str;
    /// Whose it is.
    const SERVICE: Service;
    /// An enum with data in its variants, `#[serde(tag = "status")]`, so that illegal states cannot be written down.
    type State: Default + Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;
    /// What may happen to it.
    type Input: Clone + Debug + Send + Sync;
    /// What did happen: private, kept in the history for as long as the machine.
    type Event: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;
    /// Why not: shown to a person by its code.
    type Refusal: Clone + Debug + Into<Code> + Send + Sync;

    /// What follows from this input in this state.
    fn decide(state: &Self::State, input: &Self::Input) -> Verdict<Self::Event, Self::Refusal>;
    /// The state after an event. Total: an event from the history always applies.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;
    /// What the rest of the house is told; private events give nothing. `after` is the state after this event.
    fn announce(id: Uuid, after: &Self::State, event: &Self::Event) -> Vec<Message>;
    /// When the machine wants `clock` fed; after that input it must be later than now (asserted).
    fn wake(state: &Self::State) -> Option<Timestamp>;
    /// The input that a wake-up is.
    fn clock(now: Timestamp) -> Self::Input;
    /// The status as a code, for replies to people and for metrics.
    fn status(state: &Self::State) -> Code;
    /// The case that the machine belongs to (`correlationid`); by default the machine itself.
    fn correlation(id: Uuid, _state: &Self::State) -> Uuid {
        id
    }
}

/// What `decide` says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<E, R> {
    /// This happened. Never empty: use `Already`.
    Events(Vec<E>),
    /// It is so already (a repeat, or something later made it so): nothing to write but that it was heard.
    Already,
    /// What it needs has not happened yet: try again when something did.
    TooEarly,
    /// Never valid: a person is told, a message is parked.
    Refused(R),
}

/// Folds events over a state.
pub fn fold<M: Machine>(state: M::State, events: &[M::Event]) -> M::State {
    events.iter().fold(state, M::evolve)
}

/// The place in a speaker's sequence of a machine that has followed nothing yet: everything counts.
pub const NOTHING_YET: i64 = i64::MIN;
/// The place of a machine that follows no more: nothing counts.
pub const NOTHING_MORE: i64 = i64::MAX;

/// What one speaker says is ordered by its own `sequence`, never by arrival: it counts when it is later than what was
/// followed before, and is true already otherwise. So a late end of an earlier life of a revived case closes nothing.
pub fn in_sequence<E, R>(followed: i64, seq: i64, event: E) -> Verdict<E, R> {
    if seq > followed { Verdict::Events(vec![event]) } else { Verdict::Already }
}
