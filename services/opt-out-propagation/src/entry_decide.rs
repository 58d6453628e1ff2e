//! What an entry of the register does with its inputs. Pure.

use super::{Done, Entry, Erasure, Event, Ground, Input, Progress, Refusal, State};
use chassis::{Machine, Verdict};
use contracts::{ChangeId, Code, InstructionId, Measure, RecipientId, ReportOutcome, Scope, Timestamp};
use std::collections::BTreeSet;

type Said = Verdict<Event, Refusal>;

/// On what an erasure, and the freeze that goes before it, stand.
const ERASURE: Code = Code::of("act-20");

pub(super) fn decide(state: &State, input: &Input) -> Said {
    let of = match input {
        Input::PlaceBlock { case, .. } | Input::EnterStop { case, .. } => Some(*case),
        _ => None,
    };
    if of.is_some() && state.case().is_some() && of != state.case() {
        return Verdict::Refused(Refusal::OtherCase);
    }
    match input {
        Input::PlaceBlock { case, scope, received_at, at } => match state {
            // A lifted one was revived: the command is a new one, since a repeat of the old is known to the inbox and
            // the lifting waited for it.
            State::Absent | State::Lifted { .. } => Verdict::Events(vec![Event::BlockPlaced {
                case: *case,
                scope: *scope,
                received_at: *received_at,
                at: *at,
            }]),
            State::Blocked { .. } | State::Stopped { .. } | State::Confirmed { .. } => Verdict::Already,
        },
        Input::EnterStop { scope, measure, .. } => enter_stop(state, *scope, *measure, input),
        Input::LiftProvisionalBlock { at } => match state {
            // The command to place it may still be on its way.
            State::Absent => Verdict::TooEarly,
            State::Blocked { .. } => Verdict::Events(vec![Event::BlockLifted { at: *at }]),
            State::Lifted { .. } | State::Stopped { .. } | State::Confirmed { .. } => Verdict::Already,
        },
        Input::MatchConfirmed { change, at } => match erasure_of(state) {
            None => Verdict::TooEarly,
            Some(Erasure::NotAsked) => Verdict::Refused(Refusal::NoErasureAsked),
            Some(Erasure::Waits) => Verdict::Events(vec![Event::ErasureReleased { change: *change, at: *at }]),
            Some(Erasure::Released) => Verdict::Already,
        },
        Input::ChangeScope { .. } | Input::CorrectIdentifiers { .. } | Input::Withdraw { .. } => changed(state, input),
        Input::SuspendUse { .. } | Input::ResumeUse { .. } => frozen(state, input),
        Input::FannedOut { change, instructions, at } => fanned_out(state, *change, instructions, *at),
        Input::InstructionSettled { instruction, recipient, outcome, round, ground, at } => {
            settled(state, (*instruction, *recipient), (*outcome, *round, ground), *at)
        }
        Input::InstructionReopened { instruction, round, at } => reopened(state, *instruction, *round, *at),
        Input::InstructionReplaced { old, by, at } => replaced(state, *old, *by, *at),
        Input::Clock => Verdict::Already,
    }
}

const fn erasure_of(state: &State) -> Option<Erasure> {
    match state {
        State::Stopped { erasure, .. } | State::Confirmed { erasure, .. } => Some(*erasure),
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => None,
    }
}

fn enter_stop(state: &State, scope: Scope, measure: Measure, input: &Input) -> Said {
    let Input::EnterStop { case, received_at, change, at, .. } = input else { return Verdict::Already };
    match state {
        State::Stopped { scope: s, measure: m, .. } | State::Confirmed { scope: s, measure: m, .. } => {
            if (*s, *m) == (scope, measure) { Verdict::Already } else { Verdict::Refused(Refusal::OtherTermsStand) }
        }
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => {
            // The block keeps its own, earlier date; without one it begins now.
            let effective_at = match state {
                State::Blocked { effective_at, .. } => *effective_at,
                _ => *at,
            };
            let (received_at, change, at) = (*received_at, *change, *at);
            let mut events =
                vec![Event::StopEntered { case: *case, scope, measure, received_at, effective_at, change, at }];
            if measure == Measure::Erase {
                // The order of the trade: block, hospitals, freeze of current builds, erase. The erasure waits for its
                // match; until then nothing new is built from what will go.
                let ground = Ground { case: *case, basis: ERASURE, received_at };
                events.push(Event::UseSuspended { ground, change: freeze_of(change), at });
            }
            Verdict::Events(events)
        }
    }
}

/// The freeze that an erasure orders by itself, when its stop is this change.
pub(super) fn freeze_of(stop: ChangeId) -> ChangeId {
    ChangeId::derived(stop.0, "freeze")
}

