//! One refused report: nothing moved, and staff must look. Pure.

use crate::change::Never;
use chassis::{Machine, Verdict};
use contracts::{Code, Message, RecipientId, Service, Timestamp, Uuid, opt_out::ReportRefused};
use serde::{Deserialize, Serialize};

/// The machine; its id is derived from recipient and bytes, so a repeat of the same bytes is stated once.
#[derive(Debug)]
pub enum Refusal {}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The recipient whose credentials brought it.
    pub recipient: RecipientId,
    /// Why.
    pub reason: Code,
    /// When.
    pub at: Timestamp,
}

impl Machine for Refusal {
    const KIND: &'static str = "refusal";
    const SERVICE: Service = Service::OptOut;
    type State = Option<Refused>;
    type Input = Option<Refused>;
    type Event = Refused;
    type Refusal = Never;

    fn decide(state: &Self::State, input: &Self::Input) -> Verdict<Refused, Never> {
        match (state, input) {
            (None, Some(refused)) => Verdict::Events(vec![refused.clone()]),
            (None, None) | (Some(_), _) => Verdict::Already,
        }
    }
    fn evolve(_: Self::State, event: &Refused) -> Self::State {
        Some(event.clone())
    }
    fn announce(_: Uuid, _: &Self::State, event: &Refused) -> Vec<Message> {
        let Refused { recipient, reason, at } = event.clone();
        vec![Message::ReportRefused(ReportRefused { recipient, reason, at })]
    }
    fn wake(_: &Self::State) -> Option<Timestamp> {
        None
    }
    fn clock(_: Timestamp) -> Self::Input {
        None
    }
    fn status(state: &Self::State) -> Code {
        Code::of(if state.is_some() { "refused" } else { "absent" })
    }
}
