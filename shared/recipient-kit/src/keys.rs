//! A recipient's own keys: Ed25519 (or P-256) for its reports, X25519 for what is sealed to it. The secrets never leave it.

use crate::{ReportSigner, key_id};
use contracts::Code;
use hpke::{
    Deserializable, Kem as _, OpModeR, Serializable, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256 as Kem,
};
use jws::NotAReportKey;
use privacy_seal::{
    Personal, PublicKey,
    keyfile::{self, KeyFileError},
    seal::{INFO, OpenError, parts},
};
use std::{fmt, path::Path};
use zeroize::Zeroizing;

/// A secret X25519 key, overwritten when dropped.
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;

/// Both key pairs of a recipient.
#[derive(Clone)]
pub struct RecipientKeys {
    /// Signs reports and requests.
    pub signing: ReportSigner,
    sealing: PrivateKey,
    sealing_public: PublicKey,
}

/// Why keys could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file could not be read or made.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// No random bytes.
    #[error("the operating system has no random bytes: {0}")]
    Random(#[from] std::io::Error),
}

impl RecipientKeys {
    /// From two secrets of 32 bytes.
    pub fn from_secrets(signing: &[u8; 32], sealing: &[u8; 32]) -> Self {
        let pair = |bytes: &[u8; 32]| {
            let secret = PrivateKey::from_bytes(bytes).ok()?;
            let public = PublicKey::from_bytes(&Kem::sk_to_pk(&secret).to_bytes()).ok()?;
            Some((secret, public))
        };
        #[expect(
            clippy::expect_used,
            reason = "X25519 takes any 32 bytes and clamps them, so the point has full order"
        )]
        let (sealing, sealing_public) = pair(sealing).expect("any 32 bytes are an X25519 key");
        Self { signing: ReportSigner::ed25519(signing), sealing, sealing_public }
    }

    /// The same with a P-256 key for reports: for recipients whose hardware has no Ed25519.
    ///
    /// # Errors
    /// The secret is zero or not below the order of the curve.
    pub fn with_p256(self, signing: &[u8; 32]) -> Result<Self, NotAReportKey> {
        Ok(Self { signing: ReportSigner::p256(signing)?, ..self })
    }

    /// New random keys that live as long as the process (tests).
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn random() -> Result<Self, KeysError> {
        Ok(Self::from_secrets(&*keyfile::random()?, &*keyfile::random()?))
    }

    /// Reads `report.key` and `sealing.key` of a folder, or makes them (mode 0600).
    ///
    /// # Errors
    /// A file cannot be read, made, or is readable by others.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeysError> {
        let signing = keyfile::load_or_create_secret(&folder.join("report.key"))?;
        let sealing = keyfile::load_or_create_secret(&folder.join("sealing.key"))?;
        Ok(Self::from_secrets(&signing, &sealing))
    }

    /// What the desk registers as `report_key`.
    pub fn report_public(&self) -> Vec<u8> {
        self.signing.public().to_bytes()
    }
    /// What the desk registers as `sealing_key`.
    pub const fn sealing_public(&self) -> PublicKey {
        self.sealing_public
    }
    /// The id by which an instruction names the sealing key (`sealed_to`).
    pub fn sealing_id(&self) -> Code {
        key_id(self.sealing_public.as_bytes())
    }

    /// Opens what was sealed to this recipient. `aad` is what it was sealed for: the instruction's id.
    ///
    /// # Errors
    /// Sealed to another key, for another instruction, or changed.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
        let (enc, text) = parts(sealed)?;
        let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc).map_err(|_| OpenError::Form)?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(&OpModeR::Base, &self.sealing, &enc, INFO, text, aad)
            .map(Personal::new)
            .map_err(|_| OpenError::Refused)
    }
}

impl fmt::Debug for RecipientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[recipient keys]")
    }
}

/// A secret of 32 bytes for something else (a webhook secret in tests).
///
/// # Errors
/// The operating system has no random bytes.
pub fn random_secret() -> Result<Zeroizing<[u8; 32]>, KeysError> {
    Ok(keyfile::random()?)
}
