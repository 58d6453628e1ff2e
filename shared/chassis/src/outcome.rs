//! What became of an input, and what the chassis does with it.

use crate::machine::Machine;
use contracts::{Code, Uuid, request::StaffReply};

/// What became of an input.
#[derive(Debug, Clone)]
pub enum Outcome<M: Machine> {
    /// Something happened and is committed.
    Done {
        /// The machine's version now.
        version: i64,
        /// Its state now.
        state: M::State,
    },
    /// It was heard before; nothing was written.
    Seen {
        /// What a person was answered then.
        answer: Option<Vec<u8>>,
    },
    /// It is so already; written down as heard.
    Already {
        /// The state.
        state: M::State,
    },
    /// A message that is too early waits in the inbox.
    Later,
    /// A message that can never be obeyed waits for a person.
    Parked,
    /// A message waits behind a parked one of the same speaker.
    Behind,
    /// A person's order is too early; nothing was written.
    TooEarly,
    /// A person's order is refused; nothing was written.
    Refused(M::Refusal),
}

impl<M: Machine> Outcome<M> {
    /// The answer to a member of staff.
    pub fn reply(&self, id: Uuid) -> StaffReply {
        match self {
            Self::Done { state, .. } | Self::Already { state } => {
                StaffReply::Done { machine: id, status: M::status(state), figures: vec![] }
            }
            Self::Seen { answer } => answer
                .as_deref()
                .and_then(|a| serde_json::from_slice(a).ok())
                .unwrap_or(StaffReply::Done { machine: id, status: Code::of("already-done"), figures: vec![] }),
            Self::Refused(why) => StaffReply::Refused { reason: why.clone().into(), at: None },
            Self::TooEarly => StaffReply::Refused { reason: Code::of("too-early"), at: None },
            Self::Later | Self::Parked | Self::Behind => StaffReply::Refused { reason: Code::of("waiting"), at: None },
        }
    }
    /// One word for the log.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Seen { .. } => "seen",
            Self::Already { .. } => "already",
            Self::Later => "later",
            Self::Parked => "parked",
            Self::Behind => "behind",
            Self::TooEarly => "too-early",
            Self::Refused(_) => "refused",
        }
    }
    /// Whether events were written.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// What a service says of a message that it heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// `handle` (or a projection) wrote the inbox row.
    Handled,
    /// Heard, and of no consequence here.
    Ignored,
    /// Cannot be done yet: try again later. The code says what is missing.
    Later(Code),
    /// Waits for a person. The code says why.
    Park(Code),
}

impl<M: Machine> From<Outcome<M>> for Reaction {
    fn from(_: Outcome<M>) -> Self {
        Self::Handled
    }
}
