//! Facts become what the pages show. Pure: the same facts in any order, any number of times, give the same views.
//!
//! Nothing promises an order, and one fact may come before the fact that it follows. So every aspect of a view keeps the
//! fact with the highest sequence *of the machine that states it*: a later fact wins, an earlier one changes nothing.
//! Sequences of different machines are never compared.

use contracts::{
    CaseId, ChargeId, EntryId, InstructionId, Message, NoticeId, StatementId, Step, Timestamp, Uuid,
    fulfilment::DecisionMade,
    identity::{IdentityConfirmed, IdentityDeficient, IdentityRejected},
    intake::{CaseEnded, CaseErased, CaseOpened, CaseProgressed},
    notification::{NoticeFailed, NoticeSent},
    opt_out::{
        BlockLifted, BlockPlaced, InstructionIssued, InstructionOverdue, InstructionReceived, InstructionReplaced,
        InstructionReported, InstructionSettled, Issued, StopConfirmed, StopEntered,
    },
    payment::{ChargeExpired, FeePaid, FeeRequested, StatementImported},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// One aspect of a view: what the machine said last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latest<T> {
    seq: i64,
    value: Option<T>,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { seq: 0, value: None }
    }
}

impl<T> Latest<T> {
    /// Takes a fact in, unless a later one is there.
    fn hear(&mut self, seq: i64, value: T) {
        if self.value.is_none() || seq > self.seq {
            *self = Self { seq, value: Some(value) };
        }
    }
    /// What was said last.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }
    /// Whether this was said, and after the other (of the same machine).
    fn after<U>(&self, other: &Latest<U>) -> bool {
        self.value.is_some() && (other.value.is_none() || self.seq > other.seq)
    }
}

/// A row of the read model.
pub trait View: Default + Serialize + DeserializeOwned + Send {
    /// Takes one message in; one that is not about this kind of row changes nothing.
    fn hear(&mut self, seq: i64, message: &Message);
}

/// 本人確認: what identity verification says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Identity {
    /// 確認.
    Confirmed(IdentityConfirmed),
    /// 不備.
    Deficient(IdentityDeficient),
    /// 確認不能.
    Rejected(IdentityRejected),
}

impl Identity {
    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Confirmed(_) => "confirmed",
            Self::Deficient(_) => "deficient",
            Self::Rejected(_) => "rejected",
        }
    }
}

/// 請求案件: one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaseView {
    /// What it is.
    pub opened: Latest<CaseOpened>,
    /// Where it stands.
    pub progress: Latest<CaseProgressed>,
    /// How it ended; a later progress means that it was revived.
    pub ended: Latest<CaseEnded>,
    /// Its personal part is gone.
    pub erased: Latest<CaseErased>,
    /// Whether the person is proved.
    pub identity: Latest<Identity>,
    /// 決定.
    pub decision: Latest<DecisionMade>,
}

impl View for CaseView {
    fn hear(&mut self, seq: i64, message: &Message) {
        match message.clone() {
            Message::CaseOpened(m) => self.opened.hear(seq, m),
            Message::CaseProgressed(m) => self.progress.hear(seq, m),
            Message::CaseEnded(m) => self.ended.hear(seq, m),
            Message::CaseErased(m) => self.erased.hear(seq, m),
            Message::IdentityConfirmed(m) => self.identity.hear(seq, Identity::Confirmed(m)),
            Message::IdentityDeficient(m) => self.identity.hear(seq, Identity::Deficient(m)),
            Message::IdentityRejected(m) => self.identity.hear(seq, Identity::Rejected(m)),
            Message::DecisionMade(m) => self.decision.hear(seq, m),
            _ => {}
        }
    }
}

impl CaseView {
    /// What it waits for; `None` until the case itself was heard of.
    pub fn step(&self) -> Option<Step> {
        if self.is_ended() {
            return Some(Step::Ended);
        }
        self.progress.get().map(|p| p.step).or_else(|| self.opened.get().map(|_| Step::Received))
    }
    /// Ended, and not revived since.
    pub fn is_ended(&self) -> bool {
        self.ended.after(&self.progress) || self.progress.get().is_some_and(|p| p.step == Step::Ended)
    }
    /// How it ended, unless it was revived.
    pub fn ending(&self) -> Option<&CaseEnded> {
        self.ended.get().filter(|_| self.is_ended())
    }
    /// End of the service clock (処理期間); none while it is paused, and none once the case ended.
    pub fn due_at(&self) -> Option<Timestamp> {
        if self.is_ended() { None } else { self.progress.get().and_then(|p| p.due_at) }
    }
}

/// What became of a charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum ChargeOutcome {
    /// 入金・充当.
    Paid(FeePaid),
    /// The time to pay ran out.
    Expired(ChargeExpired),
}

