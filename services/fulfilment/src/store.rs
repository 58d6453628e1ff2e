//! Every SQL statement of this service that is not the bus's.

use chassis::{Db, DbError, reason};
use contracts::{Timestamp, Uuid};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

/// What the person is answered, to be kept with the reason of the decision.
#[derive(Clone, Debug)]
pub struct Record {
    /// The order's token.
    pub cause: Uuid,
    /// The case.
    pub case: Uuid,
    /// The answer, sealed.
    pub answer: Vec<u8>,
    /// When.
    pub at: Timestamp,
    /// Until when it is kept.
    pub keep_until: Timestamp,
}

impl Record {
    /// Writes it beside its reason, with which it goes.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn write(self, tx: &mut PgConnection) -> Result<(), DbError> {
        sqlx::query("insert into answer_record (cause, case_id, sealed, at, keep_until) values ($1, $2, $3, $4, $5)")
            .bind(self.cause)
            .bind(self.case)
            .bind(self.answer)
            .bind(self.at.to_sqlx())
            .bind(self.keep_until.to_sqlx())
            .execute(tx)
            .await?;
        Ok(())
    }
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

    /// Deletes the rows of a case whose key is destroyed: the reasons, and with them the answers.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn drop_case(&self, case: Uuid) -> Result<(), DbError> {
        self.0.write(move |tx| Box::pin(async move { Ok(reason::end_with(tx, case).await?) })).await
    }

    /// Which of these cases have rows that their key seals.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn sealed_cases(&self, cases: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
        Ok(reason::sealed_under(self.0.pool(), cases).await?)
    }
}
