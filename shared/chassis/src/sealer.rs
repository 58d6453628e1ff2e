//! The one writer of the log: gives leaves their numbers in the order of sealing (bus.md 2.6).

use crate::{
    bus::Bus,
    checkpoint,
    merkle::{self, Hash, Tree},
};
use sqlx::{Connection, PgConnection};
use std::{sync::Arc, time::Duration};

/// Leaves sealed at once.
const BATCH: i64 = 4096;
/// How often it looks, in milliseconds.
const PAUSE_MS: u64 = 1000;

pub(crate) fn start(bus: &Arc<Bus>) {
    let this = bus.clone();
    bus.spawn("sealer", async move {
        let stop = this.stopping();
        let mut connection: Option<PgConnection> = None;
        loop {
            let last = stop.is_asked();
            if connection.is_none() {
                connection = this.db().own_connection().await.ok();
            }
            if let Some(db) = connection.as_mut() {
                let sealed = async {
                    let sealed = seal(db).await?;
                    if let Some(key) = this.log_key() {
                        checkpoint::sign(db, key, this.epoch(), last).await?;
                    }
                    Ok::<_, sqlx::Error>(sealed)
                };
                match sealed.await {
                    Ok(n) if n == BATCH && !last => continue,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, service = this.service().token(), "the log could not be sealed; it is tried again");
                        connection = None;
                    }
                }
            }
            if last {
                return;
            }
            stop.pause(Duration::from_millis(PAUSE_MS)).await;
        }
    });
}

/// Seals up to 4,096 new leaves; how many. Another replica at it: none.
pub async fn seal(db: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let mut tx = db.begin().await?;
    let held: Option<(i64, Vec<Vec<u8>>)> =
        sqlx::query_as("select size, peaks from log for update skip locked").fetch_optional(&mut *tx).await?;
    let Some((size, peaks)) = held else { return Ok(0) };
    // A leaf that commits late is taken next time: the order of sealing is the order of the tree.
    let new: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("select id, hash from leaf where number is null order by id limit $1")
            .bind(BATCH)
            .fetch_all(&mut *tx)
            .await?;
    if new.is_empty() {
        return Ok(0);
    }
    let bad = || sqlx::Error::Protocol("the log's peaks are damaged: restore this schema".into());
    let peaks = peaks.into_iter().map(|p| Hash::try_from(p).map_err(|_| bad())).collect::<Result<_, _>>()?;
    let mut tree = Tree { size: size as u64, peaks };
    let numbers: Vec<i64> = (size..size + new.len() as i64).collect();
    for (_, hash) in &new {
        tree.push(merkle::leaf(hash));
    }
    let ids: Vec<i64> = new.iter().map(|(id, _)| *id).collect();
    let touched = sqlx::query(
        "update leaf set number = n from unnest($1::bigint[], $2::bigint[]) t (i, n) where id = i and number is null",
    )
    .bind(&ids)
    .bind(&numbers)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if touched != new.len() as u64 {
        return Err(bad());
    }
    let peaks: Vec<Vec<u8>> = tree.peaks.iter().map(|p| p.to_vec()).collect();
    sqlx::query("update log set size = $1, peaks = $2, root = $3")
        .bind(tree.size as i64)
        .bind(peaks)
        .bind(tree.root().to_vec())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(new.len() as i64)
}
