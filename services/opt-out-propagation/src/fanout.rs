//! Fan-out: one writer at a time gives every change its instructions, with positions without a gap (bus.md 2.4).
//!
//! Nothing slow happens under the lock: identifiers are opened and sealed to each recipient before it. Recipients are
//! registered under the same lock, so a batch knows exactly who is in force.

use crate::{
    change::{self, Change},
    instruction::{self, Instruction, Terms},
    person::{PersonError, Register},
    propagation::{self, Candidate, Words},
};
use chassis::{Bus, Clock, DbError, home, telemetry};
use contracts::{
    CaseId, ChangeId, EntryId, InstructionId, Measure, RecipientId, Scope, Sealed, Timestamp, Uuid,
    envelope::TraceParent,
};
use futures::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use privacy_seal::PublicKey;
use recipient_kit::{digest_of, identifiers, key_id};
use sqlx::PgConnection;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

/// Changes in one batch.
const BATCH: i64 = 64;

/// A change that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    change: ChangeId,
    entry: EntryId,
    case: CaseId,
    version: i64,
    scope: Scope,
    measure: Measure,
    trace: Option<TraceParent>,
}

/// What the fan-out needs.
pub struct FanOut {
    /// The bus: database, clock, epoch, relay.
    pub bus: Arc<Bus>,
    /// Identifiers.
    pub register: Arc<Register>,
    /// Days until a report is due.
    pub report_days: u32,
    /// First pause without 受領, in seconds.
    pub remind_seconds: u32,
    /// Wakes this loop.
    pub wake: Arc<Notify>,
    /// Wakes the deliveries.
    pub deliveries: Arc<Notify>,
}

