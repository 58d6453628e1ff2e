//! Compact JWS (RFC 7515), as much of it as a report needs: EdDSA with Ed25519 (RFC 8037) and ES256 (RFC 7518), strict.
//!
//! A key says its algorithm, never the header: a header that names another is refused, so nobody can choose. The header is
//! exactly `alg`, `kid` and `typ`. Keys that travel in a header (`jwk`, `jku`, `x5u`, `x5c`), `crit`, `b64` and everything
//! else are refused unseen. Base64url without padding and without spare bits, so one signature has one text.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::{Code, recipient::BODY_MAX};
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The longest header, in characters of base64url.
const HEADER_MAX: usize = 512;

/// The id of a public key: the first 8 bytes of the SHA-256 of its bytes in hexadecimal. The bytes of an Ed25519 or X25519
/// key are its 32, those of a P-256 key the 33 of its compressed point (SEC 1, 2.3.3).
pub fn key_id(public: &[u8]) -> Code {
    let text: String = Sha256::digest(public)[..8].iter().map(|b| format!("{b:02x}")).collect();
    // Sixteen hexadecimal digits are always a code.
    text.parse().unwrap_or(Code::of("0"))
}

/// How reports are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4); the signature is r and s, 32 bytes each.
    #[serde(rename = "ES256")]
    Es256,
}

/// A recipient's public key that verifies its reports and its requests.
#[derive(Clone, PartialEq, Eq)]
pub enum ReportKey {
    /// Ed25519.
    Ed25519(ed25519_dalek::VerifyingKey),
    /// P-256.
    P256(p256::ecdsa::VerifyingKey),
}

/// Why bytes are no report key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a report key: 32 bytes of an Ed25519 key, or 33 or 65 bytes of a point on P-256 (SEC 1)")]
pub struct NotAReportKey;

impl ReportKey {
    /// From 32 bytes (Ed25519), 33 or 65 (P-256, compressed or not).
    ///
    /// # Errors
    /// Another length, no point of the curve, or a weak point.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAReportKey> {
        match bytes.len() {
            32 => {
                let bytes = bytes.try_into().map_err(|_| NotAReportKey)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| NotAReportKey)?;
                if key.is_weak() { Err(NotAReportKey) } else { Ok(Self::Ed25519(key)) }
            }
            33 | 65 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_| NotAReportKey)?;
                Ok(Self::P256(key))
            }
            _ => Err(NotAReportKey),
        }
    }
    /// The one form that is kept and hashed: 32 bytes, or 33.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.to_bytes().to_vec(),
            Self::P256(key) => key.to_encoded_point(true).as_bytes().to_vec(),
        }
    }
    /// Its id, the `kid` of a report.
    pub fn id(&self) -> Code {
        key_id(&self.to_bytes())
    }
    /// The one algorithm that it verifies.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
        }
    }
    /// Whether 64 bytes are its signature over these.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(bytes, &signature).is_ok()),
            Self::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(bytes, &signature).is_ok()),
        }
    }
}

impl fmt::Debug for ReportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.algorithm(), self.id())
    }
}

/// A recipient's secret key for its reports and requests. Overwritten when dropped.
#[derive(Clone)]
pub enum ReportSigner {
    /// Ed25519.
    Ed25519(ed25519_dalek::SigningKey),
    /// P-256.
    P256(p256::ecdsa::SigningKey),
}

impl ReportSigner {
    /// Ed25519 from its 32 secret bytes.
    pub fn ed25519(secret: &[u8; 32]) -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(secret))
    }
    /// P-256 from its 32 secret bytes.
    ///
    /// # Errors
    /// Zero, or not below the order of the curve.
    pub fn p256(secret: &[u8; 32]) -> Result<Self, NotAReportKey> {
        p256::ecdsa::SigningKey::from_slice(secret).map(Self::P256).map_err(|_| NotAReportKey)
    }
    /// The public half.
    pub fn public(&self) -> ReportKey {
        match self {
            Self::Ed25519(key) => ReportKey::Ed25519(key.verifying_key()),
            Self::P256(key) => ReportKey::P256(*key.verifying_key()),
        }
    }
    /// 64 bytes; the same again for the same bytes (RFC 8032, RFC 6979).
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign(bytes).to_bytes(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(key, bytes);
                signature.to_bytes().into()
            }
        }
    }
}

impl fmt::Debug for ReportSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[report key]")
    }
}

/// The protected header: exactly these three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// `EdDSA` or `ES256`; `none` and everything else is no header.
    pub alg: Algorithm,
    /// [`key_id`] of the key that signed.
    pub kid: Code,
    /// The type of what is signed: compared, never believed.
    pub typ: String,
}

/// A compact JWS, read and not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compact<'a> {
    /// The header.
    pub header: Header,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

/// Why it is none, or is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not a compact JWS with such a header.
    Malformed,
    /// No such key.
    UnknownKey,
    /// The header names another algorithm than the key's.
    WrongAlgorithm,
    /// The signature does not verify.
    BadSignature,
}

impl<'a> Compact<'a> {
    /// Reads one; says nothing about its signature.
    ///
    /// # Errors
    /// [`Refused::Malformed`].
    pub fn parse(bytes: &'a [u8], typ: &str) -> Result<Self, Refused> {
        if bytes.len() > BODY_MAX {
            return Err(Refused::Malformed);
        }
        let dot = bytes.iter().rposition(|b| *b == b'.').ok_or(Refused::Malformed)?;
        let (signed, signature) = (&bytes[..dot], &bytes[dot + 1..]);
        let mut parts = signed.splitn(2, |b| *b == b'.');
        let (Some(header), Some(payload)) = (parts.next(), parts.next()) else { return Err(Refused::Malformed) };
        if header.len() > HEADER_MAX || payload.is_empty() {
            return Err(Refused::Malformed);
        }
        // A fourth part fails here: a dot is no character of base64url.
        let decode = |text: &[u8]| URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Malformed)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        if header.typ != typ || signature.len() != 64 {
            return Err(Refused::Malformed);
        }
        Ok(Self { header, payload, signed, signature })
    }

    /// Verifies the signature with the key that the header names, if it is among these.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn verify(&self, keys: &[ReportKey]) -> Result<(), Refused> {
        let key = keys.iter().find(|k| k.id() == self.header.kid).ok_or(Refused::UnknownKey)?;
        if key.algorithm() != self.header.alg {
            return Err(Refused::WrongAlgorithm);
        }
        if key.verifies(self.signed, &self.signature) { Ok(()) } else { Err(Refused::BadSignature) }
    }
}

/// Makes one.
pub fn sign(typ: &str, payload: &[u8], key: &ReportSigner) -> String {
    let public = key.public();
    let header = Header { alg: public.algorithm(), kid: public.id(), typ: typ.to_owned() };
    // A struct with text keys always has a JSON form.
    let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).unwrap_or_default());
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[cfg(test)]
mod tests;
