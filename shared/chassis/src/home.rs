//! `handle`: the only way that a machine's state changes (bus.md 2.1).
//!
//! One transaction locks the machine's row, decides, and writes state, history, leaf, outbox and inbox together. It runs
//! in a task of its own: a caller that goes away cannot cancel it. If the commit's outcome is unknown, call again with
//! the same cause: the inbox row tells.

use crate::{
    bus::Bus,
    cause::Cause,
    clock::Clock,
    db::{Db, DbError},
    machine::{Machine, Verdict},
    outcome::Outcome,
    statement::{Lock, Many, Statements, Written},
    telemetry,
};
use async_trait::async_trait;
use contracts::{
    Envelope, MessageId, Timestamp, Uuid,
    envelope::{Origin, TraceParent},
    request::StaffReply,
};
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// How often `handle` decides again because another writer was first, before it gives up.
const CONFLICTS_MAX: u32 = 20;
/// How long a machine whose wake-up failed is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(60);
/// The most of them that are remembered.
const SLEEPLESS_MAX: usize = 10_000;

/// What one step did, for the rows that go with it.
#[derive(Debug, Clone)]
pub struct Step<M: Machine> {
    /// The machine.
    pub id: Uuid,
    /// Its version after the step.
    pub version: i64,
    /// Before.
    pub before: M::State,
    /// After.
    pub after: M::State,
    /// What happened.
    pub events: Vec<M::Event>,
    /// Why.
    pub cause: Uuid,
    /// When.
    pub at: Timestamp,
}

/// The service's own rows that go with a machine's state, in the same transaction: a status letter, a register row, a
/// ledger entry. Nothing but SQL in here; it may run more than once when another writer was first.
pub trait Rows<M: Machine>: Send + Sync {
    /// Writes them.
    fn write<'c>(&'c self, tx: &'c mut PgConnection, step: &'c Step<M>) -> BoxFuture<'c, Result<(), sqlx::Error>>;
}

/// No rows but the bus's own.
#[derive(Debug)]
pub struct NoRows;

impl<M: Machine> Rows<M> for NoRows {
    fn write<'c>(&'c self, _: &'c mut PgConnection, _: &'c Step<M>) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async { Ok(()) })
    }
}

/// Why a step could not be taken now. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The database did not do it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A state or event in the database does not decode: the program is older than its data.
    #[error("a stored {kind} of version {version} does not decode: is this program older than its data?")]
    Stored {
        /// The machine's table.
        kind: &'static str,
        /// The row's version.
        version: i64,
    },
    /// Others were first, twenty times in a row.
    #[error("other writers were first {CONFLICTS_MAX} times; try again")]
    Busy,
    /// Something that the service needs could not be had (a neighbour, a key, a file). Try again.
    #[error("{0}")]
    Unavailable(String),
}

impl From<sqlx::Error> for HandleError {
    fn from(e: sqlx::Error) -> Self {
        Self::Db(e.into())
    }
}

/// Where the machines of one kind live.
pub struct Home<M: Machine> {
    inner: Arc<Inner<M>>,
}

struct Inner<M: Machine> {
    db: Db,
    clock: Clock,
    sql: Statements,
    rows: Arc<dyn Rows<M>>,
    wake: Arc<Notify>,
    /// Machines whose wake-up failed, and since when: left alone for a while, so that a hundred of them do not keep all the
    /// others asleep.
    sleepless: Mutex<BTreeMap<Uuid, Instant>>,
}

impl<M: Machine> Clone for Home<M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<M: Machine> Home<M> {
    /// Machines without rows of their own.
    pub fn new(bus: &Bus) -> Self {
        Self::with_rows(bus, Arc::new(NoRows))
    }
    /// Machines with rows that go with their state.
    pub fn with_rows(bus: &Bus, rows: Arc<dyn Rows<M>>) -> Self {
        Self::standing_alone(bus.db().clone(), bus.clock().clone(), rows, bus.relay_wake())
    }
    /// Without a bus, for tests of `handle` itself.
    pub fn standing_alone(db: Db, clock: Clock, rows: Arc<dyn Rows<M>>, wake: Arc<Notify>) -> Self {
        Self {
            inner: Arc::new(Inner { db, clock, sql: Statements::of(M::KIND), rows, wake, sleepless: Mutex::default() }),
        }
    }

