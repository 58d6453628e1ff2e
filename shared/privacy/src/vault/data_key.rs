//! [`DataKey`]: the key of one unit and class, unwrapped, in memory.

use super::{KeyName, VaultError};
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use privacy_seal::{Personal, keyfile::Secret, seal::PLAIN_MAX};
use rand::TryRngCore;
use std::{fmt, sync::Arc};

const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

/// The key of one unit and class. Cloning shares it; the last clone overwrites it. Hold it for the work at hand only: it
/// outlives an erasure as long as somebody holds it.
///
/// Sealed bytes: version 1, nonce (12 random bytes), ciphertext and tag of AES-256-GCM. Unit, class and `aad` are bound in.
#[derive(Clone)]
pub struct DataKey {
    name: KeyName,
    key: Arc<Secret>,
}

impl DataKey {
    pub(super) fn new(name: KeyName, key: Secret) -> Self {
        Self { name, key: Arc::new(key) }
    }

    /// Which key it is.
    pub const fn name(&self) -> KeyName {
        self.name
    }

    /// Seals a value; `aad` names table and column (`b"intake.person.name"`), so that it does not open elsewhere.
    ///
    /// # Errors
    /// Over 32 MiB, or no random bytes.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        if plain.len() > PLAIN_MAX {
            return Err(VaultError::TooLong);
        }
        let mut nonce = [0; NONCE];
        rand::rngs::OsRng.try_fill_bytes(&mut nonce).map_err(|_| VaultError::NoRandomness)?;
        let text = Aes256Gcm::new((&**self.key).into())
            .encrypt(Nonce::from_slice(&nonce), Payload { msg: plain, aad: &self.name.aad(aad) })
            .map_err(|_| VaultError::TooLong)?;
        let mut out = Vec::with_capacity(1 + NONCE + text.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&text);
        Ok(out)
    }

    /// Opens it again.
    ///
    /// # Errors
    /// [`VaultError::Damaged`]: changed, cut, or sealed for another place.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Personal<Vec<u8>>, VaultError> {
        let damaged = VaultError::Damaged(self.name);
        let (nonce, text) = match sealed.split_first() {
            Some((&VERSION, rest)) if rest.len() >= NONCE + TAG => rest.split_at(NONCE),
            _ => return Err(damaged),
        };
        Aes256Gcm::new((&**self.key).into())
            .decrypt(Nonce::from_slice(nonce), Payload { msg: text, aad: &self.name.aad(aad) })
            .map(Personal::new)
            .map_err(|_| damaged)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[data key of {}]", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Purpose, RecordClass};
    use proptest::prelude::*;
    use uuid::Uuid;
    use zeroize::Zeroizing;

    fn key(unit: u128, class: RecordClass) -> DataKey {
        // The same bytes for every name, so that what is refused is refused because of the name.
        DataKey::new(KeyName { unit: Uuid::from_u128(unit), class }, Zeroizing::new([7; 32]))
    }

    proptest! {
        #[test]
        fn opens_in_its_place_only(plain: Vec<u8>, aad: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let mine = key(1, RecordClass::Case);
            let mut sealed = mine.seal(&aad, &plain).unwrap();
            let opened = mine.open(&aad, &sealed).unwrap();
            prop_assert_eq!(opened.disclose(Purpose::ShowToStaff), &plain);
            let elsewhere = [aad.as_slice(), b"x"].concat();
            for refused in [
                mine.open(&elsewhere, &sealed),
                key(2, RecordClass::Case).open(&aad, &sealed),
                key(1, RecordClass::Letter).open(&aad, &sealed),
                mine.open(&aad, &sealed[..sealed.len() - 1]),
            ] {
                prop_assert!(matches!(refused, Err(VaultError::Damaged(_))));
            }
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(mine.open(&aad, &sealed).is_err());
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let mine = key(1, RecordClass::Case);
        assert_ne!(mine.seal(b"", b"x").unwrap(), mine.seal(b"", b"x").unwrap());
        assert!(matches!(mine.seal(b"", &vec![0; PLAIN_MAX + 1]), Err(VaultError::TooLong)));
        assert!(!format!("{mine:?}").contains('7'), "{mine:?}");
    }
}
