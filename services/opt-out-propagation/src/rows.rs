//! The service's own rows that go with its machines, in the machines' transactions.

use crate::{
    duties::hospital,
    entry,
    entry::{Entry, Ground},
    instruction,
    instruction::Instruction,
};
use chassis::{Rows, Step};
use contracts::{ChangeId, Code, Measure, Scope, Timestamp, Uuid};
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
        Event::StopEntered { scope, change, .. } => {
            final_row(tx, step.id, event, version).await?;
            // An erasure waits until two people confirmed the match; the stop goes out at once.
            mark(tx, step, *change, version, *scope, Measure::Stop, false).await?;
        }
        Event::ErasureReleased { change, at } => {
            let (Some(case), Some((scope, _))) = (step.after.case(), step.after.blocks()) else { return Ok(()) };
            let ground = Ground { case, basis: Code::of("act-20"), received_at: *at };
            change_row(tx, step.id, version, "erasure-released", &ground, Some(scope), *at).await?;
            mark(tx, step, *change, version, scope, Measure::Erase, false).await?;
        }
        Event::ScopeChanged { ground, scope, change, at } => {
            // The trigger looks for the change before it lets the tracks of a final stop be another.
            change_row(tx, step.id, version, "scope-changed", ground, Some(*scope), *at).await?;
            sqlx::query("update register_entry set scope = $2 where entry = $1")
                .bind(step.id)
                .bind(scope.as_str())
                .execute(&mut *tx)
                .await?;
            hospital::work_orders(tx, step.id, *scope, ground.received_at, *at).await?;
            mark(tx, step, *change, version, *scope, Measure::Stop, true).await?;
        }
        Event::IdentifiersCorrected { ground, change, at } => {
            let Some((scope, _)) = step.after.blocks() else { return Ok(()) };
            change_row(tx, step.id, version, "identifiers-corrected", ground, Some(scope), *at).await?;
            hospital::work_orders(tx, step.id, scope, ground.received_at, *at).await?;
            mark(tx, step, *change, version, scope, Measure::Correct, false).await?;
        }
        Event::Withdrawn { ground, at } => withdrawn_row(tx, step.id, version, ground, *at).await?,
        Event::UseSuspended { ground, change, at } => {
            freeze_rows(tx, step, *change, version, Measure::Suspend, ground, *at).await?;
        }
        Event::UseResumed { ground, change, at } => {
            freeze_rows(tx, step, *change, version, Measure::Resume, ground, *at).await?;
        }
        Event::FannedOut { .. }
        | Event::InstructionSettled { .. }
        | Event::InstructionReopened { .. }
        | Event::InstructionReplaced { .. }
        | Event::Confirmed { .. } => {}
    }
    Ok(())
}

async fn withdrawn_row(
    tx: &mut PgConnection,
    entry: Uuid,
    version: i64,
    ground: &Ground,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    change_row(tx, entry, version, "withdrawn", ground, None, at).await?;
    sqlx::query("update register_entry set withdrawn_at = $2 where entry = $1")
        .bind(entry)
        .bind(at.to_sqlx())
        .execute(tx)
        .await
        .map(drop)
}

/// The tracks of an entry that blocks; every entry that is changed does.
fn scope_of(step: &Step<Entry>) -> Scope {
    step.after.blocks().map_or(Scope::Both, |(scope, _)| scope)
}

/// A freeze of current builds or its end, and its mark.
async fn freeze_rows(
    tx: &mut PgConnection,
    step: &Step<Entry>,
    change: ChangeId,
    version: i64,
    measure: Measure,
    ground: &Ground,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let kind = if measure == Measure::Suspend { "use-suspended" } else { "use-resumed" };
    change_row(tx, step.id, version, kind, ground, Some(scope_of(step)), at).await?;
    mark(tx, step, change, version, scope_of(step), measure, false).await
}

