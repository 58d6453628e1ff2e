//! 停止登録簿の登録: one standing entry of the register of stops. Pure. What is decided stands in `entry_decide.rs`.
//!
//! A block holds from the moment it is placed, provisionally before identity is proved. Once final it is never lifted by
//! anybody: no text lets the operator lift a stop (Next-Generation Medical Infrastructure Act art. 52(1); supply needs a
//! new notice by the hospital). Its tracks may change, its identifiers may be corrected, and it may be withdrawn: each with
//! a case, a legal basis and dates of its own, and the block holds. Instructions settle in any order, also before the
//! fan-out has said which there are, and may be open again after an amended report.

use chassis::{Machine, Verdict};
use contracts::{
    CaseId, ChangeId, Code, Date, EntryId, InstructionId, Measure, Message, RecipientId, ReportOutcome, Scope, Service,
    Timestamp, Uuid,
    opt_out::{BlockLifted, BlockPlaced, StopConfirmed, StopEntered},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[path = "entry_answer.rs"]
mod answer;
#[path = "entry_decide.rs"]
mod decide;

/// The machine.
#[derive(Debug)]
pub enum Entry {}

/// 消去: whether it was asked for, and whether it may go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Erasure {
    /// Only a stop was asked for.
    #[default]
    NotAsked,
    /// Waits until two people confirmed the match.
    Waits,
    /// They did: the instruction to erase is on its way.
    Released,
}

/// A confirmed report, as the entry counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What it says.
    pub outcome: ReportOutcome,
    /// Of which round.
    pub round: u32,
    /// The day in Japan on which it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Date>,
    /// Whose it is; absent: settled before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientId>,
    /// When it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What is going on with the recipients of a final stop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Changes that are not fanned out yet.
    pub awaiting: BTreeSet<ChangeId>,
    /// The change that tells to erase.
    pub erase_change: Option<ChangeId>,
    /// The largest number of recipients that one change went to.
    pub recipients: u32,
    /// Instructions without a confirmed report.
    pub open: BTreeSet<InstructionId>,
    /// Those with one, also before the fan-out was heard of.
    pub settled: BTreeMap<InstructionId, Done>,
    /// Open again since an amended report, and in which round.
    pub reopened: BTreeMap<InstructionId, u32>,
    /// Cancelled when their endpoint changed, and what took their place.
    pub replaced: BTreeMap<InstructionId, InstructionId>,
    /// Those of [`Progress::settled`] and [`Progress::open`] that tell to erase.
    pub erasing: BTreeSet<InstructionId>,
    /// 利用の一時停止: current builds are frozen since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_at: Option<Timestamp>,
    /// The changes that freeze builds or let them go on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub freezes: BTreeSet<ChangeId>,
    /// Their instructions: waited for like all others, and no part of the answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub passing: BTreeSet<InstructionId>,
    /// The changes that correct identifiers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub corrections: BTreeSet<ChangeId>,
    /// Their instructions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub correcting: BTreeSet<InstructionId>,
    /// Why not, of those that could not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grounds: BTreeMap<InstructionId, Code>,
}

/// How an entry stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// There is none.
    #[default]
    Absent,
    /// 仮の停止: blocks, may be taken back.
    Blocked {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// Since when it blocks.
        effective_at: Timestamp,
    },
    /// A provisional block was taken back.
    Lifted {
        /// The case.
        case: CaseId,
        /// When.
        at: Timestamp,
    },
    /// 停止: final; reports of recipients are coming in.
    Stopped {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// What was asked for.
        measure: Measure,
        /// Since when it blocks.
        effective_at: Timestamp,
        /// Whether the erasure may go out.
        erasure: Erasure,
        /// 撤回: waits for the hospital's new notice.
        withdrawn_at: Option<Timestamp>,
        /// What is going on.
        progress: Progress,
    },
    /// 停止完了: every recipient's report is in and confirmed. The block stands for ever.
    Confirmed {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// What was asked for.
        measure: Measure,
        /// Since when it blocks.
        effective_at: Timestamp,
        /// Whether there was an erasure.
        erasure: Erasure,
        /// 撤回: waits for the hospital's new notice.
        withdrawn_at: Option<Timestamp>,
        /// How many recipients reported.
        recipients: u32,
        /// What went on.
        progress: Progress,
    },
}

/// On what a change stands: its own case, its legal basis, its arrival at the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The case in which it was asked for.
    pub case: CaseId,
    /// The legal basis.
    pub basis: Code,
    /// Arrival at the desk (民法97条).
    pub received_at: Timestamp,
}

