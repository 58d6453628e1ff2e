//! What must be so at the end of a run: every accepted request ended as it should, and nothing was done twice.

use super::{
    house::{Db, RECIPIENTS},
    people::{Filed, Plan},
    relay::lost_row,
};
use contracts::{CaseId, ChangeId, ChargeId, EndedAs, EntryId, Message, Service};
use intake::case;
use opt_out_propagation::{entry, instruction};
use payment_reconciliation::charge;
use std::collections::{BTreeMap, HashMap};

/// How a case ended; `None` while it is open.
pub fn ended_as(intake: &Db, id: CaseId) -> Option<EndedAs> {
    match intake.cases.state(id.0)? {
        case::State::Ended { ended_as, .. } => Some(*ended_as),
        _ => None,
    }
}

/// Everything that is not as it should be.
pub fn findings(dbs: &BTreeMap<Service, Db>, filed: &[Filed], restored: bool) -> Vec<String> {
    let mut findings = vec![];
    for (service, db) in dbs {
        db.check(*service, &mut findings);
    }
    for f in filed {
        let found = ended_as(&dbs[&Service::Intake], f.case);
        if found != Some(f.plan.ends_as()) {
            findings.push(format!("{:?}: case {} ended as {found:?}", f.plan, f.case));
        }
        work_was_done(dbs, f, &mut findings);
        stands_in_the_register(&dbs[&Service::OptOut], f, &mut findings);
    }
    said_once(dbs, filed, restored, &mut findings);
    findings
}

/// The other services' own state agrees with how the case ended.
fn work_was_done(dbs: &BTreeMap<Service, Db>, f: &Filed, findings: &mut Vec<String>) {
    let charge = dbs[&Service::Payment].charges.state(ChargeId::derived(f.case.0, "base").0);
    let right = match f.plan {
        Plan::Disclosure | Plan::DisclosureCompleted => matches!(charge, Some(charge::State::Earned { .. })),
        Plan::Unpaid => matches!(charge, Some(charge::State::Cancelled { .. } | charge::State::Expired { .. })),
        // Somebody may have paid before the identity was rejected: then it is a liability, never income.
        Plan::DisclosureRejected => {
            !matches!(charge, Some(charge::State::Earned { .. } | charge::State::Requested { .. }))
        }
        _ => !matches!(
            charge,
            Some(charge::State::Requested { .. } | charge::State::Paid { .. } | charge::State::Earned { .. })
        ),
    };
    // A payment service that fell back to before a payment has forgotten it, and the end of the case is said again first.
    // Its books cannot know; but a person must have been shown every row that it has lost about this case. Whichever hearer
    // was asked first handed it back, under its own machine's id.
    let payment = &dbs[&Service::Payment].mail;
    let shown = || {
        let heard = dbs[&Service::Intake].mail.inbox.iter().filter(|(_, r)| r.lane == f.case.0);
        let mut lost = heard
            .filter(|(id, r)| {
                r.source == Some(Service::Payment) && r.said.is_some() && !payment.outbox.contains_key(id)
            })
            .peekable();
        lost.peek().is_some() && lost.all(|(id, _)| payment.inbox.contains_key(&lost_row(*id)))
    };
    let forgotten = matches!(charge, Some(charge::State::Closed { .. } | charge::State::Cancelled { .. })) && shown();
    if !right && !forgotten {
        findings.push(format!("{:?}: the charge of case {} is {charge:?}", f.plan, f.case));
    }
}

fn stands_in_the_register(optout: &Db, f: &Filed, findings: &mut Vec<String>) {
    let id = EntryId::derived(f.case.0, "entry");
    let state = optout.entries.state(id.0);
    let stops = matches!(f.plan, Plan::Stop | Plan::Deletion);
    let right = match (f.plan, state) {
        (Plan::Stop | Plan::Deletion, Some(entry::State::Confirmed { recipients, .. })) => {
            *recipients as usize == RECIPIENTS.len()
        }
        (Plan::StopRejected | Plan::Withdrawn, Some(entry::State::Lifted { .. })) => true,
        (Plan::Stop | Plan::Deletion | Plan::StopRejected | Plan::Withdrawn, _) => false,
        (_, state) => state.is_none(),
    };
    if !right {
        findings.push(format!("{:?}: the entry of case {} is {state:?}", f.plan, f.case));
    }
    let told = optout.instructions_of(ChangeId::derived(id.0, "stop"));
    let settled =
        told.iter().all(|i| matches!(optout.instructions.state(i.0), Some(instruction::State::Settled { .. })));
    if told.len() != if stops { RECIPIENTS.len() } else { 0 } || !settled {
        findings.push(format!("{:?}: case {} gave {} instructions, settled: {settled}", f.plan, f.case, told.len()));
    }
}

/// A fact is stated once. A service that was restored may have to state again what it has forgotten.
fn said_once(dbs: &BTreeMap<Service, Db>, filed: &[Filed], restored: bool, findings: &mut Vec<String>) {
    for (service, db) in dbs {
        let mut said: HashMap<(&str, uuid::Uuid, String), u32> = HashMap::new();
        for row in db.mail.outbox.values() {
            let detail = match &row.said.message {
                // Provisional at first, final later: two facts.
                Message::BlockPlaced(b) => b.provisional.to_string(),
                _ => String::new(),
            };
            *said.entry((row.said.message.entry().name, row.said.envelope.subject, detail)).or_default() += 1;
        }
        for ((name, machine, _), times) in said {
            // The case goes on from its own state: it says everything once whatever happens to the others (but where it
            // stands, each time that changes).
            if times > 1 && name != "CaseProgressed" && (!restored || *service == Service::Intake) {
                findings.push(format!("{}: {machine} said {name} {times} times", service.token()));
            }
        }
    }
    let opened =
        dbs[&Service::Intake].mail.outbox.values().filter(|r| matches!(r.said.message, Message::CaseOpened(_))).count();
    if opened != filed.len() {
        findings.push(format!("{} requests, {opened} cases opened", filed.len()));
    }
    // Every fact that is told to a person is told by one notice.
    let notices = &dbs[&Service::Notification].notices;
    let facts = dbs
        .values()
        .flat_map(|db| db.mail.outbox.values())
        .filter(|r| r.said.message.entry().hearers.contains(&Service::Notification))
        .count();
    if !restored && notices.rows.len() != facts {
        findings.push(format!("{facts} facts to be told, {} notices", notices.rows.len()));
    }
}
