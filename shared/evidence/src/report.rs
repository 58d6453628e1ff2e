//! A recipient's report as a stranger verifies it: a compact JWS (RFC 7515), EdDSA or ES256, over the digest of the bytes
//! that were received. The key says its algorithm, never the header.

use crate::file::Hex;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek as ed;
use p256::ecdsa::{self, signature::Verifier as _};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The `typ` of a report's header.
pub const TYP: &str = "madoguchi-report-v1+jws";

/// What a report says, as far as it is compared here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// About which instruction.
    pub instruction: Uuid,
    /// Who reports.
    pub recipient: Uuid,
    /// SHA-256 of the instruction's bytes as received.
    pub digest: Hex,
    /// `received`, `acted`, `reported`.
    pub stage: String,
    /// With `reported`: what became of it.
    #[serde(default)]
    pub outcome: Option<String>,
    /// The ground of an exemption, or why something is not reachable.
    #[serde(default)]
    pub ground: Option<String>,
    /// When, by the recipient's clock.
    pub time: jiff::Timestamp,
}

/// Why a report was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// No report.
    #[error("not a signed report (compact JWS of type {TYP} around a report)")]
    Form,
    /// By nobody that is known.
    #[error("signed with a key that is not among the recipient's")]
    UnknownKey,
    /// Not by that key, or not over these bytes.
    #[error("the signature does not verify")]
    BadSignature,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// The id of a key: the first 8 bytes of the SHA-256 of its bytes (32 of Ed25519; 33 of P-256, the compressed point).
pub fn key_id(key: &[u8]) -> String {
    hex::encode(&Sha256::digest(key)[..8])
}

/// Whether 64 bytes are the signature of a key over these, and by which algorithm it signs.
fn verifies(key: &[u8], signed: &[u8], signature: &[u8]) -> Option<(&'static str, bool)> {
    if let Ok(key) = <&[u8; 32]>::try_from(key) {
        let key = ed::VerifyingKey::from_bytes(key).ok().filter(|k| !k.is_weak())?;
        let good = ed::Signature::from_slice(signature).is_ok_and(|s| key.verify_strict(signed, &s).is_ok());
        return Some(("EdDSA", good));
    }
    let key = ecdsa::VerifyingKey::from_sec1_bytes(key).ok().filter(|_| key.len() == 33)?;
    Some(("ES256", ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify(signed, &s).is_ok())))
}

/// Verifies a report with the keys of its recipient and reads it.
///
/// # Errors
/// See [`ReportError`].
pub fn verify<'k>(bytes: &[u8], keys: impl IntoIterator<Item = &'k [u8]>) -> Result<Claims, ReportError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ReportError::Form)?;
    let (signed, signature) = text.rsplit_once('.').ok_or(ReportError::Form)?;
    let (header, payload) = signed.split_once('.').ok_or(ReportError::Form)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| ReportError::Form);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| ReportError::Form)?;
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    if header.typ != TYP {
        return Err(ReportError::Form);
    }
    let key = keys.into_iter().find(|k| key_id(k) == header.kid).ok_or(ReportError::UnknownKey)?;
    match verifies(key, signed.as_bytes(), &signature) {
        Some((algorithm, true)) if algorithm == header.alg => {
            serde_json::from_slice(&payload).map_err(|_| ReportError::Form)
        }
        _ => Err(ReportError::BadSignature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors that the contractors' examples verify, too.
    const VECTORS: &str = include_str!("../../recipient-kit/fixtures/vectors.json");

    #[test]
    fn the_published_vectors_verify_and_nothing_changed_does() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let ed = ed::SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes().to_vec();
        let p256 = ecdsa::SigningKey::from_slice(&[1; 32]).unwrap();
        let p256 = p256.verifying_key().to_encoded_point(true).as_bytes().to_vec();
        let keys = [ed.as_slice(), p256.as_slice()];
        for (name, key) in [("EdDSA", &ed), ("ES256", &p256)] {
            let jws = vectors["report"][name]["jws"].as_str().unwrap();
            assert_eq!(vectors["report"][name]["kid"], key_id(key), "{name}");
            let claims = verify(jws.as_bytes(), keys).unwrap();
            assert_eq!((claims.stage.as_str(), claims.outcome.as_deref()), ("reported", Some("applied")));
            assert_eq!(verify(jws.as_bytes(), []), Err(ReportError::UnknownKey));
            for at in 0..jws.len() {
                let mut bad = jws.as_bytes().to_vec();
                bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
                assert!(verify(&bad, keys).is_err(), "{name}: byte {at}");
            }
        }
        // A key of the other kind under the header's id: the header does not choose.
        assert_eq!(verify(b"a.b.c", keys), Err(ReportError::Form));
    }
}
