//! Account claims: limits, exports, imports, revocations (ADR-14, `nats.type = "account"`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// Users of an account that are no longer let in: public key (`U…`, or `*` for all) → users issued at or before this
/// time. The server ends live connections of a revoked user when the new account JWT arrives.
pub type Revocations = BTreeMap<String, Timestamp>;

/// Limits of an account. `-1` means no limit; `0` means none allowed. Sizes in bytes.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct AccountLimits {
    /// Subscriptions.
    pub subs: i64,
    /// Bytes in total (kept by the JWT format, not enforced by the server).
    pub data: i64,
    /// Bytes of one message.
    pub payload: i64,
    /// Imports in the claims.
    pub imports: i64,
    /// Exports in the claims.
    pub exports: i64,
    /// Whether exports may have wildcards.
    pub wildcards: bool,
    /// Client connections at a time.
    pub conn: i64,
    /// Leaf node connections at a time.
    pub leaf: i64,
    /// JetStream: memory storage. With `mem_storage`, `disk_storage`, `streams` and `consumer` all 0 the account has none.
    pub mem_storage: i64,
    /// JetStream: file storage.
    pub disk_storage: i64,
    /// JetStream: number of streams.
    pub streams: i64,
    /// JetStream: number of consumers.
    pub consumer: i64,
    /// JetStream: unacknowledged messages of one consumer.
    pub max_ack_pending: i64,
    /// JetStream: size of one memory stream; 0 = no own limit.
    pub mem_max_stream_bytes: i64,
    /// JetStream: size of one file stream; 0 = no own limit.
    pub disk_max_stream_bytes: i64,
    /// JetStream: streams must name their size.
    pub max_bytes_required: bool,
}

impl AccountLimits {
    /// No limit on the account, no JetStream.
    pub const UNLIMITED: Self = Self {
        subs: -1,
        data: -1,
        payload: -1,
        imports: -1,
        exports: -1,
        wildcards: true,
        conn: -1,
        leaf: -1,
        mem_storage: 0,
        disk_storage: 0,
        streams: 0,
        consumer: 0,
        max_ack_pending: 0,
        mem_max_stream_bytes: 0,
        disk_max_stream_bytes: 0,
        max_bytes_required: false,
    };

    /// No limit on the account and none on its JetStream.
    pub const UNLIMITED_JETSTREAM: Self =
        Self { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1, max_ack_pending: -1, ..Self::UNLIMITED };
}

/// How many messages a service answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ResponseType {
    /// One answer (the server's default).
    Singleton,
    /// Any number; the reply path is kept while answers come (two minutes without one end it).
    Stream,
}

/// A service export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    name: String,
    subject: String,
    #[serde(rename = "type")]
    kind: &'static str,
    response_type: ResponseType,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_token_position: Option<u32>,
}

impl Export {
    /// A service that other accounts may import.
    pub fn service(name: &str, subject: &str) -> Self {
        Self {
            name: name.to_owned(),
            subject: subject.to_owned(),
            kind: "service",
            response_type: ResponseType::Singleton,
            account_token_position: None,
        }
    }

    /// Sets how many answers the service gives.
    #[must_use]
    pub fn response(mut self, response_type: ResponseType) -> Self {
        self.response_type = response_type;
        self
    }

    /// The `n`-th token of the subject (from 1, a `*`) must be the importer's public key: the server refuses everything
    /// else, even when the importing account's JWT claims it.
    #[must_use]
    pub fn account_token(mut self, n: u32) -> Self {
        self.account_token_position = Some(n);
        self
    }
}

/// A service import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    name: String,
    subject: String,
    account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_subject: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Import {
    /// A service of `account` (public key of the exporter), under the same subject.
    pub fn service(name: &str, subject: &str, account: &str) -> Self {
        Self {
            name: name.to_owned(),
            subject: subject.to_owned(),
            account: account.to_owned(),
            local_subject: None,
            kind: "service",
        }
    }

    /// Under another subject on this side.
    #[must_use]
    pub fn locally(mut self, subject: &str) -> Self {
        self.local_subject = Some(subject.to_owned());
        self
    }
}

/// What an account JWT says. Signed by [`crate::Operator::account_jwt`].
#[derive(Debug, Clone)]
pub struct AccountClaims {
    pub(crate) name: String,
    limits: AccountLimits,
    exports: Vec<Export>,
    imports: Vec<Import>,
    revocations: Revocations,
    signing_keys: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct AccountNats<'a> {
    limits: &'a AccountLimits,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    exports: &'a [Export],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    imports: &'a [Import],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    revocations: BTreeMap<&'a str, i64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    signing_keys: &'a [String],
    default_permissions: Empty,
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
}

/// `{"pub":{},"sub":{}}`: no default permissions for users.
#[derive(Serialize, Default)]
struct Empty {
    #[serde(rename = "pub")]
    publish: BTreeMap<String, String>,
    #[serde(rename = "sub")]
    subscribe: BTreeMap<String, String>,
}

impl AccountClaims {
    /// An account with these limits and nothing else. `name` is a label for people.
    pub fn new(name: &str, limits: AccountLimits) -> Self {
        Self {
            name: name.to_owned(),
            limits,
            exports: Vec::new(),
            imports: Vec::new(),
            revocations: Revocations::new(),
            signing_keys: Vec::new(),
        }
    }

    /// Adds a service export.
    #[must_use]
    pub fn export(mut self, export: Export) -> Self {
        self.exports.push(export);
        self
    }

    /// Adds a service import.
    #[must_use]
    pub fn import(mut self, import: Import) -> Self {
        self.imports.push(import);
        self
    }

    /// Sets who is no longer let in.
    #[must_use]
    pub fn revoke(mut self, revocations: &Revocations) -> Self {
        self.revocations.clone_from(revocations);
        self
    }

    /// Adds a key (`A…`) that may sign users of this account too.
    #[must_use]
    pub fn signing_key(mut self, public_key: &str) -> Self {
        self.signing_keys.push(public_key.to_owned());
        self
    }

    pub(crate) fn nats(&self) -> AccountNats<'_> {
        AccountNats {
            limits: &self.limits,
            exports: &self.exports,
            imports: &self.imports,
            revocations: self.revocations.iter().map(|(key, at)| (key.as_str(), at.as_second())).collect(),
            signing_keys: &self.signing_keys,
            default_permissions: Empty::default(),
            kind: "account",
            version: 2,
        }
    }
}
