//! 再委託先の報告: what a contractor signs around the report of its sub-contractor, tier by tier. Pure.
//!
//! The outside is a compact JWS like a report's, `typ` [`CARRIED_TYP`], by the key of who carries; inside stands the very
//! JWS that the sub-contractor signed, or one that carries in its turn. The outcome is that of the innermost: who carries
//! says that it came through its hands, and nothing about what was done.

use crate::report::ReportError;
use contracts::{
    Code, RecipientId,
    recipient::{CARRIED_TYP, CarriedReport, SignedReport},
};
use jws::{Compact, ReportKey, ReportSigner};

/// Signs around a report. `None`: it does not fit into one report any more.
pub fn carry(by: RecipientId, report: &SignedReport, key: &ReportSigner) -> Option<SignedReport> {
    // A struct with text keys always has a JSON form.
    let payload = serde_json::to_vec(&CarriedReport { by, report: report.clone() }).unwrap_or_default();
    SignedReport::new(&jws::sign(CARRIED_TYP, &payload, key))
}

/// What carries, read and not believed.
#[derive(Debug)]
pub struct Carried<'a> {
    signed: Compact<'a>,
    /// Who says to carry.
    pub by: RecipientId,
    /// What is inside.
    pub report: SignedReport,
}

impl<'a> Carried<'a> {
    /// Reads one; `None` when it is not such a JWS at all (a report, or nothing).
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let signed = Compact::parse(bytes, CARRIED_TYP).ok()?;
        let CarriedReport { by, report } = serde_json::from_slice(&signed.payload).ok()?;
        Some(Self { signed, by, report })
    }
    /// The key that it names.
    pub fn claimed_key(&self) -> Code {
        self.signed.header.kid.clone()
    }
    /// Verifies the signature with the carrier's keys.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub fn verify(&self, keys: &[ReportKey]) -> Result<(), ReportError> {
        Ok(self.signed.verify(keys)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report;
    use contracts::{
        Digest, InstructionId, Uuid,
        recipient::{Report, ReportStage},
    };

    #[test]
    fn what_is_carried_is_the_very_report_and_each_signature_is_its_own() {
        let (below, above) = (ReportSigner::ed25519(&[1; 32]), ReportSigner::p256(&[2; 32]).unwrap());
        let report = Report {
            instruction: InstructionId(Uuid::from_u128(3)),
            recipient: RecipientId(Uuid::from_u128(1)),
            digest: Digest([4; 32]),
            stage: ReportStage::Received,
            time: "2026-11-22T00:00:00Z".parse().unwrap(),
            book_entry: None,
            erasures: vec![],
        };
        let signed = report::sign(&report, &below);
        let by = RecipientId(Uuid::from_u128(2));
        let outer = carry(by, &signed, &above).unwrap();
        let carried = Carried::read(outer.as_str().as_bytes()).unwrap();
        assert_eq!((carried.by, &carried.report, carried.claimed_key()), (by, &signed, above.public().id()));
        assert_eq!(carried.verify(&[above.public()]), Ok(()));
        assert_eq!(carried.verify(&[below.public()]), Err(ReportError::UnknownKey));
        // Neither is ever taken for the other.
        assert!(Carried::read(signed.as_str().as_bytes()).is_none());
        assert_eq!(report::verify(outer.as_str().as_bytes(), &[above.public()]), Err(ReportError::Malformed));
        // In its turn, until it does not fit.
        let mut tiers = outer;
        let mut n = 1;
        while let Some(next) = carry(by, &tiers, &above) {
            (tiers, n) = (next, n + 1);
        }
        assert!(n > 3, "{n}");
    }
}
