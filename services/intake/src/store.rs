//! Every SQL statement of this service that is not about the in-tray and the out-tray ([`crate::tray`]).

use chassis::{Db, DbError};
use contracts::{Kind, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;
use privacy::{BlindTag, IndexField};
use sqlx::PgConnection;

/// A row of `person`.
pub struct PersonRow {
    /// What is asked.
    pub kind: Kind,
    /// The sealed document; `None`: erased.
    pub sealed: Option<Vec<u8>>,
}

/// A row of `audit`.
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// `disclose` or `search`.
    pub what: &'static str,
    /// The case; none for a search.
    pub case: Option<Uuid>,
    /// The service's token.
    pub asker: String,
    /// Why.
    pub purpose: &'static str,
    /// By which article.
    pub article: String,
    /// Which values.
    pub fields: Vec<&'static str>,
    /// Because of which message or order.
    pub cause: Option<Uuid>,
    /// Who.
    pub staff: Option<Uuid>,
    /// Or forbidden.
    pub granted: bool,
}

/// A row of `staff_order`.
pub struct Order {
    /// The form's token.
    pub token: Uuid,
    /// The case.
    pub case: Uuid,
    /// `withdraw`, `revive`, `erase`.
    pub verb: &'static str,
    /// Who.
    pub staff: Uuid,
    /// Why, sealed under the key of the case.
    pub why: Option<Vec<u8>>,
    /// When.
    pub at: Timestamp,
}

/// Writes the sealed person and the index rows; a case that is there already is left as it is.
pub async fn keep_person(
    db: &Db,
    case: Uuid,
    kind: Kind,
    received_at: Timestamp,
    sealed: Vec<u8>,
    tags: Vec<(IndexField, BlindTag)>,
) -> Result<(), DbError> {
    let fields: Vec<&'static str> = tags.iter().map(|(field, _)| field.as_str()).collect();
    let tags: Vec<Vec<u8>> = tags.iter().map(|(_, tag)| tag.as_bytes().to_vec()).collect();
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "with made as (insert into person (case_id, kind, received_at, sealed) values ($1, $2, $3, $4)
                   on conflict (case_id) do nothing returning case_id)
                 insert into person_index (field, tag, case_id)
                   select t.field, t.tag, made.case_id from made, unnest($5::text[], $6::bytea[]) as t (field, tag)",
            )
            .bind(case)
            .bind(kind.as_str())
            .bind(received_at.to_sqlx())
            .bind(sealed)
            .bind(fields)
            .bind(tags)
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await
}

/// The person of a case.
pub async fn person(db: &Db, case: Uuid) -> Result<Option<PersonRow>, DbError> {
    let row: Option<(String, Option<Vec<u8>>)> = sqlx::query_as("select kind, sealed from person where case_id = $1")
        .bind(case)
        .fetch_optional(db.pool())
        .await?;
    row.map(|(kind, sealed)| match kind.parse() {
        Ok(kind) => Ok(PersonRow { kind, sealed }),
        Err(error) => Err(DbError::Sql(sqlx::Error::Decode(Box::new(error)))),
    })
    .transpose()
}

/// Which of these units (cases, mails, files of mails, arrivals) have sealed rows: what a sweep of unused keys must leave alone.
pub async fn with_sealed_rows(db: &Db, cases: Vec<Uuid>) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<(Uuid,)> = sqlx::query_as(
        "select case_id from person where case_id = any($1) and sealed is not null
         union select case_id from staff_order where case_id = any($1) and why is not null
         union select id from mail where id = any($1) and sealed is not null
         union select unit from mail_part where unit = any($1) and object is not null
         union select id from arrival where id = any($1) and sealed is not null
         union select case_id from desk_filing where case_id = any($1) and code is not null",
    )
    .bind(cases)
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Cases with this tag, newest first.
pub async fn find_cases(db: &Db, field: IndexField, tag: BlindTag, most: i64) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<(Uuid,)> = sqlx::query_as(
        "select i.case_id from person_index i join person p on p.case_id = i.case_id
         where i.field = $1 and i.tag = $2 order by p.received_at desc, i.case_id desc limit $3",
    )
    .bind(field.as_str())
    .bind(tag.as_bytes())
    .bind(most)
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Commits an audit row.
pub async fn write_audit(db: &Db, audit: Audit) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "insert into audit (id, at, what, case_id, asker, purpose, article, fields, cause, staff, result)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .bind(Uuid::now_v7())
            .bind(audit.at.to_sqlx())
            .bind(audit.what)
            .bind(audit.case)
            .bind(audit.asker)
            .bind(audit.purpose)
            .bind(audit.article)
            .bind(audit.fields)
            .bind(audit.cause)
            .bind(audit.staff)
            .bind(if audit.granted { "granted" } else { "forbidden" })
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await
}

/// Commits a staff order; the same token again changes nothing.
pub async fn write_order(db: &Db, order: Order) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "insert into staff_order (token, case_id, verb, staff, why, at) values ($1, $2, $3, $4, $5, $6)
                 on conflict (token) do nothing",
            )
            .bind(order.token)
            .bind(order.case)
            .bind(order.verb)
            .bind(order.staff)
            .bind(order.why)
            .bind(order.at.to_sqlx())
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await
}

/// The case of a receipt number and the code key it was filed with; the key is gone when the case is erased.
pub async fn case_of(db: &Db, receipt_number: String) -> Result<Option<(Uuid, Option<Vec<u8>>)>, DbError> {
    Ok(sqlx::query_as("select case_id, code_key from receipt where receipt_number = $1")
        .bind(receipt_number)
        .fetch_optional(db.pool())
        .await?)
}

/// In the step that opens a case.
pub async fn put_receipt(
    tx: &mut PgConnection,
    receipt_number: String,
    case: Uuid,
    code_key: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into receipt (receipt_number, case_id, code_key) values ($1, $2, $3)")
        .bind(receipt_number)
        .bind(case)
        .bind(code_key)
        .execute(tx)
        .await?;
    Ok(())
}

/// In the step that orders an erasure: nothing personal stays in this schema, and the key's end is due.
pub async fn order_erasure(tx: &mut PgConnection, case: Uuid, at: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with gone as (delete from person_index where case_id = $1),
              sealed as (update person set sealed = null, erased_at = $2 where case_id = $1 and sealed is not null),
              code as (update receipt set code_key = null where case_id = $1),
              slip as (update desk_filing set code = null where case_id = $1),
              why as (update staff_order set why = null where case_id = $1)
         insert into erasure (case_id, ordered_at, next_at) values ($1, $2, $2) on conflict (case_id) do nothing",
    )
    .bind(case)
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

/// In the step that hears of the key's end.
pub async fn erasure_done(tx: &mut PgConnection, case: Uuid, at: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query("update erasure set done_at = $2 where case_id = $1").bind(case).bind(at.to_sqlx()).execute(tx).await?;
    Ok(())
}

/// Claims due erasures by pushing their time forward.
pub async fn claim_erasures(db: &Db, now: Timestamp, most: i64) -> Result<Vec<Uuid>, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let rows: Vec<(Uuid,)> = sqlx::query_as(
                "update erasure set tries = tries + 1, next_at = $1 + least(interval '10 s' * 2 ^ least(tries, 10), interval '10 min')
                 where case_id in (select case_id from erasure where done_at is null and next_at <= $1
                   order by next_at limit $2 for update skip locked)
                 returning case_id",
            )
            .bind(now.to_sqlx())
            .bind(most)
            .fetch_all(tx)
            .await?;
            Ok(rows.into_iter().map(|row| row.0).collect())
        })
    })
    .await
}
