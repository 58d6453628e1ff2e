//! NATS operator mode (decentralised authorisation): keys, JWTs and `.creds` texts.
//!
//! Why operator mode: every recipient of opt-outs has an account of its own, so that one recipient can neither read nor
//! acknowledge what is meant for another, and a recipient is taken in at run time by one request
//! (`$SYS.REQ.CLAIMS.UPDATE`) without touching a server.
//!
//! Formats: NATS ADR-14 (JWT version 2, header `{"typ":"JWT","alg":"ed25519-nkey"}`), nats-server 2.10.23 or newer.
//!
//! Everything here is pure (time is an input) but [`RootSecret::load_or_create`], which reads or makes one key file.
//! The parts:
//!
//! * [`House`]: this product's accounts. Most callers need nothing else.
//! * [`RootSecret`]: the one secret all keys of a house are derived from.
//! * [`Operator`], [`AccountClaims`], [`UserClaims`]: the three kinds of JWT.
//! * [`decode`], [`same_claims`]: look into a JWT, compare two.

mod account;
mod creds;
mod house;
mod jwt;
mod operator;
mod root;
mod user;

pub use account::{AccountClaims, AccountLimits, Export, Import, ResponseType, Revocations};
pub use creds::{Creds, format_creds, parse_creds};
pub use house::{
    House, OPTOUT_STREAM, recipient_inbox_prefix, recipient_permissions, recipient_report_prefix, service_inbox_prefix,
};
pub use jwt::{Decoded, Kind, decode, same_claims};
pub use nkeys::{KeyPair, KeyPairType};
pub use operator::Operator;
pub use root::{DEFAULT_ROOT_FILE, RootSecret};
pub use user::{ConnectionType, Permissions, Responses, UserClaims};

/// What can be wrong with a key, a JWT or a key file. No variant carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key of another kind than the field needs, or not a key at all.
    #[error("{field}: {reason}; give {expected}")]
    Key {
        /// The field or parameter at fault.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
        /// What the field needs.
        expected: &'static str,
    },
    /// A JWT that cannot be read or whose signature does not hold.
    #[error("JWT: {0}")]
    Jwt(String),
    /// A `.creds` text without one of its two blocks.
    #[error("credentials: {0}; give the whole text of a .creds file")]
    Creds(&'static str),
    /// A name that cannot be a subject token.
    #[error("{field}: `{value}` is not a name; use 1 to 64 of a-z, 0-9 and -")]
    Name {
        /// The parameter at fault.
        field: &'static str,
        /// Its value (a service name, never personal data).
        value: String,
    },
    /// The key file cannot be used.
    #[error("root secret file {path}: {reason}")]
    File {
        /// The path of the file.
        path: String,
        /// What is wrong, with the remedy.
        reason: String,
    },
}
