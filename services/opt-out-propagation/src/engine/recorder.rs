//! Writes outcomes down: one for the whole process, many in one transaction, a flush as soon as the last one is done.
//!
//! The fence is compared in the same transaction. What a holder whose lease went to somebody else brings is thrown away,
//! and its task ends: the new holder has sent, or will send, the same again.

use super::{Lease, Place};
use chassis::{Db, DbError, telemetry};
use contracts::Uuid;
use sqlx::PgConnection;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// Outcomes in one transaction.
const FLUSH: usize = 512;

/// Try again.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// Failed tries so far.
    pub tries: u32,
    /// When.
    pub after: Duration,
    /// Not by itself: a person must look.
    pub parked: bool,
}

/// One outcome.
#[derive(Clone, Debug)]
pub struct Record {
    /// Under which lease.
    pub lease: Arc<Lease>,
    /// Of which position.
    pub position: i64,
    /// Every position up to here has an outcome (this one included).
    pub low: i64,
    /// The word for the attempt row.
    pub outcome: &'static str,
    /// HTTP's status.
    pub status: Option<u16>,
    /// How long it took.
    pub ms: i32,
    /// `None`: delivered.
    pub again: Option<Again>,
    /// Free again when this is recorded.
    pub place: Option<Place>,
}

/// Until every sender is gone.
pub(super) async fn run(db: Db, mut inbox: mpsc::Receiver<Record>, pause: Duration) {
    let mut batch = Vec::with_capacity(FLUSH);
    while inbox.recv_many(&mut batch, FLUSH).await > 0 {
        while let Err(error) = record(&db, batch.clone()).await {
            telemetry::count("madoguchi.delivery.recorder", "failed");
            tracing::warn!(%error, "outcomes could not be recorded; tried again");
            tokio::time::sleep(pause).await;
        }
        batch.clear();
    }
}

/// Records a batch; how many outcomes were thrown away because their lease is another's now.
///
/// # Errors
/// The database did not do it; nothing was written.
pub async fn record(db: &Db, batch: Vec<Record>) -> Result<usize, DbError> {
    let leases: Vec<Arc<Lease>> = batch.iter().map(|r| r.lease.clone()).collect();
    let held = db.write(move |tx| Box::pin(async move { write(tx, &batch).await })).await?;
    let mut thrown_away = 0;
    for lease in leases {
        if !held.contains(&(lease.endpoint, lease.fence)) {
            thrown_away += 1;
            lease.lose();
        }
    }
    if thrown_away > 0 {
        telemetry::add("madoguchi.delivery.recorder", thrown_away as u64, "fenced-off");
    }
    Ok(thrown_away)
}

async fn write(tx: &mut PgConnection, batch: &[Record]) -> Result<HashSet<(Uuid, i64)>, DbError> {
    let mut lows: HashMap<(Uuid, i64), i64> = HashMap::new();
    for r in batch {
        let low = lows.entry((r.lease.endpoint, r.lease.fence)).or_insert(r.low);
        *low = (*low).max(r.low);
    }
    // In the order of ids, so that two recorders cannot wait for each other.
    let mut keys: Vec<_> = lows.into_iter().map(|((endpoint, fence), low)| (endpoint, fence, low)).collect();
    keys.sort_unstable();
    let endpoints: Vec<Uuid> = keys.iter().map(|k| k.0).collect();
    let fences: Vec<i64> = keys.iter().map(|k| k.1).collect();
    let lows: Vec<i64> = keys.iter().map(|k| k.2).collect();
    let held: Vec<(Uuid, i64)> = sqlx::query_as(
        "update endpoint e set cursor = greatest(e.cursor, t.low) from unnest($1::uuid[], $2::bigint[], $3::bigint[]) t (id, fence, low)
          where e.id = t.id and e.fence = t.fence returning e.id, e.fence",
    )
    .bind(&endpoints)
    .bind(&fences)
    .bind(&lows)
    .fetch_all(&mut *tx)
    .await?;
    let held: HashSet<(Uuid, i64)> = held.into_iter().collect();
    let good: Vec<&Record> = batch.iter().filter(|r| held.contains(&(r.lease.endpoint, r.lease.fence))).collect();
    if !good.is_empty() {
        attempts(tx, &good).await?;
        retries(tx, &good).await?;
    }
    Ok(held)
}

async fn attempts(tx: &mut PgConnection, good: &[&Record]) -> Result<(), DbError> {
    sqlx::query(
        "insert into attempt (endpoint, position, fence, outcome, status, ms)
         select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::int[])",
    )
    .bind(good.iter().map(|r| r.lease.endpoint).collect::<Vec<_>>())
    .bind(good.iter().map(|r| r.position).collect::<Vec<_>>())
    .bind(good.iter().map(|r| r.lease.fence).collect::<Vec<_>>())
    .bind(good.iter().map(|r| r.outcome).collect::<Vec<_>>())
    .bind(good.iter().map(|r| r.status.map(i32::from)).collect::<Vec<_>>())
    .bind(good.iter().map(|r| r.ms).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn retries(tx: &mut PgConnection, good: &[&Record]) -> Result<(), DbError> {
    // The last outcome of a position in the batch counts: an upsert may not touch a row twice.
    let mut last: HashMap<(Uuid, i64), Option<Again>> = HashMap::new();
    for r in good {
        last.insert((r.lease.endpoint, r.position), r.again);
    }
    let (mut failed, mut delivered) = (Vec::new(), Vec::new());
    for (key, again) in last {
        match again {
            Some(again) => failed.push((key, again)),
            None => delivered.push(key),
        }
    }
    if !failed.is_empty() {
        sqlx::query(
            "insert into retry (endpoint, position, tries, next_at, parked)
             select e, p, n, now() + make_interval(secs => s), k
               from unnest($1::uuid[], $2::bigint[], $3::int[], $4::float8[], $5::bool[]) t (e, p, n, s, k)
             on conflict (endpoint, position) do update
               set tries = excluded.tries, next_at = excluded.next_at, parked = excluded.parked",
        )
        .bind(failed.iter().map(|(k, _)| k.0).collect::<Vec<_>>())
        .bind(failed.iter().map(|(k, _)| k.1).collect::<Vec<_>>())
        .bind(failed.iter().map(|(_, a)| i32::try_from(a.tries).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        .bind(failed.iter().map(|(_, a)| a.after.as_secs_f64()).collect::<Vec<_>>())
        .bind(failed.iter().map(|(_, a)| a.parked).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    }
    if !delivered.is_empty() {
        sqlx::query(
            "delete from retry r using unnest($1::uuid[], $2::bigint[]) t (e, p) where r.endpoint = t.e and r.position = t.p",
        )
        .bind(delivered.iter().map(|k| k.0).collect::<Vec<_>>())
        .bind(delivered.iter().map(|k| k.1).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    }
    Ok(())
}
