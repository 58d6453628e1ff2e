//! The state after an event. Total: an event that does not belong to a state leaves it as it is.

use super::{
    event::Event,
    state::{Answer, Block, Confirmed, Fee, File, Hold, Identity, Quote, State, Stub},
};
use contracts::{EndedAs, Timestamp};

/// See [`chassis::machine::Machine::evolve`].
pub fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (State::Absent, Event::Opened { request }) => State::Open { file: Box::new(File::new((**request).clone())) },
        (State::Open { file } | State::Ended { file, .. }, Event::Ended { ended_as, at }) => {
            State::Ended { file, ended_as: *ended_as, at: *at }
        }
        (State::Ended { mut file, at: ended_at, .. }, Event::Revived { at, .. }) => {
            revive(&mut file, ended_at, *at);
            State::Open { file }
        }
        (State::Ended { file, .. }, Event::Resumed { .. }) => State::Open { file },
        (State::Ended { file, ended_as, at }, Event::ErasureOrdered { at: ordered_at, .. }) => {
            State::Erasing { stub: stub(&file, ended_as, at), ordered_at: *ordered_at }
        }
        (State::Erasing { stub, .. }, Event::Erased { at }) => State::Erased { stub, at: *at },
        (State::Open { mut file }, event) => {
            note(&mut file, event);
            State::Open { file }
        }
        (State::Ended { mut file, ended_as, at }, event) => {
            note(&mut file, event);
            State::Ended { file, ended_as, at }
        }
        (state, _) => state,
    }
}

fn stub(file: &File, ended_as: EndedAs, ended_at: Timestamp) -> Stub {
    let request = &file.request;
    Stub { case: request.case, kind: request.kind, received_at: request.received_at, ended_as, ended_at }
}

/// A new round: what was missing is awaited anew, and the time since it was missing does not count.
fn revive(file: &mut File, ended_at: Timestamp, at: Timestamp) {
    let waited_since = match &file.identity {
        Identity::Deficient { since, .. } => *since,
        Identity::Confirmed { at, .. } => *at,
        Identity::NotNeeded | Identity::Awaited | Identity::Rejected { .. } => ended_at,
    };
    file.holds.push(Hold { from: waited_since.min(ended_at), to: at });
    file.round = file.round.saturating_add(1);
    file.revived_at = Some(at);
    file.lapsed_at = None;
    if matches!(file.identity, Identity::Deficient { .. }) {
        file.identity = Identity::Awaited;
    }
    if matches!(file.fee, Fee::Due { .. } | Fee::Expired { .. }) {
        file.fee = Fee::Due { quote: None };
    }
    if let Some(stop) = &mut file.stop {
        *stop = super::state::Stop::default();
    }
}

/// Takes a fact or a command of the case's own into the file.
fn note(file: &mut File, event: &Event) {
    match event {
        Event::Deficient { at, reasons, due_at, lapse_at } => {
            let newest = Identity::Deficient {
                since: *at,
                at: *at,
                reasons: reasons.clone(),
                due_at: *due_at,
                lapse_at: *lapse_at,
            };
            deficient(&mut file.identity, *at, newest);
        }
        Event::Confirmed { at } => {
            let since = match &file.identity {
                Identity::Deficient { since, .. } => Some(*since),
                _ => None,
            };
            file.identity = Identity::Confirmed { at: *at, deficient_since: since.filter(|since| since < at) };
        }
        Event::Rejected { at, .. } => file.identity = Identity::Rejected { at: *at },
        Event::FeeQuoted { quote, .. } => {
            if let Some(slot) = quote_slot(&mut file.fee) {
                *slot = Some(quote.clone());
            }
        }
        Event::FeePaid { charge, amount, at } => {
            let quote = quote_slot(&mut file.fee).and_then(Option::take);
            file.fee = Fee::Paid { quote, charge: *charge, amount: *amount, at: *at };
        }
        Event::FeeExpired { at } => {
            let quote = quote_slot(&mut file.fee).and_then(Option::take);
            file.fee = Fee::Expired { quote, at: *at };
        }
        Event::AskedForAnswer => file.answer = Answer::Asked,
        Event::Decided { outcome, ground, at } => {
            file.answer = Answer::Given { outcome: *outcome, ground: ground.clone(), at: *at };
        }
        Event::Withdrawn { at, .. } => file.withdrawn_at = Some(*at),
        Event::CompletionMissed { at } => file.lapsed_at = Some(*at),
        Event::AskedToStop { .. }
        | Event::AskedToLift { .. }
        | Event::BlockHolds { .. }
        | Event::Instructed { .. }
        | Event::Reported
        | Event::StopConfirmed { .. } => note_stop(file, event),
        // Commands that leave nothing behind, and events that `evolve` has dealt with.
        Event::AskedToVerify | Event::AskedForFee { .. } | Event::AskedToBlock { .. } | Event::Progressed { .. } => {}
        Event::Opened { .. } | Event::Ended { .. } | Event::Revived { .. } | Event::Resumed { .. } => {}
        Event::ErasureOrdered { .. } | Event::Erased { .. } => {}
    }
}

/// The earliest deficiency starts the pause, the newest one says what is missing; a confirmation stands above both.
fn deficient(identity: &mut Identity, new_at: Timestamp, newest: Identity) {
    match identity {
        Identity::Awaited => *identity = newest,
        Identity::Deficient { since, at, .. } => {
            let first = (*since).min(new_at);
            if new_at >= *at {
                *identity = newest;
            }
            if let Identity::Deficient { since, .. } = identity {
                *since = first;
            }
        }
        Identity::Confirmed { at, deficient_since } if new_at < *at => {
            *deficient_since = Some(deficient_since.map_or(new_at, |since| since.min(new_at)));
        }
        Identity::Confirmed { .. } | Identity::Rejected { .. } | Identity::NotNeeded => {}
    }
}

fn quote_slot(fee: &mut Fee) -> Option<&mut Option<Quote>> {
    match fee {
        Fee::Free => None,
        Fee::Due { quote } | Fee::Expired { quote, .. } | Fee::Paid { quote, .. } => Some(quote),
    }
}

fn note_stop(file: &mut File, event: &Event) {
    let Some(stop) = &mut file.stop else { return };
    match event {
        Event::AskedToStop { .. } => stop.asked = Block::Final,
        Event::AskedToLift { .. } => stop.asked = Block::Lifted,
        Event::BlockHolds { since } => {
            stop.blocked_since = Some(stop.blocked_since.map_or(*since, |known| known.min(*since)));
        }
        Event::Instructed { change, instructions } => {
            stop.changes.push(*change);
            stop.changes.sort_unstable();
            stop.instructed = stop.instructed.saturating_add(*instructions);
        }
        Event::Reported => stop.reported = stop.reported.saturating_add(1),
        Event::StopConfirmed { recipients, at, answer } => {
            // The stop was complete the first time; an amended report changes what is answered.
            let first = stop.confirmed.as_ref().map_or(*at, |known| known.at);
            let (recipients, answer) = (*recipients, answer.clone());
            stop.confirmed = Some(Confirmed { recipients, at: first, answer, answered_at: Some(*at) });
        }
        _ => {}
    }
}
