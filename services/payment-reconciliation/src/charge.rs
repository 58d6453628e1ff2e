//! 手数料請求: the life of one charge. Pure.
//!
//! ```text
//! unknown ─ask─▶ requested ─match─▶ paid ─case decided─▶ earned
//!    │               │ ▲              │
//!    │               │ └──taken back──┘
//!    │               ├─statement covers the last day─▶ expired ─match in time─▶ paid
//!    └─case ends─▶ closed      requested, expired ─case ends─▶ cancelled
//! ```
//!
//! A charge expires by the bank's books, not by the clock: only when a statement is in that covers the day on which a
//! transfer of the last evening is booked. An expired charge that turns out to have been paid in time is paid.

use chassis::machine::{Machine, Verdict};
use contracts::{
    BankLineId, CaseId, ChargeId, Code, EndedAs, Message, Service, Uuid,
    payment::{ChargeExpired, FeePaid, FeeRequested, PaymentReference, Yen},
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The case that owes it.
    pub case: CaseId,
    /// How much.
    pub amount: Yen,
    /// 振込番号
    pub reference: PaymentReference,
    /// The last day.
    pub due_on: Date,
    /// The booking day that a statement must cover before it may expire.
    pub settled_on: Date,
    /// The place of the order among all that the case said: its machine's sequence.
    pub ordered: i64,
}

/// How a charge stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// Nobody asked for it yet.
    #[default]
    Unknown,
    /// The case ended before its order to ask arrived: an order older than the end asks for nothing.
    Closed {
        /// The case.
        case: CaseId,
        /// The place of its end among all that the case said.
        ended: i64,
    },
    /// 請求済み
    Requested {
        /// What.
        ask: Ask,
    },
    /// 入金済み: an advance (前受金) until the case is decided.
    Paid {
        /// What.
        ask: Ask,
        /// The line that paid it.
        line: BankLineId,
        /// Value day.
        paid_on: Date,
    },
    /// 収入計上済み: the service was performed.
    Earned {
        /// What.
        ask: Ask,
        /// The line that paid it.
        line: BankLineId,
    },
    /// 期限切れ
    Expired {
        /// What.
        ask: Ask,
    },
    /// 取消
    Cancelled {
        /// What.
        ask: Ask,
    },
}

impl State {
    /// What was asked for, once it was.
    pub fn ask(&self) -> Option<&Ask> {
        match self {
            Self::Unknown | Self::Closed { .. } => None,
            Self::Requested { ask }
            | Self::Paid { ask, .. }
            | Self::Earned { ask, .. }
            | Self::Expired { ask }
            | Self::Cancelled { ask } => Some(ask),
        }
    }
}

/// What may happen to a charge.
#[derive(Debug, Clone)]
pub enum Input {
    /// The case orders it; amount, days and reference were looked up by the shell.
    Ask {
        /// What.
        ask: Ask,
        /// Now.
        at: Timestamp,
    },
    /// The case orders a fee for a kind that costs nothing on that day.
    AskForNothing,
    /// The case ended.
    CaseEnded {
        /// The case.
        case: CaseId,
        /// How.
        ended_as: EndedAs,
        /// The place of its end among all that the case said: clocks may stand still, sequences do not.
        ended: i64,
        /// When.
        at: Timestamp,
    },
    /// A line pays it, by its reference.
    Match {
        /// The line.
        line: BankLineId,
        /// How much came.
        amount: Yen,
        /// The value day, or the booking day if that is earlier.
        paid_on: Date,
        /// Now.
        at: Timestamp,
    },
    /// The bank took the line back (取消).
    TakeBack {
        /// The line.
        line: BankLineId,
    },
    /// Statements now cover all bookings of our accounts up to and including this day.
    Covered {
        /// The day.
        through: Date,
        /// Now.
        at: Timestamp,
    },
    /// Time passed; a charge does not go by the clock.
    Clock,
}

