//! What another service states, held against what is known: something new, known already, too early, or impossible.

use super::{
    event::Event,
    input::{Fact, Refusal},
    state::{Answer, Block, Fee, File, Identity, Quote, Stop},
};
use crate::clocks;
use calendar::Calendar;
use contracts::{ChargeId, EntryId, fulfilment::DecisionMade, identity::IdentityDeficient, payment::FeePaid};

/// What a fact is to a file.
pub enum Noted {
    /// New.
    New(Event),
    /// Known, or overtaken by something that stands above it.
    Known,
    /// What it answers has not been asked for yet.
    TooEarly,
    /// It contradicts what is known: a person has to look.
    Impossible(Refusal),
}

/// `going`: the case is in work, or lapsed, which can be undone; one that ended otherwise waits for nothing more.
pub fn note(file: &File, going: bool, fact: &Fact, calendar: &Calendar) -> Noted {
    match fact {
        Fact::IdentityDeficient(_) | Fact::IdentityConfirmed(_) | Fact::IdentityRejected(_)
            if file.identity == Identity::NotNeeded =>
        {
            Noted::Impossible(Refusal::IdentityNotAsked)
        }
        Fact::IdentityDeficient(fact) => deficient(file, fact, calendar),
        Fact::IdentityConfirmed(fact) => match &file.identity {
            Identity::Confirmed { .. } => Noted::Known,
            Identity::Rejected { .. } => Noted::Impossible(Refusal::IdentityContradicted),
            _ => Noted::New(Event::Confirmed { at: fact.at }),
        },
        Fact::IdentityRejected(fact) => match &file.identity {
            Identity::Rejected { .. } => Noted::Known,
            Identity::Confirmed { .. } => Noted::Impossible(Refusal::IdentityContradicted),
            _ => Noted::New(Event::Rejected { at: fact.at, reasons: fact.reasons.clone() }),
        },
        Fact::FeeRequested(fact) => with_charge(file, fact.charge, || match &file.fee {
            Fee::Due { quote: None } | Fee::Expired { quote: None, .. } | Fee::Paid { quote: None, .. } => {
                let quote = Quote { amount: fact.amount, reference: fact.reference.clone(), due_on: fact.due_on };
                Noted::New(Event::FeeQuoted { quote, at: fact.at })
            }
            _ => Noted::Known,
        }),
        Fact::FeePaid(fact) => paid(file, fact),
        Fact::ChargeExpired(fact) => with_charge(file, fact.charge, || match &file.fee {
            Fee::Due { .. } => Noted::New(Event::FeeExpired { at: fact.at }),
            _ => Noted::Known,
        }),
        Fact::DecisionMade(fact) => decided(file, going, fact),
        Fact::BlockPlaced(fact) => with_stop(file, fact.entry, |stop| holds_since(stop, fact.effective_at)),
        Fact::BlockLifted(fact) => with_stop(file, fact.entry, |stop| match stop.asked {
            Block::Lifted => Noted::Known,
            Block::Provisional => Noted::TooEarly,
            Block::Final => Noted::Impossible(Refusal::LiftNotAsked),
        }),
        Fact::StopEntered(fact) => with_final(file, fact.entry, |stop| holds_since(stop, fact.effective_at)),
        Fact::ChangeFannedOut(fact) => with_final(file, fact.entry, |stop| {
            if stop.changes.contains(&fact.change) {
                return Noted::Known;
            }
            // The contract allows 2,000.
            let instructions = u32::try_from(fact.instructions.len()).unwrap_or(u32::MAX);
            Noted::New(Event::Instructed { change: fact.change, instructions })
        }),
        // Settled again after an amended report: counted the first time.
        Fact::InstructionSettled(fact) if fact.round.is_some() => Noted::Known,
        Fact::InstructionSettled(fact) => with_final(file, fact.entry, |_| Noted::New(Event::Reported)),
        Fact::StopConfirmed(fact) => with_final(file, fact.entry, |stop| match &stop.confirmed {
            // The newest answer counts: a report may be amended after all were in.
            Some(known) if fact.at <= known.answered_at.unwrap_or(known.at) || fact.answer == known.answer => {
                Noted::Known
            }
            _ => {
                let (recipients, at, answer) = (fact.recipients, fact.at, fact.answer.clone());
                Noted::New(Event::StopConfirmed { recipients, at, answer })
            }
        }),
    }
}

