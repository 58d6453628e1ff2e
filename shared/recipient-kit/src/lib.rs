//! What a recipient (通知先) needs to take part: the contractor's developer starts here.
//!
//! An instruction arrives as bytes by NATS ([`nats`]), by webhook ([`http`]) or from the pull feed ([`pull`]); the bytes are
//! the same. A recipient then
//!
//! 1. checks that they came from the desk ([`webhook`]; on NATS the account does that),
//! 2. checks that they are for it, finds repeats, gaps and stale versions ([`apply`], pure),
//! 3. opens the person's identifiers with its own key ([`identifiers`]) and stops using the person's data,
//! 4. signs what it did over the digest of the bytes ([`report`]) and sends the report until it is answered.
//!
//! [`example`] does all of it with a file for a journal; the demo, the tests and the benchmark use it as their contractors.

pub mod apply;
pub mod books;
pub mod carried;
pub mod client;
pub mod client_tls;
pub mod conformance;
pub mod erasure;
pub mod example;
pub mod http;
pub mod identifiers;
pub mod journal;
pub mod keys;
pub mod nats;
pub mod pull;
pub mod report;
pub mod run;
pub mod sealed_file;
pub mod send;
pub mod test_event;
pub mod webhook;

#[cfg(test)]
mod vectors;

/// The published test vectors, as JSON; a test verifies them.
pub const VECTORS: &str = include_str!("../fixtures/vectors.json");

pub use apply::{Ledger, Refused, Taken};
pub use example::{Counts, ExampleContractor};
pub use identifiers::{Identifiers, Sex};
pub use jws::{ReportKey, ReportSigner};
pub use keys::RecipientKeys;
pub use report::{ReportError, digest_of, key_id};
