//! Every statement that touches the read model: facts in, rows for the pages out.

use crate::projection::{self, CaseView, ChargeView, EntryView, InstructionView, NoticeView, Row, StatementView, View};
use chassis::{DbError, Heard};
use contracts::{CaseId, Kind, StatementId, Step, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;
use serde::Serialize;
use sqlx::{PgConnection, PgPool, types::Json};
use std::collections::BTreeMap;

/// Rows on one page of a list.
pub const ROWS: i64 = 50;
/// The most facts that one case's timeline shows.
pub const FACTS_MAX: i64 = 500;
/// The most instructions that one case's page shows.
pub const INSTRUCTIONS_MAX: i64 = 500;

/// Takes one fact into the read model, with its inbox row. Once or a hundred times, in any order: the same rows.
pub async fn take(tx: &mut PgConnection, heard: &Heard) -> Result<(), DbError> {
    let (message, seq) = (&heard.message, heard.envelope.sequence.number());
    if let Some(row) = projection::row(message) {
        put(tx, row, seq, heard).await?;
    }
    if let Some((case, instructions)) = projection::fanned_out(seq, message) {
        put_issued(tx, case, instructions).await?;
    }
    keep(tx, heard, seq).await?;
    chassis::inbox::insert(tx, heard, "done", None, 0.0).await
}

async fn put(tx: &mut PgConnection, row: Row, seq: i64, heard: &Heard) -> Result<(), DbError> {
    match row {
        Row::Case(case) => put_case(tx, case, seq, heard).await,
        Row::Charge(id, case) => {
            const SQL: [&str; 3] = [
                "insert into charge_view (id, case_id) values ($1, $2) on conflict (id) do nothing",
                "select view from charge_view where id = $1 for update",
                "update charge_view set view = $2 where id = $1",
            ];
            put_plain::<ChargeView>(tx, SQL, id.0, case, seq, heard).await
        }
        Row::Entry(id, case) => {
            const SQL: [&str; 3] = [
                "insert into entry_view (id, case_id) values ($1, $2) on conflict (id) do nothing",
                "select view from entry_view where id = $1 for update",
                "update entry_view set view = $2 where id = $1",
            ];
            put_plain::<EntryView>(tx, SQL, id.0, case, seq, heard).await
        }
        Row::Instruction(id, case) => {
            const SQL: [&str; 3] = [
                "insert into instruction_view (id, case_id) values ($1, $2) on conflict (id) do nothing",
                "select view from instruction_view where id = $1 for update",
                "update instruction_view set view = $2, settled = ($2::jsonb #> '{settled,value}') <> 'null' where id = $1",
            ];
            put_plain::<InstructionView>(tx, SQL, id.0, case, seq, heard).await
        }
        Row::Notice(id, case) => {
            const SQL: [&str; 3] = [
                "insert into notice_view (id, case_id) values ($1, $2) on conflict (id) do nothing",
                "select view from notice_view where id = $1 for update",
                "update notice_view set view = $2 where id = $1",
            ];
            put_plain::<NoticeView>(tx, SQL, id.0, case, seq, heard).await
        }
        Row::Statement(id) => put_statement(tx, id, seq, heard).await,
    }
}

/// Many new instructions at once, in the order of ids: two that write the same rows cannot wait for each other. Of one that
/// was heard of before, only what a fan-out says of it changes.
async fn put_issued(
    tx: &mut PgConnection,
    case: CaseId,
    issued: BTreeMap<Uuid, InstructionView>,
) -> Result<(), DbError> {
    let (ids, views): (Vec<Uuid>, Vec<Json<InstructionView>>) = issued.into_iter().map(|(i, v)| (i, Json(v))).unzip();
    sqlx::query(
        "insert into instruction_view (id, case_id, view) select i, $2, v from unnest($1::uuid[], $3::jsonb[]) t (i, v)
         on conflict (id) do update set view = jsonb_set(instruction_view.view, '{issued}', excluded.view -> 'issued')
           where excluded.view #> '{issued,value}' <> 'null'",
    )
    .bind(ids)
    .bind(case.0)
    .bind(views)
    .execute(tx)
    .await?;
    Ok(())
}

async fn put_case(tx: &mut PgConnection, case: CaseId, seq: i64, heard: &Heard) -> Result<(), DbError> {
    sqlx::query("insert into case_view (id) values ($1) on conflict (id) do nothing")
        .bind(case.0)
        .execute(&mut *tx)
        .await?;
    let view: CaseView = changed(tx, "select view from case_view where id = $1 for update", case.0, seq, heard).await?;
    sqlx::query(
        "update case_view set view = $2, receipt_number = $3, kind = $4, step = $5, received_at = $6, due_at = $7
          where id = $1",
    )
    .bind(case.0)
    .bind(Json(&view))
    .bind(view.opened.get().map(|o| o.receipt_number.to_string()))
    .bind(view.opened.get().map(|o| o.kind.as_str()))
    .bind(view.step().map(Step::as_str))
    .bind(view.opened.get().map(|o| o.received_at.to_sqlx()))
    .bind(view.due_at().map(|at| at.to_sqlx()))
    .execute(tx)
    .await?;
    Ok(())
}

async fn put_statement(tx: &mut PgConnection, id: StatementId, seq: i64, heard: &Heard) -> Result<(), DbError> {
    sqlx::query("insert into statement_view (id) values ($1) on conflict (id) do nothing")
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
    let view: StatementView =
        changed(tx, "select view from statement_view where id = $1 for update", id.0, seq, heard).await?;
    sqlx::query("update statement_view set view = $2, at = $3 where id = $1")
        .bind(id.0)
        .bind(Json(&view))
        .bind(view.imported.get().map(|s| s.at.to_sqlx()))
        .execute(tx)
        .await?;
    Ok(())
}

/// Insert the row, lock it, change it, write it back: the lock is what makes a read-and-write safe.
async fn put_plain<V: View>(
    tx: &mut PgConnection,
    [insert, select, update]: [&'static str; 3],
    id: Uuid,
    case: CaseId,
    seq: i64,
    heard: &Heard,
) -> Result<(), DbError> {
    sqlx::query(insert).bind(id).bind(case.0).execute(&mut *tx).await?;
    let view: V = changed(tx, select, id, seq, heard).await?;
    sqlx::query(update).bind(id).bind(Json(&view)).execute(tx).await?;
    Ok(())
}

async fn changed<V: View>(
    tx: &mut PgConnection,
    select: &'static str,
    id: Uuid,
    seq: i64,
    heard: &Heard,
) -> Result<V, DbError> {
    let value: Json<serde_json::Value> = sqlx::query_scalar(select).bind(id).fetch_one(tx).await?;
    let mut view: V = read(value.0)?;
    view.hear(seq, &heard.message);
    Ok(view)
}

/// A stored view that does not decode is an error, never an empty view: the program would overwrite what it cannot read.
fn read<V: View>(value: serde_json::Value) -> Result<V, sqlx::Error> {
    serde_json::from_value(value).map_err(|e| sqlx::Error::Decode(e.into()))
}

/// The fact itself: for the timeline, and among the incidents where it is one.
async fn keep(tx: &mut PgConnection, heard: &Heard, seq: i64) -> Result<(), DbError> {
    let (envelope, entry) = (&heard.envelope, heard.message.entry());
    let case = projection::case_of(&heard.message);
    if let Some(case) = case {
        sqlx::query(
            "insert into fact_view (message_id, case_id, machine, service, word, at, seq, data, traceparent)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (message_id) do nothing",
        )
        .bind(envelope.id.0)
        .bind(case.0)
        .bind(envelope.subject)
        .bind(entry.speaker.token())
        .bind(entry.word)
        .bind(envelope.time.to_sqlx())
        .bind(seq)
        .bind(Json(&envelope.data))
        .bind(envelope.traceparent.as_ref().map(|t| t.as_str()))
        .execute(&mut *tx)
        .await?;
    }
    if projection::is_incident(&heard.message) {
        sqlx::query(
            "insert into incident_view (message_id, word, case_id, at, data, traceparent)
             values ($1, $2, $3, $4, $5, $6) on conflict (message_id) do nothing",
        )
        .bind(envelope.id.0)
        .bind(entry.word)
        .bind(case.map(|c| c.0))
        .bind(envelope.time.to_sqlx())
        .bind(Json(&envelope.data))
        .bind(envelope.traceparent.as_ref().map(|t| t.as_str()))
        .execute(tx)
        .await?;
    }
    Ok(())
}

// ---- for the pages -----------------------------------------------------------------------------------------------

/// Which cases a list shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// One kind only.
    pub kind: Option<Kind>,
    /// One step only.
    pub step: Option<Step>,
    /// Ended ones too (a chosen step says it by itself).
    pub ended: bool,
    /// Newest first; otherwise the most urgent first.
    pub newest: bool,
    /// From 1.
    pub page: u32,
    /// These only (what a search found).
    pub only: Option<Vec<Uuid>>,
}

/// One line of the work list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The case.
    pub id: CaseId,
    /// Its view.
    pub view: CaseView,
    /// Instructions sent, and settled.
    pub instructions: (i64, i64),
    /// What the newest charge's word is, if there is one.
    pub fee: Option<&'static str>,
}

