//! People and the world outside: who files, who confirms, who pays, who decides, who reports. Each looks at a service's own
//! state and does what is due there, so that what a restore has undone is done again.

use super::{
    house::Db,
    mail::{Became, Cause, In, Ms, instant},
};
use calendar::jst_date;
use contracts::{
    BankLineId, Capacity, CaseId, ChangeId, Channel, Code, DecisionOutcome, Digest, EndedAs, Kind, Language,
    ReceiptNumber, ReportOutcome, Service, StaffId, Uuid, recipient::ReportStage,
};
use fulfilment::answer;
use identity_verification::verification;
use intake::case::{self, Author, Request, Terms};
use jiff::SignedDuration;
use notification::message;
use opt_out_propagation::{entry, instruction};
use payment_reconciliation::charge;
use privacy_seal::PublicKey;
use rand::{Rng, rngs::StdRng};
use std::collections::BTreeMap;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Stop,
    StopRejected,
    Deletion,
    Disclosure,
    DisclosureCompleted,
    DisclosureRejected,
    Unpaid,
    Correction,
    Complaint,
    Withdrawn,
}

impl Plan {
    pub const ALL: [Self; 10] = [
        Self::Stop,
        Self::StopRejected,
        Self::Deletion,
        Self::Disclosure,
        Self::DisclosureCompleted,
        Self::DisclosureRejected,
        Self::Unpaid,
        Self::Correction,
        Self::Complaint,
        Self::Withdrawn,
    ];
    pub fn kind(self) -> Kind {
        match self {
            Self::Stop | Self::StopRejected | Self::Withdrawn => Kind::ProvisionStop,
            Self::Deletion => Kind::Deletion,
            Self::Disclosure | Self::DisclosureCompleted | Self::DisclosureRejected | Self::Unpaid => Kind::Disclosure,
            Self::Correction => Kind::Correction,
            Self::Complaint => Kind::Complaint,
        }
    }
    /// How the case has to end.
    pub fn ends_as(self) -> EndedAs {
        match self {
            Self::Stop => EndedAs::Stopped,
            Self::StopRejected | Self::DisclosureRejected => EndedAs::NotConfirmed,
            Self::Deletion | Self::Disclosure | Self::DisclosureCompleted | Self::Correction | Self::Complaint => {
                EndedAs::Decided
            }
            Self::Unpaid => EndedAs::Lapsed,
            Self::Withdrawn => EndedAs::Withdrawn,
        }
    }
}

/// One accepted request.
#[derive(Clone, Copy)]
pub struct Filed {
    pub case: CaseId,
    pub plan: Plan,
}

/// A token of a person's order: a new one for every try.
fn person(rng: &mut StdRng) -> Cause {
    Cause::Person(uuid::Builder::from_random_bytes(rng.random()).into_uuid())
}

fn clerk() -> StaffId {
    StaffId(Uuid::from_u128(7))
}

/// 受付: the case is opened; true when it stands.
pub fn file(db: &mut Db, rng: &mut StdRng, now: Ms, filed: Filed) -> bool {
    let request = Request {
        case: filed.case,
        receipt_number: ReceiptNumber::from_random(*filed.case.0.as_bytes()),
        code_key: PublicKey::from_bytes(&[9; 32]).unwrap(),
        kind: filed.plan.kind(),
        capacity: Capacity::Person,
        scope: None,
        channel: Channel::Web,
        language: Language::Ja,
        received_at: instant(now),
        terms: Terms { service_days: 14, completion_grace_days: 3, revivals_max: 1 },
    };
    let became = db.mail.handle(&mut db.cases, now, filed.case.0, &person(rng), &case::Input::Filed { request });
    became == Became::Done
}

/// One look of everybody at one request. `up` are the services that answer now.
pub fn look(dbs: &mut BTreeMap<Service, Db>, up: impl Fn(Service) -> bool, rng: &mut StdRng, now: Ms, filed: Filed) {
    let Filed { case, plan } = filed;
    let mut at = |service, rng: &mut StdRng, act: &dyn Fn(&mut Db, &mut StdRng)| {
        if up(service) {
            act(dbs.get_mut(&service).unwrap(), rng);
        }
    };
    if plan == Plan::Withdrawn {
        at(Service::Intake, rng, &|db, rng| {
            db.mail.handle(
                &mut db.cases,
                now,
                case.0,
                &person(rng),
                &case::Input::Withdraw { at: instant(now), by: Author::Person },
            );
        });
    } else {
        at(Service::Identity, rng, &|db, rng| verify(db, rng, now, filed));
        at(Service::Payment, rng, &|db, rng| pay(db, rng, now, filed));
    }
    at(Service::Fulfilment, rng, &|db, rng| decide(db, rng, now, case));
    at(Service::OptOut, rng, &|db, rng| report(db, rng, now, case));
}