/// What happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The person is asked.
    Asked {
        /// What.
        ask: Ask,
        /// When.
        at: Timestamp,
    },
    /// The case ended before anything was asked.
    Closed {
        /// The case.
        case: CaseId,
        /// The place of its end among all that the case said.
        ended: i64,
    },
    /// Paid in full.
    Paid {
        /// The line.
        line: BankLineId,
        /// Value day.
        paid_on: Date,
        /// When it was matched.
        at: Timestamp,
    },
    /// The line was taken back: it is owed again.
    TakenBack {
        /// The line.
        line: BankLineId,
    },
    /// The case was decided: the advance is income.
    Earned {
        /// When.
        at: Timestamp,
    },
    /// The time ran out.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The case ended unpaid.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The fee table has no fee for this kind on the day of receipt.
    NoFeeForKind,
    /// No such charge.
    Unknown,
    /// Another case's charge.
    OtherCase,
    /// The charge id was used for another demand.
    OtherDemand,
    /// Paid by another line.
    AlreadyPaid,
    /// Not the amount that is owed.
    OtherAmount,
    /// Expired, and this payment was not in time.
    Late,
    /// The case ended.
    Cancelled,
    /// Another line paid it.
    OtherLine,
    /// Income already: a person must decide.
    Earned,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Code {
        match why {
            Refusal::NoFeeForKind => const { Code::of("no-fee-for-kind") },
            Refusal::Unknown => const { Code::of("charge-unknown") },
            Refusal::OtherCase => const { Code::of("charge-of-another-case") },
            Refusal::OtherDemand => const { Code::of("charge-of-another-demand") },
            Refusal::AlreadyPaid => const { Code::of("already-paid") },
            Refusal::OtherAmount => const { Code::of("amount-differs") },
            Refusal::Late => const { Code::of("charge-expired") },
            Refusal::Cancelled => const { Code::of("charge-cancelled") },
            Refusal::OtherLine => const { Code::of("paid-by-another-line") },
            Refusal::Earned => const { Code::of("charge-earned") },
        }
    }
}

type Decision = Verdict<Event, Refusal>;

/// The machine.
#[derive(Debug)]
pub struct Charge;

