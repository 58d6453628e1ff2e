//! A recipient's report as a stranger verifies it: a compact JWS (RFC 7515), EdDSA or ES256, over the digest of the bytes
//! that were received; the same reading as at the counter, so that what was taken in verifies here.

use crate::file::Hex;
use contracts::recipient::REPORT_TYP;
use jws::{Compact, ReportKey};
use serde::Deserialize;
use uuid::Uuid;

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
    #[error("not a signed report (compact JWS of type {REPORT_TYP} around a report)")]
    Form,
    /// By nobody that is known.
    #[error("signed with a key that is not among the recipient's")]
    UnknownKey,
    /// Not by that key, or not over these bytes.
    #[error("the signature does not verify")]
    BadSignature,
}

impl From<jws::Refused> for ReportError {
    fn from(refused: jws::Refused) -> Self {
        match refused {
            jws::Refused::Malformed => Self::Form,
            jws::Refused::UnknownKey => Self::UnknownKey,
            jws::Refused::WrongAlgorithm | jws::Refused::BadSignature => Self::BadSignature,
        }
    }
}

/// Verifies a report with the keys of its recipient (32 bytes of Ed25519; 33 of P-256, the compressed point) and reads it.
///
/// # Errors
/// See [`ReportError`].
pub fn verify<'k>(bytes: &[u8], keys: impl IntoIterator<Item = &'k [u8]>) -> Result<Claims, ReportError> {
    // What is no key verifies nothing.
    let keys: Vec<ReportKey> = keys.into_iter().filter_map(|key| ReportKey::from_bytes(key).ok()).collect();
    let report = Compact::parse(bytes, REPORT_TYP)?;
    report.verify(&keys)?;
    serde_json::from_slice(&report.payload).map_err(|_| ReportError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jws::{ReportSigner, key_id};

    /// The vectors that the contractors' examples verify, too.
    const VECTORS: &str = include_str!("../../recipient-kit/fixtures/vectors.json");

    #[test]
    fn the_published_vectors_verify_and_nothing_changed_does() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let ed = ReportSigner::ed25519(&[1; 32]).public().to_bytes();
        let p256 = ReportSigner::p256(&[1; 32]).unwrap().public().to_bytes();
        let keys = [ed.as_slice(), p256.as_slice()];
        for (name, key) in [("EdDSA", &ed), ("ES256", &p256)] {
            let jws = vectors["report"][name]["jws"].as_str().unwrap();
            assert_eq!(vectors["report"][name]["kid"], key_id(key).as_str(), "{name}");
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