    /// Feeds one input to one machine. See the module's text.
    pub async fn handle(&self, id: Uuid, cause: Cause, input: M::Input) -> Result<Outcome<M>, HandleError> {
        let this = self.clone();
        let task =
            tokio::spawn(tracing::Instrument::in_current_span(
                async move { this.decide_and_write(id, cause, input).await },
            ));
        task.await.unwrap_or(Err(HandleError::Db(DbError::Panicked)))
    }

    async fn decide_and_write(&self, id: Uuid, cause: Cause, input: M::Input) -> Result<Outcome<M>, HandleError> {
        let trace = telemetry::current_traceparent();
        for _ in 0..CONFLICTS_MAX {
            match self.attempt(id, &cause, &input, trace.clone()).await {
                Ok(Some(outcome)) => {
                    if matches!(outcome, Outcome::Done { .. }) {
                        self.inner.wake.notify_one();
                    }
                    log_outcome(id, &cause, &outcome);
                    return Ok(outcome);
                }
                Ok(None) => telemetry::count("madoguchi.handle.conflicts", M::KIND),
                Err(HandleError::Db(e)) if e.is_conflict() => telemetry::count("madoguchi.handle.conflicts", M::KIND),
                Err(e) => return Err(e),
            }
        }
        Err(HandleError::Busy)
    }

    /// `None`: another writer was first, decide again.
    async fn attempt(
        &self,
        id: Uuid,
        cause: &Cause,
        input: &M::Input,
        trace: Option<TraceParent>,
    ) -> Result<Option<Outcome<M>>, HandleError> {
        #[allow(clippy::disallowed_methods)] // `handle` runs this in a task of its own
        let mut tx = self.inner.db.pool().begin().await?;
        let lock = self.inner.sql.lock(&mut tx, id, cause).await?;
        if lock.is_seen() {
            return Ok(Some(Outcome::Seen { answer: lock.answer }));
        }
        let state: M::State = lock.state::<M>()?;
        let now = self.inner.clock.now();
        let verdict = if lock.blocked { None } else { Some(M::decide(&state, input)) };
        let written = match verdict {
            None => Written::waiting("behind", "behind-a-parked-message"),
            Some(Verdict::Events(events)) => {
                return self.write_step(tx, id, cause, &lock, state, events, now, trace).await;
            }
            Some(Verdict::Already) => Written::heard(reply_bytes::<M>(id, &state, cause)),
            Some(Verdict::TooEarly) if cause.is_message() => Written::too_early(&lock),
            Some(Verdict::Refused(why)) if cause.is_message() => Written::waiting("parked", why.into().as_str()),
            // The same order may have been obeyed while this one waited for the row: then it gets that answer.
            Some(refused) => {
                return Ok(Some(match (self.inner.sql.answered(&mut tx, cause).await?, refused) {
                    (Some(answer), _) => Outcome::Seen { answer },
                    (None, Verdict::Refused(why)) => Outcome::Refused(why),
                    (None, _) => Outcome::TooEarly,
                }));
            }
        };
        let inbox = written.state;
        let (told, _) = self.inner.sql.write(&mut tx, id, cause, &written, lock.version).await?;
        if told == 0 && cause.token().is_some() {
            return Ok(another_was_faster(cause));
        }
        tx.commit().await?;
        if inbox == "parked" {
            telemetry::count("madoguchi.parked", written.note.as_deref().unwrap_or_default());
            tracing::Span::current().record("error.type", "parked");
        }
        Ok(Some(match inbox {
            "later" => Outcome::Later,
            "parked" => Outcome::Parked,
            "behind" => Outcome::Behind,
            _ => Outcome::Already { state },
        }))
    }

