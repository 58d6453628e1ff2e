//! The tables of one service in memory, and `handle` over them: bus.md 2.1 and 2.2 without the SQL.

use chassis::{Machine, Verdict};
use contracts::{Code, Envelope, Message, MessageId, Service, Timestamp, Uuid, envelope::Origin};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Milliseconds since the beginning of a run.
pub type Ms = u64;

/// The instant of a run's beginning: a Monday morning in Japan.
pub fn instant(now: Ms) -> Timestamp {
    Timestamp::from_millisecond(1_780_275_600_000 + now as i64).unwrap()
}

/// A message as it stands in an outbox, in flight and in an inbox.
#[derive(Debug)]
pub struct Said {
    pub envelope: Envelope,
    pub message: Message,
}

/// An outbox row.
#[derive(Clone)]
pub struct Out {
    pub said: Arc<Said>,
    pub unheard: BTreeSet<Service>,
    pub tries: u32,
    pub next_at: Ms,
}

/// How an inbox row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    Done,
    Later,
    Parked,
    Behind,
    Dropped,
}

/// An inbox row.
#[derive(Clone)]
pub struct Heard {
    pub lane: Uuid,
    pub source: Option<Service>,
    pub seq: i64,
    pub said: Option<Arc<Said>>,
    pub state: In,
    pub due_at: Ms,
    pub tries: u32,
    pub note: Code,
}

/// One row of the history: version, cause, event.
pub type Row<E> = (i64, Uuid, E);

/// The machines of one kind.
pub struct Store<M: Machine> {
    #[allow(clippy::type_complexity)] // version, state, history: said once
    pub rows: HashMap<Uuid, (i64, M::State, Vec<Row<M::Event>>)>,
    wakes: BTreeSet<(Timestamp, Uuid)>,
}

impl<M: Machine> Default for Store<M> {
    fn default() -> Self {
        Self { rows: HashMap::new(), wakes: BTreeSet::new() }
    }
}
impl<M: Machine> Clone for Store<M> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), wakes: self.wakes.clone() }
    }
}

impl<M: Machine> Store<M> {
    pub fn state(&self, id: Uuid) -> Option<&M::State> {
        self.rows.get(&id).map(|r| &r.1)
    }
    /// Machines that want to be woken.
    pub fn due(&self, now: Timestamp) -> Vec<Uuid> {
        self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }
    /// B1, and that a cause had its effect in one step only.
    pub fn check(&self, findings: &mut Vec<String>) {
        for (id, (version, state, history)) in &self.rows {
            let events: Vec<M::Event> = history.iter().map(|h| h.2.clone()).collect();
            if chassis::fold::<M>(M::State::default(), &events) != *state || history.len() as i64 != *version {
                findings.push(format!("{} {id}: the history does not fold to the row", M::KIND));
            }
            let mut causes: Vec<Uuid> = history.iter().map(|h| h.1).filter(|c| c != id).collect();
            causes.dedup();
            let steps = causes.len();
            causes.sort_unstable();
            causes.dedup();
            if causes.len() != steps {
                findings.push(format!("{} {id}: one cause had an effect twice", M::KIND));
            }
        }
    }
}

/// Why a machine is fed.
#[derive(Clone)]
pub enum Cause {
    Message(Arc<Said>),
    Person(Uuid),
    Clock,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Became {
    Done,
    Seen,
    Already,
    Waits,
    No(Code),
}

/// Inbox and outbox of one service, with the indexes of their tables.
#[derive(Clone, Default)]
pub struct Mail {
    pub inbox: HashMap<Uuid, Heard>,
    pub outbox: BTreeMap<Uuid, Out>,
    /// Open outbox rows by their time.
    pub open: BTreeSet<(Ms, Uuid)>,
    /// Inbox rows that are not done with, by lane.
    pub waiting: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// What was heard from each, in the order of the ids.
    pub from: BTreeMap<Service, BTreeSet<Uuid>>,
    /// The epoch that each hearer last answered with.
    pub peers: BTreeMap<Service, i32>,
    /// Up to which of our messages each hearer's inbox was compared with our outbox.
    pub checked: BTreeMap<Service, Uuid>,
    next_id: u64,
}

impl Mail {
    fn new_id(&mut self, now: Ms, salt: u8) -> Uuid {
        self.next_id += 1;
        let mut random = [0; 10];
        random[1..9].copy_from_slice(&self.next_id.to_be_bytes());
        random[9] = salt;
        uuid::Builder::from_unix_timestamp_millis(instant(now).as_millisecond() as u64, &random).into_uuid()
    }

    fn blocked(&self, lane: Uuid, source: Service, seq: i64) -> bool {
        self.waiting
            .get(&lane)
            .into_iter()
            .flatten()
            .filter_map(|id| self.inbox.get(id))
            .any(|row| row.source == Some(source) && row.seq < seq && matches!(row.state, In::Parked | In::Behind))
    }

