//! The in-tray: sealing filings and committing them, many at a time.
//!
//! One task owns the hatch and a connection of its own. It takes everybody who waits, seals, inserts in one statement, and
//! answers all of them after the commit; meanwhile the next ones gather. One flush is in flight, so a flush is as large as
//! the database is slow, and a single filing waits for nobody (bus.md 5.3). Who was answered a moment ago may be back with
//! the next one in a moment: after a flush of several, the next waits for as many, a millisecond or two at most; without
//! it, flushes of one and of all the others take turns. Nothing cancels a flush: a client that hangs
//! up loses the answer, not the filing, and gets it by repeating.
//!
//! Sealing here and not in the handlers keeps one rule simple: a hatch's row is in the same statement as the first filing
//! that it sealed, and if that statement fails, the hatch is forgotten and no filing that names it is ever inserted.

use chassis::db::Db;
use contracts::{Kind, Timestamp};
use jiff_sqlx::ToSqlx;
use privacy_seal::{HatchBox, HatchRow, PublicKey, Zeroizing};
use sqlx::{Connection, PgConnection};
use std::{
    collections::{HashMap, HashSet},
    future::Future,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// The most filings in one statement.
const BATCH_MAX: usize = 512;
/// How often an idle door looks whether its hatch is due.
const FORGET_EVERY: Duration = Duration::from_secs(1);
/// How long a flush waits for those that were answered just before.
const LINGER: Duration = Duration::from_millis(1);
/// A statement that takes longer has failed.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// One filing to put into the tray.
pub struct Entry {
    /// Its id; the same for a repeat.
    pub id: Uuid,
    /// The JSON of the filing; overwritten after sealing.
    pub plain: Zeroizing<Vec<u8>>,
    /// Tells a repeat from something else under the same id.
    pub body_mac: [u8; 32],
    /// The public half of the access code; of a mail, which has none, zeros.
    pub code_key: [u8; 32],
    /// `None`: a withdrawal, or a mail.
    pub kind: Option<Kind>,
    /// Arrival.
    pub received_at: Timestamp,
}

/// What became of it. All but `Different` mean: committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It lies in the tray, synced.
    New,
    /// It was there before, with the same body; it arrived then.
    Repeat {
        /// The original arrival.
        received_at: Timestamp,
    },
    /// Under this id something else was filed.
    Different,
}

/// Why it was not put. Nothing is known to be written; repeating it is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPut {
    /// Too many wait already.
    #[error("the counter is full")]
    Full,
    /// The database did not do it, or nobody knows whether it did.
    #[error("the tray cannot be reached")]
    Away,
}

struct Waiting {
    entry: Entry,
    answer: oneshot::Sender<Result<Put, NotPut>>,
}

/// The slot in the counter through which filings are put into the tray. Cheap to clone.
#[derive(Clone)]
pub struct Slot(mpsc::Sender<Waiting>);

impl Slot {
    /// Puts one in and waits until it is committed.
    ///
    /// # Errors
    /// The queue is full (nothing was done), or the database is away (repeat with the same key).
    pub async fn put(&self, entry: Entry) -> Result<Put, NotPut> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Waiting { entry, answer }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => NotPut::Full,
            mpsc::error::TrySendError::Closed(_) => NotPut::Away,
        })?;
        answered.await.unwrap_or(Err(NotPut::Away))
    }
}

/// What is done after each commit, with the number of new filings: the hint to intake. Must not wait.
pub type AfterCommit = Box<dyn Fn(usize) + Send + Sync>;

/// The slot, and the task that has to be run. The task ends when all slots are gone and the last flush is answered.
pub fn tray(db: Db, desk: PublicKey, queue: usize, after: AfterCommit) -> (Slot, impl Future<Output = ()> + Send) {
    let (slot, waiting) = mpsc::channel(queue);
    let flusher = Flusher { db, connection: None, hatches: HatchBox::new(desk), after };
    (Slot(slot), flusher.run(waiting))
}