/// A page of the work list, and whether there is another one.
pub async fn list(pool: &PgPool, filter: &Filter) -> Result<(Vec<Listed>, bool), sqlx::Error> {
    type Found = (Uuid, Json<serde_json::Value>, i64, i64, Option<Json<serde_json::Value>>);
    let rows: Vec<Found> = sqlx::query_as(
        "select c.id, c.view, coalesce(i.n, 0), coalesce(i.settled, 0), f.view
           from case_view c
           left join lateral (select count(*) n, count(*) filter (where settled) settled
                                from instruction_view where case_id = c.id) i on true
           left join lateral (select view from charge_view where case_id = c.id order by id desc limit 1) f on true
          where c.kind is not null and ($1::text is null or c.kind = $1) and ($2::text is null or c.step = $2)
            and ($3 or c.step <> 'ended') and ($4::uuid[] is null or c.id = any ($4))
          order by case when $5 then null else (c.step = 'ended') end, case when $5 then null else c.due_at end nulls last,
                   case when $5 then null else c.received_at end nulls last, c.received_at desc, c.id
          limit $6 offset $7",
    )
    .bind(filter.kind.map(Kind::as_str))
    .bind(filter.step.map(Step::as_str))
    .bind(filter.ended || filter.step.is_some() || filter.only.is_some())
    .bind(&filter.only)
    .bind(filter.newest)
    .bind(ROWS + 1)
    .bind(i64::from(filter.page.clamp(1, 2_000) - 1) * ROWS)
    .fetch_all(pool)
    .await?;
    let more = rows.len() as i64 > ROWS;
    let mut listed = Vec::with_capacity(rows.len());
    for (id, view, sent, settled, charge) in rows.into_iter().take(ROWS as usize) {
        let fee = match charge {
            Some(c) => Some(read::<ChargeView>(c.0)?.word()),
            None => None,
        };
        listed.push(Listed { id: CaseId(id), view: read(view.0)?, instructions: (sent, settled), fee });
    }
    Ok((listed, more))
}

