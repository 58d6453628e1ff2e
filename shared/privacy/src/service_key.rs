//! [`ServiceKey`]: the secret half of a service's key pair, in `<service>.key` of the key folder.
//!
//! Beside it stands `<service>.pub`, which everybody may read, the door included. In production each secret file is mounted
//! into the one process that it belongs to; on one machine the folder is shared and the files are 0600.

use hpke::{
    Deserializable, Kem as _, OpModeR, Serializable, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256 as Kem,
};
use privacy_seal::{
    KeyFileError, OpenError, Personal, PublicKey,
    keyfile::{self, Secret},
    seal::{INFO, parts},
};
use std::{fmt, path::Path};

/// A secret X25519 key, overwritten when dropped.
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;

/// A service's key pair.
#[derive(Clone)]
pub struct ServiceKey {
    service: String,
    secret: PrivateKey,
    public: PublicKey,
}

/// A name that is safe as a file name: a subject token.
pub(crate) fn check_name(service: &str) -> Result<(), KeyFileError> {
    let good = (1..=64).contains(&service.len())
        && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good { Ok(()) } else { Err(KeyFileError::Name) }
}

impl ServiceKey {
    /// Reads `<service>.key`, or makes it, and sees to it that `<service>.pub` says the same.
    ///
    /// # Errors
    /// The folder or a file cannot be read or made, or holds no key. A damaged key is never replaced: what was sealed to it
    /// would be lost.
    pub fn load_or_create(folder: &Path, service: &str) -> Result<Self, KeyFileError> {
        check_name(service)?;
        let path = folder.join(format!("{service}.key"));
        let key = Self::from_secret(service, &keyfile::load_or_create_secret(&path)?)
            .ok_or_else(|| KeyFileError::form(&path))?;
        let public = folder.join(format!("{service}.pub"));
        let content = format!("{}\n", key.public);
        if std::fs::read(&public).ok().as_deref() != Some(content.as_bytes()) {
            // Absent, or of another life of the key: what is sealed to it now, nobody could open.
            match std::fs::remove_file(&public) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(KeyFileError::io(&public, e)),
                _ => keyfile::publish(&public, content.as_bytes(), 0o644)?,
            }
        }
        Ok(key)
    }

    fn from_secret(service: &str, secret: &Secret) -> Option<Self> {
        let secret = PrivateKey::from_bytes(&**secret).ok()?;
        let public = PublicKey::from_bytes(&Kem::sk_to_pk(&secret).to_bytes()).ok()?;
        Some(Self { service: service.to_owned(), secret, public })
    }

    /// A new pair that is written nowhere (tests, demo recipients).
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn ephemeral(service: &str) -> Result<Self, KeyFileError> {
        check_name(service)?;
        let secret = keyfile::random().map_err(|e| KeyFileError::io(Path::new(service), e))?;
        Self::from_secret(service, &secret).ok_or(KeyFileError::Name)
    }

    /// Whose key it is.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The half for everybody.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Opens what [`privacy_seal::seal_to`] sealed to [`ServiceKey::public`] with the same `aad`.
    ///
    /// # Errors
    /// Another key, another place, changed bytes, or an unknown version.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
        let (enc, text) = parts(sealed)?;
        let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc).map_err(|_| OpenError::Form)?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(&OpModeR::Base, &self.secret, &enc, INFO, text, aad)
            .map(Personal::new)
            .map_err(|_| OpenError::Refused)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[secret key of {}]", self.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_seal::{PublicKeys, Purpose, seal_to};

    #[test]
    fn made_once_and_the_public_file_follows_the_secret_one() {
        let folder = tempfile::tempdir().unwrap();
        let key = ServiceKey::load_or_create(folder.path(), "intake").unwrap();
        assert_eq!(PublicKeys::load(folder.path()).unwrap().desk().unwrap(), key.public());
        assert_eq!(ServiceKey::load_or_create(folder.path(), "intake").unwrap().public(), key.public());
        std::fs::write(folder.path().join("intake.pub"), "of another life").unwrap();
        ServiceKey::load_or_create(folder.path(), "intake").unwrap();
        assert_eq!(PublicKeys::load(folder.path()).unwrap().desk().unwrap(), key.public());
        assert_ne!(ServiceKey::load_or_create(folder.path(), "payment").unwrap().public(), key.public());
        for name in ["", "../intake", "Intake", "a/b", ".."] {
            assert!(matches!(ServiceKey::load_or_create(folder.path(), name), Err(KeyFileError::Name)), "{name}");
        }
    }

    #[test]
    fn opens_what_was_sealed_to_it_and_nothing_else() {
        let (mine, other) = (ServiceKey::ephemeral("identity").unwrap(), ServiceKey::ephemeral("payment").unwrap());
        let sealed = seal_to(&mine.public(), b"answer 1", b"1980-04-05").unwrap();
        assert_eq!(mine.open(b"answer 1", &sealed.0).unwrap().disclose(Purpose::VerifyIdentity), b"1980-04-05");
        assert_eq!(mine.open(b"answer 2", &sealed.0), Err(OpenError::Refused));
        assert_eq!(other.open(b"answer 1", &sealed.0), Err(OpenError::Refused));
        assert_eq!(mine.open(b"answer 1", &sealed.0[1..]), Err(OpenError::Form));
        assert_eq!(format!("{mine:?}"), "[secret key of identity]");
    }
}
