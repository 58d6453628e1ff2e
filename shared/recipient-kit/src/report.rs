//! 報告: signing and verifying what a recipient did (DSSE v1 around a JSON report, Ed25519, RFC 8032).
//!
//! The signature is over the pre-authentication encoding, never over re-serialised JSON, so the payload's bytes are
//! compared as they came. The report holds the digest of the instruction's bytes as received: whoever has both can show
//! that this recipient had exactly these bytes.

use contracts::{
    Code, Digest, Sealed,
    recipient::{BODY_MAX, REPORT_PAYLOAD_TYPE, Report, ReportPayloadType, ReportSignature, ReportStage, SignedReport},
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// The most signatures of one report: two while a key is changed.
pub const SIGNATURES_MAX: usize = 2;

/// Why a report was not taken. The code is the `reason` of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not a signed report at all.
    #[error(
        "report: not a DSSE envelope of type {REPORT_PAYLOAD_TYPE} with one or two signatures, at most {BODY_MAX} bytes"
    )]
    Malformed,
    /// No signature names a key that we know.
    #[error("report: no signature is by a registered key; register the key first or sign with the registered one")]
    UnknownKey,
    /// A signature by a known key does not verify.
    #[error("report: the signature does not verify; sign the DSSE pre-authentication encoding of the payload's bytes")]
    BadSignature,
}

impl ReportError {
    /// `malformed`, `unknown-key`, `bad-signature`.
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed => Code::of("malformed"),
            Self::UnknownKey => Code::of("unknown-key"),
            Self::BadSignature => Code::of("bad-signature"),
        }
    }
}

/// SHA-256 of bytes as received.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The id of a public key (Ed25519 or X25519): the first 8 bytes of its SHA-256 in hexadecimal.
pub fn key_id(public: &[u8; 32]) -> Code {
    let text: String = Sha256::digest(public)[..8].iter().map(|b| format!("{b:02x}")).collect();
    // Sixteen hexadecimal digits are always a code.
    text.parse().unwrap_or(Code::of("0"))
}

/// DSSE's pre-authentication encoding: `DSSEv1 <len> <type> <len> <payload>`.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// Signs a report with one key, or with two while a key is changed.
pub fn sign(report: &Report, keys: &[&SigningKey]) -> SignedReport {
    // A struct with text keys always has a JSON form.
    let payload = serde_json::to_vec(report).unwrap_or_default();
    let encoded = pae(REPORT_PAYLOAD_TYPE, &payload);
    let signatures = keys
        .iter()
        .map(|key| ReportSignature {
            keyid: key_id(key.verifying_key().as_bytes()),
            sig: Sealed(key.sign(&encoded).to_bytes().to_vec()),
        })
        .collect();
    SignedReport { payload_type: ReportPayloadType::V1, payload: Sealed(payload), signatures }
}

/// The bytes that travel.
pub fn to_bytes(signed: &SignedReport) -> Vec<u8> {
    serde_json::to_vec(signed).unwrap_or_default()
}

/// Reads the envelope; says nothing about its signatures.
///
/// # Errors
/// [`ReportError::Malformed`].
pub fn parse(bytes: &[u8]) -> Result<SignedReport, ReportError> {
    if bytes.len() > BODY_MAX {
        return Err(ReportError::Malformed);
    }
    let signed: SignedReport = serde_json::from_slice(bytes).map_err(|_| ReportError::Malformed)?;
    if (1..=SIGNATURES_MAX).contains(&signed.signatures.len()) { Ok(signed) } else { Err(ReportError::Malformed) }
}

