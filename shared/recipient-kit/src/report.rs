//! 報告: signing and verifying what a recipient did (a JSON report in a compact JWS, see [`crate::jws`]).
//!
//! The signature is over the bytes as they travel, never over re-serialised JSON. The report holds the digest of the
//! instruction's bytes as received: whoever has both can show that this recipient had exactly these bytes.

use contracts::{
    Code, Digest, Measure, ReportOutcome,
    recipient::{BODY_MAX, REPORT_TYP, Report, ReportStage, SignedReport},
};
pub use jws::key_id;
use jws::{Compact, ReportKey, ReportSigner};
use sha2::{Digest as _, Sha256};

/// Why a report was not taken. The code is the `reason` of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not a signed report at all.
    #[error(
        "report: not a compact JWS of at most {BODY_MAX} bytes whose header is exactly alg, kid and typ `{REPORT_TYP}`, around a report"
    )]
    Malformed,
    /// Signed with a key that we do not know.
    #[error("report: `kid` names no registered key; register the key first or sign with the registered one")]
    UnknownKey,
    /// The header names another algorithm than that of the registered key.
    #[error("report: `alg` is not that of the registered key: EdDSA for Ed25519, ES256 for P-256")]
    WrongAlgorithm,
    /// The signature does not verify.
    #[error("report: the signature does not verify; sign header and payload as they travel (RFC 7515 section 5.1)")]
    BadSignature,
}

impl ReportError {
    /// `malformed`, `unknown-key`, `wrong-algorithm`, `bad-signature`.
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed => Code::of("malformed"),
            Self::UnknownKey => Code::of("unknown-key"),
            Self::WrongAlgorithm => Code::of("wrong-algorithm"),
            Self::BadSignature => Code::of("bad-signature"),
        }
    }
}

impl From<jws::Refused> for ReportError {
    fn from(refused: jws::Refused) -> Self {
        match refused {
            jws::Refused::Malformed => Self::Malformed,
            jws::Refused::UnknownKey => Self::UnknownKey,
            jws::Refused::WrongAlgorithm => Self::WrongAlgorithm,
            jws::Refused::BadSignature => Self::BadSignature,
        }
    }
}

/// SHA-256 of bytes as received.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Signs a report.
pub fn sign(report: &Report, key: &ReportSigner) -> SignedReport {
    // A struct with text keys always has a JSON form, and base64url and dots are what a signed report consists of; one
    // with 64 systems of 64 items each can be too long, and is refused by the desk as malformed then.
    let payload = serde_json::to_vec(report).unwrap_or_default();
    let empty = || SignedReport::new("").unwrap_or_else(|| unreachable!("the empty text has no wrong character"));
    SignedReport::new(&jws::sign(REPORT_TYP, &payload, key)).unwrap_or_else(empty)
}

/// Who says to have signed it, without trusting anything: to look the recipient up when the transport does not name it.
///
/// # Errors
/// [`ReportError::Malformed`].
pub fn claimed_key(bytes: &[u8]) -> Result<Code, ReportError> {
    Ok(Compact::parse(bytes, REPORT_TYP)?.header.kid)
}

/// What it says, without trusting anything: to find a trace.
pub fn unverified(bytes: &[u8]) -> Option<Report> {
    serde_json::from_slice(&Compact::parse(bytes, REPORT_TYP).ok()?.payload).ok()
}

/// Verifies the signature with the recipient's keys (two while one is changed) and then reads the report.
///
/// # Errors
/// See [`ReportError`].
pub fn verify(bytes: &[u8], keys: &[ReportKey]) -> Result<Report, ReportError> {
    let signed = Compact::parse(bytes, REPORT_TYP)?;
    signed.verify(keys)?;
    let report: Report = serde_json::from_slice(&signed.payload).map_err(|_| ReportError::Malformed)?;
    match &report.stage {
        // 適用除外 without its ground says nothing, nor 到達不能 without a why.
        ReportStage::Reported { outcome, ground: None } if outcome.needs_ground() => Err(ReportError::Malformed),
        _ => Ok(report),
    }
}

/// Whether a report says all that it has to about an instruction with this measure: an erasure that was carried out shows
/// date, method, items and backups per system, and the recipient's book entry (Rules art. 46, art. 12(1)(iii)). What the
/// instruction's own terms ask for besides: [`crate::erasure`].
pub fn is_complete(report: &Report, measure: Measure) -> bool {
    let ReportStage::Reported { outcome, .. } = report.stage else { return true };
    let shown = report.book_entry.is_some()
        && !report.erasures.is_empty()
        && report.erasures.iter().all(crate::erasure::says_all);
    shows_enough(outcome, measure, shown)
}

