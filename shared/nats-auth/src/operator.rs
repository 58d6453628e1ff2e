//! The operator: the root of trust that a server is configured with and that signs accounts.

use jiff::Timestamp;
use nkeys::{KeyPair, KeyPairType};
use serde::Serialize;

use crate::account::AccountClaims;
use crate::jwt::{About, encode};
use crate::{Error, jwt};

/// An operator key with its seed.
pub struct Operator {
    key: KeyPair,
}

#[derive(Serialize)]
struct OperatorNats<'a> {
    system_account: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
}

impl Operator {
    /// From a seed text (`SO…`).
    ///
    /// # Errors
    /// Not a seed, or the seed of another kind of key.
    pub fn from_seed(seed: &str) -> Result<Self, Error> {
        let expected = "an operator seed (58 characters, begins with SO)";
        let key = KeyPair::from_seed(seed.trim()).map_err(|_| Error::Key {
            field: "operator seed",
            reason: "not a seed".to_owned(),
            expected,
        })?;
        // `from_seed` maps unknown prefixes to "operator": the text tells the truth.
        if key.key_pair_type() != KeyPairType::Operator || !seed.trim().starts_with("SO") {
            return Err(Error::Key {
                field: "operator seed",
                reason: "the seed of another kind of key".into(),
                expected,
            });
        }
        Ok(Self { key })
    }

    pub(crate) fn from_key(key: KeyPair) -> Self {
        Self { key }
    }

    /// `O…`
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// The self-signed operator JWT, with the public key of the system account in it, for the server's configuration.
    pub fn jwt(&self, name: &str, system_account: &str, issued_at: Timestamp) -> String {
        let public = self.public_key();
        let nats = OperatorNats { system_account, kind: "operator", version: 2 };
        encode(&About { name, subject: &public, issued_at, expires: None }, &nats, &self.key)
    }

    /// Signs an account. `account` is its public key (`A…`).
    ///
    /// # Errors
    /// `account` is not an account's public key.
    pub fn account_jwt(&self, account: &str, claims: &AccountClaims, issued_at: Timestamp) -> Result<String, Error> {
        require_public(account, 'A', "account", "the public key of an account (begins with A)")?;
        let about = About { name: &claims.name, subject: account, issued_at, expires: None };
        Ok(jwt::encode(&about, &claims.nats(), &self.key))
    }
}

/// Checks prefix, checksum and curve point of a public key.
pub(crate) fn require_public(
    key: &str,
    prefix: char,
    field: &'static str,
    expected: &'static str,
) -> Result<(), Error> {
    if !key.starts_with(prefix) || KeyPair::from_public_key(key).is_err() {
        return Err(Error::Key { field, reason: "not such a key".to_owned(), expected });
    }
    Ok(())
}
