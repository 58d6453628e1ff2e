//! Removing keys that never sealed anything.
//!
//! A key is committed before the first row that it seals; if that row is then never written (a refusal, a crash), the key
//! stays alone. Only the owner of the rows knows which keys are in use, so the sweep asks, and it asks only about keys that
//! nobody wanted for a day: no transaction is under way that long. Keys found in use are marked and never asked about again.

use super::{KeyName, Vault, VaultError, store};
use contracts::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgPool;
use std::collections::HashSet;
use uuid::Uuid;

/// How long nobody must have wanted a key.
const IDLE: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// Keys per sweep.
const MOST: usize = 500;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Found in use and marked so.
    pub kept: u64,
    /// Removed.
    pub removed: u64,
    /// There may be more: sweep again.
    pub more: bool,
}

impl Vault {
    /// Asks the owner which of the idle unused keys seal rows, marks those, and removes the others. A removed key leaves no
    /// tombstone: nothing was ever sealed with it, and the unit may get a new one.
    ///
    /// `in_use` gets at most 500 names and gives back those that rows of the owner's database are sealed with.
    ///
    /// # Errors
    /// [`VaultError::Owner`] if `in_use` failed: nothing is removed then.
    pub async fn sweep_unused<F, Fut, E>(&self, now: Timestamp, in_use: F) -> Result<Swept, VaultError>
    where
        F: FnOnce(Vec<KeyName>) -> Fut,
        Fut: Future<Output = Result<HashSet<KeyName>, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let before = now - IDLE;
        let asked = candidates(&self.0.pool, before).await?;
        if asked.is_empty() {
            return Ok(Swept::default());
        }
        let used = in_use(asked.clone()).await.map_err(|e| VaultError::Owner(e.into()))?;
        let (keep, remove): (Vec<KeyName>, Vec<KeyName>) = asked.iter().copied().partition(|name| used.contains(name));
        let gone: HashSet<KeyName> = remove.iter().copied().collect();
        let (kept, removed) =
            self.write(move |pool| async move { settle(&pool, &keep, &remove, before).await }).await?;
        self.cache().erased(|name| gone.contains(name));
        Ok(Swept { kept, removed, more: asked.len() == MOST })
    }
}

async fn candidates(pool: &PgPool, before: Timestamp) -> Result<Vec<KeyName>, VaultError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select unit, class from wrapped_key where not used and erased_at is null and asked_at < $1 order by asked_at limit $2",
    )
    .bind(before.to_sqlx())
    .bind(MOST as i64)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|(unit, class)| store::name(unit, &class)).collect()
}

/// Marks and removes in one transaction. The conditions are repeated: a key that was wanted or erased meanwhile stays as it is.
async fn settle(
    pool: &PgPool,
    keep: &[KeyName],
    remove: &[KeyName],
    before: Timestamp,
) -> Result<(u64, u64), VaultError> {
    let columns = |names: &[KeyName]| -> (Vec<Uuid>, Vec<&'static str>) {
        names.iter().map(|name| (name.unit, name.class.as_str())).unzip()
    };
    let (keep_units, keep_classes) = columns(keep);
    let (gone_units, gone_classes) = columns(remove);
    #[allow(clippy::disallowed_methods)] // always called inside a task of its own, on a pool with the ROLLBACK hook
    let mut tx = pool.begin().await?;
    let kept = sqlx::query(
        "update wrapped_key set used = true where (unit, class) in (select * from unnest($1::uuid[], $2::text[])) \
         and erased_at is null",
    )
    .bind(&keep_units)
    .bind(&keep_classes)
    .execute(&mut *tx)
    .await?;
    let removed = sqlx::query(
        "delete from wrapped_key where (unit, class) in (select * from unnest($1::uuid[], $2::text[])) \
         and not used and erased_at is null and asked_at < $3",
    )
    .bind(&gone_units)
    .bind(&gone_classes)
    .bind(before.to_sqlx())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok((kept.rows_affected(), removed.rows_affected()))
}