/// Why a batch was not fanned out.
#[derive(Debug, thiserror::Error)]
pub enum FanOutError {
    /// The database did not do it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Identifiers cannot be had.
    #[error("identifiers: {0}")]
    Person(#[from] PersonError),
    /// A recipient's key cannot be sealed to, or the identifiers are too long for an instruction.
    #[error("recipient {0}: its instruction cannot be made: {1}")]
    Recipient(RecipientId, &'static str),
    /// A row that this program did not write.
    #[error("the fan-out's table holds a word that is not on the list")]
    Word,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// So many changes were fanned out.
    Done(usize),
    /// Another replica is at it, or recipients changed meanwhile.
    Elsewhere,
}

/// Sealed identifiers and ids, made before the lock.
struct Prepared {
    changes: Vec<Waiting>,
    recipients: Vec<Candidate>,
    sealed: HashMap<(ChangeId, RecipientId), Sealed>,
}

/// What is the same for every instruction of a batch.
#[derive(Clone, Copy)]
struct Batch {
    epoch: i32,
    at: Timestamp,
    deadline: Timestamp,
    remind_seconds: u32,
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

    /// One batch.
    ///
    /// # Errors
    /// See [`FanOutError`]; nothing was written.
    pub async fn pass(&self) -> Result<Pass, FanOutError> {
        let prepared = self.prepare().await?;
        if prepared.changes.is_empty() {
            return Ok(Pass::Done(0));
        }
        let batch = batch(&self.bus, self.report_days, self.remind_seconds);
        let done = self.bus.db().write(move |tx| Box::pin(write(tx, prepared, batch))).await?;
        if let Pass::Done(n) = done
            && n > 0
        {
            telemetry::add("madoguchi.fanout.changes", n as u64, "done");
            self.bus.relay_wake().notify_one();
            self.deliveries.notify_one();
        }
        Ok(done)
    }

    async fn prepare(&self) -> Result<Prepared, FanOutError> {
        let pool = self.bus.db().pool();
        type Row = (Uuid, Uuid, Uuid, i64, String, String, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "select change, entry, \"case\", version, scope, measure, trace from fanout where done_at is null order by change limit $1",
        )
        .bind(BATCH)
        .fetch_all(pool)
        .await
        .map_err(DbError::from)?;
        let mut prepared = Prepared { changes: Vec::new(), recipients: Vec::new(), sealed: HashMap::new() };
        if rows.is_empty() {
            return Ok(prepared);
        }
        let mut db = pool.acquire().await.map_err(DbError::from)?;
        prepared.recipients = in_force(&mut db).await?;
        drop(db);
        let mut last = None;
        for (change, entry, case, version, scope, measure, trace) in rows {
            let waiting = Waiting {
                change: ChangeId(change),
                entry: EntryId(entry),
                case: CaseId(case),
                version,
                scope: scope.parse().map_err(|_| FanOutError::Word)?,
                measure: measure.parse().map_err(|_| FanOutError::Word)?,
                trace: trace.as_deref().and_then(TraceParent::parse),
            };
            match self.seal(&waiting, &mut prepared).await {
                Ok(()) => prepared.changes.push(waiting),
                // One entry that cannot be opened must not hold up the others; it is alarmed at every pass.
                Err(error) => {
                    telemetry::count("madoguchi.fanout.failed", "change");
                    tracing::error!(%change, %error, "a change cannot be fanned out; a person must look");
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if prepared.changes.is_empty() => Err(error),
            _ => Ok(prepared),
        }
    }

    async fn seal(&self, waiting: &Waiting, into: &mut Prepared) -> Result<(), FanOutError> {
        if into.recipients.is_empty() {
            return Ok(());
        }
        let person = self.register.person(waiting.entry).await?;
        for to in &into.recipients {
            let bad = |why| FanOutError::Recipient(to.recipient, why);
            let key = PublicKey::from_bytes(&to.sealing_key).map_err(|_| bad("its sealing key is none"))?;
            let id = propagation::instruction_id(waiting.change, to.recipient);
            let sealed = identifiers::seal(&key, id, &person).map_err(|_| bad("its sealing key cannot be used"))?;
            if sealed.0.len() > contracts::recipient::BODY_MAX / 2 {
                return Err(bad("the identifiers are too long"));
            }
            into.sealed.insert((waiting.change, to.recipient), sealed);
        }
        Ok(())
    }
}

fn batch(bus: &Bus, report_days: u32, remind_seconds: u32) -> Batch {
    let clock: &Clock = bus.clock();
    let at = clock.now();
    let days = jiff::SignedDuration::from_hours(24 * i64::from(report_days));
    let deadline = at.checked_add(days).unwrap_or(Timestamp::MAX);
    Batch { epoch: bus.epoch(), at, deadline, remind_seconds }
}

/// Recipients in force with their newest endpoint, those that are told; in the order of their ids.
///
/// # Errors
/// The database does not answer, or holds a kind that is not on the list.
pub async fn in_force(db: &mut PgConnection) -> Result<Vec<Candidate>, DbError> {
    type Row = (Uuid, String, bool, Vec<u8>, Uuid);
    let rows: Vec<Row> = sqlx::query_as(
        "select r.id, r.kind, r.in_force, r.sealing_key, e.id from recipient r
           join lateral (select id from endpoint where recipient = r.id order by version desc limit 1) e on true",
    )
    .fetch_all(db)
    .await?;
    let all: Vec<Candidate> = rows
        .into_iter()
        .filter_map(|(id, kind, in_force, key, endpoint)| {
            Some(Candidate {
                recipient: RecipientId(id),
                kind: kind.parse().ok()?,
                in_force,
                endpoint,
                sealing_key: key.try_into().ok()?,
            })
        })
        .collect();
    Ok(propagation::told(&all).into_iter().cloned().collect())
}

/// The batch transaction: lock, positions, deliveries, machines, mark.
fn write<'c>(tx: &'c mut PgConnection, prepared: Prepared, batch: Batch) -> BoxFuture<'c, Result<Pass, DbError>> {
    Box::pin(async move {
        let one = sqlx::query("select from one where job = 'fan-out' for update skip locked").fetch_optional(&mut *tx);
        if one.await?.is_none() || in_force(&mut *tx).await? != prepared.recipients {
            return Ok(Pass::Elsewhere);
        }
        let ids: Vec<Uuid> = prepared.changes.iter().map(|c| c.change.0).collect();
        let open: Vec<Uuid> =
            sqlx::query_scalar("select change from fanout where change = any($1) and done_at is null")
                .bind(&ids)
                .fetch_all(&mut *tx)
                .await?;
        let changes: Vec<&Waiting> = prepared.changes.iter().filter(|c| open.contains(&c.change.0)).collect();
        let issued = positions(tx, &prepared, &changes, batch).await?;
        insert(tx, &issued, batch).await?;
        for waiting in &changes {
            let instructions = issued.iter().filter(|i| i.change == waiting.change).map(|i| i.id).collect();
            let event =
                change::Event::FannedOut { case: waiting.case, entry: waiting.entry, instructions, at: batch.at };
            home::birth::<Change>(tx, waiting.change.0, vec![event], waiting.change.0, batch.at, waiting.trace.clone())
                .await?;
        }
        let done = sqlx::query("update fanout set done_at = $2 where change = any($1) and done_at is null")
            .bind(&open)
            .bind(batch.at.to_sqlx())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() != changes.len() as u64 {
            // Cannot be under the lock; if it is, nothing of this batch may stand.
            return Err(DbError::Sql(sqlx::Error::Protocol("a change was fanned out twice".into())));
        }
        Ok(Pass::Done(changes.len()))
    })
}

/// One instruction of the batch.
struct Issued {
    change: ChangeId,
    id: InstructionId,
    endpoint: Uuid,
    entry: Uuid,
    terms: Terms,
    body: Vec<u8>,
    trace: Option<TraceParent>,
}

/// Moves every counter once and gives the k-th body of a recipient `last − n + k`.
async fn positions(
    tx: &mut PgConnection,
    prepared: &Prepared,
    changes: &[&Waiting],
    batch: Batch,
) -> Result<Vec<Issued>, DbError> {
    let ids: Vec<Uuid> = prepared.recipients.iter().map(|r| r.recipient.0).collect();
    let rows: Vec<(Uuid, i64)> =
        sqlx::query_as("update recipient set last = last + $2 where id = any($1) returning id, last - $2")
            .bind(&ids)
            .bind(changes.len() as i64)
            .fetch_all(&mut *tx)
            .await?;
    let before: BTreeMap<Uuid, i64> = rows.into_iter().collect();
    let mut issued = Vec::with_capacity(changes.len() * ids.len());
    for (k, waiting) in (1..).zip(changes) {
        for to in &prepared.recipients {
            let missing = || DbError::Sql(sqlx::Error::RowNotFound);
            let position = before.get(&to.recipient.0).ok_or_else(missing)? + k;
            let person = prepared.sealed.get(&(waiting.change, to.recipient)).cloned().ok_or_else(missing)?;
            let id = propagation::instruction_id(waiting.change, to.recipient);
            let words = Words {
                id,
                recipient: to.recipient,
                epoch: batch.epoch,
                position,
                entry: waiting.entry,
                entry_version: waiting.version,
                measure: waiting.measure,
                scope: waiting.scope,
                person,
                sealed_to: key_id(&to.sealing_key),
                at: batch.at,
                deadline: batch.deadline,
            };
            let terms = Terms {
                case: waiting.case,
                entry: waiting.entry,
                recipient: to.recipient,
                position,
                issued_at: batch.at,
                deadline: batch.deadline,
                remind_seconds: batch.remind_seconds,
            };
            issued.push(Issued {
                change: waiting.change,
                id,
                endpoint: to.endpoint,
                entry: propagation::entry_as_known_to(waiting.entry, to.recipient),
                terms,
                trace: waiting.trace.clone(),
                // The length was looked at before the lock.
                body: propagation::body(words).ok_or_else(missing)?,
            });
        }
    }
    Ok(issued)
}

async fn insert(tx: &mut PgConnection, issued: &[Issued], batch: Batch) -> Result<(), DbError> {
    let column = |f: fn(&Issued) -> Uuid| issued.iter().map(f).collect::<Vec<_>>();
    let (recipients, instructions) = (column(|i| i.terms.recipient.0), column(|i| i.id.0));
    let (endpoints, entries) = (column(|i| i.endpoint), column(|i| i.entry));
    let positions: Vec<i64> = issued.iter().map(|i| i.terms.position).collect();
    let digests: Vec<Vec<u8>> = issued.iter().map(|i| digest_of(&i.body).0.to_vec()).collect();
    let traces: Vec<Option<&str>> = issued.iter().map(|i| i.trace.as_ref().map(|t| t.as_str())).collect();
    let bodies: Vec<&[u8]> = issued.iter().map(|i| i.body.as_slice()).collect();
    sqlx::query(
        "with owe as (
           insert into owed (instruction, recipient, endpoint, position, issued_at)
           select i, r, e, p, $9 from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[]) t (r, p, i, e))
         insert into delivery (recipient, position, epoch, instruction, endpoint, entry, digest, body, at, trace)
         select r, p, $8, i, e, n, d, b, $9, c
           from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bytea[], $7::bytea[], $10::text[]) t (r, p, i, e, n, d, b, c)",
    )
    .bind(&recipients)
    .bind(&positions)
    .bind(&instructions)
    .bind(&endpoints)
    .bind(&entries)
    .bind(&digests)
    .bind(&bodies)
    .bind(batch.epoch)
    .bind(batch.at.to_sqlx())
    .bind(&traces)
    .execute(&mut *tx)
    .await?;
    for one in issued {
        let event = instruction::Event::Issued { terms: one.terms };
        home::birth::<Instruction>(tx, one.id.0, vec![event], one.change.0, batch.at, one.trace.clone()).await?;
    }
    Ok(())
}