    #[allow(clippy::too_many_arguments)] // one step's facts, used once
    async fn write_step(
        &self,
        mut tx: sqlx::Transaction<'_, sqlx::Postgres>,
        id: Uuid,
        cause: &Cause,
        lock: &Lock,
        before: M::State,
        events: Vec<M::Event>,
        now: Timestamp,
        trace: Option<TraceParent>,
    ) -> Result<Option<Outcome<M>>, HandleError> {
        let why = cause.id_or(id);
        let (after, mut written) = write_down::<M>(id, lock.version, before.clone(), &events, why, now, trace);
        written.answer = reply_bytes::<M>(id, &after, cause);
        if matches!(cause, Cause::Clock) {
            // A wake-up that does not move the next one would be fed for ever. Compared with what it was, not with the
            // clock: a machine that slept (a suspended host) may have several wake-ups behind it.
            let (was, is) = (M::wake(&before), M::wake(&after));
            assert!(
                is.is_none_or(|is| is > now || was.is_none_or(|was| is > was)),
                "{}: wake_at must move after ClockReached",
                M::KIND
            );
        }
        let version = written.version;
        let (told, put) = self.inner.sql.write(&mut tx, id, cause, &written, lock.version).await?;
        if told == 0 && cause.token().is_some() {
            return Ok(another_was_faster(cause));
        }
        if put == 0 {
            return Ok(None);
        }
        let step = Step { id, version, before, after, events, cause: why, at: now };
        self.inner.rows.write(&mut tx, &step).await?;
        tx.commit().await?;
        Ok(Some(Outcome::Done { version, state: step.after }))
    }

    /// Machines whose wake-up failed a short while ago.
    fn left_alone(&self) -> Vec<Uuid> {
        let mut sleepless = self.inner.sleepless.lock().unwrap_or_else(PoisonError::into_inner);
        sleepless.retain(|_, since| since.elapsed() < LEFT_ALONE);
        sleepless.keys().copied().collect()
    }

    /// The machine as it stands; `None` when there is none.
    pub async fn read(&self, id: Uuid) -> Result<Option<(i64, M::State)>, HandleError> {
        match self.inner.sql.read(self.inner.db.pool(), id).await? {
            None => Ok(None),
            Some((version, state)) => {
                let state =
                    serde_json::from_value(state).map_err(|_| HandleError::Stored { kind: M::KIND, version })?;
                Ok(Some((version, state)))
            }
        }
    }
}

/// One line per order and wake-up, inside the span of whoever feeds it: ids, words and positions only. Messages have theirs in
/// the consumer.
fn log_outcome<M: Machine>(id: Uuid, cause: &Cause, outcome: &Outcome<M>) {
    if cause.is_message() {
        return;
    }
    let version = if let Outcome::Done { version, .. } = outcome { *version } else { 0 };
    let (service, source) = (M::SERVICE.token(), cause.source());
    tracing::debug!(service, kind = M::KIND, source, outcome = outcome.word(), id = %id, position = version, "fed");
}

/// Another replica wrote the inbox row first. A person gets the answer stored there (so: look again), a message needs none.
fn another_was_faster<M: Machine>(cause: &Cause) -> Option<Outcome<M>> {
    (!matches!(cause, Cause::Person(_))).then_some(Outcome::Seen { answer: None })
}

/// One machine to be born in a batch.
#[derive(Debug)]
pub struct Newborn<M: Machine> {
    /// The machine.
    pub id: Uuid,
    /// What happened to it, from nothing on; at least one.
    pub events: Vec<M::Event>,
    /// Why.
    pub cause: Uuid,
    /// The trace in which it happened.
    pub trace: Option<TraceParent>,
}