impl Machine for Charge {
    const KIND: &'static str = "charge";
    const SERVICE: Service = Service::Payment;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Decision {
        match input {
            Input::Ask { ask, at } => asked(state, ask, *at),
            Input::AskForNothing => Verdict::Refused(Refusal::NoFeeForKind),
            Input::CaseEnded { case, ended_as, ended, at } => case_ended(state, *case, *ended_as, *ended, *at),
            Input::Match { line, amount, paid_on, at } => matched(state, *line, *amount, *paid_on, *at),
            Input::TakeBack { line } => taken_back(state, *line),
            Input::Covered { through, at } => match state {
                State::Requested { ask } if *through >= ask.settled_on => one(Event::Expired { at: *at }),
                _ => Verdict::Already,
            },
            Input::Clock => Verdict::Already,
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (event, state) {
            (Event::Asked { ask, .. }, _) => State::Requested { ask: ask.clone() },
            (Event::Closed { case, ended }, _) => State::Closed { case: *case, ended: *ended },
            (Event::Paid { line, paid_on, .. }, State::Requested { ask } | State::Expired { ask }) => {
                State::Paid { ask, line: *line, paid_on: *paid_on }
            }
            (Event::TakenBack { .. }, State::Paid { ask, .. }) => State::Requested { ask },
            (Event::Earned { .. }, State::Paid { ask, line, .. }) => State::Earned { ask, line },
            (Event::Expired { .. }, State::Requested { ask }) => State::Expired { ask },
            (Event::Cancelled { .. }, State::Requested { ask } | State::Expired { ask }) => State::Cancelled { ask },
            // `decide` makes no other pairs; a history that had one would leave the state as it was.
            (_, state) => state,
        }
    }

    fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
        let Some(ask) = after.ask() else { return Vec::new() };
        let (case, charge, amount) = (ask.case, ChargeId(id), ask.amount);
        match event {
            Event::Asked { at, .. } => {
                vec![
                    FeeRequested {
                        case,
                        charge,
                        reference: ask.reference.clone(),
                        amount,
                        due_on: ask.due_on,
                        at: *at,
                    }
                    .into(),
                ]
            }
            Event::Paid { line, paid_on, at } => {
                vec![FeePaid { case, charge, amount, paid_on: *paid_on, line: *line, at: *at }.into()]
            }
            Event::Expired { at } => vec![ChargeExpired { case, charge, at: *at }.into()],
            Event::Closed { .. } | Event::TakenBack { .. } | Event::Earned { .. } | Event::Cancelled { .. } => {
                Vec::new()
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
        match state {
            State::Unknown => const { Code::of("unknown") },
            State::Closed { .. } => const { Code::of("closed") },
            State::Requested { .. } => const { Code::of("requested") },
            State::Paid { .. } => const { Code::of("paid") },
            State::Earned { .. } => const { Code::of("earned") },
            State::Expired { .. } => const { Code::of("expired") },
            State::Cancelled { .. } => const { Code::of("cancelled") },
        }
    }

    fn correlation(id: Uuid, state: &State) -> Uuid {
        match state {
            State::Closed { case, .. } => case.0,
            other => other.ask().map_or(id, |ask| ask.case.0),
        }
    }
}

fn one(event: Event) -> Decision {
    Verdict::Events(vec![event])
}

fn asked(state: &State, ask: &Ask, at: Timestamp) -> Decision {
    match state {
        State::Unknown => one(Event::Asked { ask: ask.clone(), at }),
        State::Closed { case, .. } if *case != ask.case => Verdict::Refused(Refusal::OtherCase),
        // Said before the end and heard after it: nothing is asked any more.
        State::Closed { ended, .. } if ask.ordered <= *ended => Verdict::Already,
        State::Closed { .. } => one(Event::Asked { ask: ask.clone(), at }),
        known => match known.ask() {
            Some(first) if first.case != ask.case => Verdict::Refused(Refusal::OtherCase),
            Some(first) if first.amount != ask.amount => Verdict::Refused(Refusal::OtherDemand),
            _ => Verdict::Already,
        },
    }
}

fn case_ended(state: &State, case: CaseId, ended_as: EndedAs, ended: i64, at: Timestamp) -> Decision {
    if state.ask().is_some_and(|ask| ask.case != case) {
        return Verdict::Refused(Refusal::OtherCase);
    }
    match state {
        State::Unknown => one(Event::Closed { case, ended }),
        State::Closed { case: known, .. } if *known != case => Verdict::Refused(Refusal::OtherCase),
        // An end that is older than the order belongs to an earlier round of the case.
        State::Requested { ask } | State::Expired { ask } if ask.ordered <= ended => one(Event::Cancelled { at }),
        State::Paid { ask, .. } if ask.ordered <= ended && ended_as == EndedAs::Decided => one(Event::Earned { at }),
        // Paid and not performed: the advance stays a liability until a person refunds it. Never income by itself.
        _ => Verdict::Already,
    }
}

fn matched(state: &State, line: BankLineId, amount: Yen, paid_on: Date, at: Timestamp) -> Decision {
    match state {
        State::Unknown | State::Closed { .. } => Verdict::Refused(Refusal::Unknown),
        State::Paid { line: first, .. } | State::Earned { line: first, .. } if *first == line => Verdict::Already,
        State::Paid { .. } | State::Earned { .. } => Verdict::Refused(Refusal::AlreadyPaid),
        State::Cancelled { .. } => Verdict::Refused(Refusal::Cancelled),
        State::Requested { ask } | State::Expired { ask } if amount != ask.amount => {
            Verdict::Refused(Refusal::OtherAmount)
        }
        State::Expired { ask } if paid_on > ask.due_on => Verdict::Refused(Refusal::Late),
        State::Requested { .. } | State::Expired { .. } => one(Event::Paid { line, paid_on, at }),
    }
}

fn taken_back(state: &State, line: BankLineId) -> Decision {
    match state {
        State::Paid { line: first, .. } if *first == line => one(Event::TakenBack { line }),
        State::Earned { line: first, .. } if *first == line => Verdict::Refused(Refusal::Earned),
        State::Paid { .. } | State::Earned { .. } => Verdict::Refused(Refusal::OtherLine),
        State::Requested { .. } | State::Expired { .. } | State::Cancelled { .. } => Verdict::Already,
        State::Unknown | State::Closed { .. } => Verdict::Refused(Refusal::Unknown),
    }
}

#[cfg(test)]
mod tests;
