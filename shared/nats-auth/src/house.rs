//! The accounts of one house: SYS (server administration), DESK (all services), one per recipient of opt-outs.
//!
//! A recipient's account imports exactly five services of DESK, each bound to the recipient's own account key by
//! `account_token_position`, so that even a wrongly signed account JWT cannot reach another's messages:
//!
//! | what | subject (`<a>` = the recipient's account key) |
//! |---|---|
//! | pull | `$JS.API.CONSUMER.MSG.NEXT.OPTOUT.<a>` (answers: many) |
//! | look at the durable | `$JS.API.CONSUMER.INFO.OPTOUT.<a>` |
//! | acknowledge, old form | `$JS.ACK.OPTOUT.<a>.>` |
//! | acknowledge, new form (planned default of 2.15) | `$JS.ACK.*.*.OPTOUT.<a>.>` |
//! | report | `report.<a>.>` (request; one answer) |
//!
//! A sixth import has no other purpose than to stand in the way: an account without JetStream gets the whole `$JS.API.>`
//! from the server, unless it imports `$JS.API.INFO` itself, and then "JetStream not enabled for account" would be the
//! first answer to a look at the durable. No user may publish to it.
//!
//! The durable consumer on stream `OPTOUT` has the name `<a>`. **Inbox prefixes**: a recipient's client must use
//! `_INBOX_<a>`, a service's client `_INBOX_<service>` (`custom_inbox_prefix` in async-nats): in the shared account DESK a
//! common `_INBOX.>` would let one service read another's answers. A pull must expire within 2 minutes (the server
//! forgets an idle reply path then); 30 seconds is a good value.

use jiff::Timestamp;
use nkeys::KeyPair;
use uuid::Uuid;

use crate::account::{AccountClaims, AccountLimits, Export, Import, ResponseType, Revocations};
use crate::creds::format_creds;
use crate::operator::require_public;
use crate::user::{Permissions, UserClaims};
use crate::{Error, Operator, RootSecret};

/// The stream that carries instructions (opt-out, 提供停止) to recipients over NATS.
pub const OPTOUT_STREAM: &str = "OPTOUT";

/// Limits of a recipient's account: a handful of clients that pull, acknowledge and report.
const RECIPIENT_LIMITS: AccountLimits = AccountLimits {
    subs: 256,
    payload: 64 * 1024,
    imports: 6,
    exports: 0,
    wildcards: false,
    conn: 16,
    leaf: 0,
    ..AccountLimits::UNLIMITED
};

/// `_INBOX_<service>`: what a service's client must set as its inbox prefix.
pub fn service_inbox_prefix(service: &str) -> String {
    format!("_INBOX_{service}")
}

/// `_INBOX_<account>`: what a recipient's client must set as its inbox prefix.
pub fn recipient_inbox_prefix(account: &str) -> String {
    format!("_INBOX_{account}")
}

/// `report.<account>`: reports (受領, 処理結果) go to a subject below it, as requests.
pub fn recipient_report_prefix(account: &str) -> String {
    format!("report.{account}")
}

