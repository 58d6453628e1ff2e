//! 消去の報告: what a report to an instruction to erase has to show, and what it may not claim. Pure; the desk judges by it, and a
//! recipient can before it sends.
//!
//! A report that says that something was erased names the recipient's own book entry (Rules arts. 12(1)(iii), 46), and per
//! system the day, the method and the items in the words of the book; it says until when backups hold it, or that none does;
//! and what was kept. Records that the instruction names as kept (Act art. 55(4) and the like) are never among the items.

use contracts::{
    Code, Measure, ReportOutcome,
    recipient::{EraseTerms, Erasure, Report, ReportStage},
};

/// In `kept`: the recipient holds no record of the classes that must stay.
pub const NONE_HELD: Code = Code::of("none-held");

/// Why a report of an erasure is not enough. It is kept; the instruction stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEnough {
    /// Something that it has to say is missing.
    #[error("the report lacks book entry, system, backups or what was kept")]
    Incomplete,
    /// It claims to have erased what must stay.
    #[error("the report claims to have erased records that must be kept")]
    KeptErased,
}

impl NotEnough {
    /// The reason in the answer.
    pub const fn code(self) -> Code {
        match self {
            Self::Incomplete => Code::of("erasure-incomplete"),
            Self::KeptErased => Code::of("kept-record-erased"),
        }
    }
}

/// Whether one system's part says all that does not depend on the instruction: also until when backups hold it, or that none does.
pub const fn says_all(erasure: &Erasure) -> bool {
    erasure.backups_until.is_some() != erasure.no_backups && !erasure.items.is_empty()
}

/// Holds a report against the instruction's measure and terms. Anything but an erasure that was carried out is enough.
///
/// # Errors
/// See [`NotEnough`].
pub fn enough(report: &Report, measure: Measure, terms: Option<&EraseTerms>) -> Result<(), NotEnough> {
    let erased = matches!(
        report.stage,
        ReportStage::Reported { outcome: ReportOutcome::Applied | ReportOutcome::PartlyApplied, .. }
    );
    if measure != Measure::Erase || !erased {
        return Ok(());
    }
    let keep = terms.map(|terms| terms.keep.as_slice()).unwrap_or_default();
    let must_stay = |item: &Code| keep.iter().any(|k| k.class == *item);
    if report.erasures.iter().flat_map(|e| &e.items).any(must_stay) {
        return Err(NotEnough::KeptErased);
    }
    let kept = report.erasures.iter().flat_map(|e| &e.kept);
    let says_kept =
        keep.is_empty() || kept.clone().count() > 0 && kept.clone().all(|k| *k == NONE_HELD || must_stay(k));
    let whole =
        report.book_entry.is_some() && !report.erasures.is_empty() && report.erasures.iter().all(says_all) && says_kept;
    if whole { Ok(()) } else { Err(NotEnough::Incomplete) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Digest, InstructionId, RecipientId, recipient::Keep};
    use uuid::Uuid;

    fn terms() -> EraseTerms {
        let keep = |class, article| Keep { class: Code::of(class), article: Code::of(article), until: None };
        EraseTerms {
            everything: false,
            classes: vec![Code::of("claims")],
            keep: vec![keep("receipt-record", "act-55-4"), keep("book", "rules-12-3")],
        }
    }

    fn report() -> Report {
        Report {
            instruction: InstructionId(Uuid::from_u128(1)),
            recipient: RecipientId(Uuid::from_u128(2)),
            digest: Digest([1; 32]),
            stage: ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None },
            time: "2026-11-22T01:02:03Z".parse().unwrap(),
            book_entry: Some(Code::of("2026-17")),
            erasures: vec![Erasure {
                system: Code::of("warehouse"),
                on: "2026-11-22".parse().unwrap(),
                method: Code::of("key-destroyed"),
                items: vec![Code::of("claims")],
                backups_until: Some("2027-02-22".parse().unwrap()),
                no_backups: false,
                kept: vec![Code::of("receipt-record")],
            }],
        }
    }

    fn judged(change: impl FnOnce(&mut Report)) -> Result<(), NotEnough> {
        let mut report = report();
        change(&mut report);
        enough(&report, Measure::Erase, Some(&terms()))
    }

    #[test]
    fn row_18_given_a_report_that_lacks_one_thing_then_it_is_incomplete() {
        assert_eq!(judged(|_| {}), Ok(()));
        assert_eq!(judged(|r| r.erasures[0].kept = vec![NONE_HELD]), Ok(()));
        assert_eq!(judged(|r| (r.erasures[0].backups_until, r.erasures[0].no_backups) = (None, true)), Ok(()));
        let lacks: [fn(&mut Report); 7] = [
            |r| r.book_entry = None,
            |r| r.erasures.clear(),
            |r| r.erasures[0].items.clear(),
            |r| r.erasures[0].backups_until = None,
            |r| r.erasures[0].no_backups = true,
            |r| r.erasures[0].kept.clear(),
            |r| r.erasures[0].kept = vec![Code::of("photographs")],
        ];
        for lack in lacks {
            assert_eq!(judged(lack), Err(NotEnough::Incomplete));
        }
    }

    #[test]
    fn row_17_given_everything_erased_when_it_holds_a_record_that_must_stay_then_it_is_not_believed() {
        assert_eq!(judged(|r| r.erasures[0].items.push(Code::of("receipt-record"))), Err(NotEnough::KeptErased));
        // Also when nothing else is in order.
        assert_eq!(
            judged(|r| {
                r.erasures[0].items = vec![Code::of("book")];
                r.book_entry = None;
            }),
            Err(NotEnough::KeptErased)
        );
    }

    #[test]
    fn what_erased_nothing_has_nothing_to_show() {
        for outcome in [ReportOutcome::NoDataHeld, ReportOutcome::Exempt, ReportOutcome::CannotIdentify] {
            let stage = ReportStage::Reported { outcome, ground: Some(Code::of("x")) };
            assert_eq!(judged(|r| (r.stage, r.book_entry, r.erasures) = (stage, None, vec![])), Ok(()));
        }
        assert_eq!(judged(|r| (r.stage, r.erasures) = (ReportStage::Received, vec![])), Ok(()));
        let mut bare = report();
        (bare.book_entry, bare.erasures) = (None, vec![]);
        assert_eq!(enough(&bare, Measure::Stop, None), Ok(()));
    }
}
