//! Given, when, then; every input in every state; any order of hearing.

mod flow;
mod orders;
mod table;
mod times;

use super::*;
use contracts::{
    Capacity, CaseId, ChangeId, Channel, ChargeId, Date, DecisionOutcome, EndedAs, EntryId, InstructionId, Kind,
    Language, ReceiptNumber, RecipientId, ReportOutcome, Scope, StaffId, Step,
    fulfilment::DecisionMade,
    identity::{IdentityConfirmed, IdentityDeficient, IdentityRejected},
    opt_out::{BlockLifted, BlockPlaced, ChangeFannedOut, InstructionSettled, StopConfirmed, StopEntered},
    payment::{ChargeExpired, FeePaid, FeeRequested, PaymentReference, Yen},
};

/// Arrival of every test's request: Monday, 1 June 2026, 10:00 in Japan.
pub const ARRIVAL: &str = "2026-06-01T10:00:00+09:00";

pub fn id() -> CaseId {
    CaseId(Uuid::from_u128(7))
}
pub fn staff() -> StaffId {
    StaffId(Uuid::from_u128(8))
}
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
/// So many hours after the arrival.
pub fn hours(n: i64) -> Timestamp {
    at(ARRIVAL) + jiff::SignedDuration::from_hours(n)
}
pub fn charge(round: u8) -> ChargeId {
    ChargeId::derived(id().0, &if round == 1 { "base".to_owned() } else { format!("base-{round}") })
}
pub fn entry(round: u8) -> EntryId {
    EntryId::derived(id().0, &if round == 1 { "entry".to_owned() } else { format!("entry-{round}") })
}
pub fn request(kind: Kind) -> Request {
    Request {
        case: id(),
        receipt_number: ReceiptNumber::from_random([3; 16]),
        code_key: privacy_seal::PublicKey::from_bytes(&[9; 32]).unwrap(),
        kind,
        capacity: Capacity::Person,
        scope: kind.propagates().then_some(Scope::Anonymised),
        channel: Channel::Web,
        language: Language::Ja,
        received_at: at(ARRIVAL),
        terms: Terms { service_days: 20, completion_grace_days: 3, revivals_max: 2 },
    }
}
pub fn filed(kind: Kind) -> Input {
    Input::Filed { request: request(kind) }
}
pub fn confirmed(hour: i64) -> Fact {
    Fact::IdentityConfirmed(IdentityConfirmed { case: id(), at: hours(hour), by: staff(), rule: Code::of("one-photo") })
}
pub fn deficient(hour: i64, reason: &'static str) -> Fact {
    let due_at = hours(hour + 24 * 14);
    Fact::IdentityDeficient(IdentityDeficient { case: id(), at: hours(hour), reasons: vec![Code::of(reason)], due_at })
}
pub fn rejected(hour: i64) -> Fact {
    Fact::IdentityRejected(IdentityRejected { case: id(), at: hours(hour), reasons: vec![Code::of("not-the-person")] })
}
pub fn fee_requested(round: u8, hour: i64) -> Fact {
    Fact::FeeRequested(FeeRequested {
        case: id(),
        charge: charge(round),
        reference: PaymentReference::new("1234567890").unwrap(),
        amount: Yen(4000),
        due_on: Date::constant(2026, 6, 30),
        at: hours(hour),
    })
}
pub fn fee_paid(round: u8, hour: i64) -> Fact {
    Fact::FeePaid(FeePaid {
        case: id(),
        charge: charge(round),
        amount: Yen(4000),
        paid_on: Date::constant(2026, 6, 5),
        line: contracts::BankLineId(Uuid::from_u128(40)),
        at: hours(hour),
    })
}
pub fn expired(round: u8, hour: i64) -> Fact {
    Fact::ChargeExpired(ChargeExpired { case: id(), charge: charge(round), at: hours(hour) })
}
pub fn decided(outcome: DecisionOutcome, hour: i64) -> Fact {
    Fact::DecisionMade(DecisionMade {
        case: id(),
        outcome,
        ground: Code::of("appi-33-2"),
        by: staff(),
        at: hours(hour),
    })
}
pub fn placed(round: u8, hour: i64) -> Fact {
    let (case, effective_at) = (id(), hours(hour));
    Fact::BlockPlaced(BlockPlaced { case, entry: entry(round), provisional: true, effective_at })
}
pub fn lifted(round: u8, hour: i64) -> Fact {
    Fact::BlockLifted(BlockLifted { case: id(), entry: entry(round), at: hours(hour) })
}
pub fn stop_entered(round: u8, hour: i64) -> Fact {
    let (effective_at, at) = (hours(1), hours(hour));
    Fact::StopEntered(StopEntered { case: id(), entry: entry(round), scope: Scope::Anonymised, effective_at, at })
}
pub fn fanned_out(round: u8, hour: i64) -> Fact {
    Fact::ChangeFannedOut(ChangeFannedOut {
        case: id(),
        entry: entry(round),
        change: ChangeId(Uuid::from_u128(50)),
        instructions: (60..62).map(|n| InstructionId(Uuid::from_u128(n))).collect(),
        issued: vec![],
        at: hours(hour),
    })
}
pub fn settled(round: u8, which: u128, hour: i64) -> Fact {
    Fact::InstructionSettled(InstructionSettled {
        case: id(),
        entry: entry(round),
        instruction: InstructionId(Uuid::from_u128(60 + which)),
        recipient: RecipientId(Uuid::from_u128(70 + which)),
        outcome: ReportOutcome::Applied,
        round: None,
        ground: None,
        at: hours(hour),
    })
}
pub fn stop_confirmed(round: u8, hour: i64) -> Fact {
    Fact::StopConfirmed(StopConfirmed { case: id(), entry: entry(round), recipients: 2, at: hours(hour), answer: None })
}