/// The five subjects of a recipient: (name, subject).
fn recipient_services(account: &str) -> [(&'static str, String); 5] {
    [
        ("next", format!("$JS.API.CONSUMER.MSG.NEXT.{OPTOUT_STREAM}.{account}")),
        ("info", format!("$JS.API.CONSUMER.INFO.{OPTOUT_STREAM}.{account}")),
        ("ack", format!("$JS.ACK.{OPTOUT_STREAM}.{account}.>")),
        ("ack-v2", format!("$JS.ACK.*.*.{OPTOUT_STREAM}.{account}.>")),
        ("report", format!("{}.>", recipient_report_prefix(account))),
    ]
}

/// What a user of the recipient account may do: the five subjects and its own inbox.
pub fn recipient_permissions(account: &str) -> Permissions {
    Permissions::new()
        .publish(recipient_services(account).map(|(_, subject)| subject))
        .subscribe([format!("{}.>", recipient_inbox_prefix(account))])
}

/// Keys and JWTs of one house.
pub struct House {
    root: RootSecret,
    operator: Operator,
    /// The system account of a server that is not ours; its key is the deployer's.
    foreign_system_account: Option<String>,
}

impl House {
    /// A house on its own servers: the operator too is derived from the root secret.
    pub fn new(root: RootSecret) -> Self {
        let operator = Operator::from_key(root.operator());
        Self { root, operator, foreign_system_account: None }
    }

    /// A house on servers whose operator (or an operator signing key) the deployer gives. `system_account` is that
    /// server's system account (`A…`); the system user's `.creds` come from the deployer too.
    ///
    /// # Errors
    /// Not an operator seed, or not an account's public key.
    pub fn with_operator(root: RootSecret, operator_seed: &str, system_account: &str) -> Result<Self, Error> {
        require_public(system_account, 'A', "system account", "the public key of an account (begins with A)")?;
        let operator = Operator::from_seed(operator_seed)?;
        Ok(Self { root, operator, foreign_system_account: Some(system_account.to_owned()) })
    }

    /// The operator, to sign other accounts.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The operator JWT for the server's configuration.
    pub fn operator_jwt(&self, issued_at: Timestamp) -> String {
        self.operator.jwt("madoguchi", &self.system_account(), issued_at)
    }

    /// Public key of SYS (`A…`).
    pub fn system_account(&self) -> String {
        self.foreign_system_account.clone().unwrap_or_else(|| self.root.system_account().public_key())
    }

    /// SYS: no JetStream, no exports. Preloaded into the server's resolver.
    pub fn system_account_jwt(&self, issued_at: Timestamp) -> String {
        let claims = AccountClaims::new("SYS", AccountLimits::UNLIMITED);
        self.sign_own(&self.root.system_account().public_key(), &claims, issued_at)
    }

    /// Public key of DESK (`A…`).
    pub fn desk_account(&self) -> String {
        self.root.desk_account().public_key()
    }

    /// DESK: JetStream without limit, and the five service exports for recipients.
    pub fn desk_account_jwt(&self, issued_at: Timestamp) -> String {
        let next = format!("$JS.API.CONSUMER.MSG.NEXT.{OPTOUT_STREAM}.*");
        let claims = AccountClaims::new("DESK", AccountLimits::UNLIMITED_JETSTREAM)
            .export(Export::service("next", &next).response(ResponseType::Stream).account_token(7))
            .export(Export::service("info", &format!("$JS.API.CONSUMER.INFO.{OPTOUT_STREAM}.*")).account_token(6))
            .export(Export::service("ack", &format!("$JS.ACK.{OPTOUT_STREAM}.*.>")).account_token(4))
            .export(Export::service("ack-v2", &format!("$JS.ACK.*.*.{OPTOUT_STREAM}.*.>")).account_token(6))
            .export(Export::service("report", "report.*.>").account_token(2));
        self.sign_own(&self.desk_account(), &claims, issued_at)
    }

    /// What a server of ours needs in `resolver_preload`: (public key, JWT) of SYS and DESK.
    pub fn preload(&self, issued_at: Timestamp) -> Vec<(String, String)> {
        vec![
            (self.root.system_account().public_key(), self.system_account_jwt(issued_at)),
            (self.desk_account(), self.desk_account_jwt(issued_at)),
        ]
    }

    /// `.creds` of the steward's user in SYS: push, list and look up accounts, ask servers for their settings; nothing
    /// else. Inbox prefix `_INBOX_system`. Of no use on a server with a foreign system account.
    pub fn system_creds(&self, issued_at: Timestamp) -> String {
        let permissions = Permissions::new()
            .publish([
                "$SYS.REQ.CLAIMS.UPDATE",
                "$SYS.REQ.CLAIMS.LIST",
                "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP",
                "$SYS.REQ.ACCOUNT.*.CONNZ",
                "$SYS.REQ.SERVER.PING",
                "$SYS.REQ.SERVER.PING.>",
            ])
            .subscribe([format!("{}.>", service_inbox_prefix("system"))]);
        let claims = UserClaims::new("system", permissions);
        self.own_creds(&claims, &self.root.system_user(), &self.root.system_account(), issued_at)
    }

    /// `.creds` of a service's user in DESK. Its own inbox `_INBOX_<service>.>` is added to what it may subscribe to;
    /// with no publish subject at all it may publish nothing.
    ///
    /// # Errors
    /// `service` is not a name of a-z, 0-9 and `-`.
    pub fn service_creds(
        &self,
        service: &str,
        permissions: Permissions,
        issued_at: Timestamp,
    ) -> Result<String, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if service.is_empty() || service.len() > 64 || !service.chars().all(plain) {
            return Err(Error::Name { field: "service", value: service.chars().take(64).collect() });
        }
        let permissions = permissions.subscribe([format!("{}.>", service_inbox_prefix(service))]).closed();
        let claims = UserClaims::new(service, permissions);
        Ok(self.own_creds(&claims, &self.root.user_for(service), &self.root.desk_account(), issued_at))
    }

    /// Public key of a recipient's account (`A…`), which is also the name of its durable consumer.
    pub fn recipient_account(&self, recipient: Uuid) -> String {
        self.root.account_for(recipient).public_key()
    }

    /// A recipient's account: exactly the imports above, no JetStream, small limits. To shut a recipient out at once, give
    /// revocations of `*` as of now.
    pub fn recipient_account_jwt(&self, recipient: Uuid, revocations: &Revocations, issued_at: Timestamp) -> String {
        let account = self.recipient_account(recipient);
        let desk = self.desk_account();
        let name = format!("recipient-{}", recipient.hyphenated());
        let claims = recipient_services(&account)
            .iter()
            .fold(AccountClaims::new(&name, RECIPIENT_LIMITS), |claims, (name, subject)| {
                claims.import(Import::service(name, subject, &desk))
            })
            .import(
                Import::service("no-own-jetstream", &format!("{}.none", recipient_report_prefix(&account)), &desk)
                    .locally("$JS.API.INFO"),
            )
            .revoke(revocations);
        self.sign_own(&account, &claims, issued_at)
    }

    /// A user of a recipient's account. The recipient makes the key pair and gives the public key, so the seed never
    /// travels.
    ///
    /// # Errors
    /// `user` is not a user's public key.
    pub fn recipient_user_jwt(
        &self,
        recipient: Uuid,
        user: &str,
        expires: Option<Timestamp>,
        issued_at: Timestamp,
    ) -> Result<String, Error> {
        let account = self.root.account_for(recipient);
        UserClaims::new("recipient", recipient_permissions(&account.public_key()))
            .expires(expires)
            .jwt(user, &account, issued_at)
    }

    /// `.creds` with a new random user key, for recipients that let us make it (the demo, tests).
    /// Returns the user's public key (needed to revoke it) and the text.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn recipient_creds(&self, recipient: Uuid, issued_at: Timestamp) -> Result<(String, String), Error> {
        let user = RootSecret::random()?.user_for("recipient");
        let public = user.public_key();
        let jwt = self.recipient_user_jwt(recipient, &public, None, issued_at)?;
        Ok((public, format_creds(&jwt, &seed_of(&user))))
    }

    /// Signs an account whose key we derived ourselves.
    fn sign_own(&self, account: &str, claims: &AccountClaims, issued_at: Timestamp) -> String {
        self.operator.account_jwt(account, claims, issued_at).expect("a derived account key is an account key")
    }

    fn own_creds(&self, claims: &UserClaims, user: &KeyPair, account: &KeyPair, issued_at: Timestamp) -> String {
        let jwt = claims.jwt(&user.public_key(), account, issued_at).expect("derived keys are of the right kind");
        format_creds(&jwt, &seed_of(user))
    }
}

fn seed_of(key: &KeyPair) -> String {
    key.seed().expect("a derived key pair has its seed")
}
