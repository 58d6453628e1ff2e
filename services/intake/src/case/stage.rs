//! What follows from the facts: the step, since when, and how the case has to end. Nothing here is stored.

use super::state::{Answer, Fee, File, Identity, State};
use crate::clocks;
use calendar::Calendar;
use contracts::{EndedAs, Kind, Step, Timestamp};

/// Where a case stands, as the rest of the house is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What it waits for.
    pub step: Step,
    /// Since when.
    pub since: Timestamp,
    /// End of the service clock; absent while it pauses and after the end.
    pub due_at: Option<Timestamp>,
    /// First instant of a suit.
    pub suit_from: Option<Timestamp>,
}

/// The stage of a state; none before the filing and after the erasure.
pub fn stage(state: &State, calendar: &Calendar) -> Option<Stage> {
    match state {
        State::Open { file } => {
            let (step, since) = step(file);
            let paused = matches!(step, Step::Completing | Step::AwaitingFee);
            let due_at = if paused { None } else { clocks::service_due(file, calendar) };
            Some(Stage { step, since, due_at, suit_from: clocks::suit_from(file, calendar) })
        }
        State::Ended { file, at, .. } => {
            Some(Stage { step: Step::Ended, since: *at, due_at: None, suit_from: clocks::suit_from(file, calendar) })
        }
        State::Absent | State::Erasing { .. } | State::Erased { .. } => None,
    }
}

/// What an open case waits for, and since when.
pub fn step(file: &File) -> (Step, Timestamp) {
    let began = file.revived_at.unwrap_or(file.request.received_at);
    let (step, since) = match (&file.identity, &file.answer) {
        (_, Answer::Asked | Answer::Given { .. }) => (Step::Answering, ready_at(file).unwrap_or(began)),
        (Identity::Deficient { at, .. }, _) => (Step::Completing, *at),
        (Identity::Confirmed { at, .. }, _) if file.stop.is_some() => (Step::Propagating, *at),
        (Identity::Confirmed { at, .. }, _) => (Step::AwaitingFee, *at),
        (Identity::Awaited | Identity::NotNeeded | Identity::Rejected { .. }, _) => (Step::Verifying, began),
    };
    (step, since.max(began))
}

/// When everything was there that an answer needs; `None` while something is missing, or where no answer is given.
pub fn ready_at(file: &File) -> Option<Timestamp> {
    let identity = match &file.identity {
        Identity::NotNeeded => file.request.received_at,
        Identity::Confirmed { at, .. } => *at,
        Identity::Awaited | Identity::Deficient { .. } | Identity::Rejected { .. } => return None,
    };
    let fee = match &file.fee {
        Fee::Free => None,
        Fee::Paid { at, .. } => Some(*at),
        Fee::Due { .. } | Fee::Expired { .. } => return None,
    };
    let stop = match &file.stop {
        None => None,
        // A plain stop ends with the last report; a deletion is decided on after it.
        Some(stop) if file.request.kind == Kind::Deletion => Some(stop.confirmed.as_ref()?.at),
        Some(_) => return None,
    };
    [Some(identity), fee, stop].into_iter().flatten().max()
}

/// How the case has to end by what is known, and when that became so; `None` while it has to go on. What comes first
/// here wins, whichever was heard first.
pub fn ending(file: &File) -> Option<(EndedAs, Timestamp)> {
    if let Answer::Given { at, .. } = &file.answer {
        return Some((EndedAs::Decided, *at));
    }
    if let (Kind::ProvisionStop, Some(confirmed)) =
        (file.request.kind, file.stop.as_ref().and_then(|s| s.confirmed.as_ref()))
    {
        return Some((EndedAs::Stopped, confirmed.at));
    }
    if let Some(at) = file.withdrawn_at {
        return Some((EndedAs::Withdrawn, at));
    }
    if let Identity::Rejected { at } = &file.identity {
        return Some((EndedAs::NotConfirmed, *at));
    }
    if let Some(at) = file.lapsed_at {
        return Some((EndedAs::Lapsed, at));
    }
    match &file.fee {
        Fee::Expired { at, .. } => Some((EndedAs::Lapsed, *at)),
        _ => None,
    }
}
