//! [`seal_to`]: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//!
//! | byte | what |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 to 32 | the encapsulated key |
//! | 33 … | ciphertext and 16-byte tag |
//!
//! The additional data names what the bytes are and where they belong, so that sealed bytes moved to another row or
//! message do not open. All three algorithms are in the CRYPTREC list.
//!
//! Sealing is rustls' HPKE over aws-lc, the provider of TLS in this house: it takes less than half the time, and the desk seals once
//! for each recipient of each stop. Opening is the crate hpke's: whatever is opened was made by another implementation.

use crate::{Personal, PublicKey, Purpose};
use contracts::Sealed;
use hpke::{Deserializable, OpModeR, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256};
use rustls::crypto::{
    aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as HPKE,
    hpke::{Hpke, HpkePublicKey},
};
use serde::Serialize;
use zeroize::Zeroizing;

// Secret keys are nobody's business outside: `privacy` names these types itself.
pub(crate) use hpke::Kem as KemTrait;
/// The key encapsulation in use.
pub(crate) type Kem = X25519HkdfSha256;
/// A secret X25519 key, overwritten when dropped.
pub(crate) type PrivateKey = <Kem as KemTrait>::PrivateKey;

/// The first byte of what [`seal_to`] makes.
pub const VERSION: u8 = 1;
/// HPKE's `info`: binds sealed bytes to this use.
pub const INFO: &[u8] = b"madoguchi seal v1";
/// Length of the encapsulated key.
pub const ENC: usize = 32;
/// Length of the AEAD tag.
pub const TAG: usize = 16;
/// How much longer the sealed bytes are than the plain ones.
pub const OVERHEAD: usize = 1 + ENC + TAG;
/// The most that is sealed at once, 32 MiB; larger files are cut into segments.
pub const PLAIN_MAX: usize = 32 * 1024 * 1024;

/// Why something was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Over 32 MiB.
    #[error("sealing: over 32 MiB; cut the file into segments")]
    TooLong,
    /// The key is not one that anything can be sealed to.
    #[error("sealing: the recipient's public key cannot be used; ask its owner for a new one")]
    BadKey,
    /// The value has no JSON form.
    #[error("sealing: the value cannot be written as JSON")]
    NotJson,
    /// The hatch has sealed its 1,000 filings.
    #[error("sealing: this hatch is used up; renew it")]
    Spent,
}

/// Why something was not opened. Which of the possible reasons it is, cryptography cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or a version that this program does not know.
    #[error("opening: not sealed by a version that this program knows; update it")]
    Form,
    /// Another key, other additional data (moved to another row?), or changed bytes.
    #[error("opening: sealed to another key, for another place, or changed since")]
    Refused,
}

/// Seals bytes to the holder of a key. `aad` names what and where they are and has to be given again for opening.
///
/// # Errors
/// More than 32 MiB, or a key that HPKE refuses. Without random bytes from the operating system nothing is sealed either.
pub fn seal_to(key: &PublicKey, aad: &[u8], plain: &[u8]) -> Result<Sealed, SealError> {
    if plain.len() > PLAIN_MAX {
        return Err(SealError::TooLong);
    }
    let recipient = HpkePublicKey(key.as_bytes().to_vec());
    let (enc, text) = HPKE.seal(INFO, aad, plain, &recipient).map_err(|_| SealError::BadKey)?;
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.push(VERSION);
    out.extend_from_slice(&enc.0);
    out.extend_from_slice(&text);
    Ok(Sealed(out))
}

/// Seals a personal value as JSON; the plain JSON is overwritten afterwards.
///
/// # Errors
/// As [`seal_to`]; or the value has no JSON form.
pub fn seal_json<T: Serialize + 'static>(
    key: &PublicKey,
    aad: &[u8],
    value: &Personal<T>,
) -> Result<Sealed, SealError> {
    let plain = serde_json::to_vec(value.disclose(Purpose::SealForOwner)).map_err(|_| SealError::NotJson)?;
    seal_to(key, aad, &Zeroizing::new(plain))
}

