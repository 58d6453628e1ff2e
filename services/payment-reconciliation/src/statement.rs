//! 入出金明細のファイル: one imported bank file as a machine. Pure; lines and books are rows that go with it.
//!
//! Its id follows from the file's bytes, so the same file twice is the same machine: already true.

use chassis::machine::{Machine, Verdict};
use contracts::{
    BankLineId, Code, Digest, Message, Service, StatementId, Uuid,
    payment::{LineUnmatched, StatementImported, Yen},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name space of statement ids (version 5 of this and the file's digest).
const FILES: Uuid = Uuid::from_u128(0x6d61646f_6775_6368_8000_00626e6b666c);

/// The statement that these bytes are.
pub fn id_of(digest: &Digest) -> StatementId {
    StatementId::derived(FILES, &digest.to_string())
}

/// The most facts that one event may give (the bus numbers them 16 to a version).
const FACTS: usize = 16;

/// A line that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The line.
    pub line: BankLineId,
    /// Why.
    pub reason: Code,
    /// How much.
    pub amount: Yen,
}

/// How a statement stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// Not imported.
    #[default]
    Absent,
    /// 取込済み
    Imported {
        /// Lines of the file.
        lines: u32,
        /// Lines that no earlier file held.
        fresh: u32,
        /// Lines that paid a charge.
        matched: u32,
        /// Lines that wait for a person.
        exceptions: u32,
        /// When.
        at: Timestamp,
    },
}

