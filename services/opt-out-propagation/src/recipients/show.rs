//! What is shown of recipients: the list, one of them, and what waits for a member of staff.

use super::{RECIPIENTS_MAX, Recipients};
use crate::{alerts, fanout::in_force, propagation};
use chassis::{DbError, HandleError};
use contracts::{
    Code, EntryId, InstructionId, RecipientId, Sealed, Timestamp, Uuid,
    register::{ListTasks, RecipientReply, RecipientView, ShowRecipient, TaskList, TaskRow},
    request::{ListRecipients, RecipientList, RecipientRow},
};
use jiff_sqlx::ToSqlx;
use recipient_kit::key_id;
use std::collections::HashMap;

impl Recipients {
    /// `req.optout.recipients`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self, _: ListRecipients) -> Result<RecipientList, HandleError> {
        let now = self.bus.clock().now();
        let mut missing = self.missing(now).await?;
        type Row = (Uuid, String, String, String, i64, String, i64, i64, Option<jiff_sqlx::Timestamp>);
        let rows: Vec<Row> = sqlx::query_as(
            "select r.id, r.label, r.kind, r.transport, r.last, r.status, count(o.instruction),
                    count(o.instruction) filter (where i.due <= $2), min(o.issued_at)
               from recipient r left join owed o on o.recipient = r.id left join issued i on i.instruction = o.instruction
              group by r.id order by r.label limit $1",
        )
        .bind(RECIPIENTS_MAX)
        .bind(now.to_sqlx())
        .fetch_all(self.bus.db().pool())
        .await?;
        let recipients = rows
            .into_iter()
            .filter_map(|(id, label, kind, transport, last, status, open, overdue, oldest)| {
                Some(RecipientRow {
                    recipient: RecipientId(id),
                    label: label.parse().ok()?,
                    kind: kind.parse().ok()?,
                    transport: transport.parse().ok()?,
                    last,
                    open: open.try_into().unwrap_or(u32::MAX),
                    oldest_open: oldest.map(|t| t.to_jiff()),
                    status: status.parse().ok()?,
                    overdue: overdue.try_into().unwrap_or(u32::MAX),
                    missing: missing.remove(&id).unwrap_or_default(),
                })
            })
            .collect();
        Ok(RecipientList { recipients })
    }

    /// What each lacks before it may be told of anybody.
    pub(super) async fn missing(&self, now: Timestamp) -> Result<HashMap<Uuid, Vec<Code>>, DbError> {
        let mut db = self.bus.db().pool().acquire().await?;
        let all = in_force(&mut db).await?;
        let today = propagation::day_of(now);
        Ok(all.iter().map(|c| (c.recipient.0, propagation::missing(&all, c, today))).collect())
    }

    /// `req.optout.recipient`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn show(&self, asked: ShowRecipient) -> Result<RecipientReply, HandleError> {
        let (id, pool) = (asked.recipient.0, self.bus.db().pool());
        let list = self.list(ListRecipients {}).await?;
        let Some(row) = list.recipients.into_iter().find(|row| row.recipient.0 == id) else {
            return Ok(RecipientReply::Unknown);
        };
        let (certification, report_key, sealing_key): (Option<serde_json::Value>, String, Vec<u8>) =
            sqlx::query_as("select certification, report_key_id, sealing_key from recipient where id = $1")
                .bind(id)
                .fetch_one(pool)
                .await?;
        let contract: Option<(i32, serde_json::Value)> =
            sqlx::query_as("select version, terms from contract_version where recipient = $1 and ended_at is null")
                .bind(id)
                .fetch_optional(pool)
                .await?;
        let endpoints: Vec<(i32, String, bool)> = sqlx::query_as(
            "select version, transport, enabled from endpoint where recipient = $1 order by version desc limit 100",
        )
        .bind(id)
        .fetch_all(pool)
        .await?;
        let former: Vec<(String, jiff_sqlx::Timestamp)> = sqlx::query_as(
            "select id, until from former_key where recipient = $1 and until > now() order by until limit 99",
        )
        .bind(id)
        .fetch_all(pool)
        .await?;
        let parked: i64 = sqlx::query_scalar(
            "select count(*) from retry r join endpoint e on e.id = r.endpoint where e.recipient = $1 and (r.parked or not e.enabled)",
        )
        .bind(id)
        .fetch_one(pool)
        .await?;
        type Owed = (Uuid, String, jiff_sqlx::Timestamp, jiff_sqlx::Timestamp);
        let owed: Vec<Owed> = sqlx::query_as(
            "select o.instruction, i.measure, o.issued_at, i.due from owed o join issued i using (instruction)
              where o.recipient = $1 order by o.position limit 100",
        )
        .bind(id)
        .fetch_all(pool)
        .await?;
        let contact = alerts::contact_of(&mut *pool.acquire().await?, asked.recipient).await?;
        let key = |(id, until): (String, jiff_sqlx::Timestamp)| Some((id.parse().ok()?, Some(until.to_jiff())));
        let current: Option<Code> = report_key.parse().ok();
        let owes = |(id, measure, since, due): Owed| {
            Some((InstructionId(id), measure.parse().ok()?, since.to_jiff(), due.to_jiff()))
        };
        Ok(RecipientReply::Found(Box::new(RecipientView {
            row,
            certification: certification.and_then(|json| serde_json::from_value(json).ok()),
            contract: contract.and_then(|(version, json)| Some((version, serde_json::from_value(json).ok()?))),
            endpoints: endpoints.into_iter().filter_map(|(v, t, on)| Some((v, t.parse().ok()?, on))).collect(),
            report_keys: current.map(|id| (id, None)).into_iter().chain(former.into_iter().filter_map(key)).collect(),
            sealing_key: key_id(&sealing_key),
            desk_key: Sealed(self.keys.file_signer(asked.recipient).public().to_bytes()),
            contact,
            parked: parked.try_into().unwrap_or(u32::MAX),
            owed: owed.into_iter().filter_map(owes).collect(),
        })))
    }

    /// `req.optout.tasks`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tasks(&self, _: ListTasks) -> Result<TaskList, HandleError> {
        type Row = (
            Uuid,
            String,
            Uuid,
            String,
            Option<Uuid>,
            Option<Uuid>,
            Option<String>,
            Option<String>,
            jiff_sqlx::Timestamp,
            jiff_sqlx::Timestamp,
        );
        let rows: Vec<Row> = sqlx::query_as(
            "select t.id, coalesce(t.about, t.kind), t.recipient, r.label, t.instruction, t.entry, t.outcome, t.ground, t.since, t.due
               from task t join recipient r on r.id = t.recipient where t.closed_at is null order by t.since, t.id limit 200",
        )
        .fetch_all(self.bus.db().pool())
        .await?;
        let row = |(task, kind, recipient, label, instruction, entry, outcome, ground, since, due): Row| {
            Some(TaskRow {
                task,
                kind: kind.parse().ok()?,
                recipient: RecipientId(recipient),
                label: label.parse().ok()?,
                instruction: instruction.map(InstructionId),
                entry: entry.map(EntryId),
                outcome: outcome.and_then(|word| word.parse().ok()),
                ground: ground.and_then(|code| code.parse().ok()),
                since: since.to_jiff(),
                due: due.to_jiff(),
            })
        };
        Ok(TaskList { tasks: rows.into_iter().filter_map(row).collect() })
    }
}
