//! The statements on `wrapped_key`. Each write is one statement in a transaction of its own.

use super::{Erasure, KeyName, Tombstone, VaultError};
use crate::{RecordClass, Wrapped};
use contracts::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgPool;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Rows per statement.
pub(super) const BATCH: usize = 1_000;

pub(super) enum State {
    Key(Wrapped),
    Tombstone(Timestamp),
}

pub(super) struct Row {
    pub(super) state: State,
    /// Unused and not asked for in the last hour: say that it is wanted before using it.
    pub(super) touch: bool,
}

/// A row as the database gives it: wrapped, master, erased at, to be touched.
type Stored = (Option<Vec<u8>>, Option<String>, Option<jiff_sqlx::Timestamp>, bool);

pub(super) async fn look(pool: &PgPool, name: KeyName) -> Result<Option<Row>, VaultError> {
    let row: Option<Stored> = sqlx::query_as(
        "select wrapped, master, erased_at, not used and erased_at is null and asked_at < now() - interval '1 hour' \
         from wrapped_key where unit = $1 and class = $2",
    )
    .bind(name.unit)
    .bind(name.class.as_str())
    .fetch_optional(pool)
    .await?;
    Ok(row.and_then(read))
}

/// Those of the keys that exist and are not erased.
pub(super) async fn look_many(pool: &PgPool, names: &[KeyName]) -> Result<Vec<(KeyName, Row)>, VaultError> {
    let rows: Vec<(Uuid, String, Vec<u8>, String)> = sqlx::query_as(
        "select unit, class, wrapped, master from wrapped_key \
         where (unit, class) in (select * from unnest($1::uuid[], $2::text[])) and erased_at is null",
    )
    .bind(names.iter().map(|name| name.unit).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.class.as_str()).collect::<Vec<_>>())
    .fetch_all(pool)
    .await?;
    let row = |(unit, class, bytes, master): (Uuid, String, Vec<u8>, String)| {
        let state = State::Key(super::wrapped(bytes, master));
        Ok((name(unit, &class)?, Row { state, touch: false }))
    };
    rows.into_iter().map(row).collect()
}

fn read(row: Stored) -> Option<Row> {
    let state = match row {
        (Some(bytes), Some(master), None, _) => State::Key(super::wrapped(bytes, master)),
        (None, None, Some(at), _) => State::Tombstone(at.to_jiff()),
        // The table's check `key_or_tombstone` allows no other.
        _ => return None,
    };
    Some(Row { state, touch: row.3 })
}

/// Commits new keys where there is neither key nor tombstone; gives the names of those that went in.
pub(super) async fn insert(pool: &PgPool, rows: Vec<(KeyName, Wrapped)>) -> Result<Vec<KeyName>, VaultError> {
    let units: Vec<Uuid> = rows.iter().map(|(name, _)| name.unit).collect();
    let classes: Vec<&str> = rows.iter().map(|(name, _)| name.class.as_str()).collect();
    let keys: Vec<&[u8]> = rows.iter().map(|(_, wrapped)| wrapped.bytes.as_slice()).collect();
    let masters: Vec<&str> = rows.iter().map(|(_, wrapped)| wrapped.master.as_str()).collect();
    #[allow(clippy::disallowed_methods)] // always called inside a task of its own, on a pool with the ROLLBACK hook
    let mut tx = pool.begin().await?;
    let made: Vec<(Uuid, String)> = sqlx::query_as(
        "insert into wrapped_key (unit, class, wrapped, master) \
         select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[]) as t (unit, class, wrapped, master) \
         order by unit, class on conflict do nothing returning unit, class",
    )
    .bind(&units)
    .bind(&classes)
    .bind(&keys)
    .bind(&masters)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    made.into_iter().map(|(unit, class)| name(unit, &class)).collect()
}