/// 手数料請求: one charge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChargeView {
    /// What was asked.
    pub requested: Latest<FeeRequested>,
    /// What became of it.
    pub outcome: Latest<ChargeOutcome>,
}

impl View for ChargeView {
    fn hear(&mut self, seq: i64, message: &Message) {
        match message.clone() {
            Message::FeeRequested(m) => self.requested.hear(seq, m),
            Message::FeePaid(m) => self.outcome.hear(seq, ChargeOutcome::Paid(m)),
            Message::ChargeExpired(m) => self.outcome.hear(seq, ChargeOutcome::Expired(m)),
            _ => {}
        }
    }
}

impl ChargeView {
    /// Its word: `requested`, `paid`, `expired`.
    pub fn word(&self) -> &'static str {
        match self.outcome.get() {
            Some(ChargeOutcome::Paid(_)) => "paid",
            Some(ChargeOutcome::Expired(_)) => "expired",
            None => "requested",
        }
    }
}

/// Whether the gate refuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Block {
    /// 停止中.
    Placed(BlockPlaced),
    /// Taken back.
    Lifted(BlockLifted),
}

/// 停止登録簿の登録: one entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntryView {
    /// The block.
    pub block: Latest<Block>,
    /// The stop, made final.
    pub entered: Latest<StopEntered>,
    /// 停止完了.
    pub confirmed: Latest<StopConfirmed>,
}

impl View for EntryView {
    fn hear(&mut self, seq: i64, message: &Message) {
        match message.clone() {
            Message::BlockPlaced(m) => self.block.hear(seq, Block::Placed(m)),
            Message::BlockLifted(m) => self.block.hear(seq, Block::Lifted(m)),
            Message::StopEntered(m) => self.entered.hear(seq, m),
            Message::StopConfirmed(m) => self.confirmed.hear(seq, m),
            _ => {}
        }
    }
}

impl EntryView {
    /// Its word: `confirmed`, `entered`, `final`, `provisional`, `lifted`.
    pub fn word(&self) -> &'static str {
        match (self.confirmed.get(), self.entered.get(), self.block.get()) {
            (Some(_), ..) => "confirmed",
            (_, Some(_), _) => "entered",
            (_, _, Some(Block::Placed(b))) if b.provisional => "provisional",
            (_, _, Some(Block::Placed(_))) => "final",
            (_, _, Some(Block::Lifted(_))) => "lifted",
            (_, _, None) => "unknown",
        }
    }
}

/// 指示: one instruction to one recipient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstructionView {
    /// 指示.
    pub issued: Latest<InstructionIssued>,
    /// 受領.
    pub received: Latest<InstructionReceived>,
    /// 報告 that waits for a member of staff; a later one amends an earlier one.
    pub reported: Latest<InstructionReported>,
    /// 確認; an amended report is followed by another.
    pub settled: Latest<InstructionSettled>,
    /// 差替え: another took its place.
    pub replaced: Latest<InstructionReplaced>,
    /// Late.
    pub overdue: Latest<InstructionOverdue>,
}

impl View for InstructionView {
    fn hear(&mut self, seq: i64, message: &Message) {
        match message.clone() {
            Message::InstructionIssued(m) => self.issued.hear(seq, m),
            Message::InstructionReceived(m) => self.received.hear(seq, m),
            Message::InstructionReported(m) => self.reported.hear(seq, m),
            Message::InstructionSettled(m) => self.settled.hear(seq, m),
            Message::InstructionReplaced(m) => self.replaced.hear(seq, m),
            Message::InstructionOverdue(m) => self.overdue.hear(seq, m),
            _ => {}
        }
    }
}

impl InstructionView {
    /// Its word: `replaced`, `settled`, `reported`, `overdue`, `received`, `issued`.
    pub fn word(&self) -> &'static str {
        if self.replaced.get().is_some() {
            return "replaced";
        }
        // Open again: a report of a later round than the last confirmation.
        let (settled, reported) = (self.settled.get(), self.reported.get());
        let reopened = reported.is_some_and(|r| settled.is_none_or(|s| s.round < r.round));
        match (settled.filter(|_| !reopened), self.overdue.get(), self.received.get()) {
            (Some(_), ..) => "settled",
            _ if reported.is_some() => "reported",
            (_, Some(_), _) => "overdue",
            (_, _, Some(_)) => "received",
            _ => "issued",
        }
    }
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum NoticeOutcome {
    /// Sent, or on the status page.
    Sent(NoticeSent),
    /// Staff must reach the person in another way.
    Failed(NoticeFailed),
}

/// 通知: one notice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NoticeView {
    /// What became of it.
    pub outcome: Latest<NoticeOutcome>,
}