/// What may happen to an entry.
#[derive(Clone, Debug)]
pub enum Input {
    /// Block provisionally.
    PlaceBlock {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// Arrival at the desk (民法97条).
        received_at: Timestamp,
        /// Now: from here on the gate says no.
        at: Timestamp,
    },
    /// Make it final.
    EnterStop {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// What was asked for: to stop, or to erase.
        measure: Measure,
        /// Arrival at the desk.
        received_at: Timestamp,
        /// The change to fan out: the stop. An erasure waits for its match.
        change: ChangeId,
        /// Now.
        at: Timestamp,
    },
    /// Take a provisional block back.
    LiftProvisionalBlock {
        /// Now.
        at: Timestamp,
    },
    /// Two people confirmed that what was found is this person's: the erasure may go out.
    MatchConfirmed {
        /// The change to fan out.
        change: ChangeId,
        /// Now.
        at: Timestamp,
    },
    /// 範囲の変更.
    ChangeScope {
        /// On what it stands.
        ground: Ground,
        /// From now on.
        scope: Scope,
        /// The change to fan out.
        change: ChangeId,
        /// Now.
        at: Timestamp,
    },
    /// 識別事項の訂正; the new index stands already.
    CorrectIdentifiers {
        /// On what it stands.
        ground: Ground,
        /// The change to fan out.
        change: ChangeId,
        /// Now.
        at: Timestamp,
    },
    /// 撤回.
    Withdraw {
        /// On what it stands.
        ground: Ground,
        /// Now.
        at: Timestamp,
    },
    /// 利用の一時停止: freeze current builds.
    SuspendUse {
        /// On what it stands.
        ground: Ground,
        /// The change to fan out.
        change: ChangeId,
        /// Now.
        at: Timestamp,
    },
    /// 一時停止の解除: they go on, without the person.
    ResumeUse {
        /// On what it stands.
        ground: Ground,
        /// The change to fan out.
        change: ChangeId,
        /// Now.
        at: Timestamp,
    },
    /// The fan-out said which instructions there are.
    FannedOut {
        /// Of which change.
        change: ChangeId,
        /// All of them; may be none.
        instructions: BTreeSet<InstructionId>,
        /// When.
        at: Timestamp,
    },
    /// One recipient's report is in and confirmed.
    InstructionSettled {
        /// Which.
        instruction: InstructionId,
        /// Whose.
        recipient: RecipientId,
        /// What it says.
        outcome: ReportOutcome,
        /// Of which round.
        round: u32,
        /// Why not, where it could not be done.
        ground: Option<Code>,
        /// When.
        at: Timestamp,
    },
    /// An amended report: the instruction is open again.
    InstructionReopened {
        /// Which.
        instruction: InstructionId,
        /// In which round; 0 says nothing.
        round: u32,
        /// When.
        at: Timestamp,
    },
    /// Its endpoint changed: another instruction takes its place.
    InstructionReplaced {
        /// The cancelled one.
        old: InstructionId,
        /// The new one.
        by: InstructionId,
        /// When.
        at: Timestamp,
    },
    /// Time passed: nothing in an entry waits for time.
    Clock,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The gate says no from now on.
    BlockPlaced {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// Arrival at the desk.
        received_at: Timestamp,
        /// From when.
        at: Timestamp,
    },
    /// A provisional block was taken back.
    BlockLifted {
        /// When.
        at: Timestamp,
    },
    /// The stop is final.
    StopEntered {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// What was asked for.
        measure: Measure,
        /// Arrival at the desk.
        received_at: Timestamp,
        /// The block holds since.
        effective_at: Timestamp,
        /// The change to fan out.
        change: ChangeId,
        /// When.
        at: Timestamp,
    },
    /// The erasure may go out.
    ErasureReleased {
        /// The change to fan out.
        change: ChangeId,
        /// When.
        at: Timestamp,
    },
    /// 範囲の変更.
    ScopeChanged {
        /// On what it stands.
        ground: Ground,
        /// From now on.
        scope: Scope,
        /// The change to fan out.
        change: ChangeId,
        /// When.
        at: Timestamp,
    },
    /// 識別事項の訂正.
    IdentifiersCorrected {
        /// On what it stands.
        ground: Ground,
        /// The change to fan out.
        change: ChangeId,
        /// When.
        at: Timestamp,
    },
    /// 撤回: the block holds.
    Withdrawn {
        /// On what it stands.
        ground: Ground,
        /// When.
        at: Timestamp,
    },
    /// 利用の一時停止.
    UseSuspended {
        /// On what it stands.
        ground: Ground,
        /// The change to fan out.
        change: ChangeId,
        /// When.
        at: Timestamp,
    },
    /// 一時停止の解除.
    UseResumed {
        /// On what it stands.
        ground: Ground,
        /// The change to fan out.
        change: ChangeId,
        /// When.
        at: Timestamp,
    },
    /// The instructions of a change are known.
    FannedOut {
        /// Of which.
        change: ChangeId,
        /// All of them.
        instructions: BTreeSet<InstructionId>,
        /// When.
        at: Timestamp,
    },
    /// One is done with.
    InstructionSettled {
        /// Which.
        instruction: InstructionId,
        /// Whose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recipient: Option<RecipientId>,
        /// What was reported.
        outcome: ReportOutcome,
        /// In which round.
        round: u32,
        /// Why not, where it could not be done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ground: Option<Code>,
        /// When.
        at: Timestamp,
    },
    /// One is open again.
    InstructionReopened {
        /// Which.
        instruction: InstructionId,
        /// In which round.
        round: u32,
        /// When.
        at: Timestamp,
    },
    /// One was cancelled, another took its place.
    InstructionReplaced {
        /// The cancelled one.
        old: InstructionId,
        /// The new one.
        by: InstructionId,
        /// When.
        at: Timestamp,
    },
    /// All are done with.
    Confirmed {
        /// How many recipients.
        recipients: u32,
        /// When.
        at: Timestamp,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A final stop with another scope or measure stands: it changes with a case of its own.
    OtherTermsStand,
    /// The entry belongs to another case.
    OtherCase,
    /// Nobody asked for an erasure.
    NoErasureAsked,
    /// Only a final stop is changed or withdrawn; a provisional block is taken back by its case.
    NotFinal,
    /// The instruction to erase is out: there is nothing to freeze, and nothing that could go on.
    IsErased,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Code {
        match why {
            Refusal::OtherTermsStand => Code::of("other-terms-stand"),
            Refusal::OtherCase => Code::of("entry-of-another-case"),
            Refusal::NoErasureAsked => Code::of("no-erasure-asked"),
            Refusal::NotFinal => Code::of("stop-is-not-final"),
            Refusal::IsErased => Code::of("erasure-was-released"),
        }
    }
}

impl State {
    /// The case it belongs to.
    pub const fn case(&self) -> Option<CaseId> {
        match self {
            Self::Absent => None,
            Self::Blocked { case, .. }
            | Self::Lifted { case, .. }
            | Self::Stopped { case, .. }
            | Self::Confirmed { case, .. } => Some(*case),
        }
    }
    /// Whether the gate says no, for which tracks and since when (受領拒否, Act art. 56).
    pub const fn blocks(&self) -> Option<(Scope, Timestamp)> {
        match self {
            Self::Blocked { scope, effective_at, .. }
            | Self::Stopped { scope, effective_at, .. }
            | Self::Confirmed { scope, effective_at, .. } => Some((*scope, *effective_at)),
            Self::Absent | Self::Lifted { .. } => None,
        }
    }
    /// What is going on with the recipients of a final stop.
    pub const fn progress(&self) -> Option<&Progress> {
        match self {
            Self::Stopped { progress, .. } | Self::Confirmed { progress, .. } => Some(progress),
            Self::Absent | Self::Blocked { .. } | Self::Lifted { .. } => None,
        }
    }
}

impl Machine for Entry {
    const KIND: &'static str = "entry";
    const SERVICE: Service = Service::OptOut;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Verdict<Event, Refusal> {
        decide::decide(state, input)
    }
    fn evolve(state: State, event: &Event) -> State {
        decide::evolve(state, event)
    }

    fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
        let (Some(case), entry) = (after.case(), EntryId(id)) else { return Vec::new() };
        match event {
            Event::BlockPlaced { at, .. } => {
                vec![Message::BlockPlaced(BlockPlaced { case, entry, provisional: true, effective_at: *at })]
            }
            Event::BlockLifted { at } => vec![Message::BlockLifted(BlockLifted { case, entry, at: *at })],
            Event::StopEntered { scope, effective_at, at, .. } => vec![
                Message::BlockPlaced(BlockPlaced { case, entry, provisional: false, effective_at: *effective_at }),
                Message::StopEntered(StopEntered { case, entry, scope: *scope, effective_at: *effective_at, at: *at }),
            ],
            Event::Confirmed { recipients, at } => {
                let answer = Some(after.answer());
                vec![Message::StopConfirmed(StopConfirmed { case, entry, recipients: *recipients, at: *at, answer })]
            }
            Event::ErasureReleased { .. }
            | Event::ScopeChanged { .. }
            | Event::IdentifiersCorrected { .. }
            | Event::Withdrawn { .. }
            | Event::UseSuspended { .. }
            | Event::UseResumed { .. }
            | Event::FannedOut { .. }
            | Event::InstructionSettled { .. }
            | Event::InstructionReopened { .. }
            | Event::InstructionReplaced { .. } => Vec::new(),
        }
    }

    fn wake(_: &State) -> Option<Timestamp> {
        None
    }
    fn clock(_: Timestamp) -> Input {
        Input::Clock
    }
    fn status(state: &State) -> Code {
        Code::of(match state {
            State::Absent => "absent",
            State::Blocked { .. } => "blocked",
            State::Lifted { .. } => "lifted",
            State::Stopped { .. } => "stopped",
            State::Confirmed { .. } => "confirmed",
        })
    }
    fn correlation(id: Uuid, state: &State) -> Uuid {
        state.case().map_or(id, |case| case.0)
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
