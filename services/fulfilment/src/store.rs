//! Every SQL statement of this service that is not the bus's.

use chassis::{Db, DbError};
use contracts::{StaffId, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;

/// What is written down with a decision: why it was taken, and what the person is answered.
#[derive(Clone, Debug)]
pub struct Record {
    /// The order's token.
    pub cause: Uuid,
    /// The case.
    pub case: Uuid,
    /// Who.
    pub staff: StaffId,
    /// Why, sealed.
    pub why: Vec<u8>,
    /// The answer, sealed.
    pub answer: Vec<u8>,
    /// When.
    pub at: Timestamp,
    /// Until when it is kept.
    pub keep_until: Timestamp,
}

/// The service's own tables.
#[derive(Clone, Debug)]
pub struct Store(Db);

/// Cases ended per round.
const ENDED_MAX: i64 = 100;

impl Store {
    /// On the service's schema.
    pub fn new(db: Db) -> Self {
        Self(db)
    }

    /// Keeps a record; `false` when this order had one already.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn keep(&self, record: Record) -> Result<bool, DbError> {
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    let why = sqlx::query(
                        "insert into order_reason (cause, case_id, staff, sealed, at) values ($1, $2, $3, $4, $5) \
                         on conflict (cause) do nothing",
                    )
                    .bind(record.cause)
                    .bind(record.case)
                    .bind(record.staff.0)
                    .bind(record.why)
                    .bind(record.at.to_sqlx())
                    .execute(&mut *tx)
                    .await?;
                    sqlx::query(
                        "insert into answer_record (cause, case_id, sealed, at, keep_until) values ($1, $2, $3, $4, $5) \
                         on conflict (cause) do nothing",
                    )
                    .bind(record.cause)
                    .bind(record.case)
                    .bind(record.answer)
                    .bind(record.at.to_sqlx())
                    .bind(record.keep_until.to_sqlx())
                    .execute(&mut *tx)
                    .await?;
                    Ok(why.rows_affected() == 1)
                })
            })
            .await
    }

    /// Drops the record of an order that was refused: nothing was done, so nothing is kept.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn drop_record(&self, cause: Uuid) -> Result<(), DbError> {
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from order_reason where cause = $1").bind(cause).execute(&mut *tx).await?;
                    sqlx::query("delete from answer_record where cause = $1").bind(cause).execute(&mut *tx).await?;
                    Ok(())
                })
            })
            .await
    }

    /// At most 100 cases whose last record's time is over.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn over(&self, now: Timestamp) -> Result<Vec<Uuid>, DbError> {
        let found = sqlx::query_scalar(
            "select case_id from answer_record group by case_id having max(keep_until) <= $1 order by max(keep_until) limit $2",
        )
        .bind(now.to_sqlx())
        .bind(ENDED_MAX)
        .fetch_all(self.0.pool())
        .await?;
        Ok(found)
    }

    /// Deletes the rows of a case whose key is destroyed.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn drop_case(&self, case: Uuid) -> Result<(), DbError> {
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from order_reason where case_id = $1").bind(case).execute(&mut *tx).await?;
                    sqlx::query("delete from answer_record where case_id = $1").bind(case).execute(&mut *tx).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Which of these cases have rows that their key seals.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn sealed_cases(&self, cases: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
        let found = sqlx::query_scalar(
            "select case_id from answer_record where case_id = any($1) \
             union select case_id from order_reason where case_id = any($1)",
        )
        .bind(cases)
        .fetch_all(self.0.pool())
        .await?;
        Ok(found)
    }
}
