//! 停止登録簿の登録: one standing entry of the register of stops. Pure.
//!
//! A block holds from the moment it is placed, provisionally before identity is proved. Once final it is never lifted by
//! anybody: no text lets the operator lift a stop (Next-Generation Medical Infrastructure Act art. 52(1); supply needs a
//! new notice by the hospital). Instructions settle in any order, also before the fan-out has said which there are.

use chassis::{Machine, Verdict};
use contracts::{
    CaseId, ChangeId, Code, EntryId, InstructionId, Measure, Message, Scope, Service, Timestamp, Uuid,
    opt_out::{BlockLifted, BlockPlaced, StopConfirmed, StopEntered},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The machine.
#[derive(Debug)]
pub enum Entry {}

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
        /// What recipients are told.
        measure: Measure,
        /// Since when it blocks.
        effective_at: Timestamp,
        /// The change that is fanned out.
        change: ChangeId,
        /// How many instructions there are; unknown until the fan-out.
        expected: Option<u32>,
        /// Instructions without a final report.
        open: BTreeSet<InstructionId>,
        /// Settled before the fan-out was heard of.
        early: BTreeSet<InstructionId>,
    },
    /// 停止完了: every recipient's report is in. The block stands for ever.
    Confirmed {
        /// The case.
        case: CaseId,
        /// Which tracks.
        scope: Scope,
        /// What recipients were told.
        measure: Measure,
        /// Since when it blocks.
        effective_at: Timestamp,
        /// How many recipients reported.
        recipients: u32,
    },
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
        /// What recipients are told.
        measure: Measure,
        /// Arrival at the desk.
        received_at: Timestamp,
        /// The change to fan out.
        change: ChangeId,
        /// Now.
        at: Timestamp,
    },
    /// Take a provisional block back.
    LiftProvisionalBlock {
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
    /// One recipient's report is in and final.
    InstructionSettled {
        /// Which.
        instruction: InstructionId,
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
        /// What recipients are told.
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
    /// The instructions are known.
    FannedOut {
        /// All of them.
        instructions: BTreeSet<InstructionId>,
        /// When.
        at: Timestamp,
    },
    /// One is done with.
    InstructionSettled {
        /// Which.
        instruction: InstructionId,
        /// When.
        at: Timestamp,
    },
    /// All are.
    Confirmed {
        /// How many.
        recipients: u32,
        /// When.
        at: Timestamp,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A final stop with another scope or measure stands: it asks for more than stands, which is a new entry's matter.
    OtherTermsStand,
    /// The entry belongs to another case.
    OtherCase,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Code {
        match why {
            Refusal::OtherTermsStand => Code::of("other-terms-stand"),
            Refusal::OtherCase => Code::of("entry-of-another-case"),
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
}

type Said = Verdict<Event, Refusal>;

fn enter_stop(state: &State, stop: Event) -> Said {
    let Event::StopEntered { case, scope, measure, received_at, change, at, .. } = stop else {
        return Verdict::Already;
    };
    match state {
        State::Stopped { scope: s, measure: m, .. } | State::Confirmed { scope: s, measure: m, .. } => {
            if (*s, *m) == (scope, measure) { Verdict::Already } else { Verdict::Refused(Refusal::OtherTermsStand) }
        }
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => {
            // The block keeps its own, earlier date; without one it begins now.
            let since = match state {
                State::Blocked { effective_at, .. } => *effective_at,
                _ => at,
            };
            let effective_at = since;
            Verdict::Events(vec![Event::StopEntered { case, scope, measure, received_at, effective_at, change, at }])
        }
    }
}

fn fanned_out(state: &State, of: ChangeId, instructions: &BTreeSet<InstructionId>, at: Timestamp) -> Said {
    match state {
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => Verdict::TooEarly,
        State::Stopped { expected: None, early, change, .. } if *change == of => {
            let mut events = vec![Event::FannedOut { instructions: instructions.clone(), at }];
            // Also with no recipients at all: then the stop is complete as soon as it stands.
            if instructions.is_subset(early) {
                events.push(Event::Confirmed { recipients: count(instructions), at });
            }
            Verdict::Events(events)
        }
        State::Stopped { .. } | State::Confirmed { .. } => Verdict::Already,
    }
}

fn settled(state: &State, instruction: InstructionId, at: Timestamp) -> Said {
    let event = Event::InstructionSettled { instruction, at };
    match state {
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => Verdict::TooEarly,
        State::Stopped { expected: None, early, .. } => {
            if early.contains(&instruction) {
                Verdict::Already
            } else {
                Verdict::Events(vec![event])
            }
        }
        State::Stopped { expected: Some(expected), open, .. } => match open.contains(&instruction) {
            false => Verdict::Already,
            true if open.len() == 1 => Verdict::Events(vec![event, Event::Confirmed { recipients: *expected, at }]),
            true => Verdict::Events(vec![event]),
        },
        State::Confirmed { .. } => Verdict::Already,
    }
}

fn count(instructions: &BTreeSet<InstructionId>) -> u32 {
    instructions.len().try_into().unwrap_or(u32::MAX)
}

impl Machine for Entry {
    const KIND: &'static str = "entry";
    const SERVICE: Service = Service::OptOut;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Said {
        let of = match input {
            Input::PlaceBlock { case, .. } | Input::EnterStop { case, .. } => Some(*case),
            _ => None,
        };
        if of.is_some() && state.case().is_some() && of != state.case() {
            return Verdict::Refused(Refusal::OtherCase);
        }
        match input {
            Input::PlaceBlock { case, scope, received_at, at } => match state {
                // A lifted one was revived: the command is a new one, since a repeat of the old is known to the inbox and
                // the lifting waited for it.
                State::Absent | State::Lifted { .. } => Verdict::Events(vec![Event::BlockPlaced {
                    case: *case,
                    scope: *scope,
                    received_at: *received_at,
                    at: *at,
                }]),
                State::Blocked { .. } | State::Stopped { .. } | State::Confirmed { .. } => Verdict::Already,
            },
            Input::EnterStop { case, scope, measure, received_at, change, at } => enter_stop(
                state,
                Event::StopEntered {
                    case: *case,
                    scope: *scope,
                    measure: *measure,
                    received_at: *received_at,
                    effective_at: *at,
                    change: *change,
                    at: *at,
                },
            ),
            Input::LiftProvisionalBlock { at } => match state {
                State::Absent => Verdict::TooEarly,
                State::Blocked { .. } => Verdict::Events(vec![Event::BlockLifted { at: *at }]),
                State::Lifted { .. } | State::Stopped { .. } | State::Confirmed { .. } => Verdict::Already,
            },
            Input::FannedOut { change, instructions, at } => fanned_out(state, *change, instructions, *at),
            Input::InstructionSettled { instruction, at } => settled(state, *instruction, *at),
            Input::Clock => Verdict::Already,
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match (&mut state, event) {
            (_, Event::BlockPlaced { case, scope, at, .. }) => {
                State::Blocked { case: *case, scope: *scope, effective_at: *at }
            }
            (State::Blocked { case, .. }, Event::BlockLifted { at }) => State::Lifted { case: *case, at: *at },
            (_, Event::StopEntered { case, scope, measure, effective_at, change, .. }) => State::Stopped {
                case: *case,
                scope: *scope,
                measure: *measure,
                effective_at: *effective_at,
                change: *change,
                expected: None,
                open: BTreeSet::new(),
                early: BTreeSet::new(),
            },
            (State::Stopped { expected, open, early, .. }, Event::FannedOut { instructions, .. }) => {
                *expected = Some(count(instructions));
                *open = instructions.difference(early).copied().collect();
                early.clear();
                state
            }
            (State::Stopped { expected, open, early, .. }, Event::InstructionSettled { instruction, .. }) => {
                open.remove(instruction);
                if expected.is_none() {
                    early.insert(*instruction);
                }
                state
            }
            (State::Stopped { case, scope, measure, effective_at, .. }, Event::Confirmed { recipients, .. }) => {
                State::Confirmed {
                    case: *case,
                    scope: *scope,
                    measure: *measure,
                    effective_at: *effective_at,
                    recipients: *recipients,
                }
            }
            _ => state,
        }
    }

    fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
        let entry = EntryId(id);
        let Some(case) = after.case() else { return Vec::new() };
        match event {
            Event::BlockPlaced { at, .. } => {
                vec![Message::BlockPlaced(BlockPlaced { case, entry, provisional: true, effective_at: *at })]
            }
            Event::BlockLifted { at } => vec![Message::BlockLifted(BlockLifted { case, entry, at: *at })],
            Event::StopEntered { scope, effective_at, at, .. } => vec![
                Message::BlockPlaced(BlockPlaced { case, entry, provisional: false, effective_at: *effective_at }),
                Message::StopEntered(StopEntered { case, entry, scope: *scope, effective_at: *effective_at, at: *at }),
            ],
            Event::FannedOut { .. } | Event::InstructionSettled { .. } => Vec::new(),
            Event::Confirmed { recipients, at } => {
                vec![Message::StopConfirmed(StopConfirmed { case, entry, recipients: *recipients, at: *at })]
            }
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
