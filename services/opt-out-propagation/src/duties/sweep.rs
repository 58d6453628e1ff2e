//! 保存期間の満了: records whose last day is over go. The articles and how they count stand in [`crate::retention`]; nothing goes
//! earlier, and the tables that know their last day refuse it too.

use super::Duties;
use crate::retention::{Record, Retention};
use calendar::end_of;
use chassis::{DbError, HandleError};
use contracts::{Date, Uuid};
use jiff_sqlx::ToSqlx;
use privacy::{RecordClass, VaultError};
use std::{sync::Arc, time::Duration};

/// How often.
const EVERY: Duration = Duration::from_secs(3600);
/// Rows at a time.
const BATCH: i64 = 500;

/// What one sweep dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Runs of the gate, with their findings.
    pub runs: u64,
    /// Records that arrived although they were blocked.
    pub incidents: u64,
    /// Records of telling others, and of requests handed on.
    pub provisions: u64,
    /// Copies of documents, with their keys.
    pub documents: u64,
}

impl Duties {
    /// Until the process stops.
    pub async fn sweeps(self: Arc<Self>) {
        let stop = self.recipients.bus.stopping();
        loop {
            match self.sweep(self.today()).await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(swept) => tracing::info!(?swept, "records whose time is over went"),
                Err(error) => tracing::warn!(%error, "records were not swept; the next hour tries again"),
            }
            if stop.pause(EVERY).await {
                return;
            }
        }
    }

    /// Drops what is over on this day.
    ///
    /// # Errors
    /// A database did not do it; what went before stays gone.
    pub async fn sweep(&self, today: Date) -> Result<Swept, HandleError> {
        let rules: &Retention = self.recipients.register.retention();
        let over = |record| end_of(rules.over(record, today, self.calendar())).to_sqlx();
        let (runs, incidents) = (over(Record::Receipt), over(Record::GateIncident));
        let today_text = today.to_string();
        let db = self.recipients.bus.db();
        let mut swept = db
            .write(move |tx| {
                Box::pin(async move {
                    let mut swept = Swept::default();
                    let ids: Vec<Uuid> = sqlx::query_scalar(
                        "select id from gate_run r where begun_at < $1
                            and not exists (select from gate_based_on_law l where l.run = r.id and l.until > now())
                          order by begun_at limit $2",
                    )
                    .bind(runs)
                    .bind(BATCH)
                    .fetch_all(&mut *tx)
                    .await?;
                    sqlx::query("delete from gate_based_on_law where run = any($1)")
                        .bind(&ids)
                        .execute(&mut *tx)
                        .await?;
                    // Its findings go with it.
                    let gone =
                        sqlx::query("delete from gate_run where id = any($1)").bind(&ids).execute(&mut *tx).await?;
                    swept.runs = gone.rows_affected();
                    let gone = sqlx::query("delete from gate_incident where raised_at < $1")
                        .bind(incidents)
                        .execute(&mut *tx)
                        .await?;
                    swept.incidents = gone.rows_affected();
                    for statement in [
                        "delete from provision_record where kept_until < $1::text::date",
                        "delete from relay_record where kept_until < $1::text::date",
                    ] {
                        let gone = sqlx::query(statement).bind(&today_text).execute(&mut *tx).await?;
                        swept.provisions += gone.rows_affected();
                    }
                    Ok(swept)
                })
            })
            .await?;
        swept.documents = self.documents_over(today).await?;
        for (n, what) in [
            (swept.runs, "gate-run"),
            (swept.incidents, "gate-incident"),
            (swept.provisions, "provision"),
            (swept.documents, "stop-document"),
        ] {
            if n > 0 {
                chassis::telemetry::add("madoguchi.records.dropped", n, what);
            }
        }
        Ok(swept)
    }

    /// The key first: without its row a key is swept too, without its key a row opens nothing.
    async fn documents_over(&self, today: Date) -> Result<u64, HandleError> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "select id from stop_document where kept_until < $1::text::date order by kept_until limit $2",
        )
        .bind(today.to_string())
        .bind(BATCH)
        .fetch_all(self.pool())
        .await
        .map_err(DbError::from)?;
        for id in &ids {
            match self.recipients.custody.vault().erase(*id, RecordClass::Register).await {
                Ok(_) | Err(VaultError::Missing(_)) => {}
                Err(error) => return Err(HandleError::Unavailable(error.to_string())),
            }
        }
        let gone = self.recipients.bus.db().write(move |tx| {
            Box::pin(async move {
                Ok(sqlx::query("delete from stop_document where id = any($1)")
                    .bind(&ids)
                    .execute(tx)
                    .await?
                    .rows_affected())
            })
        });
        Ok(gone.await?)
    }
}
