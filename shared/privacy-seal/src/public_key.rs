//! [`PublicKey`]: the half of a key pair that everybody may have. X25519, RFC 7748.

use crate::keyfile::{self, KeyFileError};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, collections::BTreeMap, fmt, path::Path, str::FromStr};

/// A public key: 32 bytes, as text 44 characters of standard base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Why bytes or a text are no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Not 32 bytes, or not base64.
    #[error("public key: expected 32 bytes as 44 characters of standard base64")]
    Form,
    /// A point of small order: what is sealed to it, anybody can open (RFC 7748 section 6.1).
    #[error("public key: a point of small order, no secret key belongs to it; make a new key pair")]
    SmallOrder,
}

/// The points of small order, little-endian, top bit cleared (<https://cr.yp.to/ecdh.html#validate>).
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    near_prime(0xec),
    near_prime(0xed),
    near_prime(0xee),
];

const fn first(byte: u8) -> [u8; 32] {
    let mut out = [0; 32];
    out[0] = byte;
    out
}

/// p - 1, p and p + 1 for p = 2^255 - 19.
const fn near_prime(lowest: u8) -> [u8; 32] {
    let mut out = [0xff; 32];
    out[0] = lowest;
    out[31] = 0x7f;
    out
}

impl PublicKey {
    /// From 32 raw bytes.
    ///
    /// # Errors
    /// Another length, or a point of small order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAKey> {
        let key: [u8; 32] = bytes.try_into().map_err(|_| NotAKey::Form)?;
        let mut masked = key;
        masked[31] &= 0x7f;
        if SMALL_ORDER.contains(&masked) { Err(NotAKey::SmallOrder) } else { Ok(Self(key)) }
    }

    /// The 32 bytes, as a `bytea` column holds them.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads a `.pub` file.
    ///
    /// # Errors
    /// The file is absent, too large or no key; the error names it.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = keyfile::read_small(path)?;
        let text = std::str::from_utf8(&text).map_err(|_| KeyFileError::form(path))?;
        text.trim().parse().map_err(|_| KeyFileError::form(path))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        if text.len() != 44 {
            return Err(NotAKey::Form);
        }
        Self::from_bytes(&STANDARD.decode(text).map_err(|_| NotAKey::Form)?)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// The service whose key is "the desk's": it takes the in-tray, so hatches are sealed to it (bus.md 6.3).
pub const DESK: &str = "intake";

/// The most keys a folder may hold.
const KEYS_MAX: usize = 256;

/// The public keys of all services: the `<service>.pub` files of the key folder.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(BTreeMap<String, PublicKey>);

impl PublicKeys {
    /// Reads every `*.pub` file of a folder. Secret files beside them are not touched.
    ///
    /// # Errors
    /// The folder cannot be read, holds more than 256 keys, or one file is no key.
    pub fn load(folder: &Path) -> Result<Self, KeyFileError> {
        let mut keys = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(|e| KeyFileError::io(folder, e))? {
            let path = entry.map_err(|e| KeyFileError::io(folder, e))?.path();
            let (Some("pub"), Some(service)) =
                (path.extension().and_then(|e| e.to_str()), path.file_stem().and_then(|s| s.to_str()))
            else {
                continue;
            };
            keys.insert(service.to_owned(), PublicKey::load(&path)?);
            if keys.len() > KEYS_MAX {
                return Err(KeyFileError::TooMany { folder: folder.display().to_string() });
            }
        }
        Ok(Self(keys))
    }

    /// From pairs already at hand (tests, configuration).
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, PublicKey)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The key of a service by its subject token (`intake`, `identity`, …).
    ///
    /// # Errors
    /// There is no such file; the error names the service and the remedy.
    pub fn get(&self, service: &str) -> Result<PublicKey, KeyFileError> {
        self.0.get(service).copied().ok_or_else(|| KeyFileError::NoSuchKey { service: service.to_owned() })
    }

    /// The key that hatches and filings are sealed to: [`DESK`]'s.
    ///
    /// # Errors
    /// As [`PublicKeys::get`].
    pub fn desk(&self) -> Result<PublicKey, KeyFileError> {
        self.get(DESK)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &PublicKey)> {
        self.0.iter().map(|(name, key)| (name.as_str(), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_reads_back_and_anything_else_is_refused() {
        let key = PublicKey::from_bytes(&[9; 32]).unwrap();
        assert_eq!(key.to_string().parse(), Ok(key));
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), key);
        for bad in ["", "CQ==", &key.to_string()[..43], &format!("{key} ")] {
            assert_eq!(bad.parse::<PublicKey>(), Err(NotAKey::Form), "{bad}");
        }
    }

    #[test]
    fn points_of_small_order_are_refused_also_with_the_top_bit_set() {
        for point in SMALL_ORDER {
            assert_eq!(PublicKey::from_bytes(&point), Err(NotAKey::SmallOrder));
            let mut other = point;
            other[31] |= 0x80;
            assert_eq!(PublicKey::from_bytes(&other), Err(NotAKey::SmallOrder));
        }
    }

    #[test]
    fn a_folder_gives_every_public_key_and_names_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let key = PublicKey::from_bytes(&[9; 32]).unwrap();
        std::fs::write(folder.path().join("intake.pub"), format!("{key}\n")).unwrap();
        std::fs::write(folder.path().join("intake.key"), "not read").unwrap();
        let keys = PublicKeys::load(folder.path()).unwrap();
        assert_eq!(keys.desk().unwrap(), key);
        assert!(keys.get("payment").unwrap_err().to_string().contains("payment.pub"));
        std::fs::write(folder.path().join("payment.pub"), "nonsense").unwrap();
        assert!(PublicKeys::load(folder.path()).unwrap_err().to_string().contains("payment.pub"));
        std::fs::write(folder.path().join("payment.pub"), vec![b'A'; 5000]).unwrap();
        assert!(PublicKeys::load(folder.path()).is_err());
    }
}