/// A case and everything that it said.
#[derive(Default)]
pub struct Story {
    pub state: State,
    pub history: Vec<Event>,
    pub said: Vec<Message>,
}

impl Story {
    pub fn of(kind: Kind) -> Self {
        Self::default().then(filed(kind))
    }
    /// Feeds an input; the verdict, with its events applied.
    pub fn feed(&mut self, input: &Input) -> Verdict<Event, Refusal> {
        let verdict = Case::decide(&self.state, input);
        if let Verdict::Events(events) = &verdict {
            assert!(!events.is_empty(), "no events: that is `Already`");
            for event in events {
                self.state = Case::evolve(std::mem::take(&mut self.state), event);
                self.said.extend(Case::announce(id().0, &self.state, event));
                self.history.push(event.clone());
            }
        }
        verdict
    }
    /// An input that has to make something happen.
    pub fn then(mut self, input: Input) -> Self {
        let verdict = self.feed(&input);
        assert!(matches!(verdict, Verdict::Events(_)), "{input:?} in {:?}: {verdict:?}", Case::status(&self.state));
        self
    }
    pub fn hears(self, fact: Fact) -> Self {
        self.then(Input::Fact(fact))
    }
    pub fn status(&self) -> String {
        Case::status(&self.state).to_string()
    }
    /// The names of what was said since the last call.
    pub fn new_words(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.said).iter().map(|m| m.entry().name).collect()
    }
    pub fn refuses(&mut self, input: Input) -> Refusal {
        match self.feed(&input) {
            Verdict::Refused(why) => why,
            other => panic!("{input:?} in {}: {other:?}", self.status()),
        }
    }
}
pub fn withdraw(hour: i64) -> Input {
    Input::Withdraw { at: hours(hour), by: Author::Person }
}
pub fn revive(hour: i64) -> Input {
    Input::Revive { at: hours(hour), by: staff() }
}
pub fn erase(hour: i64) -> Input {
    Input::Erase { at: hours(hour), by: staff() }
}
pub fn clock(hour: i64) -> Input {
    Input::Clock { now: hours(hour) }
}
