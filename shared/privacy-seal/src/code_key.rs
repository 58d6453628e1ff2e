//! The key pair that an access code stands for (bus.md 6.3).
//!
//! secret = HKDF-SHA256(access code, salt = receipt number); the public half is stored as `code_key` of the letterbox and
//! is verifier, status key and download key at once. A wrong code and an unknown receipt number are the same miss: there
//! is no row under that key, found or not found in the same time.

use crate::{
    AccessCode, Personal, PublicKey,
    seal::{self, Kem, KemTrait, OpenError, PrivateKey},
};
use hkdf::Hkdf;
use hpke::{Deserializable, Serializable};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The person's key pair, alive while the person is there.
pub struct CodeKey {
    secret: PrivateKey,
    public: PublicKey,
}

impl CodeKey {
    /// The pair of a code and a receipt number in its text form (`M-XXXX-XXXX-XXXX`).
    pub fn derive(code: &AccessCode, receipt: &str) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        let pair = |bytes: &[u8; 32]| {
            let secret = PrivateKey::from_bytes(bytes).ok()?;
            let public = PublicKey::from_bytes(&Kem::sk_to_pk(&secret).to_bytes()).ok()?;
            Some(Self { secret, public })
        };
        let hkdf = Hkdf::<Sha256>::new(Some(receipt.as_bytes()), code.bits());
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8,160 bytes")]
        hkdf.expand(b"madoguchi code key v1", &mut *bytes).expect("32 bytes are within HKDF's limit");
        #[expect(
            clippy::expect_used,
            reason = "X25519 takes any 32 bytes and clamps them, so the point has full order"
        )]
        pair(&bytes).expect("any 32 bytes are an X25519 key")
    }

    /// The half that the desk stores and seals letters to.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Opens a letter of the person's own letterbox.
    ///
    /// # Errors
    /// Sealed to another key, for another place, or changed.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
        seal::open(&self.secret, aad, sealed)
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[code key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Purpose, seal_json, seal_to};

    fn key(code: &str, receipt: &str) -> CodeKey {
        CodeKey::derive(&code.parse().unwrap(), receipt)
    }

    #[test]
    fn the_person_opens_what_the_desk_sealed_and_nobody_else_does() {
        let person = key("0123-4567-89AB-CDEF", "M-0000-0000-0000");
        let again = key("o123456789abcdef", "M-0000-0000-0000");
        assert_eq!(person.public(), again.public());
        let letter = seal_to(&person.public(), b"letter 1", b"your status").unwrap();
        assert_eq!(again.open(b"letter 1", &letter.0).unwrap().disclose(Purpose::ShowToPerson), b"your status");
        assert_eq!(again.open(b"letter 2", &letter.0), Err(OpenError::Refused));
        for other in [key("0123-4567-89AB-CDEG", "M-0000-0000-0000"), key("0123-4567-89AB-CDEF", "M-0000-0000-0011")] {
            assert_ne!(other.public(), person.public());
            assert_eq!(other.open(b"letter 1", &letter.0), Err(OpenError::Refused));
        }
    }

    #[test]
    fn a_value_travels_as_json() {
        let person = key("0123-4567-89AB-CDEF", "M-0000-0000-0000");
        let sealed = seal_json(&person.public(), b"", &Personal::new(vec!["山田".to_owned()])).unwrap();
        let opened: Personal<Vec<String>> = person.open(b"", &sealed.0).unwrap().json().unwrap();
        assert_eq!(opened.disclose(Purpose::ShowToPerson)[0], "山田");
    }

    /// The derivation may never change: every code that people hold would open nothing.
    #[test]
    fn the_derivation_is_fixed() {
        assert_eq!(
            hex::encode(key("0000-0000-0000-0000", "M-0000-0000-0000").public().as_bytes()),
            include_str!("../fixtures/code_key_v1.hex").trim(),
        );
    }
}
