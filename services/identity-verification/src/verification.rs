//! 本人確認: the machine of one verification. Pure: no I/O, no clock, no randomness; its id is the case's.
//!
//! The case asks (`VerifyIdentity`), a member of staff looks at the papers and confirms, asks for completion or rejects.
//! Commands and facts of the case carry the case machine's `sequence`: a late end of an earlier life of a revived case
//! does not close the verification that the revived case asked for, and a late command does not open an ended one.

use crate::documents::{Judgement, Matrix};
use calendar::jst_date;
use chassis::machine::{Machine, NOTHING_MORE, NOTHING_YET, Verdict, in_sequence};
use contracts::{
    CaseId, Code, Message, Service, StaffId,
    identity::{IdentityConfirmed, IdentityDeficient, IdentityRejected},
};
use jiff::Timestamp;
use uuid::Uuid;

mod state;
pub use state::*;

type Said = Verdict<Event, Refusal>;

/// The machine.
pub struct Verification;

impl Machine for Verification {
    const KIND: &'static str = "verification";
    const SERVICE: Service = Service::Identity;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Said {
        match input {
            Input::Verify { ask, seq } => in_sequence(last(state), *seq, Event::Asked { ask: ask.clone(), seq: *seq }),
            Input::CaseEnded { at, seq } => in_sequence(last(state), *seq, Event::Closed { at: *at, seq: *seq }),
            Input::CaseErased { at } => match state {
                State::Erased { .. } => Verdict::Already,
                _ => one(Event::Erased { at: *at }),
            },
            Input::Clock { now } => match state {
                State::Deficient { due_at, overdue: false, .. } if due_at <= now => {
                    one(Event::CompletionOverdue { at: *now })
                }
                _ => Verdict::Already,
            },
            Input::Confirm { papers, by, at } => match open(state) {
                Open::Ask(ask) => confirm(ask, papers, *by, *at),
                Open::Confirmed => Verdict::Already,
                Open::Not(verdict) => verdict,
            },
            Input::AskForCompletion { reasons, by, at, due_at } => match open(state) {
                Open::Ask(_) if !(1..=REASONS_MAX).contains(&reasons.len()) => Verdict::Refused(Refusal::ReasonCount),
                Open::Ask(_) if asks(state) >= COMPLETIONS_MAX => Verdict::Refused(Refusal::TooManyCompletions),
                Open::Ask(_) => {
                    one(Event::CompletionAsked { reasons: reasons.clone(), by: *by, at: *at, due_at: *due_at })
                }
                Open::Confirmed => Verdict::Refused(Refusal::AlreadyConfirmed),
                Open::Not(verdict) => verdict,
            },
            Input::Reject { reasons, by, at } => match open(state) {
                Open::Ask(_) if !(1..=REASONS_MAX).contains(&reasons.len()) => Verdict::Refused(Refusal::ReasonCount),
                Open::Ask(_) => one(Event::Rejected { reasons: reasons.clone(), by: *by, at: *at }),
                Open::Confirmed => Verdict::Refused(Refusal::AlreadyConfirmed),
                Open::Not(Verdict::Refused(Refusal::AlreadyRejected)) => Verdict::Already,
                Open::Not(verdict) => verdict,
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event.clone() {
            Event::Asked { ask, seq } => State::Pending { ask, last: seq },
            Event::Confirmed { rule, by, at, .. } => State::Confirmed { last: last(&state), rule, by, at },
            Event::CompletionAsked { reasons, due_at, .. } => {
                let (last, asks) = (last(&state), asks(&state).saturating_add(1));
                match state {
                    State::Pending { ask, .. } | State::Deficient { ask, .. } => {
                        State::Deficient { ask, last, reasons, due_at, overdue: false, asks }
                    }
                    other => other,
                }
            }
            Event::CompletionOverdue { .. } => match state {
                State::Deficient { ask, last, reasons, due_at, asks, .. } => {
                    State::Deficient { ask, last, reasons, due_at, overdue: true, asks }
                }
                other => other,
            },
            Event::Rejected { reasons, by, at } => State::Rejected { last: last(&state), reasons, by, at },
            Event::Closed { at, seq } => State::Closed { last: seq, at },
            Event::Erased { at } => State::Erased { at },
        }
    }

    fn announce(id: Uuid, _after: &State, event: &Event) -> Vec<Message> {
        let case = CaseId(id);
        match event.clone() {
            Event::Confirmed { rule, by, at, .. } => vec![IdentityConfirmed { case, at, by, rule }.into()],
            Event::CompletionAsked { reasons, at, due_at, .. } => {
                vec![IdentityDeficient { case, at, reasons, due_at }.into()]
            }
            Event::Rejected { reasons, at, .. } => vec![IdentityRejected { case, at, reasons }.into()],
            Event::Asked { .. } | Event::CompletionOverdue { .. } | Event::Closed { .. } | Event::Erased { .. } => {
                vec![]
            }
        }
    }

    fn wake(state: &State) -> Option<Timestamp> {
        match state {
            State::Deficient { due_at, overdue: false, .. } => Some(*due_at),
            _ => None,
        }
    }

    fn clock(now: Timestamp) -> Input {
        Input::Clock { now }
    }

    fn status(state: &State) -> Code {
        match state {
            State::None => Code::of("none"),
            State::Pending { .. } => Code::of("pending"),
            State::Deficient { overdue: false, .. } => Code::of("deficient"),
            State::Deficient { overdue: true, .. } => Code::of("deficient-overdue"),
            State::Confirmed { .. } => Code::of("confirmed"),
            State::Rejected { .. } => Code::of("rejected"),
            State::Closed { .. } => Code::of("closed"),
            State::Erased { .. } => Code::of("erased"),
        }
    }
}

/// Until when the mending is awaited: `days` after the day on which it is asked for (初日不算入, 民法140条), to the end of
/// that day in Japan, or of the counter's next open day. The number of days is the operator's own (UNVERIFIED).
pub fn completion_due(at: Timestamp, days: u16) -> Timestamp {
    let rule =
        calendar::Rule::new("operator's procedure: 補正の期間", calendar::Counting::From, calendar::Span::Days(days))
            .or_next_open(calendar::Schedule::Office);
    calendar::end_of(calendar::last_day(jst_date(at), &rule, calendar::Calendar::embedded()))
}

enum Open<'s> {
    Ask(&'s Ask),
    Confirmed,
    Not(Said),
}

/// Whether a member of staff can act on it.
fn open(state: &State) -> Open<'_> {
    match state {
        State::None => Open::Not(Verdict::TooEarly),
        State::Pending { ask, .. } | State::Deficient { ask, .. } => Open::Ask(ask),
        State::Confirmed { .. } => Open::Confirmed,
        State::Rejected { .. } => Open::Not(Verdict::Refused(Refusal::AlreadyRejected)),
        State::Closed { .. } => Open::Not(Verdict::Refused(Refusal::CaseEnded)),
        State::Erased { .. } => Open::Not(Verdict::Refused(Refusal::CaseErased)),
    }
}

fn one(event: Event) -> Said {
    Verdict::Events(vec![event])
}

fn confirm(ask: &Ask, papers: &[Code], by: StaffId, at: Timestamp) -> Said {
    if !(1..=PAPERS_MAX).contains(&papers.len()) {
        return Verdict::Refused(Refusal::PaperCount);
    }
    let matrix = Matrix::embedded();
    match matrix.suffices(papers, ask.capacity, ask.track, jst_date(ask.received_at)) {
        Judgement::Sufficient { rule } => {
            one(Event::Confirmed { papers: papers.to_vec(), rule, edition: matrix.edition().clone(), by, at })
        }
        Judgement::Missing { codes, not_accepted } => Verdict::Refused(match not_accepted.into_iter().next() {
            Some(paper) => Refusal::NotAccepted(paper),
            None => Refusal::Missing(codes),
        }),
        Judgement::UnknownPaper(_) => Verdict::Refused(Refusal::UnknownPaper),
        Judgement::NoRule => Verdict::Refused(Refusal::NoRule),
    }
}

/// The greatest `sequence` of the case that was followed.
fn last(state: &State) -> i64 {
    match state {
        State::None => NOTHING_YET,
        State::Erased { .. } => NOTHING_MORE,
        State::Pending { last, .. }
        | State::Deficient { last, .. }
        | State::Confirmed { last, .. }
        | State::Rejected { last, .. }
        | State::Closed { last, .. } => *last,
    }
}

fn asks(state: &State) -> u8 {
    match state {
        State::Deficient { asks, .. } => *asks,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
