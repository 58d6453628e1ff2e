//! [`MasterKey`]: what wraps the data keys, kept outside every database.
//!
//! The file of [`FileMasterKey`] belongs neither into the base backup nor beside the key database's backup: who has one
//! without the other reads nothing. A key management service fits behind the same trait; hence `async`.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use async_trait::async_trait;
use privacy_seal::{
    KeyFileError,
    keyfile::{self, Secret},
};
use rand::TryRngCore;
use sha2::{Digest, Sha256};
use std::{fmt, path::Path};
use zeroize::Zeroizing;

/// A wrapped data key and the id of the master key that wrapped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Opaque to everybody but the master key; at most 4,096 bytes.
    pub bytes: Vec<u8>,
    /// [`MasterKey::id`] at the time.
    pub master: String,
}

/// Why wrapping or unwrapping failed.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// Wrapped by a master key that is not at hand.
    #[error(
        "master key: this data key was wrapped by {wrapped_by}, at hand is {at_hand}; put back the master key file of that name"
    )]
    Another {
        /// The id in the row.
        wrapped_by: String,
        /// The id of the key at hand.
        at_hand: String,
    },
    /// The bytes do not unwrap.
    #[error("master key: the wrapped key is damaged or belongs to another row")]
    Damaged,
    /// The key service did not answer; try again.
    #[error("master key: not reachable ({0}); the value cannot be read until it is")]
    Unreachable(String),
}

/// Wraps and unwraps data keys. `aad` names unit and class, so that a wrapped key cannot be moved to another row.
#[async_trait]
pub trait MasterKey: Send + Sync + 'static {
    /// Names the key without telling it: 1 to 128 characters, stored beside each wrapped key.
    fn id(&self) -> &str;
    /// Wraps a data key.
    async fn wrap(&self, aad: &[u8], key: &Secret) -> Result<Wrapped, MasterError>;
    /// Unwraps it again.
    async fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Secret, MasterError>;
}

/// A master key in a file of 32 random bytes (0600). AES-256-GCM with random nonces: good for 2^32 data keys.
pub struct FileMasterKey {
    key: Secret,
    id: String,
}

const VERSION: u8 = 1;

impl FileMasterKey {
    /// Reads the file, or makes it, synced, if it is absent. A vault that already holds keys of another master key then
    /// refuses to open ([`crate::VaultError::WrongMaster`]), so that a lost file is noticed at once.
    ///
    /// # Errors
    /// The file cannot be read or made, is damaged, or readable by others.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        keyfile::load_or_create_secret(path).map(Self::new)
    }

    /// From bytes at hand (tests).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::new(Zeroizing::new(bytes))
    }

    fn new(key: Secret) -> Self {
        let print = Sha256::new().chain_update(b"madoguchi master key id v1").chain_update(*key).finalize();
        Self { id: format!("file-{}", hex::encode(&print[..8])), key }
    }
}

#[async_trait]
impl MasterKey for FileMasterKey {
    fn id(&self) -> &str {
        &self.id
    }

    async fn wrap(&self, aad: &[u8], key: &Secret) -> Result<Wrapped, MasterError> {
        let mut nonce = [0; 12];
        rand::rngs::OsRng.try_fill_bytes(&mut nonce).map_err(|e| MasterError::Unreachable(e.to_string()))?;
        let text = Aes256Gcm::new((&*self.key).into())
            .encrypt(Nonce::from_slice(&nonce), Payload { msg: &**key, aad })
            .map_err(|_| MasterError::Damaged)?;
        Ok(Wrapped { bytes: [&[VERSION], nonce.as_slice(), &text].concat(), master: self.id.clone() })
    }

    async fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Secret, MasterError> {
        if wrapped.master != self.id {
            return Err(MasterError::Another { wrapped_by: wrapped.master.clone(), at_hand: self.id.clone() });
        }
        let (nonce, text) = match wrapped.bytes.split_first() {
            Some((&VERSION, rest)) if rest.len() > 12 => rest.split_at(12),
            _ => return Err(MasterError::Damaged),
        };
        let plain = Aes256Gcm::new((&*self.key).into())
            .decrypt(Nonce::from_slice(nonce), Payload { msg: text, aad })
            .map_err(|_| MasterError::Damaged)?;
        let plain = Zeroizing::new(plain);
        plain.as_slice().try_into().map(Zeroizing::new).map_err(|_| MasterError::Damaged)
    }
}

impl fmt::Debug for FileMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[master key {}]", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unwraps_its_own_for_the_same_row_only() {
        let (mine, other) = (FileMasterKey::from_bytes([1; 32]), FileMasterKey::from_bytes([2; 32]));
        let key = Zeroizing::new([7; 32]);
        let wrapped = mine.wrap(b"row 1", &key).await.unwrap();
        assert_eq!(mine.unwrap(b"row 1", &wrapped).await.unwrap(), key);
        assert!(matches!(mine.unwrap(b"row 2", &wrapped).await, Err(MasterError::Damaged)));
        assert!(matches!(other.unwrap(b"row 1", &wrapped).await, Err(MasterError::Another { .. })));
        for at in 0..wrapped.bytes.len() {
            let mut bad = wrapped.clone();
            bad.bytes[at] ^= 1;
            assert!(matches!(mine.unwrap(b"row 1", &bad).await, Err(MasterError::Damaged)), "byte {at}");
            bad.bytes.truncate(at);
            assert!(matches!(mine.unwrap(b"row 1", &bad).await, Err(MasterError::Damaged)), "cut at {at}");
        }
        assert_ne!(mine.wrap(b"row 1", &key).await.unwrap(), wrapped);
        assert!(!format!("{mine:?}").contains("0101"));
    }
}