pub(super) async fn touch(pool: &PgPool, name: KeyName) -> Result<(), VaultError> {
    #[allow(clippy::disallowed_methods)] // always called inside a task of its own, on a pool with the ROLLBACK hook
    let mut tx = pool.begin().await?;
    sqlx::query(
        "update wrapped_key set asked_at = now() where unit = $1 and class = $2 and erased_at is null and not used",
    )
    .bind(name.unit)
    .bind(name.class.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Turns rows into tombstones, and makes tombstones where there is no row. Sorted, so that two who bury the same do not
/// wait for each other in a circle. Gives every row's state afterwards.
pub(super) async fn bury(pool: &PgPool, names: Vec<(KeyName, Option<Timestamp>)>) -> Result<Vec<Erasure>, VaultError> {
    // A key named twice would be touched twice by one statement, which PostgreSQL refuses; the earlier time counts.
    let mut unique: BTreeMap<KeyName, Option<Timestamp>> = BTreeMap::new();
    for (name, at) in names {
        unique.entry(name).and_modify(|kept| *kept = (*kept).min(at)).or_insert(at);
    }
    let units: Vec<Uuid> = unique.keys().map(|name| name.unit).collect();
    let classes: Vec<&str> = unique.keys().map(|name| name.class.as_str()).collect();
    let times: Vec<Option<jiff_sqlx::Timestamp>> = unique.values().map(|at| at.map(|at| at.to_sqlx())).collect();
    #[allow(clippy::disallowed_methods)] // always called inside a task of its own, on a pool with the ROLLBACK hook
    let mut tx = pool.begin().await?;
    // xmax is 0 for a row that this statement inserted. What is buried already is not even locked: a replay at every start
    // must cost a look and no write.
    let buried: Vec<(Uuid, String, bool)> = sqlx::query_as(
        "insert into wrapped_key as k (unit, class, erased_at) \
         select unit, class, coalesce(at, now()) from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as t (unit, class, at) \
         where not exists (select from wrapped_key d where d.unit = t.unit and d.class = t.class and d.erased_at is not null) \
         order by unit, class \
         on conflict (unit, class) do update set wrapped = null, master = null, erased_at = excluded.erased_at \
         where k.erased_at is null \
         returning unit, class, xmax <> 0",
    )
    .bind(&units)
    .bind(&classes)
    .bind(&times)
    .fetch_all(&mut *tx)
    .await?;
    let rows: Vec<(Uuid, String, jiff_sqlx::Timestamp)> = sqlx::query_as(
        "select unit, class, erased_at from wrapped_key \
         where (unit, class) in (select * from unnest($1::uuid[], $2::text[])) and erased_at is not null order by unit, class",
    )
    .bind(&units)
    .bind(&classes)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|(unit, class, at)| {
            let destroyed = buried.iter().any(|(u, c, had_key)| *u == unit && *c == class && *had_key);
            Ok(Erasure { name: name(unit, &class)?, at: at.to_jiff(), destroyed })
        })
        .collect()
}

pub(super) async fn tombstones(pool: &PgPool, after: Option<Tombstone>) -> Result<Vec<Tombstone>, VaultError> {
    let rows: Vec<(Uuid, String, jiff_sqlx::Timestamp)> = sqlx::query_as(
        "select unit, class, at from tombstone where $1::timestamptz is null or (at, unit, class) > ($1, $2, $3) \
         order by at, unit, class limit 1000",
    )
    .bind(after.map(|t| t.at.to_sqlx()))
    .bind(after.map(|t| t.name.unit))
    .bind(after.map(|t| t.name.class.as_str()))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|(unit, class, at)| Ok(Tombstone { name: name(unit, &class)?, at: at.to_jiff() })).collect()
}

/// The ids of the master keys in use, at most two: the first and the last by name.
pub(super) async fn masters(pool: &PgPool) -> Result<Vec<String>, VaultError> {
    let (first, last): (Option<String>, Option<String>) =
        sqlx::query_as("select min(master), max(master) from wrapped_key where master is not null")
            .fetch_one(pool)
            .await?;
    Ok(first.into_iter().chain(last).collect())
}

pub(super) fn name(unit: Uuid, class: &str) -> Result<KeyName, VaultError> {
    let class: RecordClass = class.parse().map_err(|_| VaultError::UnknownClass)?;
    Ok(KeyName { unit, class })
}