fn deficient(file: &File, fact: &IdentityDeficient, calendar: &Calendar) -> Noted {
    // Of a round before this one, or of before the confirmation's own time: at most the pause is still of interest.
    let stale = file.revived_at.is_some_and(|revived| fact.at < revived);
    let known = match &file.identity {
        Identity::Awaited => stale,
        Identity::Deficient { since, at, .. } => stale || (fact.at == *at) || (*since <= fact.at && fact.at < *at),
        Identity::Confirmed { at, deficient_since } => {
            stale || fact.at >= *at || deficient_since.is_some_and(|since| since <= fact.at)
        }
        Identity::Rejected { .. } | Identity::NotNeeded => true,
    };
    if known {
        return Noted::Known;
    }
    let lapse_at = clocks::completion_lapses(fact.due_at, &file.request.terms, calendar);
    Noted::New(Event::Deficient { at: fact.at, reasons: fact.reasons.clone(), due_at: fact.due_at, lapse_at })
}

fn paid(file: &File, fact: &FeePaid) -> Noted {
    // Whoever pays by the reference of an earlier round has paid all the same.
    if matches!(file.fee, Fee::Free) || !file.knows_charge(fact.charge) {
        return Noted::Impossible(Refusal::UnknownCharge);
    }
    match &file.fee {
        Fee::Paid { charge, .. } if *charge != fact.charge => Noted::Impossible(Refusal::PaidTwice),
        Fee::Paid { amount, .. } if *amount != fact.amount => Noted::Impossible(Refusal::ChargeContradicted),
        Fee::Paid { .. } => Noted::Known,
        _ => Noted::New(Event::FeePaid { charge: fact.charge, amount: fact.amount, at: fact.at }),
    }
}

/// A word about the present round's charge; about an earlier one it is of no consequence any more.
fn with_charge(file: &File, charge: ChargeId, present: impl FnOnce() -> Noted) -> Noted {
    if matches!(file.fee, Fee::Free) || !file.knows_charge(charge) {
        Noted::Impossible(Refusal::UnknownCharge)
    } else if charge == file.charge() {
        present()
    } else {
        Noted::Known
    }
}

fn decided(file: &File, going: bool, fact: &DecisionMade) -> Noted {
    match &file.answer {
        Answer::NotAsked if going => Noted::TooEarly,
        Answer::Given { outcome, ground, .. } if *outcome != fact.outcome || *ground != fact.ground => {
            Noted::Impossible(Refusal::DecisionStands)
        }
        Answer::Asked if going => {
            Noted::New(Event::Decided { outcome: fact.outcome, ground: fact.ground.clone(), at: fact.at })
        }
        // The case ended while it was being decided: nobody is told of the decision any more.
        Answer::NotAsked | Answer::Asked | Answer::Given { .. } => Noted::Known,
    }
}

/// A word about the present round's entry; about an earlier one it is of no consequence any more.
fn with_stop(file: &File, entry: EntryId, present: impl FnOnce(&Stop) -> Noted) -> Noted {
    match &file.stop {
        Some(stop) if entry == file.entry() => present(stop),
        Some(_) if file.knows_entry(entry) => Noted::Known,
        _ => Noted::Impossible(Refusal::UnknownEntry),
    }
}

/// The same, for what can only follow a final stop.
fn with_final(file: &File, entry: EntryId, present: impl FnOnce(&Stop) -> Noted) -> Noted {
    with_stop(file, entry, |stop| match stop.asked {
        Block::Final => present(stop),
        Block::Provisional => Noted::TooEarly,
        Block::Lifted => Noted::Impossible(Refusal::StopNotAsked),
    })
}

fn holds_since(stop: &Stop, since: contracts::Timestamp) -> Noted {
    match stop.blocked_since {
        Some(known) if known <= since => Noted::Known,
        _ => Noted::New(Event::BlockHolds { since }),
    }
}
