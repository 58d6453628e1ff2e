//! Why a member of staff did something: the rows of `staff_reason`. Sealed words only; who may open them is not known here.

use contracts::{StaffId, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgPool};

/// One row: the reason of one order.
#[derive(Clone, Debug)]
pub struct StaffReason {
    /// The order's token, which is the cause of what follows.
    pub cause: Uuid,
    /// Who.
    pub staff: StaffId,
    /// The unit (a case) whose key seals it and with which it ends; none: sealed to the service's key, as it came.
    pub unit: Option<Uuid>,
    /// Why, sealed; at most 256 KiB.
    pub sealed: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

impl StaffReason {
    /// Keeps it; `false` when this order had one already.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn keep(&self, tx: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "insert into staff_reason (cause, staff, unit, sealed, at) values ($1, $2, $3, $4, $5) \
             on conflict (cause) do nothing",
        )
        .bind(self.cause)
        .bind(self.staff.0)
        .bind(self.unit)
        .bind(&self.sealed)
        .bind(self.at.to_sqlx())
        .execute(tx)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Drops the reason of an order that was refused: nothing was done, so nothing is kept.
///
/// # Errors
/// The database did not do it.
pub async fn take_back(tx: &mut PgConnection, cause: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("delete from staff_reason where cause = $1").bind(cause).execute(tx).await.map(drop)
}

/// Drops the reasons of a unit whose key is destroyed.
///
/// # Errors
/// The database did not do it.
pub async fn end_with(tx: &mut PgConnection, unit: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("delete from staff_reason where unit = $1").bind(unit).execute(tx).await.map(drop)
}

/// Which of these units have reasons that their key seals.
///
/// # Errors
/// The database did not answer.
pub async fn sealed_under(pool: &PgPool, units: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar("select distinct unit from staff_reason where unit = any($1)").bind(units).fetch_all(pool).await
}
