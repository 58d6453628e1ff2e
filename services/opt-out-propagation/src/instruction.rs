//! 指示: one instruction to one recipient, from issue to the verified report. Pure.
//!
//! Only a verified signed report moves it: neither a 2xx nor a PubAck does. Until 受領 the desk says it again by itself
//! (`remind`), whatever the transport said; until the final report a ladder of warnings runs to the deadline and past it,
//! and never stops by itself. What recipients are told and what becomes of their reports:
//!
//! | outcome | then |
//! |---|---|
//! | applied, no data held, exempt (with its ground) | settled |
//! | cannot identify (特定不能) | settled with that outcome: the answer to the person has to say it, nobody pretends |
//! | partly applied (一部措置) | stays open, the ladder runs on, the rest follows in another report |

use chassis::{Machine, Verdict};
use contracts::{
    CaseId, Code, Digest, EntryId, InstructionId, Message, RecipientId, ReportOutcome, Service, Timestamp, Uuid,
    opt_out::{InstructionIssued, InstructionOverdue, InstructionReceived, InstructionSettled},
    recipient::ReportStage,
};
use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Debug)]
pub enum Instruction {}

/// What an instruction is about; frozen when it is issued.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The case.
    pub case: CaseId,
    /// The entry.
    pub entry: EntryId,
    /// To whom.
    pub recipient: RecipientId,
    /// 通番: gapless per recipient.
    pub position: i64,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The report is due.
    pub deadline: Timestamp,
    /// First pause before it is said again without 受領, in seconds; doubles, at most six hours.
    pub remind_seconds: u32,
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// There is none.
    #[default]
    Absent,
    /// Issued: on its way.
    Issued {
        /// What it is about.
        terms: Terms,
        /// How often it was said again.
        reminders: u32,
        /// When it is said again.
        remind_at: Timestamp,
        /// The next rung of the ladder.
        rung: u32,
    },
    /// 受領: the recipient signed for the bytes.
    Received {
        /// What it is about.
        terms: Terms,
        /// When.
        received_at: Timestamp,
        /// 一部措置 was reported.
        partly: bool,
        /// The next rung of the ladder.
        rung: u32,
    },
    /// 確認: done with.
    Settled {
        /// What it is about.
        terms: Terms,
        /// What the report says.
        outcome: ReportOutcome,
        /// When.
        at: Timestamp,
    },
}

/// What may happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// It is issued (by the fan-out, which makes many at once).
    Issue(Terms),
    /// A signed report about it was verified.
    ReportVerified {
        /// How far the recipient is.
        stage: ReportStage,
        /// SHA-256 of the signed report's bytes, which are kept.
        report: Digest,
        /// By our clock.
        at: Timestamp,
    },
    /// Time passed.
    Clock(Timestamp),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Issued.
    Issued {
        /// What it is about.
        terms: Terms,
    },
    /// No 受領 in time: it is said again.
    Reminded {
        /// When it is due the next time.
        next: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// A rung of the ladder was reached (50 %, 80 %, the deadline, then 1, 3, 7 days later and every week).
    Warned {
        /// Which; from [`DEADLINE`] on it is overdue.
        rung: u32,
        /// When.
        at: Timestamp,
    },
    /// 受領.
    Received {
        /// The report's digest.
        report: Digest,
        /// When.
        at: Timestamp,
    },
    /// 一部措置.
    PartlyApplied {
        /// The report's digest.
        report: Digest,
        /// When.
        at: Timestamp,
    },
    /// 報告, final.
    Settled {
        /// What it says.
        outcome: ReportOutcome,
        /// The ground of an exemption.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ground: Option<Code>,
        /// The report's digest.
        report: Digest,
        /// When.
        at: Timestamp,
    },
}

/// Why a report was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A final report with another outcome is in.
    AlreadySettled,
    /// An exemption names its ground.
    ExemptionWithoutGround,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Code {
        match why {
            Refusal::AlreadySettled => Code::of("already-settled"),
            Refusal::ExemptionWithoutGround => Code::of("malformed"),
        }
    }
}

