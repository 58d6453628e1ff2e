//! User claims: permissions and connection types (ADR-14, `nats.type = "user"`).

use std::time::Duration;

use jiff::Timestamp;
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::jwt::{About, encode};
use crate::operator::require_public;

/// Subjects a user may and may not use. An empty `allow` list means "all but `deny`".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Subjects {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

/// Right to answer: publish to the reply subject of a message received, `max` times within `ttl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responses {
    /// Answers per message received; `-1` = no limit.
    pub max: i64,
    /// How long after the message was received.
    pub ttl: Duration,
}

/// What a user may publish and subscribe to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    publish: Subjects,
    subscribe: Subjects,
    responses: Option<Responses>,
}

impl Permissions {
    /// Nothing listed. Beware: for the server an empty list means everything; name at least one subject on each side
    /// ([`crate::House::service_creds`] always adds the user's own inbox and, without any publish subject, denies all).
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds subjects (wildcards allowed) that the user may publish to.
    #[must_use]
    pub fn publish<S: Into<String>>(mut self, subjects: impl IntoIterator<Item = S>) -> Self {
        self.publish.allow.extend(subjects.into_iter().map(Into::into));
        self
    }

    /// Adds subjects that the user may not publish to, even if `publish` covers them.
    #[must_use]
    pub fn deny_publish<S: Into<String>>(mut self, subjects: impl IntoIterator<Item = S>) -> Self {
        self.publish.deny.extend(subjects.into_iter().map(Into::into));
        self
    }

    /// Adds subjects that the user may subscribe to.
    #[must_use]
    pub fn subscribe<S: Into<String>>(mut self, subjects: impl IntoIterator<Item = S>) -> Self {
        self.subscribe.allow.extend(subjects.into_iter().map(Into::into));
        self
    }

    /// Adds subjects that the user may not subscribe to, even if `subscribe` covers them.
    #[must_use]
    pub fn deny_subscribe<S: Into<String>>(mut self, subjects: impl IntoIterator<Item = S>) -> Self {
        self.subscribe.deny.extend(subjects.into_iter().map(Into::into));
        self
    }

    /// Lets the user answer requests it receives.
    #[must_use]
    pub fn respond(mut self, responses: Responses) -> Self {
        self.responses = Some(responses);
        self
    }

    /// Closes the server's "empty list means everything".
    pub(crate) fn closed(mut self) -> Self {
        for side in [&mut self.publish, &mut self.subscribe] {
            if side.allow.is_empty() && side.deny.is_empty() {
                side.deny.push(">".to_owned());
            }
        }
        self
    }
}

/// How a user may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConnectionType {
    /// The plain client protocol (with or without TLS).
    Standard,
    /// Over a WebSocket.
    Websocket,
}

/// What a user JWT says.
#[derive(Debug, Clone)]
pub struct UserClaims {
    name: String,
    permissions: Permissions,
    connection_types: Vec<ConnectionType>,
    expires: Option<Timestamp>,
    issuer_account: Option<String>,
}

#[derive(Serialize)]
struct UserNats<'a> {
    #[serde(rename = "pub")]
    publish: &'a Subjects,
    #[serde(rename = "sub")]
    subscribe: &'a Subjects,
    #[serde(skip_serializing_if = "Option::is_none")]
    resp: Option<Resp>,
    subs: i64,
    data: i64,
    payload: i64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    allowed_connection_types: &'a [ConnectionType],
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer_account: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
}

#[derive(Serialize)]
struct Resp {
    max: i64,
    /// Nanoseconds.
    ttl: i64,
}

impl UserClaims {
    /// A user with these permissions, plain connections only, that does not expire. `name` is a label for people.
    pub fn new(name: &str, permissions: Permissions) -> Self {
        Self {
            name: name.to_owned(),
            permissions,
            connection_types: vec![ConnectionType::Standard],
            expires: None,
            issuer_account: None,
        }
    }

    /// Replaces the list of allowed connection types; an empty list allows every type.
    #[must_use]
    pub fn connection_types(mut self, types: &[ConnectionType]) -> Self {
        self.connection_types = types.to_vec();
        self
    }

    /// Sets the end; the server then closes the user's connections.
    #[must_use]
    pub fn expires(mut self, at: Option<Timestamp>) -> Self {
        self.expires = at;
        self
    }

    /// Names the account when a signing key of the account signs, not the account key itself.
    #[must_use]
    pub fn issuer_account(mut self, account: &str) -> Self {
        self.issuer_account = Some(account.to_owned());
        self
    }

    /// Signs with the account's key (or signing key). `user` is the user's public key (`U…`).
    ///
    /// # Errors
    /// `user` is not a user's public key, or `account` not an account key with its seed.
    pub fn jwt(&self, user: &str, account: &KeyPair, issued_at: Timestamp) -> Result<String, Error> {
        require_public(user, 'U', "user", "the public key of a user (begins with U)")?;
        if account.key_pair_type() != KeyPairType::Account || account.seed().is_err() {
            return Err(Error::Key {
                field: "account",
                reason: "cannot sign users".to_owned(),
                expected: "an account key pair with its seed",
            });
        }
        let nats = UserNats {
            publish: &self.permissions.publish,
            subscribe: &self.permissions.subscribe,
            resp: self
                .permissions
                .responses
                .map(|r| Resp { max: r.max, ttl: i64::try_from(r.ttl.as_nanos()).unwrap_or(i64::MAX) }),
            subs: -1,
            data: -1,
            payload: -1,
            allowed_connection_types: &self.connection_types,
            issuer_account: self.issuer_account.as_deref(),
            kind: "user",
            version: 2,
        };
        Ok(encode(&About { name: &self.name, subject: user, issued_at, expires: self.expires }, &nats, account))
    }
}