/// 利用の一時停止 and its end.
fn frozen(state: &State, input: &Input) -> Said {
    let (erasure, is_frozen) = match state {
        State::Absent => return Verdict::TooEarly,
        State::Blocked { .. } | State::Lifted { .. } => return Verdict::Refused(Refusal::NotFinal),
        State::Stopped { erasure, progress, .. } | State::Confirmed { erasure, progress, .. } => {
            (*erasure, progress.frozen_at.is_some())
        }
    };
    if erasure == Erasure::Released {
        return Verdict::Refused(Refusal::IsErased);
    }
    Verdict::Events(vec![match input.clone() {
        Input::SuspendUse { ground, change, at } if !is_frozen => Event::UseSuspended { ground, change, at },
        Input::ResumeUse { ground, change, at } if is_frozen => Event::UseResumed { ground, change, at },
        _ => return Verdict::Already,
    }])
}

/// What a person orders about a final stop; each with its own ground.
fn changed(state: &State, input: &Input) -> Said {
    let (scope, withdrawn) = match state {
        State::Absent => return Verdict::TooEarly,
        State::Blocked { .. } | State::Lifted { .. } => return Verdict::Refused(Refusal::NotFinal),
        State::Stopped { scope, withdrawn_at, .. } | State::Confirmed { scope, withdrawn_at, .. } => {
            (*scope, withdrawn_at.is_some())
        }
    };
    let event = match input.clone() {
        Input::ChangeScope { scope: same, .. } if same == scope => return Verdict::Already,
        Input::ChangeScope { ground, scope, change, at } => Event::ScopeChanged { ground, scope, change, at },
        Input::CorrectIdentifiers { ground, change, at } => Event::IdentifiersCorrected { ground, change, at },
        Input::Withdraw { ground, at } if !withdrawn => Event::Withdrawn { ground, at },
        _ => return Verdict::Already,
    };
    Verdict::Events(vec![event])
}

/// The events, and the confirmation when nothing is open after them.
fn and_confirmed(state: &State, mut events: Vec<Event>, at: Timestamp) -> Said {
    let mut after = state.clone();
    for event in &events {
        after = Entry::evolve(after, event);
    }
    if let State::Stopped { erasure, progress, .. } = &after
        && *erasure != Erasure::Waits
        && progress.awaiting.is_empty()
        && progress.open.is_empty()
    {
        events.push(Event::Confirmed { recipients: progress.recipients, at });
    }
    Verdict::Events(events)
}

fn fanned_out(state: &State, of: ChangeId, instructions: &BTreeSet<InstructionId>, at: Timestamp) -> Said {
    match state {
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => Verdict::TooEarly,
        State::Stopped { progress, .. } if progress.awaiting.contains(&of) => {
            // Also with no recipients at all: then the stop is complete as soon as it stands.
            and_confirmed(state, vec![Event::FannedOut { change: of, instructions: instructions.clone(), at }], at)
        }
        // Known already, or to one recipient that came later: nothing here waits for it.
        State::Stopped { .. } | State::Confirmed { .. } => Verdict::Already,
    }
}

fn round_of(progress: &Progress, instruction: InstructionId) -> u32 {
    let settled = progress.settled.get(&instruction).map_or(0, |done| done.round);
    settled.max(progress.reopened.get(&instruction).copied().unwrap_or(0))
}

fn settled(
    state: &State,
    (instruction, recipient): (InstructionId, RecipientId),
    (outcome, round, ground): (ReportOutcome, u32, &Option<Code>),
    at: Timestamp,
) -> Said {
    match state {
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => Verdict::TooEarly,
        State::Stopped { progress, .. } => {
            // Of a round that is over, or known.
            let known = progress.settled.get(&instruction).is_some_and(|d| (d.outcome, d.round) == (outcome, round));
            if known || round < round_of(progress, instruction) {
                return Verdict::Already;
            }
            let (recipient, ground) = (Some(recipient), ground.clone());
            let event = Event::InstructionSettled { instruction, recipient, outcome, round, ground, at };
            and_confirmed(state, vec![event], at)
        }
        State::Confirmed { .. } => Verdict::Already,
    }
}

fn reopened(state: &State, instruction: InstructionId, round: u32, at: Timestamp) -> Said {
    match state {
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => Verdict::TooEarly,
        State::Stopped { progress, .. } | State::Confirmed { progress, .. } => {
            if round <= round_of(progress, instruction) {
                return Verdict::Already;
            }
            Verdict::Events(vec![Event::InstructionReopened { instruction, round, at }])
        }
    }
}

fn replaced(state: &State, old: InstructionId, by: InstructionId, at: Timestamp) -> Said {
    match state {
        State::Absent | State::Blocked { .. } | State::Lifted { .. } => Verdict::TooEarly,
        State::Stopped { progress, .. } if !progress.replaced.contains_key(&old) => {
            and_confirmed(state, vec![Event::InstructionReplaced { old, by, at }], at)
        }
        State::Stopped { .. } | State::Confirmed { .. } => Verdict::Already,
    }
}