/// The parts of sealed bytes: encapsulated key and ciphertext.
///
/// # Errors
/// [`OpenError::Form`].
pub fn parts(sealed: &[u8]) -> Result<(&[u8], &[u8]), OpenError> {
    match sealed.split_first() {
        Some((&VERSION, rest)) if sealed.len() >= OVERHEAD => Ok(rest.split_at(ENC)),
        _ => Err(OpenError::Form),
    }
}

/// Opens with a secret key. Private to this crate: only [`crate::CodeKey`] uses it here.
pub(crate) fn open(secret: &PrivateKey, aad: &[u8], sealed: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
    let (enc, text) = parts(sealed)?;
    let enc = <Kem as KemTrait>::EncappedKey::from_bytes(enc).map_err(|_| OpenError::Form)?;
    hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(&OpModeR::Base, secret, &enc, INFO, text, aad)
        .map(Personal::new)
        .map_err(|_| OpenError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpke::Serializable;
    use proptest::prelude::*;

    fn pair() -> (PrivateKey, PublicKey) {
        let (secret, public) = Kem::gen_keypair();
        (secret, PublicKey::from_bytes(&public.to_bytes()).unwrap())
    }

    #[test]
    fn two_sealings_of_the_same_bytes_differ() {
        let (_, key) = pair();
        assert_ne!(seal_to(&key, b"a", b"x").unwrap(), seal_to(&key, b"a", b"x").unwrap());
    }

    #[test]
    fn unknown_versions_and_stumps_are_told_apart_from_tampering() {
        let (secret, key) = pair();
        let Sealed(mut bytes) = seal_to(&key, b"", b"").unwrap();
        assert_eq!(bytes.len(), OVERHEAD);
        assert_eq!(open(&secret, b"", &bytes[..OVERHEAD - 1]), Err(OpenError::Form));
        bytes[0] = 2;
        assert_eq!(open(&secret, b"", &bytes), Err(OpenError::Form));
        assert_eq!(open(&secret, b"", b""), Err(OpenError::Form));
        assert_eq!(seal_to(&key, b"", &vec![0; PLAIN_MAX + 1]), Err(SealError::TooLong));
    }

    /// RFC 9180 appendix A.1.1 (DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, base mode). It has AES-128-GCM where we have
    /// AES-256-GCM; key encapsulation and key schedule are the same code.
    #[test]
    fn opens_the_example_of_rfc_9180_a_1_1() {
        let bytes = |text: &str| hex::decode(text).unwrap();
        let (secret, public) =
            Kem::derive_keypair(&bytes("6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037"));
        assert_eq!(hex::encode(public.to_bytes()), "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
        let enc = bytes("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
        let enc = <Kem as KemTrait>::EncappedKey::from_bytes(&enc).unwrap();
        let text = bytes("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a");
        let info = bytes("4f6465206f6e2061204772656369616e2055726e");
        let plain = hpke::single_shot_open::<hpke::aead::AesGcm128, HkdfSha256, Kem>(
            &OpModeR::Base,
            &secret,
            &enc,
            &info,
            &text,
            b"Count-0",
        );
        assert_eq!(plain.unwrap(), b"Beauty is truth, truth beauty");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn opens_with_its_key_and_place_only(plain: Vec<u8>, aad: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let (secret, key) = pair();
            let Sealed(mut bytes) = seal_to(&key, &aad, &plain).unwrap();
            let opened = open(&secret, &aad, &bytes).unwrap();
            prop_assert_eq!(opened.disclose(Purpose::ShowToStaff), &plain);
            prop_assert_eq!(open(&pair().0, &aad, &bytes), Err(OpenError::Refused));
            let mut other = aad.clone();
            other.push(0);
            prop_assert_eq!(open(&secret, &other, &bytes), Err(OpenError::Refused));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            // The top bit of the encapsulated point is ignored by X25519 itself, but HPKE mixes its bytes into the key.
            prop_assert!(open(&secret, &aad, &bytes).is_err());
        }
    }
}
