//! 通知: the machine of one message to one person. Pure; its id is derived from the fact that it tells, so a fact is told
//! once however often it is heard.
//!
//! Sending is outside work (bus.md 2.1): `Sending` is a state with a lease, the shell sends after the commit and feeds the
//! outcome back, and a shell that died is found by the wake-up at the end of its lease.
//!
//! **Unknown outcomes** (the connection broke, or the process died, after the mail was handed over and before the answer
//! was written down): the mail is sent **again, with the same Message-ID**: at least once. The other rule would now and then
//! leave a person untold, and this desk's notices are about legal steps; a mail that says only a receipt number does no harm
//! when it comes twice, and most mailboxes drop the second one by its Message-ID.

use chassis::machine::{Machine, Verdict};
use contracts::{
    Code, Message, NoticeChannel, NoticeId, Service,
    notification::{NoticeFailed, NoticeSent},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

mod state;
pub use state::*;

/// The machine.
pub struct NoticeMachine;

impl Machine for NoticeMachine {
    const KIND: &'static str = "notice";
    const SERVICE: Service = Service::Notification;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Verdict<Event, Refusal> {
        match input {
            Input::Tell(notice) => match state {
                State::None => {
                    Verdict::Events(vec![Event::Noted { notice: notice.clone() }, started(notice, 1, notice.since)])
                }
                _ => Verdict::Already,
            },
            Input::CaseErased { at } => match state {
                State::None | State::Erased { .. } => Verdict::Already,
                _ => one(Event::Erased { at: *at }),
            },
            Input::Clock { now } => wake_up(state, *now),
            Input::Delivered { at, .. } => match state {
                State::None => Verdict::Refused(Refusal::NoNotice),
                // However late the shell comes back with a yes: the mail is out, and saying so stops a further one.
                State::Due { .. } | State::Sending { .. } | State::Failed { .. } => one(Event::Sent { at: *at }),
                State::Sent { .. } | State::OnStatusPage { .. } | State::Erased { .. } => Verdict::Already,
            },
            Input::NoAddress { attempt, at } => in_flight(state, *attempt, |_, _| Event::LeftOnStatusPage { at: *at }),
            Input::Postponed { attempt, reason, at } => in_flight(state, *attempt, |notice, postponed| {
                let next_at = after(*at, notice.plan, postponed);
                if next_at >= give_up_at(notice) {
                    return Event::GivenUp { reason: reason.clone(), at: *at };
                }
                Event::Postponed { reason: reason.clone(), next_at }
            }),
            Input::Failed { attempt, reason, at } => in_flight(state, *attempt, |notice, _| {
                let next_at = after(*at, notice.plan, u32::from(*attempt).saturating_sub(1));
                if *attempt >= notice.plan.attempts_max || next_at >= give_up_at(notice) {
                    return Event::GivenUp { reason: reason.clone(), at: *at };
                }
                Event::AttemptFailed { reason: reason.clone(), next_at }
            }),
            Input::Refused { attempt, reason, at } => {
                in_flight(state, *attempt, |_, _| Event::GivenUp { reason: reason.clone(), at: *at })
            }
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        let (notice, attempts, postponed) = match state {
            State::None | State::Erased { .. } => match event {
                Event::Noted { notice } => (notice.clone(), 0, 0),
                _ => return state,
            },
            State::Due { notice, attempts, postponed, .. } => (notice, attempts, postponed),
            State::Sending { notice, attempt, postponed, .. } => (notice, attempt, postponed),
            State::Sent { notice, attempts, .. } => (notice, attempts, 0),
            State::OnStatusPage { notice, .. } | State::Failed { notice, .. } => (notice, 0, 0),
        };
        match event.clone() {
            Event::Noted { notice } => State::Due { next_at: notice.since, notice, attempts, postponed, reason: None },
            Event::Started { attempt, lease_until } => State::Sending { notice, attempt, postponed, lease_until },
            // The attempt that could not be made is taken back.
            Event::Postponed { reason, next_at } => State::Due {
                notice,
                attempts: attempts.saturating_sub(1),
                postponed: postponed.saturating_add(1),
                next_at,
                reason: Some(reason),
            },
            Event::AttemptFailed { reason, next_at } => {
                State::Due { notice, attempts, postponed, next_at, reason: Some(reason) }
            }
            Event::Sent { at } => State::Sent { notice, attempts, at },
            Event::LeftOnStatusPage { at } => State::OnStatusPage { notice, at },
            Event::GivenUp { reason, at } => State::Failed { notice, reason, at },
            Event::Erased { at } => State::Erased { at },
        }
    }

    fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
        let (Some(n), notice) = (notice_of(after), NoticeId(id)) else { return vec![] };
        let (case, text) = (n.case, n.text.code());
        let sent = |channel, at| vec![NoticeSent { case, notice, text: text.clone(), channel, at }.into()];
        match event {
            Event::Sent { at } => sent(NoticeChannel::Mail, *at),
            Event::LeftOnStatusPage { at } => sent(NoticeChannel::StatusPage, *at),
            Event::GivenUp { reason, at } => {
                vec![NoticeFailed { case, notice, text, reason: reason.clone(), at: *at }.into()]
            }
            Event::Noted { .. }
            | Event::Started { .. }
            | Event::Postponed { .. }
            | Event::AttemptFailed { .. }
            | Event::Erased { .. } => vec![],
        }
    }

    fn wake(state: &State) -> Option<Timestamp> {
        match state {
            State::Due { next_at, .. } => Some(*next_at),
            State::Sending { lease_until, .. } => Some(*lease_until),
            _ => None,
        }
    }

    fn clock(now: Timestamp) -> Input {
        Input::Clock { now }
    }

    fn status(state: &State) -> Code {
        match state {
            State::None => Code::of("none"),
            State::Due { .. } => Code::of("due"),
            State::Sending { .. } => Code::of("sending"),
            State::Sent { .. } => Code::of("sent"),
            State::OnStatusPage { .. } => Code::of("on-status-page"),
            State::Failed { .. } => Code::of("failed"),
            State::Erased { .. } => Code::of("erased"),
        }
    }

    fn correlation(id: Uuid, state: &State) -> Uuid {
        notice_of(state).map_or(id, |n| n.case.0)
    }
}

/// What is told, as long as it is not erased.
pub fn notice_of(state: &State) -> Option<&Notice> {
    match state {
        State::None | State::Erased { .. } => None,
        State::Due { notice, .. }
        | State::Sending { notice, .. }
        | State::Sent { notice, .. }
        | State::OnStatusPage { notice, .. }
        | State::Failed { notice, .. } => Some(notice),
    }
}

fn one(event: Event) -> Verdict<Event, Refusal> {
    Verdict::Events(vec![event])
}

fn started(notice: &Notice, attempt: u8, now: Timestamp) -> Event {
    Event::Started { attempt, lease_until: later(now, notice.plan.lease_s.max(1)) }
}

fn wake_up(state: &State, now: Timestamp) -> Verdict<Event, Refusal> {
    match state {
        State::Due { notice, attempts, next_at, .. } if *next_at <= now => {
            if now >= give_up_at(notice) {
                return one(Event::GivenUp { reason: OUT_OF_TIME, at: now });
            }
            one(started(notice, attempts.saturating_add(1), now))
        }
        // Nobody came back within the lease: the outcome is unknown, so it is sent again.
        State::Sending { notice, attempt, lease_until, .. } if *lease_until <= now => {
            if *attempt >= notice.plan.attempts_max || now >= give_up_at(notice) {
                return one(Event::GivenUp { reason: OUTCOME_UNKNOWN, at: now });
            }
            one(started(notice, attempt.saturating_add(1), now))
        }
        _ => Verdict::Already,
    }
}

/// An outcome counts for the attempt that is under way; one of an earlier attempt, whose lease ran out, changes nothing.
fn in_flight(state: &State, attempt: u8, event: impl FnOnce(&Notice, u32) -> Event) -> Verdict<Event, Refusal> {
    match state {
        State::None => Verdict::Refused(Refusal::NoNotice),
        State::Sending { notice, attempt: current, postponed, .. } if *current == attempt => {
            one(event(notice, *postponed))
        }
        _ => Verdict::Already,
    }
}

fn give_up_at(notice: &Notice) -> Timestamp {
    later(notice.since, notice.plan.give_up_s)
}

/// The pause doubles with each failure up to its cap.
fn after(at: Timestamp, plan: Plan, failures: u32) -> Timestamp {
    let pause = plan.backoff_s.saturating_mul(2u32.saturating_pow(failures.min(31)));
    later(at, pause.min(plan.backoff_cap_s).max(1))
}

fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