/// Waits until as many are there as the last flush had, or not any longer.
async fn gather(waiting: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>, last: usize) {
    let until = tokio::time::Instant::now() + LINGER;
    while batch.len() < last {
        let more = waiting.recv_many(batch, BATCH_MAX - batch.len());
        if !matches!(tokio::time::timeout_at(until, more).await, Ok(1..)) {
            return;
        }
    }
}

struct Flusher {
    db: Db,
    connection: Option<PgConnection>,
    hatches: HatchBox,
    after: AfterCommit,
}

impl Flusher {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        // How many the last flush answered.
        let mut last = 0;
        loop {
            match tokio::time::timeout(FORGET_EVERY, waiting.recv_many(&mut batch, BATCH_MAX)).await {
                Err(_quiet) => {
                    last = 0;
                    self.hatches.forget_due(Instant::now());
                }
                Ok(0) => break,
                Ok(_) => {
                    gather(&mut waiting, &mut batch, last).await;
                    last = batch.len();
                    self.flush(std::mem::take(&mut batch)).await;
                }
            }
        }
        self.hatches.forget();
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }

    async fn flush(&mut self, batch: Vec<Waiting>) {
        let outcome = match self.sealed(&batch) {
            // A connection that died while idle shows itself at the next statement. Trying again is safe: what the first
            // try may have committed is a repeat to the second.
            Ok(rows) => match self.insert(&batch, &rows).await {
                Err(FlushError::Sql(_)) => self.insert(&batch, &rows).await,
                done => done,
            },
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(puts) => {
                let new = puts.iter().filter(|put| **put == Put::New).count();
                if new > 0 {
                    (self.after)(new);
                }
                for (waiting, put) in batch.into_iter().zip(puts) {
                    let _ = waiting.answer.send(Ok(put));
                }
            }
            Err(error) => {
                // Its row may not be there: nothing may be sealed with it any more.
                self.hatches.forget();
                self.connection = None;
                tracing::error!(%error, filings = batch.len(), "the in-tray could not be written; clients are told to repeat");
                for waiting in batch {
                    let _ = waiting.answer.send(Err(NotPut::Away));
                }
            }
        }
    }

    fn sealed(&mut self, batch: &[Waiting]) -> Result<Rows, privacy_seal::SealError> {
        let mut rows = Rows::default();
        let mut ids = HashSet::with_capacity(batch.len());
        for (place, Waiting { entry, .. }) in batch.iter().enumerate() {
            // The second of two with one key in one flush is looked up afterwards like any repeat.
            if ids.insert(entry.id) {
                let (filing, hatch) = self.hatches.seal(Instant::now(), Uuid::now_v7, entry.id, &entry.plain)?;
                rows.push(place, entry, filing.hatch, filing.bytes, hatch);
            }
        }
        Ok(rows)
    }

    async fn insert(&mut self, batch: &[Waiting], rows: &Rows) -> Result<Vec<Put>, FlushError> {
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => self.db.own_connection().await?,
        };
        let work = async {
            let fresh = rows.insert(&mut connection).await?;
            let mut puts = vec![None; batch.len()];
            for &place in &rows.places {
                if fresh.contains(&batch[place].entry.id) {
                    puts[place] = Some(Put::New);
                }
            }
            if puts.contains(&None) {
                known(&mut connection, batch, &mut puts).await?;
            }
            // A row that neither was inserted nor is there: purged in between. The client repeats.
            puts.into_iter().collect::<Option<Vec<_>>>().ok_or(FlushError::Gone)
        };
        let puts = tokio::time::timeout(FLUSH_LIMIT, work).await.map_err(|_| FlushError::Slow)??;
        // Only after success: a connection in an unknown state is dropped.
        self.connection = Some(connection);
        Ok(puts)
    }
}

