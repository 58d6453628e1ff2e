//! Two toy machines: `asker` (in intake) says things, `tally` (in identity) collects numbers. Pure.
//!
//! One real message of the flow table carries everything: `VerifyIdentity`, whose `kind` says what to do and whose
//! `received_at` is the number.

use chassis::{Machine, Verdict};
use contracts::{Capacity, CaseId, Channel, Code, Kind, Message, Service, Timestamp, Uuid, identity::VerifyIdentity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The number 0.
const ZERO: i64 = 1_700_000_000;

/// `VerifyIdentity` with a verb and a number.
pub fn order(machine: Uuid, kind: Kind, number: u32) -> Message {
    VerifyIdentity {
        case: CaseId(machine),
        kind,
        track: kind.track(),
        capacity: Capacity::Person,
        channel: Channel::Web,
        received_at: Timestamp::from_second(ZERO + i64::from(number)).unwrap(),
    }
    .into()
}

/// The number in it.
pub fn number_of(v: &VerifyIdentity) -> u32 {
    (v.received_at.as_second() - ZERO) as u32
}

/// What a `VerifyIdentity` asks of a tally; the rest are tricks of the toy service.
pub fn route(v: &VerifyIdentity) -> Option<In> {
    match v.kind {
        Kind::Disclosure => Some(In::Add(number_of(v))),
        Kind::Suspension => Some(In::Gated(number_of(v))),
        Kind::Correction => Some(In::Fragile(number_of(v))),
        Kind::Deletion => Some(In::Open),
        _ => None,
    }
}

/// Collects numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TallyState {
    pub open: bool,
    pub mended: bool,
    pub numbers: BTreeSet<u32>,
    pub once: bool,
    pub ticks: u32,
    pub wake: Option<Timestamp>,
    pub stuck: bool,
}

#[derive(Clone, Debug)]
pub enum In {
    /// Lets `Gated` in.
    Open,
    /// Any time; a repeat is already true.
    Add(u32),
    /// Two events in one step.
    AddTwo(u32, u32),
    /// Too early until open.
    Gated(u32),
    /// Refused until mended.
    Fragile(u32),
    Mend,
    /// Only once; the second time is refused.
    Once,
    /// Asks for a wake-up.
    WakeAt(Timestamp),
    /// From now on wake-ups do not move the next one: the mistake that B6 catches.
    Stick,
    Clock(Timestamp),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ev {
    Opened,
    Added(u32),
    Mended,
    Onced,
    Waiting(Timestamp),
    Stuck,
    Ticked(Timestamp),
}

#[derive(Clone, Debug, PartialEq)]
pub enum No {
    Broken,
    Twice,
}
impl From<No> for Code {
    fn from(no: No) -> Code {
        match no {
            No::Broken => Code::of("broken"),
            No::Twice => Code::of("twice"),
        }
    }
}

/// The hearer's machine.
#[derive(Debug)]
pub struct Tally;

impl Machine for Tally {
    const KIND: &'static str = "tally";
    const SERVICE: Service = Service::Identity;
    type State = TallyState;
    type Input = In;
    type Event = Ev;
    type Refusal = No;

    fn decide(s: &TallyState, input: &In) -> Verdict<Ev, No> {
        let happened = |e: Ev| Verdict::Events(vec![e]);
        match *input {
            In::Open if s.open => Verdict::Already,
            In::Open => happened(Ev::Opened),
            In::Add(n) | In::Gated(n) | In::Fragile(n) if s.numbers.contains(&n) => Verdict::Already,
            In::Add(n) => happened(Ev::Added(n)),
            In::AddTwo(a, b) if s.numbers.contains(&a) && s.numbers.contains(&b) => Verdict::Already,
            In::AddTwo(a, b) => Verdict::Events(vec![Ev::Added(a), Ev::Added(b)]),
            In::Gated(_) if !s.open => Verdict::TooEarly,
            In::Gated(n) => happened(Ev::Added(n)),
            In::Fragile(_) if !s.mended => Verdict::Refused(No::Broken),
            In::Fragile(n) => happened(Ev::Added(n)),
            In::Mend if s.mended => Verdict::Already,
            In::Mend => happened(Ev::Mended),
            In::Once if s.once => Verdict::Refused(No::Twice),
            In::Once => happened(Ev::Onced),
            In::WakeAt(at) => happened(Ev::Waiting(at)),
            In::Stick => happened(Ev::Stuck),
            In::Clock(now) if s.wake.is_some_and(|w| w <= now) => happened(Ev::Ticked(now)),
            In::Clock(_) => Verdict::Already,
        }
    }

    fn evolve(mut s: TallyState, event: &Ev) -> TallyState {
        match *event {
            Ev::Opened => s.open = true,
            Ev::Added(n) => drop(s.numbers.insert(n)),
            Ev::Mended => s.mended = true,
            Ev::Onced => s.once = true,
            Ev::Waiting(at) => s.wake = Some(at),
            Ev::Stuck => s.stuck = true,
            Ev::Ticked(now) => {
                s.ticks += 1;
                if !s.stuck {
                    s.wake = (s.ticks < 3).then(|| now + jiff::SignedDuration::from_hours(24));
                }
            }
        }
        s
    }

    fn announce(_: Uuid, _: &TallyState, _: &Ev) -> Vec<Message> {
        vec![]
    }
    fn wake(s: &TallyState) -> Option<Timestamp> {
        s.wake
    }
    fn clock(now: Timestamp) -> In {
        In::Clock(now)
    }
    fn status(s: &TallyState) -> Code {
        if s.once { Code::of("once") } else { Code::of("counting") }
    }
}

/// What the asker said, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AskerState {
    pub said: Vec<(Kind, u32)>,
}

/// Something to say.
#[derive(Clone, Debug)]
pub struct Say(pub Kind, pub u32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said(pub Kind, pub u32);

/// The speaker's machine.
#[derive(Debug)]
pub struct Asker;

impl Machine for Asker {
    const KIND: &'static str = "asker";
    const SERVICE: Service = Service::Intake;
    type State = AskerState;
    type Input = Say;
    type Event = Said;
    type Refusal = No;

    fn decide(_: &AskerState, input: &Say) -> Verdict<Said, No> {
        Verdict::Events(vec![Said(input.0, input.1)])
    }
    fn evolve(mut s: AskerState, event: &Said) -> AskerState {
        s.said.push((event.0, event.1));
        s
    }
    fn announce(id: Uuid, _: &AskerState, event: &Said) -> Vec<Message> {
        vec![order(id, event.0, event.1)]
    }
    fn wake(_: &AskerState) -> Option<Timestamp> {
        None
    }
    fn clock(_: Timestamp) -> Say {
        Say(Kind::Complaint, 0)
    }
    fn status(_: &AskerState) -> Code {
        Code::of("asking")
    }
}