fn verify(db: &mut Db, rng: &mut StdRng, now: Ms, Filed { case, plan }: Filed) {
    let (at, by) = (instant(now), clerk());
    let confirm = verification::Input::Confirm { papers: vec![Code::of("my-number-card")], by, at };
    let input = match (db.verifications.state(case.0), plan) {
        (Some(verification::State::Pending { .. }), Plan::StopRejected | Plan::DisclosureRejected) => {
            verification::Input::Reject { reasons: vec![Code::of("not-the-person")], by, at }
        }
        (Some(verification::State::Pending { .. }), Plan::DisclosureCompleted) => {
            let due_at = at + SignedDuration::from_hours(24 * 14);
            verification::Input::AskForCompletion { reasons: vec![Code::of("paper-expired")], by, at, due_at }
        }
        (Some(verification::State::Pending { .. } | verification::State::Deficient { .. }), _) => confirm,
        _ => return,
    };
    let became = db.mail.handle(&mut db.verifications, now, case.0, &person(rng), &input);
    assert_eq!(became, Became::Done, "{plan:?}");
}

fn pay(db: &mut Db, rng: &mut StdRng, now: Ms, Filed { case, plan }: Filed) {
    let id = contracts::ChargeId::derived(case.0, "base");
    let Some(charge::State::Requested { ask }) = db.charges.state(id.0) else { return };
    let (today, at) = (jst_date(instant(now)), instant(now));
    let input = match plan {
        Plan::Unpaid => charge::Input::Covered { through: ask.settled_on, at },
        // Always the same line of the same statement: a repeat after a restore is the same payment.
        _ => charge::Input::Match { line: BankLineId::derived(id.0, "line"), amount: ask.amount, paid_on: today, at },
    };
    let became = db.mail.handle(&mut db.charges, now, id.0, &person(rng), &input);
    assert_eq!(became, Became::Done);
}

fn decide(db: &mut Db, rng: &mut StdRng, now: Ms, case: CaseId) {
    let Some(answer::State::Open { ask, .. }) = db.answers.state(case.0) else { return };
    let (ground, outcome) = ground_of(ask.kind);
    let input = answer::Input::Decide {
        outcome,
        ground,
        with_reasons: true,
        with_record: ask.kind == Kind::Complaint,
        by: clerk(),
        at: instant(now),
    };
    let became = db.mail.handle(&mut db.answers, now, case.0, &person(rng), &input);
    assert_eq!(became, Became::Done);
}

/// The first ground of the book on which a request of this kind may be answered, and the first answer it allows.
fn ground_of(kind: Kind) -> (Code, DecisionOutcome) {
    let ground = fulfilment::decision::Grounds::embedded().iter().find(|g| g.kinds.contains(&kind)).unwrap();
    (ground.code.clone(), ground.outcomes[0])
}

fn report(db: &mut Db, rng: &mut StdRng, now: Ms, case: CaseId) {
    let id = contracts::EntryId::derived(case.0, "entry");
    let Some(entry::State::Stopped { erasure, .. }) = db.entries.state(id.0) else { return };
    // Two people confirm that what is to be erased is this person's.
    if *erasure == entry::Erasure::Waits && rng.random_bool(0.5) {
        let input = entry::Input::MatchConfirmed { change: ChangeId::derived(id.0, "erase"), at: instant(now) };
        db.feed_entry(now, id, &person(rng), &input);
    }
    let stop = ChangeId::derived(id.0, "stop");
    let changes = [stop, ChangeId::derived(stop.0, "freeze"), ChangeId::derived(id.0, "erase")];
    let told: Vec<_> = changes.into_iter().flat_map(|change| db.instructions_of(change)).collect();
    for i in told {
        let stage = match db.instructions.state(i.0) {
            Some(instruction::State::Issued { .. }) if rng.random_bool(0.5) => ReportStage::Received,
            Some(instruction::State::Issued { .. } | instruction::State::Received { .. }) if rng.random_bool(0.5) => {
                ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None }
            }
            _ => continue,
        };
        let input = instruction::Input::ReportVerified { stage, report: Digest([1; 32]), at: instant(now) };
        db.mail.handle(&mut db.instructions, now, i.0, &person(rng), &input);
    }
}

/// The mail relay takes what notification is sending; now and then it does not.
pub fn post(db: &mut Db, rng: &mut StdRng, now: Ms, sending: &[Uuid]) {
    for id in sending {
        let Some(message::State::Sending { attempt, .. }) = db.notices.state(*id) else { continue };
        let (attempt, at) = (*attempt, instant(now));
        let input = match rng.random_range(0..10) {
            0 => message::Input::Failed { attempt, reason: Code::of("busy"), at },
            // The process died before it could write down what the relay said: the lease ends.
            1 => continue,
            _ => message::Input::Delivered { attempt, at },
        };
        db.mail.handle(&mut db.notices, now, *id, &person(rng), &input);
    }
}

/// The person at the desk who looks at what is parked: rows that this service has lost are taken note of and dropped.
pub fn clear_lost_rows(db: &mut Db, now: Ms) {
    let lost: Vec<Uuid> = db
        .mail
        .inbox
        .iter()
        .filter(|(_, r)| r.state == In::Parked && r.said.is_none() && r.due_at + 5_000 < now)
        .map(|(id, _)| *id)
        .collect();
    for id in lost {
        let row = super::mail::Heard { state: In::Dropped, ..db.mail.inbox[&id].clone() };
        let (lane, source) = (row.lane, row.source);
        db.mail.tell(id, row);
        for behind in db.mail.waiting.get(&lane).cloned().unwrap_or_default() {
            if let Some(row) = db.mail.inbox.get_mut(&behind)
                && row.state == In::Behind
                && row.source == source
            {
                (row.state, row.due_at) = (In::Later, now);
            }
        }
    }
}