/// The case with this receipt number.
pub async fn by_number(pool: &PgPool, number: &str) -> Result<Option<CaseId>, sqlx::Error> {
    let id: Option<Uuid> = sqlx::query_scalar("select id from case_view where receipt_number = $1")
        .bind(number)
        .fetch_optional(pool)
        .await?;
    Ok(id.map(CaseId))
}

/// The receipt numbers of some cases.
pub async fn numbers(pool: &PgPool, cases: &[Uuid]) -> Result<std::collections::BTreeMap<Uuid, String>, sqlx::Error> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("select id, receipt_number from case_view where id = any($1) and receipt_number is not null")
            .bind(cases)
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().collect())
}

/// The name of a member of staff; empty for nobody whom this console knows.
pub async fn staff_name(pool: &PgPool, staff: contracts::StaffId) -> Result<String, sqlx::Error> {
    let name: Option<String> =
        sqlx::query_scalar("select display from staff where id = $1").bind(staff.0).fetch_optional(pool).await?;
    Ok(name.unwrap_or_default())
}

/// Everything that one case's page shows.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The case.
    pub view: CaseView,
    /// Its charges, oldest first.
    pub charges: Vec<(Uuid, ChargeView)>,
    /// Its register entries.
    pub entries: Vec<(Uuid, EntryView)>,
    /// Its instructions, at most [`INSTRUCTIONS_MAX`].
    pub instructions: Vec<(Uuid, InstructionView)>,
    /// How many instructions there are, and how many are settled.
    pub counts: (i64, i64),
    /// Its notices.
    pub notices: Vec<(Uuid, NoticeView)>,
    /// Its timeline, oldest first, at most [`FACTS_MAX`].
    pub facts: Vec<Told>,
}

/// One fact of a timeline, or one incident.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// The message.
    pub id: Uuid,
    /// Who said it.
    pub service: String,
    /// Its word.
    pub word: String,
    /// When.
    pub at: Timestamp,
    /// What it says: codes, ids, amounts and times.
    pub data: serde_json::Value,
    /// The W3C trace context in which it became true.
    pub traceparent: Option<String>,
    /// The case it is about.
    pub case: Option<Uuid>,
}