/// Why a flush failed. Holds no parameter: sqlx does not put them into its errors.
#[derive(Debug, thiserror::Error)]
enum FlushError {
    #[error("{0}")]
    Seal(#[from] privacy_seal::SealError),
    #[error("{0}")]
    Db(#[from] chassis::db::DbError),
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("database: no answer within {} s", FLUSH_LIMIT.as_secs())]
    Slow,
    #[error("a repeated filing's row is gone")]
    Gone,
}

/// The columns of one flush.
#[derive(Default)]
struct Rows {
    /// Where in the batch.
    places: Vec<usize>,
    ids: Vec<Uuid>,
    hatches: Vec<Uuid>,
    sealed: Vec<Vec<u8>>,
    macs: Vec<Vec<u8>>,
    code_keys: Vec<Vec<u8>>,
    kinds: Vec<Option<&'static str>>,
    received: Vec<jiff_sqlx::Timestamp>,
    new_hatches: Vec<Uuid>,
    new_hatch_keys: Vec<Vec<u8>>,
}

/// One statement, one commit, one sync. `on conflict do nothing` waits for another replica that has the same id in flight.
const INSERT: &str = "
with opened as (
  insert into hatch (id, sealed) select * from unnest($1::uuid[], $2::bytea[]) on conflict (id) do nothing),
fresh as (
  insert into idempotency (id, body_mac, code_key, kind, received_at)
  select * from unnest($3::uuid[], $4::bytea[], $5::bytea[], $6::text[], $7::timestamptz[])
  on conflict (id) do nothing returning id),
put as (
  insert into filing (id, hatch, sealed, received_at)
  select f.* from unnest($3::uuid[], $8::uuid[], $9::bytea[], $7::timestamptz[]) as f (id, hatch, sealed, received_at)
  join fresh using (id) on conflict (id) do nothing)
select id from fresh";

impl Rows {
    fn push(&mut self, place: usize, entry: &Entry, hatch: Uuid, sealed: Vec<u8>, opened: Option<HatchRow>) {
        self.places.push(place);
        self.ids.push(entry.id);
        self.hatches.push(hatch);
        self.sealed.push(sealed);
        self.macs.push(entry.body_mac.to_vec());
        self.code_keys.push(entry.code_key.to_vec());
        self.kinds.push(entry.kind.map(Kind::as_str));
        self.received.push(entry.received_at.to_sqlx());
        if let Some(row) = opened {
            self.new_hatches.push(row.id);
            self.new_hatch_keys.push(row.sealed);
        }
    }

    async fn insert(&self, connection: &mut PgConnection) -> Result<HashSet<Uuid>, sqlx::Error> {
        let fresh: Vec<Uuid> = sqlx::query_scalar(INSERT)
            .bind(&self.new_hatches)
            .bind(&self.new_hatch_keys)
            .bind(&self.ids)
            .bind(&self.macs)
            .bind(&self.code_keys)
            .bind(&self.kinds)
            .bind(&self.received)
            .bind(&self.hatches)
            .bind(&self.sealed)
            .fetch_all(connection)
            .await?;
        Ok(fresh.into_iter().collect())
    }
}

/// Fills the places of those that were there before.
async fn known(connection: &mut PgConnection, batch: &[Waiting], puts: &mut [Option<Put>]) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> =
        batch.iter().zip(puts.iter()).filter(|(_, put)| put.is_none()).map(|(waiting, _)| waiting.entry.id).collect();
    let rows: Vec<(Uuid, Vec<u8>, jiff_sqlx::Timestamp)> =
        sqlx::query_as("select id, body_mac, received_at from idempotency where id = any($1)")
            .bind(ids)
            .fetch_all(connection)
            .await?;
    let rows: HashMap<Uuid, (Vec<u8>, Timestamp)> =
        rows.into_iter().map(|(id, mac, at)| (id, (mac, at.to_jiff()))).collect();
    for (put, Waiting { entry, .. }) in puts.iter_mut().zip(batch).filter(|(put, _)| put.is_none()) {
        *put = rows.get(&entry.id).map(|(mac, received_at)| {
            let same: bool = subtle::ConstantTimeEq::ct_eq(mac.as_slice(), entry.body_mac.as_slice()).into();
            if same { Put::Repeat { received_at: *received_at } } else { Put::Different }
        });
    }
    Ok(())
}
