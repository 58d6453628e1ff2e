//! THE FLOW: what follows from an input, in every state. The order of the steps is in [`follow`] and [`begin`] alone.
//!
//! | kind | order |
//! |---|---|
//! | disclosure, third-party records, purpose notice | identity and fee side by side → answer |
//! | correction, suspension | identity → answer |
//! | provision stop | provisional block and identity side by side → final stop → all reports |
//! | deletion | as a stop, with the measure *erase* → all reports → answer |
//! | complaint, consultation | answer |

use super::{
    event::Event,
    evolve::evolve,
    input::{Author, Fact, Input, Refusal},
    note::{Noted, note},
    stage::{ending, ready_at, stage},
    state::{Answer, Block, Fee, File, Identity, Request, State},
};
use calendar::Calendar;
use chassis::machine::Verdict as Of;
use contracts::{EndedAs, StaffId, Timestamp};

/// What `decide` says of a case.
pub type Verdict = Of<Event, Refusal>;

/// See [`chassis::machine::Machine::decide`].
pub fn decide(state: &State, input: &Input, calendar: &Calendar) -> Verdict {
    match input {
        Input::Filed { request } => filed(state, request, calendar),
        Input::Fact(fact) => heard(state, fact, calendar),
        Input::Withdraw { at, by } => withdraw(state, *at, *by, calendar),
        Input::Revive { at, by } => revive(state, *at, *by, calendar),
        Input::Erase { at, by } => erase(state, *at, *by),
        Input::KeyDestroyed { at } => match state {
            State::Erasing { .. } => Of::Events(vec![Event::Erased { at: *at }]),
            State::Erased { .. } => Of::Already,
            State::Absent | State::Open { .. } | State::Ended { .. } => Of::Refused(Refusal::ErasureNotOrdered),
        },
        Input::Clock { now } => clock(state, *now, calendar),
    }
}

fn filed(state: &State, request: &Request, calendar: &Calendar) -> Verdict {
    let same = |receipt| receipt == request.receipt_number;
    match state {
        State::Absent => {
            let opened = Event::Opened { request: Box::new(request.clone()) };
            let mut steps = Steps::new(state, calendar);
            steps.push(opened);
            begin(&mut steps);
            steps.done()
        }
        State::Open { file } | State::Ended { file, .. } if !same(file.request.receipt_number) => {
            Of::Refused(Refusal::CaseExists)
        }
        State::Open { .. } | State::Ended { .. } | State::Erasing { .. } | State::Erased { .. } => Of::Already,
    }
}

fn heard(state: &State, fact: &Fact, calendar: &Calendar) -> Verdict {
    let (file, going) = match state {
        State::Absent => return Of::TooEarly,
        State::Erasing { .. } | State::Erased { .. } => return Of::Already,
        State::Open { file } => (file, true),
        State::Ended { file, ended_as, .. } => (file, *ended_as == EndedAs::Lapsed),
    };
    match note(file, going, fact, calendar) {
        Noted::Known => Of::Already,
        Noted::TooEarly => Of::TooEarly,
        Noted::Impossible(why) => Of::Refused(why),
        Noted::New(event) => {
            let mut steps = Steps::new(state, calendar);
            steps.push(event);
            steps.done()
        }
    }
}

fn withdraw(state: &State, at: Timestamp, by: Author, calendar: &Calendar) -> Verdict {
    match state {
        State::Absent => Of::TooEarly,
        State::Open { file } if file.stop.as_ref().is_some_and(|stop| stop.asked == Block::Final) => {
            Of::Refused(Refusal::StopStands)
        }
        State::Open { .. } => {
            let mut steps = Steps::new(state, calendar);
            steps.push(Event::Withdrawn { at, by });
            steps.done()
        }
        State::Ended { ended_as: EndedAs::Withdrawn, .. } => Of::Already,
        State::Ended { ended_as: EndedAs::Stopped, .. } => Of::Refused(Refusal::StopStands),
        State::Ended { .. } => Of::Refused(Refusal::AlreadyEnded),
        State::Erasing { .. } | State::Erased { .. } => Of::Refused(Refusal::Erased),
    }
}

fn revive(state: &State, at: Timestamp, by: StaffId, calendar: &Calendar) -> Verdict {
    match state {
        State::Absent => Of::TooEarly,
        State::Ended { file, ended_as: EndedAs::Lapsed, .. } => {
            // `round` is one more than the revivals so far.
            if file.round > file.request.terms.revivals_max || file.round == u8::MAX {
                return Of::Refused(Refusal::RevivedTooOften);
            }
            let mut steps = Steps::new(state, calendar);
            steps.push(Event::Revived { at, by });
            begin(&mut steps);
            steps.done()
        }
        State::Open { .. } | State::Ended { .. } => Of::Refused(Refusal::NotLapsed),
        State::Erasing { .. } | State::Erased { .. } => Of::Refused(Refusal::Erased),
    }
}

