//! How an entry of the register stands, and whom a change of it would go to (事前確認), as staff see it before they order
//! anything. Codes, ids and times only: who the person is stands nowhere in it.

use crate::{
    CaseId, Code, EntryId, InstructionId, Measure, RecipientId, RecipientKind, ReportOutcome, Scope, StaffId, Transport,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 登録の状態: one entry and every instruction about it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EntryStanding {
    /// `blocked`, `lifted`, `stopped`, `confirmed`.
    pub status: Code,
    /// The case that made it.
    pub case: CaseId,
    /// What was asked for; none before the stop is final.
    #[serde(default)]
    pub measure: Option<Measure>,
    /// `not-asked`, `waits` (for two people), `released`.
    pub erasure: Code,
    /// Every instruction about it, the oldest first; also those that were replaced.
    #[schemars(length(max = 2000))]
    pub instructions: Vec<InstructionStanding>,
}

/// 指示の段階: one instruction and when it reached each stage.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InstructionStanding {
    /// The instruction.
    pub instruction: InstructionId,
    /// To whom.
    pub recipient: RecipientId,
    /// Its short name.
    pub label: Code,
    /// What is to be done.
    pub measure: Measure,
    /// For which tracks.
    pub scope: Scope,
    /// 指示.
    pub issued_at: Timestamp,
    /// The report is due.
    pub due: Timestamp,
    /// 受領.
    #[serde(default)]
    pub received_at: Option<Timestamp>,
    /// 措置 has begun.
    #[serde(default)]
    pub acted_at: Option<Timestamp>,
    /// 報告: what it says, its ground, when it came.
    #[serde(default)]
    pub reported: Option<(ReportOutcome, Option<Code>, Timestamp)>,
    /// 確認: when, and by what (`automatic`, `staff`, `attested`).
    #[serde(default)]
    pub confirmed: Option<(Timestamp, Code)>,
    /// 差替え: the instruction that took its place.
    #[serde(default)]
    pub replaced_by: Option<InstructionId>,
    /// A task about it waits for a member of staff.
    #[serde(default)]
    pub task: bool,
    /// 書面の報告: what the first of two people read on a paper.
    #[serde(default)]
    pub attested: Option<(StaffId, Code)>,
    /// 三つの回答: its report is in the answer to the person, as one to this measure. None: not yet, or another one of the same
    /// recipient counts.
    #[serde(default)]
    pub counts: Option<Measure>,
}

impl InstructionStanding {
    /// Its stage at `now`: `replaced`, `settled`, `reported`, `overdue`, `acted`, `received`, `issued`.
    pub fn stage(&self, now: Timestamp) -> &'static str {
        match self {
            Self { replaced_by: Some(_), .. } => "replaced",
            Self { confirmed: Some(_), .. } => "settled",
            Self { reported: Some(_), .. } => "reported",
            Self { due, .. } if *due <= now => "overdue",
            Self { acted_at: Some(_), .. } => "acted",
            Self { received_at: Some(_), .. } => "received",
            _ => "issued",
        }
    }

    /// Whether its report is past due and nobody has dealt with it.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.due <= now && self.confirmed.is_none() && self.replaced_by.is_none()
    }
}

/// 事前確認: asks whom a change would go to, before it is ordered. Changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreviewStop {
    /// The entry; none while no block is placed yet.
    #[serde(default)]
    pub entry: Option<EntryId>,
    /// The tracks that it would have; none: as the entry has them, or both.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// What would be told.
    pub measure: Measure,
    /// A change of the tracks goes to those who work on either.
    #[serde(default)]
    pub everybody: bool,
}

/// The answer to [`PreviewStop`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StopPreview {
    /// The tracks.
    pub scope: Scope,
    /// The register has the person's identifiers. False: which hospitals are told is not known yet.
    pub identified: bool,
    /// Hospitals that the person named, and how many of them are recipients.
    pub suppliers: (u16, u16),
    /// Who is told.
    #[schemars(length(max = 2000))]
    pub told: Vec<PreviewTold>,
    /// Who is not, and why.
    #[schemars(length(max = 2000))]
    pub not_told: Vec<PreviewNotTold>,
}

/// A recipient that would be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewTold {
    /// Its short name.
    pub label: Code,
    /// What it is.
    pub kind: RecipientKind,
    /// How it is reached.
    pub transport: Transport,
    /// Its report would be due, if it were told now.
    pub due: Timestamp,
    /// Deliveries to it are suspended: the instruction waits, the deadline runs.
    #[serde(default)]
    pub suspended: bool,
}

/// A recipient that would not be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewNotTold {
    /// Its short name.
    pub label: Code,
    /// What it is.
    pub kind: RecipientKind,
    /// What it lacks, or why it is none of its business.
    pub why: Code,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_the_furthest_that_was_reached_and_late_is_what_nobody_dealt_with() {
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        let mut one = InstructionStanding {
            instruction: InstructionId::default(),
            recipient: RecipientId::default(),
            label: Code::of("a"),
            measure: Measure::Stop,
            scope: Scope::Both,
            issued_at: at(0),
            due: at(10),
            received_at: None,
            acted_at: None,
            reported: None,
            confirmed: None,
            replaced_by: None,
            task: false,
            attested: None,
            counts: None,
        };
        assert_eq!((one.stage(at(9)), one.stage(at(10))), ("issued", "overdue"));
        one.received_at = Some(at(1));
        assert_eq!((one.stage(at(9)), one.stage(at(11))), ("received", "overdue"));
        one.acted_at = Some(at(2));
        assert_eq!(one.stage(at(9)), "acted");
        one.reported = Some((ReportOutcome::CannotIdentify, None, at(3)));
        assert_eq!(one.stage(at(11)), "reported");
        assert!(one.is_late(at(10)) && !one.is_late(at(9)), "a report that does not close stays overdue");
        one.confirmed = Some((at(12), Code::of("staff")));
        assert!(one.stage(at(20)) == "settled" && !one.is_late(at(20)));
        one.replaced_by = Some(InstructionId::default());
        assert_eq!(one.stage(at(20)), "replaced");
    }
}
