//! What the services say to each other: every message, its subject, its speaker and its hearers.
//!
//! This crate is the only thing two services share about their meaning. It holds no decision, no table, no query and
//! cannot hold personal data: it does not depend on the crate that knows `Personal<T>`, and a test refuses fields that
//! are named like a name, an address, a telephone or an e-mail, and bare `String`s (free text travels as [`Sealed`]).
//!
//! Start with [`flow`]: it is the map of the product.

pub mod alert;
pub mod arrival;
pub mod asyncapi;
pub mod books;
pub mod carried;
pub mod code;
pub mod correspondence;
pub mod desk;
pub mod duty;
pub mod endpoint_test;
pub mod envelope;
pub mod fhir;
pub mod flow;
pub mod forms;
pub mod gate;
pub mod gate_desk;
pub mod id;
pub mod partner;
mod partner_duty;
mod partner_gate;
pub mod receipt;
pub mod recipient;
pub mod register;
pub mod request;
pub mod sealed;
pub mod standing;
pub mod words;

pub mod fulfilment;
pub mod identity;
pub mod intake;
pub mod notification;
pub mod opt_out;
pub mod payment;

pub use code::{Code, Digest};
pub use envelope::{Envelope, EnvelopeError};
pub use flow::{Entry, FLOW, Family, Message, Service};
pub use id::*;
pub use receipt::ReceiptNumber;
pub use sealed::Sealed;
pub use words::*;

pub use jiff::{Timestamp, civil::Date};
pub use uuid::Uuid;