fn erase(state: &State, at: Timestamp, by: StaffId) -> Verdict {
    match state {
        State::Absent => Of::TooEarly,
        State::Open { .. } => Of::Refused(Refusal::NotEnded),
        State::Ended { .. } => Of::Events(vec![Event::ErasureOrdered { at, by }]),
        State::Erasing { .. } | State::Erased { .. } => Of::Already,
    }
}

fn clock(state: &State, now: Timestamp, calendar: &Calendar) -> Verdict {
    match lapse_at(state) {
        Some(at) if at <= now => {
            let mut steps = Steps::new(state, calendar);
            steps.push(Event::CompletionMissed { at: now });
            steps.done()
        }
        _ => Of::Already,
    }
}

/// When an open case lapses by itself.
pub fn lapse_at(state: &State) -> Option<Timestamp> {
    match state {
        State::Open { file } => match &file.identity {
            Identity::Deficient { lapse_at, .. } if file.answer == Answer::NotAsked => Some(*lapse_at),
            _ => None,
        },
        _ => None,
    }
}

/// The events of one decision, with the state after each.
struct Steps<'a> {
    before: &'a State,
    state: State,
    events: Vec<Event>,
    calendar: &'a Calendar,
}

impl<'a> Steps<'a> {
    fn new(before: &'a State, calendar: &'a Calendar) -> Self {
        Self { before, state: before.clone(), events: Vec::new(), calendar }
    }
    fn push(&mut self, event: Event) {
        self.state = evolve(std::mem::take(&mut self.state), &event);
        self.events.push(event);
    }
    /// Adds what follows, and says where the case stands if that changed.
    fn done(mut self) -> Verdict {
        while let Some(next) = follow(&self.state) {
            self.push(next);
        }
        let now = stage(&self.state, self.calendar);
        if now != stage(self.before, self.calendar)
            && let Some(now) = now
        {
            let (step, since, due_at, suit_from) = (now.step, now.since, now.due_at, now.suit_from);
            self.push(Event::Progressed { step, since, due_at, suit_from });
        }
        Of::Events(self.events)
    }
}

/// What a new round asks for at once. What does not depend on anything is asked for side by side.
fn begin(steps: &mut Steps<'_>) {
    let Some(file) = steps.state.file().cloned() else { return };
    if file.stop.is_some() {
        steps.push(Event::AskedToBlock { entry: file.entry() });
    }
    if file.identity == Identity::Awaited {
        steps.push(Event::AskedToVerify);
    }
    if matches!(file.fee, Fee::Due { .. }) {
        steps.push(Event::AskedForFee { charge: file.charge() });
    }
}

/// The next event that the facts ask for; `None` when all is done that can be done.
fn follow(state: &State) -> Option<Event> {
    match state {
        State::Open { file } => match ending(file) {
            Some((ended_as, at)) => Some(lift(file).unwrap_or(Event::Ended { ended_as, at })),
            None => go_on(file),
        },
        // A lapse is the weakest end: an accepted payment undoes one, a rejection turns it into another.
        State::Ended { file, ended_as: EndedAs::Lapsed, .. } => match ending(file) {
            Some((EndedAs::Lapsed, _)) => None,
            Some((ended_as, at)) => Some(Event::Ended { ended_as, at }),
            None => Some(Event::Resumed { at: resumed_at(file) }),
        },
        State::Absent | State::Ended { .. } | State::Erasing { .. } | State::Erased { .. } => None,
    }
}

/// A provisional block does not outlive a case that ends without a stop.
fn lift(file: &File) -> Option<Event> {
    let provisional = file.stop.as_ref().is_some_and(|stop| stop.asked == Block::Provisional);
    provisional.then(|| Event::AskedToLift { entry: file.entry() })
}

fn go_on(file: &File) -> Option<Event> {
    match &file.stop {
        Some(stop) if stop.asked == Block::Provisional && matches!(file.identity, Identity::Confirmed { .. }) => {
            Some(Event::AskedToStop { entry: file.entry() })
        }
        _ if file.answer == Answer::NotAsked && ready_at(file).is_some() => Some(Event::AskedForAnswer),
        _ => None,
    }
}

fn resumed_at(file: &File) -> Timestamp {
    match &file.fee {
        Fee::Paid { at, .. } => *at,
        _ => file.request.received_at,
    }
}
