//! 報告の検証: what a signed report has to be before it may move an instruction. Pure.

use contracts::{
    Code, Digest, RecipientId,
    recipient::{Report, SignedReport},
};
use ed25519_dalek::VerifyingKey;
use recipient_kit::{ReportError, report};

/// Why a report was refused. Nothing moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not a report, no registered key, or a signature that does not verify.
    Signature(ReportError),
    /// States another recipient than its signature, or is about another's instruction.
    NotYours,
    /// No such instruction.
    UnknownInstruction,
    /// About other bytes than were issued: altered on the way, or replayed about another instruction.
    WrongDigest,
}

impl Refused {
    /// The reason, as the answer and the fact carry it.
    pub const fn code(self) -> Code {
        match self {
            Self::Signature(error) => error.code(),
            Self::NotYours => Code::of("not-yours"),
            Self::UnknownInstruction => Code::of("unknown-instruction"),
            Self::WrongDigest => Code::of("wrong-digest"),
        }
    }
}

/// What the ledger has about the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    /// To whom it went.
    pub recipient: RecipientId,
    /// SHA-256 of the bytes.
    pub digest: Digest,
}

/// Verifies the signature with the keys of the recipient whose credentials brought it, and that it speaks for itself.
///
/// # Errors
/// See [`Refused`].
pub fn authentic(signed: &SignedReport, recipient: RecipientId, keys: &[VerifyingKey]) -> Result<Report, Refused> {
    let report = report::verify(signed, keys).map_err(Refused::Signature)?;
    if report.recipient == recipient { Ok(report) } else { Err(Refused::NotYours) }
}

/// Holds an authentic report against the ledger. `issued` is `None` when there is no such instruction.
///
/// # Errors
/// See [`Refused`].
pub fn fits(report: &Report, issued: Option<Issued>) -> Result<(), Refused> {
    let issued = issued.ok_or(Refused::UnknownInstruction)?;
    if issued.recipient != report.recipient {
        return Err(Refused::NotYours);
    }
    if issued.digest != report.digest {
        return Err(Refused::WrongDigest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{InstructionId, Uuid, recipient::ReportStage};
    use ed25519_dalek::SigningKey;

    const ME: RecipientId = RecipientId(Uuid::from_u128(1));
    const OTHER: RecipientId = RecipientId(Uuid::from_u128(2));

    fn report_of(recipient: RecipientId) -> Report {
        Report {
            instruction: InstructionId(Uuid::from_u128(3)),
            recipient,
            digest: Digest([4; 32]),
            stage: ReportStage::Received,
            at: "2026-11-22T00:00:00Z".parse().unwrap(),
            book_entry: None,
        }
    }

    #[test]
    fn given_a_good_report_when_held_against_the_ledger_then_it_fits() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let signed = report::sign(&report_of(ME), &[&key]);
        let report = authentic(&signed, ME, &[key.verifying_key()]).unwrap();
        assert_eq!(fits(&report, Some(Issued { recipient: ME, digest: Digest([4; 32]) })), Ok(()));
    }

    #[test]
    fn given_anything_else_then_it_is_refused_and_says_why() {
        let (key, stranger) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let keys = [key.verifying_key()];
        let refused = |signed: &SignedReport| authentic(signed, ME, &keys).unwrap_err().code().to_string();
        assert_eq!(refused(&report::sign(&report_of(ME), &[&stranger])), "unknown-key");
        assert_eq!(refused(&report::sign(&report_of(OTHER), &[&key])), "not-yours");
        let mut altered = report::sign(&report_of(ME), &[&key]);
        altered.payload.0[20] ^= 1;
        assert_eq!(refused(&altered), "bad-signature");
        let report = report_of(ME);
        assert_eq!(fits(&report, None), Err(Refused::UnknownInstruction));
        assert_eq!(fits(&report, Some(Issued { recipient: OTHER, digest: Digest([4; 32]) })), Err(Refused::NotYours));
        assert_eq!(fits(&report, Some(Issued { recipient: ME, digest: Digest([5; 32]) })), Err(Refused::WrongDigest));
    }
}