/// Gives birth to many machines inside the caller's transaction, in one round trip to the database (fan-out). No inbox rows:
/// the batch's own marks make it happen once. They must be new: one that exists already is an error, and the caller's
/// transaction ends with it.
///
/// # Errors
/// The database did not do it.
pub async fn birth_many<M: Machine>(
    tx: &mut PgConnection,
    newborn: Vec<Newborn<M>>,
    at: Timestamp,
) -> Result<(), DbError> {
    if newborn.is_empty() {
        return Ok(());
    }
    let mut many = Many::default();
    for one in newborn {
        let (_, written) = write_down::<M>(one.id, 0, M::State::default(), &one.events, one.cause, at, one.trace);
        many.add(one.id, written);
    }
    Statements::write_many(tx, M::KIND, many, at).await
}

/// Events to rows: state, history, leaves and outbox, as they will stand in the database.
fn write_down<M: Machine>(
    id: Uuid,
    old: i64,
    before: M::State,
    events: &[M::Event],
    cause: Uuid,
    at: Timestamp,
    trace: Option<TraceParent>,
) -> (M::State, Written) {
    let mut written = Written::step(old + events.len() as i64, at);
    written.why = Some(cause);
    let mut state = before;
    for (event, version) in events.iter().zip(old + 1..) {
        state = M::evolve(state, event);
        // Events are plain data with text keys: serialising them into memory cannot fail.
        let json = serde_json::to_string(event).unwrap_or_default();
        let salt: [u8; 16] = rand::random();
        written.leaves.push(Sha256::new().chain_update(salt).chain_update(&json).finalize().to_vec());
        written.salts.push(salt.to_vec());
        written.events.push(json);
        for (message, index) in M::announce(id, &state, event).iter().zip(0..16) {
            let seq = 16 * version + index;
            let origin = Origin {
                id: MessageId::new(),
                subject: id,
                correlation: M::correlation(id, &state),
                causation: cause,
                seq,
                time: at,
                traceparent: trace.clone(),
            };
            let (entry, bytes) = (message.entry(), Envelope::new(message, origin.clone()).to_bytes());
            written.say(origin.id.0, seq, entry.subject(id), bytes, entry.hearers);
        }
    }
    written.state_json = serde_json::to_value(&state).unwrap_or_default();
    written.wake = M::wake(&state);
    (state, written)
}

/// The stored answer to a person, so that the same token again gets the same reply.
fn reply_bytes<M: Machine>(id: Uuid, state: &M::State, cause: &Cause) -> Option<Vec<u8>> {
    matches!(cause, Cause::Person(_)).then(|| {
        serde_json::to_vec(&StaffReply::Done { machine: id, status: M::status(state), figures: vec![] })
            .unwrap_or_default()
    })
}

/// A home whose machines want to be woken.
#[async_trait]
pub trait Wakes: Send + Sync {
    /// Feeds `clock` to at most 100 machines that are due; how many took it.
    async fn wake_due(&self) -> Result<usize, HandleError>;
    /// The machines' table.
    fn kind(&self) -> &'static str;
}

#[async_trait]
impl<M: Machine> Wakes for Home<M> {
    async fn wake_due(&self) -> Result<usize, HandleError> {
        let now = self.inner.clock.now();
        let due = self.inner.sql.due(self.inner.db.pool(), now, &self.left_alone()).await?;
        let mut woken = 0;
        for id in &due {
            // One that cannot be woken must not keep the others asleep.
            match self.handle(*id, Cause::Clock, M::clock(now)).await {
                Ok(_) => woken += 1,
                Err(error) => {
                    tracing::error!(machine = %id, kind = M::KIND, %error, "a wake-up failed");
                    let mut sleepless = self.inner.sleepless.lock().unwrap_or_else(PoisonError::into_inner);
                    if sleepless.len() < SLEEPLESS_MAX {
                        sleepless.insert(*id, Instant::now());
                    }
                }
            }
        }
        Ok(woken)
    }
    fn kind(&self) -> &'static str {
        M::KIND
    }
}