/// The stop as it stands from now on.
async fn final_row(tx: &mut PgConnection, entry: Uuid, event: &entry::Event, version: i64) -> Result<(), sqlx::Error> {
    let entry::Event::StopEntered { case, scope, received_at, effective_at, at, .. } = event else { return Ok(()) };
    let ground = Ground { case: *case, basis: basis(*scope), received_at: *received_at };
    change_row(tx, entry, version, "stopped", &ground, Some(*scope), *effective_at).await?;
    sqlx::query(
        "insert into register_entry (entry, \"case\", scope, blocked_since, final_since) values ($1, $2, $3, $4, $5)
         on conflict (entry) do update
           set scope = excluded.scope, blocked_since = excluded.blocked_since, final_since = excluded.final_since",
    )
    .bind(entry)
    .bind(case.0)
    .bind(scope.as_str())
    .bind(effective_at.to_sqlx())
    .bind(at.to_sqlx())
    .execute(&mut *tx)
    .await?;
    hospital::work_orders(tx, entry, *scope, *received_at, *at).await
}

/// The article that a stop of these tracks stands on.
fn basis(scope: Scope) -> Code {
    match scope {
        Scope::Anonymised => Code::of("act-52-1"),
        Scope::Pseudonymised => Code::of("act-57-1"),
        Scope::Both => Code::of("act-52-1-and-57-1"),
    }
}

async fn change_row(
    tx: &mut PgConnection,
    entry: Uuid,
    version: i64,
    kind: &'static str,
    ground: &Ground,
    scope: Option<Scope>,
    effective_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into register_change (entry, version, kind, \"case\", basis, scope, received_at, effective_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry)
    .bind(version)
    .bind(kind)
    .bind(ground.case.0)
    .bind(ground.basis.as_str())
    .bind(scope.map(Scope::as_str))
    .bind(ground.received_at.to_sqlx())
    .bind(effective_at.to_sqlx())
    .execute(tx)
    .await
    .map(drop)
}

/// The mark for the fan-out.
async fn mark(
    tx: &mut PgConnection,
    step: &Step<Entry>,
    change: ChangeId,
    version: i64,
    scope: Scope,
    measure: Measure,
    everybody: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into fanout (change, entry, \"case\", version, scope, measure, trace, everybody)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(change.0)
    .bind(step.id)
    .bind(step.after.case().map(|case| case.0))
    .bind(version)
    .bind(scope.as_str())
    .bind(measure.as_str())
    .bind(chassis::telemetry::current_traceparent().as_ref().map(|t| t.as_str()))
    .bind(everybody)
    .execute(tx)
    .await
    .map(drop)
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
            // One that waits already, or for a person, stays as it is. What is fetched or carried is not sent.
            sqlx::query(
                "insert into retry (endpoint, position, tries, next_at)
                 select o.endpoint, o.position, 0, now() from owed o join endpoint e on e.id = o.endpoint
                  where o.instruction = $1 and (e.transport in ('nats', 'webhook')
                        or exists (select from endpoint v where v.id = e.via and v.transport in ('nats', 'webhook')))
                 on conflict (endpoint, position) do nothing",
            )
            .bind(step.id)
            .execute(tx)
            .await?;
        }
        Event::Received { at, .. } => received(tx, step.id, *at).await?,
        Event::Reported { outcome, ground, waits, below, reopens, at, .. } => {
            let ground = ground.as_ref().map(Code::as_str);
            reported(tx, step, outcome.as_str(), ground, *at).await?;
            if *waits && !*below {
                let kind = if outcome.closes_by_itself() { "sample" } else { "report" };
                task(tx, step.id, kind, outcome.as_str(), ground, *at).await?;
            }
            if *reopens {
                sqlx::query(
                    "insert into owed (instruction, recipient, endpoint, position, issued_at, received_at)
                     select instruction, recipient, endpoint, position, at, $2 from delivery where instruction = $1
                     on conflict (instruction) do nothing",
                )
                .bind(step.id)
                .bind(at.to_sqlx())
                .execute(tx)
                .await?;
            }
        }
        Event::SentBack { at } => {
            sqlx::query("update issued set outcome = null, ground = null, reported_at = null where instruction = $1")
                .bind(step.id)
                .execute(&mut *tx)
                .await?;
            close(tx, step, *at).await?;
        }
        Event::Settled { by, at, .. } => {
            settled(tx, step, by.as_str(), *at).await?;
        }
        Event::Replaced { by, at } => {
            replaced(tx, step.id, by.0).await?;
            close(tx, step, *at).await?;
        }
        Event::Issued { .. } | Event::Warned { .. } | Event::Acted { .. } => {}
    }
    Ok(())
}

