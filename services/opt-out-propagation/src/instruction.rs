//! 指示: one instruction to one recipient, from issue over receipt, measure and report to confirmation. Pure.
//!
//! Only a verified signed report, or what two members of staff attest, moves it: neither a 2xx nor a PubAck does. Until 受領
//! the desk says it again by itself (`remind`), whatever the transport said; until it is confirmed a ladder of warnings runs
//! to the deadline and past it, and never stops by itself. What recipients report and what becomes of it:
//!
//! | outcome | then |
//! |---|---|
//! | applied, no data held | confirmed (確認) automatically, or, when drawn, by a person |
//! | partly applied (一部措置), exempt, cannot identify, unreachable | waits for a member of staff, the ladder runs on |
//!
//! A later report amends an earlier one, also a confirmed one: then it is open again, in another round.

use chassis::{Machine, Verdict};
use contracts::{
    CaseId, Code, Digest, EntryId, InstructionId, Measure, Message, RecipientId, ReportOutcome, Service, Timestamp,
    Uuid,
    opt_out::{
        InstructionIssued, InstructionOverdue, InstructionReceived, InstructionReplaced, InstructionReported,
        InstructionSettled,
    },
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
    /// What it instructs.
    #[serde(default = "stop")]
    pub measure: Measure,
    /// Drawn when it was issued: its report is confirmed by a person, whatever it says (Rules art. 21).
    #[serde(default)]
    pub drawn: bool,
    /// It takes the place of another: said by itself, because no fan-out of a change says it.
    #[serde(default)]
    pub reissued: bool,
    /// To erase everything of everybody (a certification ended): about no entry and no case, so it is nobody's news but the desk's.
    #[serde(default)]
    pub everything: bool,
}

const fn stop() -> Measure {
    Measure::Stop
}

/// A report as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// What it says.
    pub outcome: ReportOutcome,
    /// Its ground, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
    /// SHA-256 of the signed report's bytes.
    pub report: Digest,
    /// When it came.
    pub at: Timestamp,
    /// It would close, and waits for those of the sub-contractors (Act art. 24).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
}

/// By what a report was confirmed (確認).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The signature verified, and the outcome closes by itself.
    Automatic,
    /// A member of staff.
    Staff,
    /// Two members of staff, from paper or an unsigned file.
    Attested,
}

