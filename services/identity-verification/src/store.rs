//! Every SQL statement of this service that is not the bus's.

use crate::verification::{Event, Verification};
use chassis::{Db, DbError, Rows, Step};
use contracts::{StaffId, Timestamp, Uuid};
use futures::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

/// One row of `order_reason`.
#[derive(Clone, Debug)]
pub struct OrderReason {
    /// The order's token.
    pub cause: Uuid,
    /// The case.
    pub case: Uuid,
    /// Who.
    pub staff: StaffId,
    /// Why, sealed under the case's evidence key.
    pub sealed: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

/// The service's own tables.
#[derive(Clone, Debug)]
pub struct Store(Db);

impl Store {
    /// On the service's schema.
    pub fn new(db: Db) -> Self {
        Self(db)
    }

    /// Keeps a reason; `false` when this order had one already.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn keep_reason(&self, reason: OrderReason) -> Result<bool, DbError> {
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "insert into order_reason (cause, case_id, staff, sealed, at) values ($1, $2, $3, $4, $5) \
                         on conflict (cause) do nothing",
                    )
                    .bind(reason.cause)
                    .bind(reason.case)
                    .bind(reason.staff.0)
                    .bind(reason.sealed)
                    .bind(reason.at.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok(done.rows_affected() == 1)
                })
            })
            .await
    }

    /// Drops the reason of an order that was refused: nothing was done, so nothing is kept.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn drop_reason(&self, cause: Uuid) -> Result<(), DbError> {
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from order_reason where cause = $1").bind(cause).execute(tx).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Which of these cases have rows that their evidence key seals.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn sealed_cases(&self, cases: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
        let found = sqlx::query_scalar("select distinct case_id from order_reason where case_id = any($1)")
            .bind(cases)
            .fetch_all(self.0.pool())
            .await?;
        Ok(found)
    }
}

/// What goes with a verification's state: an erased one has no reasons any more (their key is destroyed before).
#[derive(Debug)]
pub struct VerificationRows;

impl Rows<Verification> for VerificationRows {
    fn write<'c>(
        &'c self,
        tx: &'c mut PgConnection,
        step: &'c Step<Verification>,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async move {
            if step.events.iter().any(|e| matches!(e, Event::Erased { .. })) {
                sqlx::query("delete from order_reason where case_id = $1").bind(step.id).execute(tx).await?;
            }
            Ok(())
        })
    }
}
