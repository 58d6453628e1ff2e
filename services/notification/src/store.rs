//! Every SQL statement of this service that is not the bus's.

use crate::message::{NoticeMachine, State, notice_of};
use chassis::{Db, DbError, Rows, Step};
use contracts::{CaseId, Language, NoticeId, ReceiptNumber, Timestamp, Uuid};
use futures::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use std::sync::Arc;
use tokio::sync::Notify;

/// The most notices of one case that an erasure looks for; a case has a handful.
const NOTICES_MAX: i64 = 1_000;

/// What is known of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Known {
    /// Nothing yet: its opening was not heard.
    NotYet,
    /// How to tell its person.
    As(Language, ReceiptNumber),
    /// Its personal part is destroyed.
    Erased,
}

/// The service's own tables.
#[derive(Clone, Debug)]
pub struct Store(Db);

impl Store {
    /// On the service's schema.
    pub fn new(db: Db) -> Self {
        Self(db)
    }

    /// Keeps what CaseOpened says. There is one such fact per case, and an erasure that overtook it stands.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn open_case(
        &self,
        case: CaseId,
        language: Language,
        receipt_number: ReceiptNumber,
    ) -> Result<(), DbError> {
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into case_language (case_id, language, receipt_number) values ($1, $2, $3) \
                         on conflict (case_id) do nothing",
                    )
                    .bind(case.0)
                    .bind(language.as_str())
                    .bind(receipt_number.to_string())
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Forgets a case but for the date, also one whose opening was not heard yet.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn erase_case(&self, case: CaseId, at: Timestamp) -> Result<(), DbError> {
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into case_language (case_id, erased_at) values ($1, $2) on conflict (case_id) do update \
                         set language = null, receipt_number = null, erased_at = coalesce(case_language.erased_at, excluded.erased_at)",
                    )
                    .bind(case.0)
                    .bind(at.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// What is known of a case.
    ///
    /// # Errors
    /// The database did not answer, or holds a word that this program does not know.
    pub async fn case(&self, case: CaseId) -> Result<Known, DbError> {
        let row: Option<(Option<String>, Option<String>)> =
            sqlx::query_as("select language, receipt_number from case_language where case_id = $1")
                .bind(case.0)
                .fetch_optional(self.0.pool())
                .await?;
        let unreadable =
            || DbError::Sql(sqlx::Error::Protocol("case_language: a value that this program does not know".into()));
        match row {
            None => Ok(Known::NotYet),
            Some((Some(language), Some(number))) => {
                let (language, number) =
                    (language.parse().map_err(|_| unreadable())?, number.parse().map_err(|_| unreadable())?);
                Ok(Known::As(language, number))
            }
            Some(_) => Ok(Known::Erased),
        }
    }

    /// The notices of a case.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn notices(&self, case: CaseId) -> Result<Vec<NoticeId>, DbError> {
        let found: Vec<Uuid> =
            sqlx::query_scalar("select notice from notice_of_case where case_id = $1 order by notice limit $2")
                .bind(case.0)
                .bind(NOTICES_MAX)
                .fetch_all(self.0.pool())
                .await?;
        Ok(found.into_iter().map(NoticeId).collect())
    }

    /// The case of the first of these notices that is known: what an answer to our mail is about.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn owner(&self, notices: &[NoticeId]) -> Result<Option<CaseId>, DbError> {
        let ids: Vec<Uuid> = notices.iter().map(|notice| notice.0).collect();
        let found: Option<Uuid> = sqlx::query_scalar(
            "select case_id from notice_of_case where notice = any ($1) order by array_position($1, notice) limit 1",
        )
        .bind(ids)
        .fetch_optional(self.0.pool())
        .await?;
        Ok(found.map(CaseId))
    }

    /// Takes attempts that nobody makes yet, each for one shell only.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn take(&self, at_most: usize) -> Result<Vec<NoticeId>, DbError> {
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        let taken: Vec<Uuid> = self
            .0
            .write(move |tx| {
                Box::pin(async move {
                    let rows = sqlx::query_scalar(
                        "update dispatch set taken = true where notice in (select notice from dispatch where not taken \
                         order by notice limit $1 for update skip locked) returning notice",
                    )
                    .bind(at_most)
                    .fetch_all(tx)
                    .await?;
                    Ok(rows)
                })
            })
            .await?;
        Ok(taken.into_iter().map(NoticeId).collect())
    }
}

/// What goes with a notice's state: whose it is, and the attempt that a shell has to make.
#[derive(Debug)]
pub struct NoticeRows {
    /// Wakes the worker. A hint: it may look before the commit, and its own poll is the guarantee.
    pub wake: Arc<Notify>,
}

impl Rows<NoticeMachine> for NoticeRows {
    fn write<'c>(
        &'c self,
        tx: &'c mut PgConnection,
        step: &'c Step<NoticeMachine>,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async move {
            if let (State::None, Some(notice)) = (&step.before, notice_of(&step.after)) {
                sqlx::query("insert into notice_of_case (notice, case_id) values ($1, $2)")
                    .bind(step.id)
                    .bind(notice.case.0)
                    .execute(&mut *tx)
                    .await?;
            }
            match &step.after {
                State::Sending { attempt, .. } => {
                    sqlx::query(
                        "insert into dispatch (notice, attempt) values ($1, $2) \
                         on conflict (notice) do update set attempt = excluded.attempt, taken = false",
                    )
                    .bind(step.id)
                    .bind(i16::from(*attempt))
                    .execute(&mut *tx)
                    .await?;
                    self.wake.notify_one();
                }
                _ => {
                    sqlx::query("delete from dispatch where notice = $1").bind(step.id).execute(&mut *tx).await?;
                }
            }
            Ok(())
        })
    }
}
