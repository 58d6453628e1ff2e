//! The envelope of every message: CloudEvents 1.0, structured JSON.
//!
//! The same bytes stand in the outbox, on the wire, in the golden fixtures and in the inbox. Extensions: `traceparent`
//! (distributed tracing), `correlationid` and `causationid` (correlation), `sequence`.

use crate::{Message, MessageId, Service};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The content type on NATS and HTTP.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The largest envelope, in bytes. NATS' own limit is 1 MiB; a message that carries references never needs more.
pub const ENVELOPE_MAX: usize = 128 * 1024;

/// One message with everything that the bus needs to know about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// Always `1.0`.
    pub specversion: SpecVersion,
    /// The id of the outbox row; a message said twice has the same id.
    pub id: MessageId,
    /// `/madoguchi/<service>`.
    pub source: Source,
    /// `jp.madoguchi.<service>.<name>.v<N>`.
    #[serde(rename = "type")]
    pub message_type: MessageType,
    /// The machine that states it (the case, the entry, the statement …); the last token of the NATS subject.
    pub subject: Uuid,
    /// When it became true.
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: DataContentType,
    /// W3C trace context in which it became true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
    /// The case that it belongs to (or the subject, where there is none).
    pub correlationid: Uuid,
    /// The message, staff command or wake-up that caused it.
    pub causationid: Uuid,
    /// 16 × the machine's version + the place of the message within the event; twenty digits, so that text order is
    /// number order (CloudEvents `sequence` extension).
    pub sequence: Sequence,
    /// The payload; its shape is that of `type`.
    pub data: Value,
}

macro_rules! constant {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum $name { #[doc = $text] #[default] #[serde(rename = $text)] Only }
    )*};
}
constant! {
    /// The version of the CloudEvents specification.
    SpecVersion = "1.0";
    /// The type of `data`.
    DataContentType = "application/json";
}

macro_rules! pattern {
    ($($(#[$doc:meta])* $name:ident($pattern:literal, $max:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(regex(pattern = $pattern), length(max = $max))] Box<str>);
        impl $name {
            /// Its text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
    )*};
}
pattern! {
    /// `/madoguchi/<service>`.
    Source("^/madoguchi/[a-z-]+$", 64);
    /// `jp.madoguchi.<service>.<name>.v<N>`.
    MessageType("^jp\\.madoguchi\\.[a-z]+\\.[a-z-]+\\.v[0-9]+$", 128);
    /// `00-<trace id>-<span id>-<flags>` (W3C Trace Context).
    TraceParent("^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$", 55);
    /// Twenty decimal digits.
    Sequence("^[0-9]{20}$", 20);
}

impl TraceParent {
    /// `None` when it is not a W3C trace context.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let hex = |r: std::ops::Range<usize>| bytes[r].iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let fits = bytes.len() == 55
            && [2, 35, 52].iter().all(|i| bytes[*i] == b'-')
            && hex(0..2)
            && hex(3..35)
            && hex(36..52)
            && hex(53..55);
        fits.then(|| Self(text.into()))
    }
    /// The trace id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.0.get(3..35).unwrap_or_default()
    }
}

impl Sequence {
    /// The number.
    pub fn number(&self) -> i64 {
        self.0.parse().unwrap_or(0)
    }
}

/// Why bytes are no message of ours. Never quotes the bytes.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Over [`ENVELOPE_MAX`].
    #[error("the envelope is {0} bytes, over the limit of {ENVELOPE_MAX}")]
    TooLarge(usize),
    /// Not a CloudEvents envelope of ours.
    #[error("not a CloudEvents 1.0 envelope of this house (line {0}, column {1})")]
    NotAnEnvelope(usize, usize),
    /// A type that is not in the flow table.
    #[error("a message type that is not in the flow table")]
    UnknownType,
    /// Spoken by somebody else than the flow table says.
    #[error("the source is not the speaker that the flow table names for this type")]
    WrongSpeaker,
    /// The payload does not fit its type.
    #[error("the payload does not fit its type {0}")]
    BadPayload(&'static str),
}

/// What the speaker's transaction knows when it writes a message down.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The new message's id.
    pub id: MessageId,
    /// The machine that states it.
    pub subject: Uuid,
    /// The case it belongs to.
    pub correlation: Uuid,
    /// What caused it.
    pub causation: Uuid,
    /// 16 × version + index.
    pub seq: i64,
    /// When.
    pub time: Timestamp,
    /// The trace context in force.
    pub traceparent: Option<TraceParent>,
}

impl Envelope {
    /// Writes `message` down as its speaker says it.
    pub fn new(message: &Message, origin: Origin) -> Self {
        let entry = message.entry();
        Self {
            specversion: SpecVersion::Only,
            id: origin.id,
            source: Source(entry.speaker.source().into()),
            message_type: MessageType(entry.message_type().into()),
            subject: origin.subject,
            time: origin.time,
            datacontenttype: DataContentType::Only,
            traceparent: origin.traceparent,
            correlationid: origin.correlation,
            causationid: origin.causation,
            sequence: Sequence(format!("{:020}", origin.seq).into()),
            data: message.data(),
        }
    }

    /// The bytes that stand in the outbox and on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising a struct with text keys into memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads and checks: the size, the envelope, the type, the speaker, the payload.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Message), EnvelopeError> {
        if bytes.len() > ENVELOPE_MAX {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        let envelope: Self =
            serde_json::from_slice(bytes).map_err(|e| EnvelopeError::NotAnEnvelope(e.line(), e.column()))?;
        let entry = crate::flow::by_type(envelope.message_type.as_str()).ok_or(EnvelopeError::UnknownType)?;
        if envelope.source.as_str() != entry.speaker.source() {
            return Err(EnvelopeError::WrongSpeaker);
        }
        let message =
            Message::from_data(entry, envelope.data.clone()).map_err(|_| EnvelopeError::BadPayload(entry.name))?;
        Ok((envelope, message))
    }

    /// The service that said it.
    pub fn speaker(&self) -> Option<Service> {
        Service::ALL.iter().copied().find(|s| s.source() == self.source.as_str())
    }
}