pub(super) fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (_, Event::BlockPlaced { case, scope, at, .. }) => {
            State::Blocked { case: *case, scope: *scope, effective_at: *at }
        }
        (State::Blocked { case, .. }, Event::BlockLifted { at }) => State::Lifted { case, at: *at },
        (_, Event::StopEntered { case, scope, measure, effective_at, change, .. }) => State::Stopped {
            case: *case,
            scope: *scope,
            measure: *measure,
            effective_at: *effective_at,
            erasure: if *measure == Measure::Erase { Erasure::Waits } else { Erasure::NotAsked },
            withdrawn_at: None,
            progress: Progress { awaiting: BTreeSet::from([*change]), ..Progress::default() },
        },
        (
            State::Stopped { case, scope, measure, effective_at, erasure, withdrawn_at, progress },
            Event::Confirmed { recipients, .. },
        ) => {
            let recipients = *recipients;
            State::Confirmed { case, scope, measure, effective_at, erasure, withdrawn_at, recipients, progress }
        }
        (
            State::Confirmed { case, scope, measure, effective_at, erasure, recipients, progress, .. },
            Event::Withdrawn { at, .. },
        ) => {
            let withdrawn_at = Some(*at);
            State::Confirmed { case, scope, measure, effective_at, erasure, withdrawn_at, recipients, progress }
        }
        // Whatever else happens to a complete stop, it is not complete for a while.
        (
            State::Confirmed { case, scope, measure, effective_at, erasure, withdrawn_at, progress, .. }
            | State::Stopped { case, scope, measure, effective_at, erasure, withdrawn_at, progress },
            event,
        ) => {
            let mut now = (scope, erasure, withdrawn_at, progress);
            goes_on(&mut now, event);
            let (scope, erasure, withdrawn_at, progress) = now;
            State::Stopped { case, scope, measure, effective_at, erasure, withdrawn_at, progress }
        }
        (state, _) => state,
    }
}

/// An instruction of a change, or what took its place meanwhile.
fn there_is(p: &mut Progress, change: ChangeId, mut id: InstructionId) {
    while let Some(by) = p.replaced.get(&id) {
        id = *by;
    }
    if p.erase_change == Some(change) {
        p.erasing.insert(id);
    }
    if p.freezes.contains(&change) {
        p.passing.insert(id);
    }
    if p.corrections.contains(&change) {
        p.correcting.insert(id);
    }
    if !p.settled.contains_key(&id) {
        p.open.insert(id);
    }
}

fn goes_on((scope, erasure, withdrawn_at, p): &mut (Scope, Erasure, Option<Timestamp>, Progress), event: &Event) {
    match event {
        Event::ErasureReleased { change, .. } => {
            *erasure = Erasure::Released;
            // What is erased need not be frozen.
            p.frozen_at = None;
            p.erase_change = Some(*change);
            p.awaiting.insert(*change);
        }
        Event::ScopeChanged { scope: now, change, .. } => {
            *scope = *now;
            p.awaiting.insert(*change);
        }
        Event::IdentifiersCorrected { change, .. } => {
            p.corrections.insert(*change);
            p.awaiting.insert(*change);
        }
        Event::Withdrawn { at, .. } => *withdrawn_at = Some(*at),
        Event::UseSuspended { change, at, .. } => {
            p.frozen_at = Some(*at);
            p.freezes.insert(*change);
            p.awaiting.insert(*change);
        }
        Event::UseResumed { change, .. } => {
            p.frozen_at = None;
            p.freezes.insert(*change);
            p.awaiting.insert(*change);
        }
        Event::FannedOut { change, instructions, .. } => {
            p.awaiting.remove(change);
            p.recipients = p.recipients.max(instructions.len().try_into().unwrap_or(u32::MAX));
            instructions.iter().for_each(|id| there_is(p, *change, *id));
        }
        Event::InstructionSettled { instruction, recipient, outcome, round, ground, at } => {
            p.open.remove(instruction);
            let on = Some(crate::propagation::day_of(*at));
            let (recipient, at) = (*recipient, Some(*at));
            p.settled.insert(*instruction, Done { outcome: *outcome, round: *round, on, recipient, at });
            match ground {
                Some(ground) => p.grounds.insert(*instruction, ground.clone()),
                None => p.grounds.remove(instruction),
            };
        }
        Event::InstructionReopened { instruction, round, .. } => {
            p.settled.remove(instruction);
            p.reopened.insert(*instruction, *round);
            p.open.insert(*instruction);
        }
        Event::InstructionReplaced { old, by, .. } => {
            p.replaced.insert(*old, *by);
            if p.erasing.contains(old) {
                p.erasing.insert(*by);
            }
            if p.passing.contains(old) {
                p.passing.insert(*by);
            }
            if p.correcting.contains(old) {
                p.correcting.insert(*by);
            }
            if p.open.remove(old) && !p.settled.contains_key(by) {
                p.open.insert(*by);
            }
        }
        Event::BlockPlaced { .. } | Event::BlockLifted { .. } | Event::StopEntered { .. } | Event::Confirmed { .. } => {
        }
    }
}