/// The rung that is the deadline.
pub const DEADLINE: u32 = 2;
const DAY: i64 = 86_400_000_000;
const REMIND_MAX: i64 = 6 * 3_600_000_000;

fn plus(at: Timestamp, microseconds: i64) -> Timestamp {
    at.as_microsecond()
        .checked_add(microseconds)
        .and_then(|m| Timestamp::from_microsecond(m).ok())
        .unwrap_or(Timestamp::MAX)
}

/// When a rung of the ladder is reached.
pub fn rung_at(terms: &Terms, rung: u32) -> Timestamp {
    let whole = terms.deadline.as_microsecond().saturating_sub(terms.issued_at.as_microsecond()).max(0);
    match rung {
        0 => plus(terms.issued_at, whole / 2),
        1 => plus(terms.issued_at, whole / 5 * 4),
        DEADLINE => terms.deadline,
        3 => plus(terms.deadline, DAY),
        4 => plus(terms.deadline, 3 * DAY),
        later => plus(terms.deadline, i64::from(later - 4).saturating_mul(7 * DAY)),
    }
}

/// The pause before it is said again the `reminders + 1`-th time, in microseconds.
fn pause(terms: &Terms, reminders: u32) -> i64 {
    let first = i64::from(terms.remind_seconds.max(1)) * 1_000_000;
    first.saturating_mul(1 << reminders.min(30)).min(REMIND_MAX.max(first))
}

/// The last rung reached at `now`, counting from `from`.
fn reached(terms: &Terms, from: u32, now: Timestamp) -> Option<u32> {
    // One rung a week: thousands cover a century, and a clock beyond `Timestamp::MAX` does not exist.
    (from..from.saturating_add(10_000)).take_while(|rung| rung_at(terms, *rung) <= now).last()
}

fn clock(state: &State, now: Timestamp) -> Verdict<Event, Refusal> {
    let mut events = Vec::new();
    let (terms, rung) = match state {
        State::Issued { terms, reminders, remind_at, rung } => {
            if *remind_at <= now {
                events.push(Event::Reminded { next: plus(now, pause(terms, reminders + 1)), at: now });
            }
            (terms, *rung)
        }
        State::Received { terms, rung, .. } => (terms, *rung),
        State::Absent | State::Settled { .. } => return Verdict::Already,
    };
    if let Some(rung) = reached(terms, rung, now) {
        events.push(Event::Warned { rung, at: now });
    }
    if events.is_empty() { Verdict::Already } else { Verdict::Events(events) }
}

fn report(state: &State, stage: &ReportStage, report: Digest, at: Timestamp) -> Verdict<Event, Refusal> {
    let mut events = Vec::new();
    let partly = match state {
        State::Absent => return Verdict::TooEarly,
        State::Settled { outcome: settled, .. } => {
            return match stage {
                ReportStage::Received => Verdict::Already,
                // A late 一部措置, overtaken by the final report.
                ReportStage::Reported { outcome: ReportOutcome::PartlyApplied, .. } => Verdict::Already,
                ReportStage::Reported { outcome, .. } if outcome == settled => Verdict::Already,
                ReportStage::Reported { .. } => Verdict::Refused(Refusal::AlreadySettled),
            };
        }
        State::Issued { .. } => {
            // Whoever reports has received.
            events.push(Event::Received { report, at });
            false
        }
        State::Received { partly, .. } => *partly,
    };
    match stage {
        ReportStage::Received => {}
        ReportStage::Reported { outcome: ReportOutcome::PartlyApplied, .. } => {
            if !partly {
                events.push(Event::PartlyApplied { report, at });
            }
        }
        ReportStage::Reported { outcome: ReportOutcome::Exempt, ground: None } => {
            return Verdict::Refused(Refusal::ExemptionWithoutGround);
        }
        ReportStage::Reported { outcome, ground } => {
            events.push(Event::Settled { outcome: *outcome, ground: ground.clone(), report, at });
        }
    }
    if events.is_empty() { Verdict::Already } else { Verdict::Events(events) }
}