impl View for NoticeView {
    fn hear(&mut self, seq: i64, message: &Message) {
        match message.clone() {
            Message::NoticeSent(m) => self.outcome.hear(seq, NoticeOutcome::Sent(m)),
            Message::NoticeFailed(m) => self.outcome.hear(seq, NoticeOutcome::Failed(m)),
            _ => {}
        }
    }
}

/// 入出金明細のファイル: one statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatementView {
    /// Its figures.
    pub imported: Latest<StatementImported>,
}

impl View for StatementView {
    fn hear(&mut self, seq: i64, message: &Message) {
        if let Message::StatementImported(m) = message {
            self.imported.hear(seq, m.clone());
        }
    }
}

/// The row that a fact changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// [`CaseView`].
    Case(CaseId),
    /// [`ChargeView`].
    Charge(ChargeId, CaseId),
    /// [`EntryView`].
    Entry(EntryId, CaseId),
    /// [`InstructionView`].
    Instruction(InstructionId, CaseId),
    /// [`NoticeView`].
    Notice(NoticeId, CaseId),
    /// [`StatementView`].
    Statement(StatementId),
}

/// Which row a message changes; none for commands and for what only stands in the timeline or among the incidents.
pub fn row(message: &Message) -> Option<Row> {
    Some(match message {
        Message::CaseOpened(m) => Row::Case(m.case),
        Message::CaseProgressed(m) => Row::Case(m.case),
        Message::CaseEnded(m) => Row::Case(m.case),
        Message::CaseErased(m) => Row::Case(m.case),
        Message::IdentityConfirmed(m) => Row::Case(m.case),
        Message::IdentityDeficient(m) => Row::Case(m.case),
        Message::IdentityRejected(m) => Row::Case(m.case),
        Message::DecisionMade(m) => Row::Case(m.case),
        Message::FeeRequested(m) => Row::Charge(m.charge, m.case),
        Message::FeePaid(m) => Row::Charge(m.charge, m.case),
        Message::ChargeExpired(m) => Row::Charge(m.charge, m.case),
        Message::StatementImported(m) => Row::Statement(m.statement),
        Message::BlockPlaced(m) => Row::Entry(m.entry, m.case),
        Message::BlockLifted(m) => Row::Entry(m.entry, m.case),
        Message::StopEntered(m) => Row::Entry(m.entry, m.case),
        Message::StopConfirmed(m) => Row::Entry(m.entry, m.case),
        Message::InstructionIssued(m) => Row::Instruction(m.instruction, m.case),
        Message::InstructionReceived(m) => Row::Instruction(m.instruction, m.case),
        Message::InstructionReported(m) => Row::Instruction(m.instruction, m.case),
        Message::InstructionSettled(m) => Row::Instruction(m.instruction, m.case),
        Message::InstructionReplaced(m) => Row::Instruction(m.instruction, m.case),
        Message::InstructionOverdue(m) => Row::Instruction(m.instruction, m.case),
        Message::NoticeSent(m) => Row::Notice(m.notice, m.case),
        Message::NoticeFailed(m) => Row::Notice(m.notice, m.case),
        _ => return None,
    })
}

/// The case in whose timeline a message stands, from its own payload.
pub fn case_of(message: &Message) -> Option<CaseId> {
    match (row(message), message) {
        (Some(Row::Case(case)), _)
        | (Some(Row::Charge(_, case) | Row::Entry(_, case) | Row::Instruction(_, case) | Row::Notice(_, case)), _) => {
            Some(case)
        }
        (_, Message::ChangeFannedOut(m)) => Some(m.case),
        _ => None,
    }
}

/// The instructions that a fan-out announces, as they stand then: each gets a row at once. What replaces one later is
/// announced by itself ([`InstructionIssued`]).
pub fn fanned_out(seq: i64, message: &Message) -> Option<(CaseId, BTreeMap<Uuid, InstructionView>)> {
    let Message::ChangeFannedOut(m) = message else { return None };
    let (case, entry, at) = (m.case, m.entry, m.at);
    // An earlier shape of the fact names them only.
    let mut views: BTreeMap<Uuid, InstructionView> = m.instructions.iter().map(|i| (i.0, <_>::default())).collect();
    for Issued { instruction, recipient, position, deadline } in m.issued.iter().copied() {
        let issued = InstructionIssued { case, entry, instruction, recipient, position, deadline, at };
        views.entry(instruction.0).or_default().issued.hear(seq, issued);
    }
    Some((case, views))
}

/// Staff must look at it.
pub fn is_incident(message: &Message) -> bool {
    matches!(
        message,
        Message::ReportRefused(_)
            | Message::LineUnmatched(_)
            | Message::InstructionReported(_)
            | Message::InstructionOverdue(_)
            | Message::NoticeFailed(_)
    )
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
