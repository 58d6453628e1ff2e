//! The door's two trays as intake sees them: taking filings from `door.filing`, writing letters to `door.letterbox`. The
//! one declared exception to "no rights in another's schema".

use chassis::{Db, DbError};
use contracts::{Code, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

/// A claimed filing.
pub struct Taken {
    /// Its id.
    pub id: Uuid,
    /// The hatch it was sealed with.
    pub hatch: Uuid,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// The hatch's sealed key; `None`: there is no such hatch.
    pub hatch_sealed: Option<Vec<u8>>,
    /// When the door took it.
    pub received_at: Timestamp,
}

type TakenRow = (Uuid, Uuid, Vec<u8>, Option<Vec<u8>>, jiff_sqlx::Timestamp);

/// Claims waiting filings, oldest first, by pushing their time forward: after a crash they are taken again.
pub async fn claim(db: &Db, now: Timestamp, most: u16) -> Result<Vec<Taken>, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let rows: Vec<TakenRow> = sqlx::query_as(
                "with due as (select id from door.filing where state = 'waiting' and (next_at is null or next_at <= $1)
                     order by received_at limit $2 for update skip locked),
                   taken as (update door.filing f set tries = f.tries + 1,
                     next_at = $1 + least(interval '5 s' * 2 ^ least(f.tries, 7), interval '10 min')
                     from due where f.id = due.id returning f.id, f.hatch, f.sealed, f.received_at)
                 select t.id, t.hatch, t.sealed, h.sealed, t.received_at
                   from taken t left join door.hatch h on h.id = t.hatch order by t.received_at",
            )
            .bind(now.to_sqlx())
            .bind(i64::from(most))
            .fetch_all(tx)
            .await?;
            Ok(rows
                .into_iter()
                .map(|(id, hatch, sealed, hatch_sealed, at)| Taken {
                    id,
                    hatch,
                    sealed,
                    hatch_sealed,
                    received_at: at.to_jiff(),
                })
                .collect())
        })
    })
    .await
}

/// A filing that is dealt with. In the step that it causes, and once more for one that was dealt with before.
pub async fn remove(tx: &mut PgConnection, filing: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("delete from door.filing where id = $1").bind(filing).execute(tx).await?;
    Ok(())
}

/// A filing that waits for something: tried again at this time.
pub async fn wait(db: &Db, filing: Uuid, until: Timestamp, why: Code) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query("update door.filing set next_at = $2, note = $3 where id = $1 and state = 'waiting'")
                .bind(filing)
                .bind(until.to_sqlx())
                .bind(why.as_str())
                .execute(tx)
                .await?;
            Ok(())
        })
    })
    .await
}

/// A filing that no program can deal with: it stays, with the reason, for a person.
pub async fn park(db: &Db, filing: Uuid, why: Code) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query("update door.filing set state = 'parked', note = $2 where id = $1")
                .bind(filing)
                .bind(why.as_str())
                .execute(tx)
                .await?;
            Ok(())
        })
    })
    .await
}

/// Whether a filing waits that came before that, for whatever reason.
pub async fn waits_since_before(db: &Db, before: Timestamp) -> Result<bool, DbError> {
    let find = "select exists (select from door.filing where received_at < $1)";
    Ok(sqlx::query_scalar(find).bind(before.to_sqlx()).fetch_one(db.pool()).await?)
}

/// How many filings are parked.
pub async fn parked(db: &Db) -> Result<i64, DbError> {
    let (n,): (i64,) =
        sqlx::query_as("select count(*) from door.filing where state = 'parked'").fetch_one(db.pool()).await?;
    Ok(n)
}

/// Deletes hatches that no filing needs any more. A door seals with a hatch for ten seconds; ten minutes are ample.
pub async fn sweep_hatches(db: &Db) -> Result<u64, DbError> {
    db.write(|tx| {
        Box::pin(async move {
            let gone = sqlx::query(
                "delete from door.hatch h where h.made_at < now() - interval '10 minutes'
                 and not exists (select from door.filing f where f.hatch = h.id)",
            )
            .execute(tx)
            .await?;
            Ok(gone.rows_affected())
        })
    })
    .await
}

/// Puts the status letter; an older version never replaces a newer one.
pub async fn put_letter(
    tx: &mut PgConnection,
    code_key: &[u8; 32],
    kind: &'static str,
    body: &[u8],
    version: i64,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into door.letterbox (code_key, kind, body, version, updated_at) values ($1, $2, $3, $4, $5)
         on conflict (code_key, kind) do update set body = excluded.body, version = excluded.version, updated_at = excluded.updated_at
         where letterbox.version < excluded.version",
    )
    .bind(code_key.as_slice())
    .bind(kind)
    .bind(body)
    .bind(version)
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes all letters of a code away.
pub async fn empty_letterbox(tx: &mut PgConnection, code_key: &[u8; 32]) -> Result<(), sqlx::Error> {
    sqlx::query("delete from door.letterbox where code_key = $1").bind(code_key.as_slice()).execute(tx).await?;
    Ok(())
}
