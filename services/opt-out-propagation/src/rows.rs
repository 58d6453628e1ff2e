//! The service's own rows that go with its machines, in the machines' transactions.

use crate::{entry, entry::Entry, instruction, instruction::Instruction};
use chassis::{Rows, Step};
use futures::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

/// The block of an entry, and the mark for the fan-out.
#[derive(Debug)]
pub struct EntryRows;

impl Rows<Entry> for EntryRows {
    fn write<'c>(&'c self, tx: &'c mut PgConnection, step: &'c Step<Entry>) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for (event, version) in step.events.iter().zip(step.version + 1 - step.events.len() as i64..) {
                entry_row(tx, step, event, version).await?;
            }
            Ok(())
        })
    }
}

async fn entry_row(
    tx: &mut PgConnection,
    step: &Step<Entry>,
    event: &entry::Event,
    version: i64,
) -> Result<(), sqlx::Error> {
    use entry::Event;
    match event {
        Event::BlockPlaced { case, scope, at, .. } => {
            sqlx::query(
                "insert into register_entry (entry, \"case\", scope, blocked_since) values ($1, $2, $3, $4)
                 on conflict (entry) do update set scope = excluded.scope, blocked_since = excluded.blocked_since",
            )
            .bind(step.id)
            .bind(case.0)
            .bind(scope.as_str())
            .bind(at.to_sqlx())
            .execute(tx)
            .await?;
        }
        Event::BlockLifted { .. } => {
            sqlx::query("update register_entry set blocked_since = null where entry = $1")
                .bind(step.id)
                .execute(tx)
                .await?;
        }
        Event::StopEntered { case, scope, measure, effective_at, change, at, .. } => {
            sqlx::query(
                "insert into register_entry (entry, \"case\", scope, blocked_since, final_since) values ($1, $2, $3, $4, $5)
                 on conflict (entry) do update
                   set scope = excluded.scope, blocked_since = excluded.blocked_since, final_since = excluded.final_since",
            )
            .bind(step.id)
            .bind(case.0)
            .bind(scope.as_str())
            .bind(effective_at.to_sqlx())
            .bind(at.to_sqlx())
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "insert into fanout (change, entry, \"case\", version, scope, measure, trace) values ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(change.0)
            .bind(step.id)
            .bind(case.0)
            .bind(version)
            .bind(scope.as_str())
            .bind(measure.as_str())
            .bind(chassis::telemetry::current_traceparent().as_ref().map(|t| t.as_str()))
            .execute(tx)
            .await?;
        }
        Event::FannedOut { .. } | Event::InstructionSettled { .. } | Event::Confirmed { .. } => {}
    }
    Ok(())
}

/// What is owed, and what is said again.
#[derive(Debug)]
pub struct InstructionRows;

impl Rows<Instruction> for InstructionRows {
    fn write<'c>(
        &'c self,
        tx: &'c mut PgConnection,
        step: &'c Step<Instruction>,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for event in &step.events {
                instruction_row(tx, step, event).await?;
            }
            Ok(())
        })
    }
}

async fn instruction_row(
    tx: &mut PgConnection,
    step: &Step<Instruction>,
    event: &instruction::Event,
) -> Result<(), sqlx::Error> {
    use instruction::Event;
    match event {
        Event::Reminded { .. } => {
            // One that waits already, or for a person, stays as it is.
            sqlx::query(
                "insert into retry (endpoint, position, tries, next_at)
                 select endpoint, position, 0, now() from owed where instruction = $1
                 on conflict (endpoint, position) do nothing",
            )
            .bind(step.id)
            .execute(tx)
            .await?;
        }
        Event::Received { at, .. } => {
            sqlx::query(
                "with got as (update owed set received_at = $2 where instruction = $1 returning endpoint, position)
                 delete from retry r using got g where r.endpoint = g.endpoint and r.position = g.position",
            )
            .bind(step.id)
            .bind(at.to_sqlx())
            .execute(tx)
            .await?;
        }
        Event::Settled { .. } => {
            sqlx::query("delete from owed where instruction = $1").bind(step.id).execute(tx).await?;
        }
        Event::Issued { .. } | Event::Warned { .. } | Event::PartlyApplied { .. } => {}
    }
    Ok(())
}
