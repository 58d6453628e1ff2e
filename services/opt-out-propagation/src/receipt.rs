//! 報告の検証: what a signed report has to be before it may move an instruction. Pure.

use contracts::{Code, Digest, Measure, RecipientId, recipient::Report};
use recipient_kit::{ReportError, ReportKey, erasure::NotEnough, report};

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
    /// States an erasure and does not show it: kept, and the instruction stays open.
    ErasureIncomplete,
    /// Claims to have erased what the instruction says must stay: kept, and the instruction stays open.
    KeptErased,
}

impl From<NotEnough> for Refused {
    fn from(why: NotEnough) -> Self {
        match why {
            NotEnough::Incomplete => Self::ErasureIncomplete,
            NotEnough::KeptErased => Self::KeptErased,
        }
    }
}

impl Refused {
    /// The reason, as the answer and the fact carry it.
    pub const fn code(self) -> Code {
        match self {
            Self::Signature(error) => error.code(),
            Self::NotYours => Code::of("not-yours"),
            Self::UnknownInstruction => Code::of("unknown-instruction"),
            Self::WrongDigest => Code::of("wrong-digest"),
            Self::ErasureIncomplete => Code::of("erasure-incomplete"),
            Self::KeptErased => Code::of("kept-record-erased"),
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
    /// 停止 or 消去.
    pub measure: Measure,
}

/// Verifies the signature with the keys of the recipient whose credentials brought it, and that it speaks for itself.
///
/// # Errors
/// See [`Refused`].
pub fn authentic(signed: &[u8], recipient: RecipientId, keys: &[ReportKey]) -> Result<Report, Refused> {
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
    if report::is_complete(report, issued.measure) { Ok(()) } else { Err(Refused::ErasureIncomplete) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{
        InstructionId, ReportOutcome, Uuid,
        recipient::{ReportStage, SignedReport},
    };
    use recipient_kit::ReportSigner;

    const ME: RecipientId = RecipientId(Uuid::from_u128(1));
    const OTHER: RecipientId = RecipientId(Uuid::from_u128(2));
    const ISSUED: Issued = Issued { recipient: ME, digest: Digest([4; 32]), measure: Measure::Stop };

    fn report_of(recipient: RecipientId) -> Report {
        Report {
            instruction: InstructionId(Uuid::from_u128(3)),
            recipient,
            digest: Digest([4; 32]),
            stage: ReportStage::Received,
            time: "2026-11-22T00:00:00Z".parse().unwrap(),
            book_entry: None,
            erasures: vec![],
        }
    }
    fn bytes(signed: &SignedReport) -> Vec<u8> {
        signed.as_str().as_bytes().to_vec()
    }

    #[test]
    fn given_a_good_report_when_held_against_the_ledger_then_it_fits() {
        for key in [ReportSigner::ed25519(&[1; 32]), ReportSigner::p256(&[1; 32]).unwrap()] {
            let signed = report::sign(&report_of(ME), &key);
            let report = authentic(&bytes(&signed), ME, &[key.public()]).unwrap();
            assert_eq!(fits(&report, Some(ISSUED)), Ok(()));
        }
    }

    #[test]
    fn given_anything_else_then_it_is_refused_and_says_why() {
        let (key, stranger) = (ReportSigner::ed25519(&[1; 32]), ReportSigner::ed25519(&[2; 32]));
        let keys = [key.public()];
        let refused = |signed: &[u8]| authentic(signed, ME, &keys).unwrap_err().code().to_string();
        assert_eq!(refused(&bytes(&report::sign(&report_of(ME), &stranger))), "unknown-key");
        assert_eq!(refused(&bytes(&report::sign(&report_of(OTHER), &key))), "not-yours");
        assert_eq!(refused(b"{}"), "malformed");
        let mut altered = bytes(&report::sign(&report_of(ME), &key));
        let last = altered.len() - 5;
        altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
        assert_eq!(refused(&altered), "bad-signature");
        let report = report_of(ME);
        assert_eq!(fits(&report, None), Err(Refused::UnknownInstruction));
        assert_eq!(fits(&report, Some(Issued { recipient: OTHER, ..ISSUED })), Err(Refused::NotYours));
        assert_eq!(fits(&report, Some(Issued { digest: Digest([5; 32]), ..ISSUED })), Err(Refused::WrongDigest));
        let stage = ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None };
        let erased = Report { stage, ..report };
        assert_eq!(fits(&erased, Some(ISSUED)), Ok(()));
        let issued = Issued { measure: Measure::Erase, ..ISSUED };
        assert_eq!(fits(&erased, Some(issued)), Err(Refused::ErasureIncomplete), "no date, no items, no book entry");
    }
}
