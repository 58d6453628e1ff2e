//! Why a machine is fed: a message, a person, or the clock.

use contracts::{Envelope, Message, Uuid};
use std::sync::Arc;

/// A message as it was heard, with its bytes.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The envelope.
    pub envelope: Envelope,
    /// Its payload.
    pub message: Message,
    /// The bytes, as they stand in the speaker's outbox.
    pub bytes: Vec<u8>,
}

/// Why.
#[derive(Debug, Clone)]
pub enum Cause {
    /// Somebody said something; its id makes the effect happen once.
    Message(Arc<Heard>),
    /// A person ordered something, or outside work came to an end; the token makes it happen once.
    Person(Uuid),
    /// Time passed. Needs no inbox row: the same input twice gives no events.
    Clock,
}

impl Cause {
    /// The inbox row's id; the clock has none.
    pub fn token(&self) -> Option<Uuid> {
        match self {
            Self::Message(heard) => Some(heard.envelope.id.0),
            Self::Person(token) => Some(*token),
            Self::Clock => None,
        }
    }
    /// The cause written into history: the token, or the machine itself for a wake-up.
    pub fn id_or(&self, machine: Uuid) -> Uuid {
        self.token().unwrap_or(machine)
    }
    /// Whether it came over the bus.
    pub fn is_message(&self) -> bool {
        matches!(self, Self::Message(_))
    }
    /// The speaker's token, `person`, or `clock`.
    pub fn source(&self) -> &'static str {
        match self {
            Self::Message(heard) => heard.envelope.speaker().map_or("unknown", |s| s.token()),
            Self::Person(_) => "person",
            Self::Clock => "clock",
        }
    }
    /// The speaker's sequence; people have none.
    pub fn seq(&self) -> i64 {
        match self {
            Self::Message(heard) => heard.envelope.sequence.number(),
            _ => 0,
        }
    }
    /// The bytes to keep while it waits.
    pub fn body(&self) -> Option<&[u8]> {
        match self {
            Self::Message(heard) => Some(&heard.bytes),
            _ => None,
        }
    }
}
