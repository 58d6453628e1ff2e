//! How an entry stands: its state, and every instruction about it with the time of each stage, from the instructions' own
//! history.

use super::Orders;
use crate::entry::{Erasure, State};
use chassis::{DbError, HandleError, Machine};
use contracts::{
    Code, InstructionId, RecipientId, StaffId, Timestamp, Uuid,
    standing::{EntryStanding, InstructionStanding},
};
use sqlx::PgPool;
use std::collections::HashMap;

type Time = jiff_sqlx::Timestamp;

/// The most instructions of one entry that are shown.
const SHOWN_MAX: i64 = 2_000;

impl Orders {
    /// `None`: the machine has not heard of the entry.
    pub(super) async fn standing(&self, id: Uuid) -> Result<Option<EntryStanding>, HandleError> {
        let Some((_, state)) = self.entries.read(id).await? else { return Ok(None) };
        let Some(case) = state.case() else { return Ok(None) };
        let (measure, erasure) = match &state {
            State::Stopped { measure, erasure, .. } | State::Confirmed { measure, erasure, .. } => {
                (Some(*measure), *erasure)
            }
            State::Absent | State::Blocked { .. } | State::Lifted { .. } => (None, Erasure::NotAsked),
        };
        let erasure = Code::of(match erasure {
            Erasure::NotAsked => "not-asked",
            Erasure::Waits => "waits",
            Erasure::Released => "released",
        });
        let mut instructions = instructions(self.bus.db().pool(), id).await?;
        let counting = state.counting();
        for one in &mut instructions {
            one.counts = counting.get(&one.instruction).copied();
        }
        Ok(Some(EntryStanding { status: crate::entry::Entry::status(&state), case, measure, erasure, instructions }))
    }
}

type Row = (
    Uuid,
    Uuid,
    String,
    String,
    String,
    Time,
    Time,
    Option<String>,
    Option<String>,
    Option<Time>,
    Option<Time>,
    Option<String>,
    Option<Uuid>,
    bool,
    Option<Uuid>,
    Option<String>,
);

async fn instructions(pool: &PgPool, entry: Uuid) -> Result<Vec<InstructionStanding>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select i.instruction, i.recipient, r.label, i.measure, i.scope, i.issued_at, i.due, i.outcome, i.ground,
                i.reported_at, i.confirmed_at, i.confirmed_by, i.replaced_by,
                exists (select from task t where t.instruction = i.instruction and t.closed_at is null), p.first, p.words
           from issued i join recipient r on r.id = i.recipient
           left join two_people p on p.subject = i.instruction and p.kind = 'attest' and p.second is null
          where i.entry = $1 order by i.issued_at, r.label, i.instruction limit $2",
    )
    .bind(entry)
    .bind(SHOWN_MAX)
    .fetch_all(pool)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.0).collect();
    let mut reached = reached(pool, &ids).await?;
    Ok(rows.into_iter().filter_map(|row| line(row, &mut reached)).collect())
}

/// When each instruction was received and acted on; the first time of each counts.
async fn reached(pool: &PgPool, ids: &[Uuid]) -> Result<HashMap<(Uuid, String), Timestamp>, DbError> {
    let rows: Vec<(Uuid, String, Time)> = sqlx::query_as(
        "select machine, event ->> 'event', min(at) from history
          where machine = any($1) and event ->> 'event' in ('received', 'acted') group by 1, 2",
    )
    .bind(ids)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(id, event, at)| ((id, event), at.to_jiff())).collect())
}

fn line(row: Row, reached: &mut HashMap<(Uuid, String), Timestamp>) -> Option<InstructionStanding> {
    let (id, recipient, label, measure, scope, issued_at, due, outcome, ground, reported_at, confirmed_at, by, ..) =
        &row;
    let (.., replaced_by, task, first, words) = &row;
    let outcome = outcome.as_ref().and_then(|word| word.parse().ok());
    let ground: Option<Code> = ground.as_ref().and_then(|code| code.parse().ok());
    Some(InstructionStanding {
        instruction: InstructionId(*id),
        recipient: RecipientId(*recipient),
        label: label.parse().ok()?,
        measure: measure.parse().ok()?,
        scope: scope.parse().ok()?,
        issued_at: issued_at.to_jiff(),
        due: due.to_jiff(),
        received_at: reached.remove(&(*id, "received".to_owned())),
        acted_at: reached.remove(&(*id, "acted".to_owned())),
        reported: outcome.zip(*reported_at).map(|(outcome, at)| (outcome, ground, at.to_jiff())),
        confirmed: confirmed_at.map(|t| t.to_jiff()).zip(by.as_ref().and_then(|word| word.parse().ok())),
        replaced_by: replaced_by.map(InstructionId),
        task: *task,
        // Outcome and ground with a blank between: the outcome is what the second one has to know.
        attested: first
            .zip(words.as_deref().and_then(|w| w.split(' ').next()?.parse().ok()))
            .map(|(id, w)| (StaffId(id), w)),
        // The entry's machine knows.
        counts: None,
    })
}