/// What may happen to it.
#[derive(Debug, Clone)]
pub enum Input {
    /// The file was understood in whole and its fresh lines were matched.
    Import {
        /// Lines of the file.
        lines: u32,
        /// Lines that no earlier file held.
        fresh: u32,
        /// Lines that pay a charge.
        matched: u32,
        /// The others that need a person.
        waiting: Vec<Waiting>,
        /// Now.
        at: Timestamp,
    },
    /// A match did not hold: its charge had changed meanwhile, or the bank took the line back.
    Return {
        /// The line, with the reason.
        line: Waiting,
        /// Now.
        at: Timestamp,
    },
    /// Time passed; nothing here goes by the clock.
    Clock,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Taken in whole.
    Imported {
        /// Lines of the file.
        lines: u32,
        /// Lines that no earlier file held.
        fresh: u32,
        /// Lines that pay a charge.
        matched: u32,
        /// Lines that need a person.
        exceptions: u32,
        /// When.
        at: Timestamp,
    },
    /// These wait for a person; at most 16.
    Waits {
        /// Which.
        lines: Vec<Waiting>,
        /// When.
        at: Timestamp,
    },
    /// A matched line came back.
    Returned {
        /// Which.
        line: Waiting,
        /// When.
        at: Timestamp,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such statement.
    Unknown,
}

impl From<Refusal> for Code {
    fn from(_: Refusal) -> Code {
        const { Code::of("statement-unknown") }
    }
}

/// The machine.
#[derive(Debug)]
pub struct Statement;

impl Machine for Statement {
    const KIND: &'static str = "statement";
    const SERVICE: Service = Service::Payment;
    type State = State;
    type Input = Input;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, input: &Input) -> Verdict<Event, Refusal> {
        match (state, input) {
            (State::Absent, Input::Import { lines, fresh, matched, waiting, at }) => {
                let exceptions = waiting.len() as u32;
                let imported = Event::Imported { lines: *lines, fresh: *fresh, matched: *matched, exceptions, at: *at };
                let waits = waiting.chunks(FACTS).map(|lines| Event::Waits { lines: lines.to_vec(), at: *at });
                Verdict::Events(std::iter::once(imported).chain(waits).collect())
            }
            (State::Imported { .. }, Input::Import { .. }) => Verdict::Already,
            (State::Imported { .. }, Input::Return { line, at }) => {
                Verdict::Events(vec![Event::Returned { line: line.clone(), at: *at }])
            }
            (State::Absent, Input::Return { .. }) => Verdict::Refused(Refusal::Unknown),
            (_, Input::Clock) => Verdict::Already,
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (event, state) {
            (Event::Imported { lines, fresh, matched, exceptions, at }, _) => {
                State::Imported { lines: *lines, fresh: *fresh, matched: *matched, exceptions: *exceptions, at: *at }
            }
            (Event::Returned { .. }, State::Imported { lines, fresh, matched, exceptions, at }) => {
                State::Imported { lines, fresh, matched: matched.saturating_sub(1), exceptions: exceptions + 1, at }
            }
            (_, state) => state,
        }
    }

    fn announce(id: Uuid, _: &State, event: &Event) -> Vec<Message> {
        let statement = StatementId(id);
        let unmatched = |w: &Waiting, at: Timestamp| -> Message {
            LineUnmatched { statement, line: w.line, reason: w.reason.clone(), amount: w.amount, at }.into()
        };
        match event {
            Event::Imported { lines, matched, exceptions, at, .. } => {
                vec![
                    StatementImported { statement, lines: *lines, matched: *matched, exceptions: *exceptions, at: *at }
                        .into(),
                ]
            }
            Event::Waits { lines, at } => lines.iter().map(|w| unmatched(w, *at)).collect(),
            Event::Returned { line, at } => vec![unmatched(line, *at)],
        }
    }

    fn wake(_: &State) -> Option<Timestamp> {
        None
    }

    fn clock(_: Timestamp) -> Input {
        Input::Clock
    }

    fn status(state: &State) -> Code {
        match state {
            State::Absent => const { Code::of("absent") },
            State::Imported { .. } => const { Code::of("imported") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::machine::fold;

    fn waiting(n: u128) -> Waiting {
        Waiting { line: BankLineId(Uuid::from_u128(n)), reason: Code::of("no-reference"), amount: Yen(4_000) }
    }
    fn import(n: u128) -> Input {
        Input::Import {
            lines: 100,
            fresh: 90,
            matched: 3,
            waiting: (0..n).map(waiting).collect(),
            at: Timestamp::UNIX_EPOCH,
        }
    }
    fn events(state: &State, input: &Input) -> Vec<Event> {
        match Statement::decide(state, input) {
            Verdict::Events(events) => events,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_waiting_line_is_said_and_no_event_says_more_than_the_bus_can_number() {
        for n in [0, 1, 15, 16, 17, 1_000] {
            let events = events(&State::Absent, &import(n));
            let state = fold::<Statement>(State::Absent, &events);
            let said: Vec<usize> = events.iter().map(|e| Statement::announce(Uuid::nil(), &state, e).len()).collect();
            assert!(said.iter().all(|n| *n <= FACTS), "{said:?}");
            assert_eq!(said.iter().sum::<usize>(), 1 + n as usize);
            assert!(
                matches!(state, State::Imported { lines: 100, fresh: 90, matched: 3, exceptions, .. } if exceptions as u128 == n)
            );
        }
    }

    #[test]
    fn every_input_has_a_verdict_in_every_state() {
        let imported = fold::<Statement>(State::Absent, &events(&State::Absent, &import(2)));
        let back = Input::Return { line: waiting(7), at: Timestamp::UNIX_EPOCH };
        assert_eq!(Statement::decide(&imported, &import(5)), Verdict::Already);
        assert_eq!(Statement::decide(&imported, &Input::Clock), Verdict::Already);
        assert_eq!(Statement::decide(&State::Absent, &Input::Clock), Verdict::Already);
        assert_eq!(Statement::decide(&State::Absent, &back), Verdict::Refused(Refusal::Unknown));
        let after = fold::<Statement>(imported.clone(), &events(&imported, &back));
        assert!(matches!(after, State::Imported { matched: 2, exceptions: 3, .. }));
        assert_eq!(Statement::wake(&after), None);
        assert_eq!(serde_json::from_value::<State>(serde_json::to_value(&after).unwrap()).unwrap(), after);
    }

    #[test]
    fn the_same_bytes_are_the_same_statement() {
        assert_eq!(id_of(&Digest([1; 32])), id_of(&Digest([1; 32])));
        assert_ne!(id_of(&Digest([1; 32])), id_of(&Digest([2; 32])));
    }
}