async fn received(tx: &mut PgConnection, id: Uuid, at: Timestamp) -> Result<(), sqlx::Error> {
    // With it a hospital's own date (Rules art. 47), beside that of the desk.
    sqlx::query(
        "with got as (update owed set received_at = $2 where instruction = $1 returning endpoint, position),
         sent as (delete from retry r using got g where r.endpoint = g.endpoint and r.position = g.position)
         update entry_hospital h set received_at = $2 from issued i join recipient_name n using (recipient)
          where i.instruction = $1 and h.entry = i.entry and h.tag = n.tag and h.received_at is null",
    )
    .bind(id)
    .bind(at.to_sqlx())
    .execute(tx)
    .await
    .map(drop)
}

/// Done with: nothing is owed, the confirmation is known, and its tasks are closed, as in [`close`].
async fn settled(tx: &mut PgConnection, step: &Step<Instruction>, by: &str, at: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with paid as (delete from owed where instruction = $1),
         known as (update issued set confirmed_at = $2, confirmed_by = $4 where instruction = $1)
         update task set closed_at = $2, cause = $3 where (id = $1 or instruction = $1) and closed_at is null",
    )
    .bind(step.id)
    .bind(at.to_sqlx())
    .bind(step.cause)
    .bind(by)
    .execute(tx)
    .await
    .map(drop)
}

async fn replaced(tx: &mut PgConnection, id: Uuid, by: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with gone as (delete from owed where instruction = $1 returning endpoint, position)
         delete from retry r using gone g where r.endpoint = g.endpoint and r.position = g.position",
    )
    .bind(id)
    .execute(&mut *tx)
    .await?;
    sqlx::query("update issued set replaced_by = $2 where instruction = $1")
        .bind(id)
        .bind(by)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

async fn reported(
    tx: &mut PgConnection,
    step: &Step<Instruction>,
    outcome: &str,
    ground: Option<&str>,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update issued set outcome = $2, ground = $3, reported_at = $4, confirmed_at = null, confirmed_by = null
          where instruction = $1",
    )
    .bind(step.id)
    .bind(outcome)
    .bind(ground)
    .bind(at.to_sqlx())
    .execute(tx)
    .await
    .map(drop)
}

/// What waits for a member of staff: one task per instruction, open again with every report that waits.
async fn task(
    tx: &mut PgConnection,
    instruction: Uuid,
    kind: &'static str,
    outcome: &str,
    ground: Option<&str>,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into task (id, kind, recipient, instruction, entry, outcome, ground, since, due)
         select $1, $2, recipient, $1, entry, $3, $4, $5, due from issued where instruction = $1
         on conflict (id) do update set kind = excluded.kind, outcome = excluded.outcome, ground = excluded.ground,
           since = excluded.since, closed_at = null, cause = null",
    )
    .bind(instruction)
    .bind(kind)
    .bind(outcome)
    .bind(ground)
    .bind(at.to_sqlx())
    .execute(tx)
    .await
    .map(drop)
}

async fn close(tx: &mut PgConnection, step: &Step<Instruction>, at: Timestamp) -> Result<(), sqlx::Error> {
    // Its own task, and those of reports that did not say enough, or of an order to erase everything.
    sqlx::query("update task set closed_at = $2, cause = $3 where (id = $1 or instruction = $1) and closed_at is null")
        .bind(step.id)
        .bind(at.to_sqlx())
        .bind(step.cause)
        .execute(tx)
        .await
        .map(drop)
}