async fn views<V: View>(pool: &PgPool, sql: &'static str, case: CaseId) -> Result<Vec<(Uuid, V)>, sqlx::Error> {
    let rows: Vec<(Uuid, Json<serde_json::Value>)> =
        sqlx::query_as(sql).bind(case.0).bind(INSTRUCTIONS_MAX).fetch_all(pool).await?;
    rows.into_iter().map(|(id, view)| Ok((id, read(view.0)?))).collect()
}

/// One case; `None` when nothing was heard of it.
pub async fn whole(pool: &PgPool, case: CaseId) -> Result<Option<Whole>, sqlx::Error> {
    let view: Option<Json<serde_json::Value>> =
        sqlx::query_scalar("select view from case_view where id = $1").bind(case.0).fetch_optional(pool).await?;
    let Some(view) = view else { return Ok(None) };
    let counts =
        sqlx::query_as("select count(*), count(*) filter (where settled) from instruction_view where case_id = $1")
            .bind(case.0)
            .fetch_one(pool)
            .await?;
    Ok(Some(Whole {
        view: read(view.0)?,
        charges: views(pool, "select id, view from charge_view where case_id = $1 order by id limit $2", case).await?,
        entries: views(pool, "select id, view from entry_view where case_id = $1 order by id limit $2", case).await?,
        instructions: views(
            pool,
            "select id, view from instruction_view where case_id = $1 order by settled, id limit $2",
            case,
        )
        .await?,
        counts,
        notices: views(pool, "select id, view from notice_view where case_id = $1 order by id limit $2", case).await?,
        facts: facts(pool, case).await?,
    }))
}

type FactRow = (Uuid, String, String, jiff_sqlx::Timestamp, Json<serde_json::Value>, Option<String>, Option<Uuid>);

fn told((id, service, word, at, data, traceparent, case): FactRow) -> Told {
    Told { id, service, word, at: at.to_jiff(), data: data.0, traceparent, case }
}

async fn facts(pool: &PgPool, case: CaseId) -> Result<Vec<Told>, sqlx::Error> {
    // The newest ones when there are too many, shown oldest first. Within one instant a machine's own order holds.
    let mut rows: Vec<FactRow> = sqlx::query_as(
        "select message_id, service, word, at, data, traceparent, case_id from fact_view where case_id = $1
          order by at desc, machine desc, seq desc limit $2",
    )
    .bind(case.0)
    .bind(FACTS_MAX)
    .fetch_all(pool)
    .await?;
    rows.reverse();
    Ok(rows.into_iter().map(told).collect())
}

/// The machines of a case whose history a service keeps.
pub fn machines(case: CaseId, service: contracts::Service, whole: &Whole) -> Vec<Uuid> {
    use contracts::Service as S;
    match service {
        // A case, its verification and its answer have one id.
        S::Intake | S::Identity | S::Fulfilment => vec![case.0],
        S::Payment => whole.charges.iter().map(|(id, _)| *id).collect(),
        S::OptOut => whole.entries.iter().map(|(id, _)| *id).collect(),
        S::Notification => whole.notices.iter().map(|(id, _)| *id).collect(),
        S::Console => Vec::new(),
    }
}

/// A page of incidents, newest first, and whether there is another one.
pub async fn incidents(pool: &PgPool, page: u32) -> Result<(Vec<Told>, bool), sqlx::Error> {
    let rows: Vec<FactRow> = sqlx::query_as(
        "select message_id, '' as service, word, at, data, traceparent, case_id from incident_view
          order by at desc, message_id limit $1 offset $2",
    )
    .bind(ROWS + 1)
    .bind(i64::from(page.clamp(1, 2_000) - 1) * ROWS)
    .fetch_all(pool)
    .await?;
    let more = rows.len() as i64 > ROWS;
    Ok((rows.into_iter().take(ROWS as usize).map(told).collect(), more))
}

/// The newest imported statements.
pub async fn statements(pool: &PgPool) -> Result<Vec<StatementView>, sqlx::Error> {
    let rows: Vec<(Json<serde_json::Value>,)> =
        sqlx::query_as("select view from statement_view where at is not null order by at desc, id limit $1")
            .bind(ROWS)
            .fetch_all(pool)
            .await?;
    rows.into_iter().map(|(view,)| read(view.0)).collect()
}