    /// `told` of WRITE: false when the row is done with.
    pub fn tell(&mut self, id: Uuid, row: Heard) -> bool {
        let (state, source) = (row.state, row.source);
        match self.inbox.get_mut(&id) {
            Some(known) if matches!(known.state, In::Done | In::Dropped) => return false,
            Some(known) => {
                known.state = row.state;
                known.due_at = row.due_at;
                known.note = row.note;
            }
            None => {
                if let (Some(source), Some(_)) = (source, &row.said) {
                    self.from.entry(source).or_default().insert(id);
                }
                self.inbox.insert(id, row);
            }
        }
        // The first lane stays: a shell that put it off did not yet know the machine.
        let lane_of = self.inbox[&id].lane;
        if matches!(state, In::Done | In::Dropped) {
            if let Some(waiting) = self.waiting.get_mut(&lane_of) {
                waiting.remove(&id);
                if waiting.is_empty() {
                    self.waiting.remove(&lane_of);
                }
            }
        } else {
            self.waiting.entry(lane_of).or_default().insert(id);
        }
        true
    }

    /// `woke` of WRITE.
    fn wake(&mut self, lane: Uuid, but: Uuid, moved: bool, freed: bool, now: Ms) {
        for id in self.waiting.get(&lane).cloned().unwrap_or_default() {
            if id == but {
                continue;
            }
            let Some(row) = self.inbox.get_mut(&id) else { continue };
            if row.state == In::Later && moved || row.state == In::Behind && freed {
                row.state = In::Later;
                row.due_at = now;
            }
        }
    }

    pub fn reschedule(&mut self, id: Uuid, change: impl FnOnce(&mut Out)) {
        let Some(row) = self.outbox.get_mut(&id) else { return };
        self.open.remove(&(row.next_at, id));
        change(row);
        if !row.unheard.is_empty() {
            self.open.insert((row.next_at, id));
        }
    }

    /// The one function that changes a machine.
    pub fn handle<M: Machine>(
        &mut self,
        store: &mut Store<M>,
        now: Ms,
        id: Uuid,
        cause: &Cause,
        input: &M::Input,
    ) -> Became {
        let (token, source, seq, said) = match cause {
            Cause::Message(said) => {
                (Some(said.envelope.id.0), said.envelope.speaker(), said.envelope.sequence.number(), Some(said.clone()))
            }
            Cause::Person(token) => (Some(*token), None, 0, None),
            Cause::Clock => (None, None, 0, None),
        };
        if token.and_then(|t| self.inbox.get(&t)).is_some_and(|r| matches!(r.state, In::Done | In::Dropped)) {
            return Became::Seen;
        }
        let by_message = said.is_some();
        let row =
            |state, due_at, note| Heard { lane: id, source, seq, said: said.clone(), state, due_at, tries: 0, note };
        if by_message && source.is_some_and(|s| self.blocked(id, s, seq)) {
            self.tell(token.unwrap_or(id), row(In::Behind, now, Code::of("behind")));
            return Became::Waits;
        }
        let (version, state) = store.rows.get(&id).map_or((0, M::State::default()), |r| (r.0, r.1.clone()));
        match M::decide(&state, input) {
            Verdict::Events(events) => {
                assert!(!events.is_empty(), "{}: `Events` is never empty", M::KIND);
                let why = token.unwrap_or(id);
                if let Some(token) = token {
                    self.tell(token, row(In::Done, now, Code::of("done")));
                }
                let moved = version + events.len() as i64;
                self.write(store, now, id, (version, state), events, why, matches!(cause, Cause::Clock));
                self.wake(id, why, moved > version, token.is_some(), now);
                Became::Done
            }
            Verdict::Already => {
                if let Some(token) = token {
                    self.tell(token, row(In::Done, now, Code::of("already")));
                    self.wake(id, token, false, true, now);
                }
                Became::Already
            }
            Verdict::TooEarly if by_message => {
                self.tell(token.unwrap_or(id), row(In::Later, now + 1_000, Code::of("too-early")));
                Became::Waits
            }
            Verdict::Refused(why) if by_message => {
                self.tell(token.unwrap_or(id), row(In::Parked, now, why.into()));
                Became::Waits
            }
            Verdict::TooEarly => Became::No(Code::of("too-early")),
            Verdict::Refused(why) => Became::No(why.into()),
        }
    }

    #[allow(clippy::too_many_arguments)] // one step's facts, used once
    fn write<M: Machine>(
        &mut self,
        store: &mut Store<M>,
        now: Ms,
        id: Uuid,
        before: (i64, M::State),
        events: Vec<M::Event>,
        why: Uuid,
        by_clock: bool,
    ) {
        let (mut version, mut state) = before;
        let mut history = store.rows.remove(&id).map(|r| r.2).unwrap_or_default();
        if let Some(at) = M::wake(&state) {
            store.wakes.remove(&(at, id));
        }
        for event in events {
            version += 1;
            state = M::evolve(state, &event);
            for (message, index) in M::announce(id, &state, &event).into_iter().zip(0..16) {
                let message_id = self.new_id(now, M::SERVICE as u8);
                let origin = Origin {
                    id: MessageId(message_id),
                    subject: id,
                    correlation: M::correlation(id, &state),
                    causation: why,
                    seq: 16 * version + index,
                    time: instant(now),
                    traceparent: None,
                };
                let envelope = Envelope::new(&message, origin);
                let unheard = message.entry().hearers.iter().copied().collect();
                self.outbox.insert(
                    message_id,
                    Out { said: Arc::new(Said { envelope, message }), unheard, tries: 0, next_at: now },
                );
                self.open.insert((now, message_id));
            }
            history.push((version, why, event));
        }
        if let Some(at) = M::wake(&state) {
            assert!(!by_clock || at > instant(now), "{}: wake_at must be later than now after ClockReached", M::KIND);
            store.wakes.insert((at, id));
        }
        store.rows.insert(id, (version, state, history));
    }
}