impl By {
    /// The word in tables and on pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Staff => "staff",
            Self::Attested => "attested",
        }
    }
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
        /// 措置: the recipient said that it has begun to act.
        #[serde(default)]
        acted: bool,
        /// The next rung of the ladder.
        rung: u32,
        /// How often it was open again.
        #[serde(default)]
        round: u32,
    },
    /// 報告: the report is in and waits for a member of staff.
    Reported {
        /// What it is about.
        terms: Terms,
        /// What the report says.
        report: Reported,
        /// The next rung of the ladder: a report that does not close stays overdue until it is dealt with.
        rung: u32,
        /// How often it was open again.
        #[serde(default)]
        round: u32,
    },
    /// 確認: done with.
    Settled {
        /// What it is about.
        terms: Terms,
        /// What the report says.
        outcome: ReportOutcome,
        /// Its ground, where it has one.
        #[serde(default)]
        ground: Option<Code>,
        /// By what.
        by: By,
        /// When.
        at: Timestamp,
        /// The next rung, should it be open again.
        rung: u32,
        /// How often it was open again.
        #[serde(default)]
        round: u32,
    },
    /// 差替え: cancelled when its endpoint changed; another took its place.
    Replaced {
        /// What it was about.
        terms: Terms,
        /// Which.
        by: InstructionId,
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
    /// The same of a contractor whose sub-contractors have not all reported: it does not close before theirs.
    ReportVerifiedAbove {
        /// How far the recipient is.
        stage: ReportStage,
        /// SHA-256 of the signed report's bytes, which are kept.
        report: Digest,
        /// By our clock.
        at: Timestamp,
    },
    /// Its sub-contractors' are all confirmed.
    BelowSettled {
        /// When.
        at: Timestamp,
    },
    /// A member of staff dealt with a report that does not close by itself, or that was drawn.
    Dealt {
        /// The outcome stands. False: the recipient has to report again.
        accept: bool,
        /// When.
        at: Timestamp,
    },
    /// Two members of staff attest what a paper or an unsigned file says.
    Attested {
        /// What it says.
        outcome: ReportOutcome,
        /// Its ground, where it needs one.
        ground: Option<Code>,
        /// SHA-256 of the words that both gave.
        report: Digest,
        /// When.
        at: Timestamp,
    },
    /// Its endpoint changed; another instruction was issued in its place.
    Replace {
        /// Which.
        by: InstructionId,
        /// When.
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
    /// 措置: begun.
    Acted {
        /// The report's digest.
        report: Digest,
        /// When.
        at: Timestamp,
    },
    /// 報告; an amendment when there was one before.
    Reported {
        /// What it says.
        outcome: ReportOutcome,
        /// The ground of an exemption, or why something is not reachable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ground: Option<Code>,
        /// The report's digest.
        report: Digest,
        /// It waits for a member of staff.
        waits: bool,
        /// It waits for those of the sub-contractors.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        below: bool,
        /// It was settled before and is open again.
        #[serde(default)]
        reopens: bool,
        /// When.
        at: Timestamp,
    },
    /// A member of staff sent the report back.
    SentBack {
        /// When.
        at: Timestamp,
    },
    /// 確認.
    Settled {
        /// What the report says.
        outcome: ReportOutcome,
        /// Its ground.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ground: Option<Code>,
        /// By what.
        by: By,
        /// When.
        at: Timestamp,
    },
    /// 差替え.
    Replaced {
        /// The one that takes its place.
        by: InstructionId,
        /// When.
        at: Timestamp,
    },
}

/// Why an input was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An exemption, or what is unreachable, names its ground.
    GroundMissing,
    /// There is no report that waits for a member of staff.
    NothingWaits,
    /// Another instruction took its place.
    WasReplaced,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Code {
        match why {
            Refusal::GroundMissing => Code::of("malformed"),
            Refusal::NothingWaits => Code::of("nothing-waits"),
            Refusal::WasReplaced => Code::of("instruction-was-replaced"),
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

fn clock(state: &State, now: Timestamp) -> Said {
    let mut events = Vec::new();
    let (terms, rung) = match state {
        State::Issued { terms, reminders, remind_at, rung } => {
            if *remind_at <= now {
                events.push(Event::Reminded { next: plus(now, pause(terms, reminders + 1)), at: now });
            }
            (terms, *rung)
        }
        State::Received { terms, rung, .. } => (terms, *rung),
        // A drawn one waits for us, not for the recipient.
        State::Reported { terms, report, rung, .. } if !report.outcome.closes_by_itself() => (terms, *rung),
        State::Absent | State::Reported { .. } | State::Settled { .. } | State::Replaced { .. } => {
            return Verdict::Already;
        }
    };
    if let Some(rung) = reached(terms, rung, now) {
        events.push(Event::Warned { rung, at: now });
    }
    if events.is_empty() { Verdict::Already } else { Verdict::Events(events) }
}

type Said = Verdict<Event, Refusal>;

fn report(state: &State, stage: &ReportStage, report: Digest, at: Timestamp, below: bool) -> Said {
    let (mut events, acted) = match state {
        State::Absent => return Verdict::TooEarly,
        // What came in its place is reported too; this one is history.
        State::Replaced { .. } => return Verdict::Already,
        // Whoever reports has received.
        State::Issued { .. } => (vec![Event::Received { report, at }], false),
        State::Received { acted, .. } => (vec![], *acted),
        State::Reported { .. } | State::Settled { .. } => (vec![], true),
    };
    match stage {
        ReportStage::Received => {}
        ReportStage::Acted => {
            if !acted {
                events.push(Event::Acted { report, at });
            }
        }
        ReportStage::Reported { outcome, ground } => {
            let came = Reported { outcome: *outcome, ground: ground.clone(), report, at, below };
            return outcome_came(state, events, came);
        }
    }
    if events.is_empty() { Verdict::Already } else { Verdict::Events(events) }
}

/// The last word on record, and whether it is confirmed.
fn last_word(state: &State) -> Option<(ReportOutcome, Option<&Code>, bool)> {
    match state {
        State::Reported { report, .. } => Some((report.outcome, report.ground.as_ref(), false)),
        State::Settled { outcome, ground, .. } => Some((*outcome, ground.as_ref(), true)),
        State::Absent | State::Issued { .. } | State::Received { .. } | State::Replaced { .. } => None,
    }
}

fn outcome_came(state: &State, mut events: Vec<Event>, came: Reported) -> Said {
    let Reported { outcome, ground, report, at, below } = came;
    if outcome.needs_ground() && ground.is_none() {
        return Verdict::Refused(Refusal::GroundMissing);
    }
    let last = last_word(state);
    if last.is_some_and(|(o, g, _)| (o, g) == (outcome, ground.as_ref())) {
        return Verdict::Already;
    }
    let settled = last.is_some_and(|(.., settled)| settled);
    let drawn = state.terms().is_some_and(|terms| terms.drawn);
    // What a person has to look at, a person looks at; the rest closes, but not before the sub-contractors' is closed.
    let below = below && outcome.closes_by_itself() && !drawn;
    let waits = drawn || below || !outcome.closes_by_itself();
    let reopens = settled && waits;
    events.push(Event::Reported { outcome, ground: ground.clone(), report, waits, below, reopens, at });
    if !waits {
        events.push(Event::Settled { outcome, ground, by: By::Automatic, at });
    }
    Verdict::Events(events)
}

fn below_settled(state: &State, at: Timestamp) -> Said {
    match state {
        State::Absent => Verdict::TooEarly,
        State::Reported { report, .. } if report.below => Verdict::Events(vec![Event::Settled {
            outcome: report.outcome,
            ground: report.ground.clone(),
            by: By::Automatic,
            at,
        }]),
        // Whatever it reports from now on finds nothing open below.
        State::Issued { .. }
        | State::Received { .. }
        | State::Reported { .. }
        | State::Settled { .. }
        | State::Replaced { .. } => Verdict::Already,
    }
}

fn dealt(state: &State, accept: bool, at: Timestamp) -> Said {
    match state {
        State::Reported { report, .. } if report.below => Verdict::Refused(Refusal::NothingWaits),
        State::Reported { report, .. } if accept => Verdict::Events(vec![Event::Settled {
            outcome: report.outcome,
            ground: report.ground.clone(),
            by: By::Staff,
            at,
        }]),
        State::Reported { .. } => Verdict::Events(vec![Event::SentBack { at }]),
        State::Absent => Verdict::TooEarly,
        State::Replaced { .. } => Verdict::Refused(Refusal::WasReplaced),
        State::Settled { .. } if accept => Verdict::Already,
        State::Issued { .. } | State::Received { .. } | State::Settled { .. } => {
            Verdict::Refused(Refusal::NothingWaits)
        }
    }
}

fn attested(state: &State, outcome: ReportOutcome, ground: &Option<Code>, report: Digest, at: Timestamp) -> Said {
    if outcome.needs_ground() && ground.is_none() {
        return Verdict::Refused(Refusal::GroundMissing);
    }
    let mut events = match state {
        State::Absent => return Verdict::TooEarly,
        State::Replaced { .. } => return Verdict::Refused(Refusal::WasReplaced),
        State::Settled { outcome: o, ground: g, .. } if (*o, g) == (outcome, ground) => return Verdict::Already,
        State::Issued { .. } => vec![Event::Received { report, at }],
        State::Received { .. } | State::Reported { .. } | State::Settled { .. } => vec![],
    };
    let ground = ground.clone();
    let (waits, below, reopens) = (false, false, false);
    events.push(Event::Reported { outcome, ground: ground.clone(), report, waits, below, reopens, at });
    events.push(Event::Settled { outcome, ground, by: By::Attested, at });
    Verdict::Events(events)
}

fn replace(state: &State, by: InstructionId, at: Timestamp) -> Said {
    match state {
        State::Absent => Verdict::TooEarly,
        State::Issued { .. } | State::Received { .. } => Verdict::Events(vec![Event::Replaced { by, at }]),
        // Reported meanwhile: the new one is owed all the same, and is reported as applied.
        State::Reported { .. } | State::Settled { .. } | State::Replaced { .. } => Verdict::Already,
    }
}

impl State {
    /// What it is about.
    pub const fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Absent => None,
            Self::Issued { terms, .. }
            | Self::Received { terms, .. }
            | Self::Reported { terms, .. }
            | Self::Settled { terms, .. }
            | Self::Replaced { terms, .. } => Some(terms),
        }
    }
    /// The next rung of the ladder.
    const fn rung(&self) -> u32 {
        match self {
            Self::Issued { rung, .. }
            | Self::Received { rung, .. }
            | Self::Reported { rung, .. }
            | Self::Settled { rung, .. } => *rung,
            Self::Absent | Self::Replaced { .. } => 0,
        }
    }
    /// How often it was open again since an amended report.
    pub const fn round(&self) -> u32 {
        match self {
            Self::Received { round, .. } | Self::Reported { round, .. } | Self::Settled { round, .. } => *round,
            Self::Absent | Self::Issued { .. } | Self::Replaced { .. } => 0,
        }
    }
}

/// As messages carry it.
fn said_round(state: &State) -> Option<u32> {
    Some(state.round()).filter(|round| *round > 0)
}

fn warned(state: State, reached: u32) -> State {
    let rung = reached + 1;
    match state {
        State::Issued { terms, reminders, remind_at, .. } => State::Issued { terms, reminders, remind_at, rung },
        State::Received { terms, received_at, acted, round, .. } => {
            State::Received { terms, received_at, acted, rung, round }
        }
        State::Reported { terms, report, round, .. } => State::Reported { terms, report, rung, round },
        state => state,
    }
}

impl Machine for Instruction {
    const KIND: &'static str = "instruction";
    const SERVICE: Service = Service::OptOut;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Said {
        match input {
            Input::Issue(terms) => match state {
                State::Absent => Verdict::Events(vec![Event::Issued { terms: *terms }]),
                _ => Verdict::Already,
            },
            Input::ReportVerified { stage, report: digest, at } => report(state, stage, *digest, *at, false),
            Input::ReportVerifiedAbove { stage, report: digest, at } => report(state, stage, *digest, *at, true),
            Input::BelowSettled { at } => below_settled(state, *at),
            Input::Dealt { accept, at } => dealt(state, *accept, *at),
            Input::Attested { outcome, ground, report, at } => attested(state, *outcome, ground, *report, *at),
            Input::Replace { by, at } => replace(state, *by, *at),
            Input::Clock(now) => clock(state, *now),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        let (rung, round) = (state.rung(), state.round());
        let terms = match event {
            Event::Issued { terms } => *terms,
            _ => match state.terms() {
                Some(terms) => *terms,
                None => return state,
            },
        };
        match (state, event) {
            (_, Event::Issued { .. }) => {
                State::Issued { terms, reminders: 0, remind_at: plus(terms.issued_at, pause(&terms, 0)), rung: 0 }
            }
            (State::Issued { reminders, .. }, Event::Reminded { next, .. }) => {
                State::Issued { terms, reminders: reminders + 1, remind_at: *next, rung }
            }
            (state, Event::Warned { rung, .. }) => warned(state, *rung),
            (State::Issued { .. }, Event::Received { at, .. }) => {
                State::Received { terms, received_at: *at, acted: false, rung, round }
            }
            (State::Received { received_at, .. }, Event::Acted { .. }) => {
                State::Received { terms, received_at, acted: true, rung, round }
            }
            (_, Event::Reported { outcome, ground, report, reopens, at, below, .. }) => {
                let (ground, below) = (ground.clone(), *below);
                let report = Reported { outcome: *outcome, ground, report: *report, at: *at, below };
                State::Reported { terms, report, rung, round: round + u32::from(*reopens) }
            }
            (_, Event::SentBack { at }) => State::Received { terms, received_at: *at, acted: true, rung, round },
            (_, Event::Settled { outcome, ground, by, at }) => {
                State::Settled { terms, outcome: *outcome, ground: ground.clone(), by: *by, at: *at, rung, round }
            }
            (_, Event::Replaced { by, at }) => State::Replaced { terms, by: *by, at: *at },
            (state, _) => state,
        }
    }

    fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
        let Some(Terms { case, entry, recipient, position, deadline, everything: false, .. }) = after.terms().copied()
        else {
            return Vec::new();
        };
        let (instruction, round) = (InstructionId(id), said_round(after));
        let said: Message = match event {
            Event::Issued { terms } if !terms.reissued => return Vec::new(),
            Event::Issued { terms } => {
                let at = terms.issued_at;
                InstructionIssued { case, entry, instruction, recipient, position, deadline, at }.into()
            }
            Event::Received { at, .. } => InstructionReceived { case, entry, instruction, recipient, at: *at }.into(),
            // One that waits for its sub-contractors waits for nobody of ours; but the entry must know that it is open again.
            Event::Reported { outcome, ground, waits: true, below, reopens, at, .. } if !*below || *reopens => {
                let (outcome, ground, at) = (*outcome, ground.clone(), *at);
                InstructionReported { case, entry, instruction, recipient, outcome, ground, round, at }.into()
            }
            Event::Settled { outcome, at, .. } => {
                let ground = if let State::Settled { ground, .. } = after { ground.clone() } else { None };
                let (outcome, at) = (*outcome, *at);
                InstructionSettled { case, entry, instruction, recipient, outcome, round, ground, at }.into()
            }
            Event::Replaced { by, at } => {
                InstructionReplaced { case, entry, instruction, recipient, by: *by, at: *at }.into()
            }
            Event::Warned { rung, at } if *rung >= DEADLINE => {
                InstructionOverdue { case, entry, instruction, recipient, at: *at }.into()
            }
            Event::Warned { .. }
            | Event::Reminded { .. }
            | Event::Acted { .. }
            | Event::Reported { .. }
            | Event::SentBack { .. } => return Vec::new(),
        };
        vec![said]
    }

    fn wake(state: &State) -> Option<Timestamp> {
        match state {
            State::Issued { terms, remind_at, rung, .. } => Some(rung_at(terms, *rung).min(*remind_at)),
            State::Received { terms, rung, .. } => Some(rung_at(terms, *rung)),
            State::Reported { terms, report, rung, .. } if !report.outcome.closes_by_itself() => {
                Some(rung_at(terms, *rung))
            }
            State::Absent | State::Reported { .. } | State::Settled { .. } | State::Replaced { .. } => None,
        }
    }
    fn clock(now: Timestamp) -> Input {
        Input::Clock(now)
    }
    fn status(state: &State) -> Code {
        Code::of(match state {
            State::Absent => "absent",
            State::Issued { .. } => "issued",
            State::Received { acted: false, .. } => "received",
            State::Received { acted: true, .. } => "acted",
            State::Reported { .. } => "reported",
            State::Settled { .. } => "confirmed",
            State::Replaced { .. } => "replaced",
        })
    }
    fn correlation(id: Uuid, state: &State) -> Uuid {
        state.terms().map_or(id, |terms| terms.case.0)
    }
}

#[cfg(test)]
#[path = "instruction_tests.rs"]
mod tests;
