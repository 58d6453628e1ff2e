//! Copies of tombstones, in the data database (table `tombstone_copy`), and their replay.
//!
//! The key database is not restored with the data, so restoring the data brings nothing back. If the key database itself
//! comes from an older backup, keys that were destroyed since are alive again; the copies say which, and [`replay`]
//! destroys them before the service serves. If both come from backups, an erasure younger than both is known to neither:
//! back up the data more often than the keys.

use crate::CustodyError;
use chassis::{Db, DbError};
use contracts::{Timestamp, Uuid};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use privacy::{KeyName, RecordClass, Tombstone, Vault, VaultError};

/// Copies read at a time for a replay.
const BATCH: i64 = 1_000;
/// How far back a pass reads again. A tombstone carries the time at which its transaction began and is seen only once that
/// is committed; no erasure takes nearly as long.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// Repeats every copied erasure on the key database, in batches; how many keys it found alive. Costs a look and no write
/// where all is as it should be.
///
/// # Errors
/// One of the databases did not answer, or a class is not known to this program: then nothing may be served.
pub async fn replay(db: &Db, vault: &Vault) -> Result<u64, CustodyError> {
    let mut destroyed = 0;
    let mut after = (Uuid::nil(), String::new());
    loop {
        let rows: Vec<(Uuid, String, jiff_sqlx::Timestamp)> = sqlx::query_as(
            "select unit, class, at from tombstone_copy where (unit, class) > ($1, $2) order by unit, class limit $3",
        )
        .bind(after.0)
        .bind(after.1.as_str())
        .bind(BATCH)
        .fetch_all(db.pool())
        .await
        .map_err(DbError::from)?;
        let Some((unit, class, _)) = rows.last() else { return Ok(destroyed) };
        after = (*unit, class.clone());
        let tombstones: Result<Vec<Tombstone>, VaultError> = rows
            .into_iter()
            .map(|(unit, class, at)| {
                let class = class.parse().map_err(|_| VaultError::UnknownClass)?;
                Ok(Tombstone { name: KeyName { unit, class }, at: at.to_jiff() })
            })
            .collect();
        destroyed += vault.replay(tombstones?).await?;
    }
}

/// Copies what the key database has buried. The first pass reads everything, so that nothing depends on where an earlier
/// process stood or on two servers' clocks; each later one goes on from the newest it saw, less an overlap.
#[derive(Debug)]
pub struct Copier {
    db: Db,
    vault: Vault,
    newest: Option<Timestamp>,
}

impl Copier {
    /// That has seen nothing yet.
    pub const fn new(db: Db, vault: Vault) -> Self {
        Self { db, vault, newest: None }
    }

    /// Copies what is new, page by page; how many rows it wrote.
    ///
    /// # Errors
    /// One of the databases did not answer: the next pass reads it again.
    pub async fn pass(&mut self) -> Result<u64, CustodyError> {
        let mut copied = 0;
        let mut after = self.newest.map(|at| Tombstone {
            name: KeyName { unit: Uuid::nil(), class: RecordClass::Case },
            at: at.saturating_sub(OVERLAP).unwrap_or(Timestamp::UNIX_EPOCH),
        });
        loop {
            let page = self.vault.tombstones(after).await?;
            let Some(last) = page.last().copied() else { return Ok(copied) };
            copied += write(&self.db, &page).await?;
            self.newest = self.newest.max(Some(last.at));
            after = Some(last);
        }
    }
}

/// Writes copies; those that are there stay as they are. How many were new.
pub(crate) async fn write(db: &Db, tombstones: &[Tombstone]) -> Result<u64, DbError> {
    let units: Vec<Uuid> = tombstones.iter().map(|t| t.name.unit).collect();
    let classes: Vec<&'static str> = tombstones.iter().map(|t| t.name.class.as_str()).collect();
    let times: Vec<jiff_sqlx::Timestamp> = tombstones.iter().map(|t| t.at.to_sqlx()).collect();
    db.write(move |tx| {
        Box::pin(async move {
            let done = sqlx::query(
                "insert into tombstone_copy (unit, class, at) \
                 select * from unnest($1::uuid[], $2::text[], $3::timestamptz[]) on conflict do nothing",
            )
            .bind(units)
            .bind(classes)
            .bind(times)
            .execute(tx)
            .await?;
            Ok(done.rows_affected())
        })
    })
    .await
}
