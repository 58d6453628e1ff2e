//! Fan-out: one writer at a time gives every change its instructions, with positions without a gap (bus.md 2.4).
//!
//! Nothing slow happens under the lock: identifiers are opened and sealed to each recipient before it. Recipients are
//! registered and changed under the same lock, so a batch knows exactly who is in force and what was agreed with them.
//! Three kinds of work go through here, all of them as [`Job`]s: changes of entries (to everybody who is told), standing
//! entries that one recipient is still to be told of (it came later), and what an old endpoint owed.

mod jobs;
mod whom;
mod write;

pub use jobs::in_force;

use crate::{
    engine::News,
    instruction::Instruction,
    person::{PersonError, Persons, Register},
    propagation::{self, Candidate, Periods},
    retention::Record,
};
use calendar::Calendar;
use chassis::{Bus, Cause, DbError, HandleError, Home, telemetry};
use contracts::{
    CaseId, ChangeId, Date, EntryId, InstructionId, Measure, RecipientId, Scope, Timestamp, Uuid,
    envelope::TraceParent, forms::Whom, recipient::EraseTerms,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Notify;
use whom::Called;

/// Changes in one batch.
const BATCH: i64 = 64;
/// Instructions of recipients that came later, in one batch.
const LATE: i64 = 256;

/// What the fan-out needs.
pub struct FanOut {
    /// The bus: database, clock, epoch, relay.
    pub bus: Arc<Bus>,
    /// Identifiers.
    pub register: Arc<Register>,
    /// The instructions' machines: what was replaced is cancelled through them.
    pub instructions: Home<Instruction>,
    /// What the statute's words are in time.
    pub periods: Periods,
    /// First pause without 受領, in seconds.
    pub remind_seconds: u32,
    /// Of a hundred reports, how many a person confirms.
    pub sample_percent: u32,
    /// Wakes this loop.
    pub wake: Arc<Notify>,
    /// Wakes the deliveries.
    pub deliveries: Arc<News>,
}

/// Why a batch was not fanned out.
#[derive(Debug, thiserror::Error)]
pub enum FanOutError {
    /// The database did not do it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A machine could not be fed.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// Identifiers cannot be had.
    #[error("identifiers: {0}")]
    Person(#[from] PersonError),
    /// A recipient's key cannot be sealed to, or the identifiers are too long for an instruction.
    #[error("recipient {0}: its instruction cannot be made: {1}")]
    Recipient(RecipientId, &'static str),
    /// Sealing ended in a panic: the next pass does it again.
    #[error("sealing identifiers ended unexpectedly")]
    Sealing,
    /// A row that this program did not write.
    #[error("the fan-out's table holds a word that is not on the list")]
    Word,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// So many jobs were done.
    Done(usize),
    /// Another replica is at it, or recipients changed meanwhile.
    Elsewhere,
}

/// Why a job is there, and which row is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// A change of an entry.
    Change,
    /// A recipient that is told later than the others.
    Late(RecipientId),
    /// What an old endpoint owed.
    Reissue(InstructionId),
    /// To erase everything: the order.
    Everything(Uuid),
}

/// One entry, one measure, and to whom.
#[derive(Clone, Debug)]
struct Job {
    kind: Kind,
    change: ChangeId,
    entry: EntryId,
    case: CaseId,
    version: i64,
    scope: Scope,
    measure: Measure,
    trace: Option<TraceParent>,
    /// Of everybody: there is no person in it, and a person confirms that it is gone.
    everything: bool,
    /// Positions in the list of candidates.
    to: Vec<usize>,
}

impl Job {
    /// The id of its instruction to a recipient.
    fn instruction(&self, to: &Candidate) -> InstructionId {
        match self.kind {
            Kind::Change | Kind::Late(_) | Kind::Everything(_) => {
                propagation::instruction_id(self.change, to.recipient)
            }
            Kind::Reissue(old) => propagation::replacement_id(old, to.endpoint),
        }
    }
}

/// Identifiers in each recipient's form and ids, made before the lock.
#[derive(Default)]
struct Prepared {
    jobs: Vec<Job>,
    candidates: Vec<Candidate>,
    persons: HashMap<InstructionId, Whom>,
    /// What erasures of today reach and do not.
    erase: Option<EraseTerms>,
    /// The last day of a record of telling a hospital or another operator today.
    kept_until: Option<Date>,
}

/// What is the same for every instruction of a batch.
#[derive(Clone, Copy)]
struct Batch {
    epoch: i32,
    at: Timestamp,
    periods: Periods,
    remind_seconds: u32,
    sample_percent: u32,
}

impl FanOut {
    /// Until the process stops.
    pub async fn run(self: Arc<Self>, poll: Duration) {
        let stop = self.bus.stopping();
        let mut tries = 0u32;
        loop {
            let more = match self.pass().await {
                Ok(Pass::Done(n)) => {
                    tries = 0;
                    n > 0
                }
                Ok(Pass::Elsewhere) => false,
                Err(error) => {
                    telemetry::count("madoguchi.fanout.failed", "pass");
                    tracing::error!(%error, "a fan-out failed; it is tried again");
                    tries += 1;
                    false
                }
            };
            if more {
                continue;
            }
            let pause = poll * (1 << tries.min(5));
            tokio::select! { () = self.wake.notified() => {}, stopping = stop.pause(pause) => if stopping { return } }
            if stop.is_asked() {
                return;
            }
        }
    }

    /// Cancels what the last batch replaced; then one batch: changes first, then what is late, then what is issued anew.
    ///
    /// # Errors
    /// See [`FanOutError`]; nothing was written, or what was written is gone on with by the next pass.
    pub async fn pass(&self) -> Result<Pass, FanOutError> {
        let work = jobs::work(self.bus.db().pool()).await?;
        if work.replaced {
            self.cancel_replaced().await?;
        }
        let prepared = self.prepare(work).await?;
        if prepared.jobs.is_empty() {
            return Ok(Pass::Done(0));
        }
        let batch = Batch {
            epoch: self.bus.epoch(),
            at: self.bus.clock().now(),
            periods: self.periods,
            remind_seconds: self.remind_seconds,
            sample_percent: self.sample_percent,
        };
        let (done, fresh) = self.bus.db().write(move |tx| Box::pin(write::write(tx, prepared, batch))).await?;
        if let Pass::Done(n) = done
            && n > 0
        {
            telemetry::add("madoguchi.fanout.changes", n as u64, "done");
            self.bus.relay_wake().notify_one();
            self.deliveries.issued(fresh);
        }
        Ok(done)
    }

    async fn prepare(&self, work: jobs::Work) -> Result<Prepared, FanOutError> {
        let mut prepared = Prepared::default();
        if !work.is_any() {
            return Ok(prepared);
        }
        let today = propagation::day_of(self.bus.clock().now());
        let mut db = self.bus.db().pool().acquire().await.map_err(DbError::from)?;
        prepared.candidates = in_force(&mut db).await?;
        let needs = self.register.retention().needs_consent(today);
        let mut jobs = jobs::all(&mut db, work, &prepared.candidates, today, needs).await?;
        prepared.kept_until =
            Some(self.register.retention().kept_until(Record::Provision, today, Calendar::embedded()));
        if jobs.iter().any(|job| job.measure == Measure::Erase) {
            prepared.erase = Some(self.register.retention().erase(today, false, Calendar::embedded()));
        }
        drop(db);
        let called = whom::called(self.bus.db().pool(), &prepared.candidates).await?;
        let is_about_a_person = |job: &Job| !job.everything && !job.to.is_empty();
        let told = jobs.iter().filter(|job| is_about_a_person(job)).map(|job| job.entry);
        let (mut persons, mut last) = match self.register.persons(told).await {
            Ok(persons) => (persons, None),
            // Without the keys, what is about nobody goes out all the same.
            Err(error) => {
                telemetry::count("madoguchi.fanout.failed", "keys");
                tracing::error!(%error, "identifiers cannot be had; their changes wait");
                jobs.retain(|job| !is_about_a_person(job));
                (Persons::new(), Some(FanOutError::from(error)))
            }
        };
        // Milliseconds of curves for each change: not on a thread that deliveries wait for.
        let (register, candidates) = (self.register.clone(), std::mem::take(&mut prepared.candidates));
        let sealed = tokio::task::spawn_blocking(move || {
            let sealed = seal_all(&register, jobs, &mut persons, &candidates, &called);
            (sealed, candidates)
        });
        let Ok((sealed, candidates)) = sealed.await else { return Err(FanOutError::Sealing) };
        last = sealed.last.or(last);
        prepared.candidates = candidates;
        (prepared.jobs, prepared.persons) = (sealed.jobs, sealed.persons);
        match last {
            Some(error) if prepared.jobs.is_empty() => Err(error),
            _ => Ok(prepared),
        }
    }

    /// Cancels what has another instruction in its place; a process that died between the two is gone on with here.
    async fn cancel_replaced(&self) -> Result<(), FanOutError> {
        let find = "select old, new from reissue where done_at is null and new is not null order by old limit $1";
        let rows: Vec<(Uuid, Uuid)> =
            sqlx::query_as(find).bind(LATE).fetch_all(self.bus.db().pool()).await.map_err(DbError::from)?;
        for (old, new) in rows {
            let (at, cause) = (self.bus.clock().now(), Uuid::new_v5(&old, b"replaced"));
            let input = crate::instruction::Input::Replace { by: InstructionId(new), at };
            self.instructions.handle(old, Cause::Person(cause), input).await?;
            let done = "update reissue set done_at = now() where old = $1";
            let write = self
                .bus
                .db()
                .write(move |tx| Box::pin(async move { Ok(sqlx::query(done).bind(old).execute(tx).await.map(drop)?) }));
            write.await?;
        }
        Ok(())
    }
}

/// What came of sealing a batch.
struct Sealed {
    /// The jobs whose instructions can be made.
    jobs: Vec<Job>,
    persons: HashMap<InstructionId, Whom>,
    /// Why the last of the others cannot.
    last: Option<FanOutError>,
}

fn seal_all(
    register: &Register,
    all: Vec<Job>,
    people: &mut Persons,
    candidates: &[Candidate],
    called: &[Called],
) -> Sealed {
    let (mut jobs, mut persons, mut last) = (Vec::with_capacity(all.len()), HashMap::new(), None);
    for job in all {
        match seal(register, &job, people, candidates, called, &mut persons) {
            Ok(()) => jobs.push(job),
            // One entry that cannot be opened must not hold up the others; it is alarmed at every pass.
            Err(error) => {
                telemetry::count("madoguchi.fanout.failed", "change");
                tracing::error!(change = %job.change, %error, "a change cannot be fanned out; a person must look");
                last = Some(error);
            }
        }
    }
    Sealed { jobs, persons, last }
}

fn seal(
    register: &Register,
    job: &Job,
    persons: &mut Persons,
    all: &[Candidate],
    called: &[Called],
    into: &mut HashMap<InstructionId, Whom>,
) -> Result<(), FanOutError> {
    if job.to.is_empty() {
        return Ok(());
    }
    let person = match persons.get(&job.entry) {
        _ if job.everything => None,
        Some(Ok(person)) => Some(person),
        // The reason is told once.
        _ => return Err(persons.remove(&job.entry).and_then(Result::err).unwrap_or(PersonError::None).into()),
    };
    for to in job.to.iter().filter_map(|n| all.get(*n)) {
        let id = job.instruction(to);
        into.insert(id, whom::whom(register, to, id, person, called)?);
    }
    Ok(())
}