/// Verifies the signatures and then reads the report.
///
/// Every signature by a key that we know must verify, and there must be one; signatures by other keys say nothing (a
/// recipient that changes its key signs with both, and we may know the old one only).
///
/// # Errors
/// See [`ReportError`].
pub fn verify(signed: &SignedReport, keys: &[VerifyingKey]) -> Result<Report, ReportError> {
    if signed.signatures.is_empty() || signed.signatures.len() > SIGNATURES_MAX {
        return Err(ReportError::Malformed);
    }
    let encoded = pae(REPORT_PAYLOAD_TYPE, &signed.payload.0);
    let mut known = 0;
    for signature in &signed.signatures {
        let Some(key) = keys.iter().find(|k| key_id(k.as_bytes()) == signature.keyid) else { continue };
        let bytes = Signature::from_slice(&signature.sig.0).map_err(|_| ReportError::BadSignature)?;
        key.verify_strict(&encoded, &bytes).map_err(|_| ReportError::BadSignature)?;
        known += 1;
    }
    if known == 0 {
        return Err(ReportError::UnknownKey);
    }
    let report: Report = serde_json::from_slice(&signed.payload.0).map_err(|_| ReportError::Malformed)?;
    match &report.stage {
        // 適用除外 without its ground says nothing.
        ReportStage::Reported { outcome: contracts::ReportOutcome::Exempt, ground: None } => {
            Err(ReportError::Malformed)
        }
        _ => Ok(report),
    }
}

/// Reads the key ids without trusting anything: to look the recipient up when the transport does not name it.
pub fn claimed_keys(signed: &SignedReport) -> impl Iterator<Item = &Code> {
    signed.signatures.iter().map(|s| &s.keyid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{InstructionId, RecipientId, ReportOutcome};
    use uuid::Uuid;

    fn report(stage: ReportStage) -> Report {
        Report {
            instruction: InstructionId(Uuid::from_u128(1)),
            recipient: RecipientId(Uuid::from_u128(2)),
            digest: digest_of(b"bytes as received"),
            stage,
            at: "2026-11-22T01:02:03Z".parse().unwrap(),
            book_entry: None,
        }
    }
    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn the_encoding_is_that_of_the_dsse_protocol_text() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn what_is_signed_verifies_and_reads_back() {
        let report = report(ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None });
        let signed = sign(&report, &[&key(1)]);
        let read = parse(&to_bytes(&signed)).unwrap();
        assert_eq!(verify(&read, &[key(9).verifying_key(), key(1).verifying_key()]), Ok(report));
    }

    #[test]
    fn altered_bytes_other_keys_and_half_signed_changes_are_told_apart() {
        let signed = sign(&report(ReportStage::Received), &[&key(1)]);
        assert_eq!(verify(&signed, &[key(2).verifying_key()]), Err(ReportError::UnknownKey));
        assert_eq!(verify(&signed, &[]), Err(ReportError::UnknownKey));
        for at in 0..signed.payload.0.len() {
            let mut altered = signed.clone();
            altered.payload.0[at] ^= 1;
            assert_eq!(verify(&altered, &[key(1).verifying_key()]), Err(ReportError::BadSignature), "byte {at}");
        }
        let mut truncated = signed.clone();
        truncated.signatures[0].sig.0.pop();
        assert_eq!(verify(&truncated, &[key(1).verifying_key()]), Err(ReportError::BadSignature));
        // Two signatures while a key is changed: each known one has to verify.
        let mut both = sign(&report(ReportStage::Received), &[&key(1), &key(2)]);
        assert!(verify(&both, &[key(1).verifying_key()]).is_ok());
        both.signatures[1].sig.0[0] ^= 1;
        assert!(verify(&both, &[key(1).verifying_key()]).is_ok(), "the unknown second one says nothing");
        assert_eq!(verify(&both, &[key(1).verifying_key(), key(2).verifying_key()]), Err(ReportError::BadSignature));
        let mut three = both.clone();
        three.signatures.push(both.signatures[0].clone());
        assert_eq!(verify(&three, &[key(1).verifying_key()]), Err(ReportError::Malformed));
        assert_eq!(parse(&to_bytes(&three)), Err(ReportError::Malformed));
        assert_eq!(parse(&vec![b' '; BODY_MAX + 1]), Err(ReportError::Malformed));
        assert_eq!(parse(b"{}"), Err(ReportError::Malformed));
    }

    #[test]
    fn an_exemption_needs_its_ground() {
        let without = report(ReportStage::Reported { outcome: ReportOutcome::Exempt, ground: None });
        assert_eq!(verify(&sign(&without, &[&key(1)]), &[key(1).verifying_key()]), Err(ReportError::Malformed));
        let with =
            report(ReportStage::Reported { outcome: ReportOutcome::Exempt, ground: Some(Code::of("act-56-proviso")) });
        assert!(verify(&sign(&with, &[&key(1)]), &[key(1).verifying_key()]).is_ok());
    }
}