/// The same of an outcome alone; `shown`: a book entry and at least one system stand beside it.
pub const fn shows_enough(outcome: ReportOutcome, measure: Measure, shown: bool) -> bool {
    let erased = matches!(outcome, ReportOutcome::Applied | ReportOutcome::PartlyApplied);
    shown || !(erased && matches!(measure, Measure::Erase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{InstructionId, RecipientId, recipient::Erasure};
    use uuid::Uuid;

    fn report(stage: ReportStage) -> Report {
        Report {
            instruction: InstructionId(Uuid::from_u128(1)),
            recipient: RecipientId(Uuid::from_u128(2)),
            digest: digest_of(b"bytes as received"),
            stage,
            time: "2026-11-22T01:02:03Z".parse().unwrap(),
            book_entry: None,
            erasures: vec![],
        }
    }
    fn applied() -> ReportStage {
        ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None }
    }
    fn keys() -> [ReportSigner; 2] {
        [ReportSigner::ed25519(&[1; 32]), ReportSigner::p256(&[1; 32]).unwrap()]
    }

    #[test]
    fn what_is_signed_verifies_and_reads_back() {
        for key in keys() {
            let signed = sign(&report(applied()), &key);
            assert_eq!(verify(signed.as_str().as_bytes(), &[key.public()]), Ok(report(applied())));
            assert_eq!(claimed_key(signed.as_str().as_bytes()), Ok(key.public().id()));
            assert_eq!(unverified(signed.as_str().as_bytes()), Some(report(applied())));
        }
    }

    #[test]
    fn stages_are_flat_words_and_outcomes_belong_to_reported() {
        for (stage, words) in [
            (ReportStage::Received, r#""stage":"received""#),
            (ReportStage::Acted, r#""stage":"acted""#),
            (applied(), r#""stage":"reported","outcome":"applied""#),
        ] {
            let json = serde_json::to_string(&report(stage.clone())).unwrap();
            assert!(json.contains(words), "{json}");
            assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report(stage));
        }
        let json = serde_json::to_string(&report(applied())).unwrap();
        for (from, to) in [
            (r#""stage":"reported""#, r#""stage":"received""#),
            (r#","outcome":"applied""#, ""),
            (r#"{"instruction""#, r#"{"more":1,"instruction""#),
            (r#""applied""#, r#""done""#),
        ] {
            let bad = json.replace(from, to);
            assert_ne!(bad, json);
            assert!(serde_json::from_str::<Report>(&bad).is_err(), "{bad}");
            let signed = jws::sign(REPORT_TYP, bad.as_bytes(), &keys()[0]);
            assert_eq!(verify(signed.as_bytes(), &[keys()[0].public()]), Err(ReportError::Malformed));
        }
    }

    #[test]
    fn an_exemption_needs_its_ground() {
        let [key, _] = keys();
        let exempt = |ground| report(ReportStage::Reported { outcome: ReportOutcome::Exempt, ground });
        let verified = |report: &Report| verify(sign(report, &key).as_str().as_bytes(), &[key.public()]).map(|_| ());
        assert_eq!(verified(&exempt(None)), Err(ReportError::Malformed));
        assert_eq!(verified(&exempt(Some(Code::of("act-56-proviso")))), Ok(()));
    }

    #[test]
    fn an_erasure_is_shown_or_not_believed() {
        let mut done = report(applied());
        assert!(is_complete(&done, Measure::Stop));
        assert!(!is_complete(&done, Measure::Erase));
        done.book_entry = Some(Code::of("2026-17"));
        assert!(!is_complete(&done, Measure::Erase), "no system");
        done.erasures.push(Erasure {
            system: Code::of("warehouse"),
            on: "2026-11-22".parse().unwrap(),
            method: Code::of("key-destroyed"),
            items: vec![Code::of("claims")],
            backups_until: Some("2027-02-22".parse().unwrap()),
            no_backups: false,
            kept: vec![],
        });
        assert!(is_complete(&done, Measure::Erase));
        done.book_entry = None;
        assert!(!is_complete(&done, Measure::Erase), "no book entry");
        let nothing = report(ReportStage::Reported { outcome: ReportOutcome::NoDataHeld, ground: None });
        assert!(is_complete(&nothing, Measure::Erase) && is_complete(&report(ReportStage::Received), Measure::Erase));
        let mut many = done;
        many.erasures = vec![many.erasures[0].clone(); 65];
        let json = serde_json::to_string(&many).unwrap();
        assert!(serde_json::from_str::<Report>(&json).is_err());
    }
}