impl State {
    /// What it is about.
    pub const fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Absent => None,
            Self::Issued { terms, .. } | Self::Received { terms, .. } | Self::Settled { terms, .. } => Some(terms),
        }
    }
}

impl Machine for Instruction {
    const KIND: &'static str = "instruction";
    const SERVICE: Service = Service::OptOut;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Verdict<Event, Refusal> {
        match input {
            Input::Issue(terms) => match state {
                State::Absent => Verdict::Events(vec![Event::Issued { terms: *terms }]),
                State::Issued { .. } | State::Received { .. } | State::Settled { .. } => Verdict::Already,
            },
            Input::ReportVerified { stage, report: digest, at } => report(state, stage, *digest, *at),
            Input::Clock(now) => clock(state, *now),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (state, event) {
            (State::Absent, Event::Issued { terms }) => State::Issued {
                terms: *terms,
                reminders: 0,
                remind_at: plus(terms.issued_at, pause(terms, 0)),
                rung: 0,
            },
            (State::Issued { terms, reminders, rung, .. }, Event::Reminded { next, .. }) => {
                State::Issued { terms, reminders: reminders + 1, remind_at: *next, rung }
            }
            (State::Issued { terms, reminders, remind_at, .. }, Event::Warned { rung, .. }) => {
                State::Issued { terms, reminders, remind_at, rung: rung + 1 }
            }
            (State::Received { terms, received_at, partly, .. }, Event::Warned { rung, .. }) => {
                State::Received { terms, received_at, partly, rung: rung + 1 }
            }
            (State::Issued { terms, rung, .. }, Event::Received { at, .. }) => {
                State::Received { terms, received_at: *at, partly: false, rung }
            }
            (State::Received { terms, received_at, rung, .. }, Event::PartlyApplied { .. }) => {
                State::Received { terms, received_at, partly: true, rung }
            }
            (State::Received { terms, .. }, Event::Settled { outcome, at, .. }) => {
                State::Settled { terms, outcome: *outcome, at: *at }
            }
            (state, _) => state,
        }
    }

    fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
        let Some(Terms { case, entry, recipient, position, deadline, .. }) = after.terms().copied() else {
            return Vec::new();
        };
        let instruction = InstructionId(id);
        match event {
            Event::Issued { terms } => vec![Message::InstructionIssued(InstructionIssued {
                case,
                entry,
                instruction,
                recipient,
                position,
                deadline,
                at: terms.issued_at,
            })],
            Event::Received { at, .. } => {
                vec![Message::InstructionReceived(InstructionReceived { case, entry, instruction, recipient, at: *at })]
            }
            Event::Settled { outcome, at, .. } => vec![Message::InstructionSettled(InstructionSettled {
                case,
                entry,
                instruction,
                recipient,
                outcome: *outcome,
                at: *at,
            })],
            Event::Warned { rung, at } if *rung >= DEADLINE => {
                vec![Message::InstructionOverdue(InstructionOverdue { case, entry, instruction, recipient, at: *at })]
            }
            Event::Warned { .. } | Event::Reminded { .. } | Event::PartlyApplied { .. } => Vec::new(),
        }
    }

    fn wake(state: &State) -> Option<Timestamp> {
        match state {
            State::Issued { terms, remind_at, rung, .. } => Some(rung_at(terms, *rung).min(*remind_at)),
            State::Received { terms, rung, .. } => Some(rung_at(terms, *rung)),
            State::Absent | State::Settled { .. } => None,
        }
    }
    fn clock(now: Timestamp) -> Input {
        Input::Clock(now)
    }
    fn status(state: &State) -> Code {
        Code::of(match state {
            State::Absent => "absent",
            State::Issued { .. } => "issued",
            State::Received { partly: false, .. } => "received",
            State::Received { partly: true, .. } => "partly-applied",
            State::Settled { .. } => "settled",
        })
    }
    fn correlation(id: Uuid, state: &State) -> Uuid {
        state.terms().map_or(id, |terms| terms.case.0)
    }
}

#[cfg(test)]
#[path = "instruction_tests.rs"]
mod tests;
