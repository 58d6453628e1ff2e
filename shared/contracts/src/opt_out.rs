//! Opt-out propagation: the register's commands and facts inside the house. What recipients get is in
//! [`crate::recipient`], a family of its own without internal ids.

use crate::{CaseId, ChangeId, Code, Date, EntryId, InstructionId, Measure, RecipientId, ReportOutcome, Scope};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Command: block provisionally; reversible, before identity is proved (仮の停止).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceBlock {
    /// The case.
    pub case: CaseId,
    /// The entry, named by the case.
    pub entry: EntryId,
    /// Which tracks.
    pub scope: Scope,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// Command: make the block final and instruct every recipient; identity is proved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnterStop {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// Which tracks.
    pub scope: Scope,
    /// What recipients are told to do.
    pub measure: Measure,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// Command: take a provisional block back (the request was withdrawn or its maker could not be confirmed). A final stop
/// is never lifted by this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiftProvisionalBlock {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
}

/// The gate answers "do not use" from now on (受領拒否).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockPlaced {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// Not yet verified.
    pub provisional: bool,
    /// From when.
    pub effective_at: Timestamp,
}

/// A provisional block was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockLifted {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// When.
    pub at: Timestamp,
}

/// The change was fanned out: to whom an instruction goes (the register tells itself).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeFannedOut {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// The change.
    pub change: ChangeId,
    /// The instructions issued, one per recipient in force.
    #[schemars(length(max = 2000))]
    pub instructions: Vec<InstructionId>,
    /// The same instructions, with what whoever watches them shows. One fact for all: a fan-out to many recipients is said
    /// once, not once per recipient.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub issued: Vec<Issued>,
    /// When.
    pub at: Timestamp,
}

/// 指示: one of a fan-out's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Issued {
    /// The instruction.
    pub instruction: InstructionId,
    /// To whom.
    pub recipient: RecipientId,
    /// 通番: gapless per recipient.
    pub position: i64,
    /// The report is due.
    pub deadline: Timestamp,
}

/// 指示: one recipient is told anew, in place of an instruction whose endpoint changed. What a fan-out issues stands in its
/// [`ChangeFannedOut`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstructionIssued {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// The instruction.
    pub instruction: InstructionId,
    /// To whom.
    pub recipient: RecipientId,
    /// 通番: gapless per recipient.
    pub position: i64,
    /// The report is due.
    pub deadline: Timestamp,
    /// When.
    pub at: Timestamp,
}

/// 受領: the recipient has the instruction and signed for its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstructionReceived {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// The instruction.
    pub instruction: InstructionId,
    /// Who.
    pub recipient: RecipientId,
    /// When, by our clock.
    pub at: Timestamp,
}

/// 確認: the signed report is verified; the instruction is done with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstructionSettled {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// The instruction.
    pub instruction: InstructionId,
    /// Who.
    pub recipient: RecipientId,
    /// What the report says.
    pub outcome: ReportOutcome,
    /// When, by our clock.
    pub at: Timestamp,
    /// How often it was open again since an amended report; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// The report's ground, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
}

/// 報告: a verified report that does not close by itself: a member of staff has to deal with it. Also an amended one, after
/// the instruction was settled: then it is open again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstructionReported {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// The instruction.
    pub instruction: InstructionId,
    /// Who.
    pub recipient: RecipientId,
    /// What the report says.
    pub outcome: ReportOutcome,
    /// Its ground, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
    /// How often it was open again since an amended report; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// When, by our clock.
    pub at: Timestamp,
}

/// 差替え: an instruction whose endpoint changed before it was settled is cancelled; another takes its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstructionReplaced {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// The cancelled one.
    pub instruction: InstructionId,
    /// Who.
    pub recipient: RecipientId,
    /// The one that takes its place.
    pub by: InstructionId,
    /// When.
    pub at: Timestamp,
}

/// The report is late: the deadline passed without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstructionOverdue {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// The instruction.
    pub instruction: InstructionId,
    /// Who.
    pub recipient: RecipientId,
    /// When.
    pub at: Timestamp,
}

/// A report that does not verify: wrong signature, other bytes, not theirs. Nothing moved; staff must look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportRefused {
    /// The recipient whose credentials brought it.
    pub recipient: RecipientId,
    /// Why.
    pub reason: Code,
    /// When.
    pub at: Timestamp,
}

/// 停止: the stop stands and its instructions are on their way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StopEntered {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// Which tracks.
    pub scope: Scope,
    /// The block holds since.
    pub effective_at: Timestamp,
    /// When the stop was made final.
    pub at: Timestamp,
}

/// 停止完了: every recipient's report is in and verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StopConfirmed {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// How many recipients reported.
    pub recipients: u32,
    /// When.
    pub at: Timestamp,
    /// 三つの回答: stopped, erased, not reachable and why; who they are is on the case's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<StopAnswer>,
}

/// The three-part answer to the person, as numbers: from where it is stopped, where it is erased, and what could not be
/// reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StopAnswer {
    /// Recipients that stopped, or hold nothing.
    pub stopped: u32,
    /// Recipients that erased.
    pub erased: u32,
    /// What could not be done, by outcome.
    #[schemars(length(max = 10))]
    pub unreachable: Vec<(ReportOutcome, u32)>,
    /// The same with the days and the grounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub parts: Vec<AnswerPart>,
}

/// One part of the answer: so many recipients did the same. Codes, numbers and days only: who they are is not said, since
/// that somebody has data of a person can itself be special-care data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerPart {
    /// What they were told.
    pub measure: Measure,
    /// What they reported.
    pub outcome: ReportOutcome,
    /// Why, where it could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
    /// How many.
    pub recipients: u32,
    /// The first day in Japan on which one of them was confirmed.
    pub first_on: Date,
    /// The last.
    pub last_on: Date,
}
