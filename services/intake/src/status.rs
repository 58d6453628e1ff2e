//! 照会: what the person sees of a case. Pure; sealed to the access code by the shell and opened by the door.

use crate::{
    case::{Answer, Block, Fee, File, Identity, State, Stop, stage},
    clocks,
};
use calendar::Calendar;
use contracts::{
    EndedAs, Timestamp,
    desk::{DecisionView, FeeView, RecipientsView, StatusView},
    opt_out::AnswerPart,
};

/// The status page of a state; none before the filing and after the erasure.
pub fn view(state: &State, calendar: &Calendar) -> Option<StatusView> {
    let file = state.file()?;
    let now = stage(state, calendar)?;
    let ended_as = match state {
        State::Ended { ended_as, .. } => Some(*ended_as),
        _ => None,
    };
    Some(StatusView {
        receipt_number: file.request.receipt_number,
        kind: file.request.kind,
        received_at: file.request.received_at,
        step: now.step,
        since: now.since,
        fee: fee(&file.fee),
        missing: missing(file, ended_as),
        blocked_since: file.stop.as_ref().and_then(blocked_since),
        recipients: file.stop.as_ref().and_then(recipients),
        answer: file.stop.as_ref().map(answer).unwrap_or_default(),
        decision: decision(file),
        suit_from: clocks::suit_day(file, calendar),
        ended_as,
    })
}

fn fee(fee: &Fee) -> Option<FeeView> {
    let (quote, paid) = match fee {
        Fee::Free => return None,
        Fee::Due { quote } | Fee::Expired { quote, .. } => (quote, false),
        Fee::Paid { quote, .. } => (quote, true),
    };
    quote.as_ref().map(|q| FeeView { amount: q.amount, reference: q.reference.clone(), due_on: q.due_on, paid })
}

/// What is missing stays on the page of a lapsed case: it can be revived.
fn missing(file: &File, ended_as: Option<EndedAs>) -> Vec<contracts::Code> {
    match &file.identity {
        Identity::Deficient { reasons, .. } if matches!(ended_as, None | Some(EndedAs::Lapsed)) => {
            reasons.iter().take(20).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// A block that was taken back holds no more.
fn blocked_since(stop: &Stop) -> Option<Timestamp> {
    if stop.asked == Block::Lifted { None } else { stop.blocked_since }
}

fn recipients(stop: &Stop) -> Option<RecipientsView> {
    match (stop.asked, &stop.confirmed) {
        (Block::Provisional | Block::Lifted, _) => None,
        // The register's own count; ours may still wait for a message that is on its way.
        (Block::Final, Some(all)) => Some(RecipientsView { instructed: all.recipients, reported: all.recipients }),
        (Block::Final, None) => {
            Some(RecipientsView { instructed: stop.instructed, reported: stop.reported.min(stop.instructed) })
        }
    }
}

/// 三つの回答, once every recipient has reported: before that, a part that is missing would look like one that is not coming.
fn answer(stop: &Stop) -> Vec<AnswerPart> {
    let confirmed = stop.confirmed.as_ref().filter(|_| stop.asked == Block::Final);
    confirmed.and_then(|c| c.answer.as_ref()).map(|a| a.parts.clone()).unwrap_or_default()
}

fn decision(file: &File) -> Option<DecisionView> {
    match &file.answer {
        Answer::Given { outcome, ground, at } => {
            Some(DecisionView { outcome: *outcome, ground: ground.clone(), at: *at })
        }
        Answer::NotAsked | Answer::Asked => None,
    }
}
