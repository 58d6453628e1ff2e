//! What did happen to a case: its private history. Codes, ids, amounts and times only.

use super::{
    input::Author,
    state::{Quote, Request},
};
use contracts::{
    ChangeId, ChargeId, Code, DecisionOutcome, EndedAs, EntryId, StaffId, Step, Timestamp, opt_out::StopAnswer,
    payment::Yen,
};
use serde::{Deserialize, Serialize};

/// What did happen. Facts are noted with the speaker's time; `Asked…` are the case's own commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// 受付.
    Opened {
        /// The request.
        request: Box<Request>,
    },
    /// 本人確認 is asked for.
    AskedToVerify,
    /// The fee is asked for.
    AskedForFee {
        /// The round's charge.
        charge: ChargeId,
    },
    /// A provisional block is asked for.
    AskedToBlock {
        /// The round's entry.
        entry: EntryId,
    },
    /// The final stop is asked for.
    AskedToStop {
        /// The round's entry.
        entry: EntryId,
    },
    /// The provisional block is taken back.
    AskedToLift {
        /// The round's entry.
        entry: EntryId,
    },
    /// The answer is asked for.
    AskedForAnswer,
    /// 不備.
    Deficient {
        /// When.
        at: Timestamp,
        /// What is missing.
        reasons: Vec<Code>,
        /// Until when the mending is awaited.
        due_at: Timestamp,
        /// When the case lapses without it.
        lapse_at: Timestamp,
    },
    /// 確認.
    Confirmed {
        /// When.
        at: Timestamp,
    },
    /// 確認不能.
    Rejected {
        /// When.
        at: Timestamp,
        /// Why.
        reasons: Vec<Code>,
    },
    /// The person was asked for money.
    FeeQuoted {
        /// How much, by what reference, until when.
        quote: Quote,
        /// When.
        at: Timestamp,
    },
    /// 入金.
    FeePaid {
        /// Which charge.
        charge: ChargeId,
        /// How much.
        amount: Yen,
        /// When it was matched.
        at: Timestamp,
    },
    /// The time to pay ran out.
    FeeExpired {
        /// When.
        at: Timestamp,
    },
    /// The block holds (provisional or final).
    BlockHolds {
        /// Since.
        since: Timestamp,
    },
    /// Instructions were issued.
    Instructed {
        /// The change that was fanned out.
        change: ChangeId,
        /// How many.
        instructions: u32,
    },
    /// One more instruction is settled.
    Reported,
    /// 停止完了.
    StopConfirmed {
        /// How many recipients reported.
        recipients: u32,
        /// When.
        at: Timestamp,
        /// 三つの回答.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<StopAnswer>,
    },
    /// 決定.
    Decided {
        /// The answer.
        outcome: DecisionOutcome,
        /// The article.
        ground: Code,
        /// When.
        at: Timestamp,
    },
    /// 取下げ.
    Withdrawn {
        /// When.
        at: Timestamp,
        /// On whose word.
        by: Author,
    },
    /// The awaited completion did not come.
    CompletionMissed {
        /// When.
        at: Timestamp,
    },
    /// Taken up again by staff: a new round begins.
    Revived {
        /// When.
        at: Timestamp,
        /// Who.
        by: StaffId,
    },
    /// Taken up again because a payment came after all, and was accepted.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// 終了.
    Ended {
        /// How.
        ended_as: EndedAs,
        /// When.
        at: Timestamp,
    },
    /// What the rest of the house is told of step and clocks. Changes nothing here: it is derived.
    Progressed {
        /// What the case waits for now.
        step: Step,
        /// Since when.
        since: Timestamp,
        /// End of the service clock; absent while it pauses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
        /// First instant of a suit (APPI art. 39).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suit_from: Option<Timestamp>,
    },
    /// 消去 is ordered.
    ErasureOrdered {
        /// When.
        at: Timestamp,
        /// Who.
        by: StaffId,
    },
    /// 消去済み: the key is destroyed.
    Erased {
        /// When.
        at: Timestamp,
    },
}
