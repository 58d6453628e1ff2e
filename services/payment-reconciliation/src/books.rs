//! The rows that go with a machine's step, in its transaction: a file's lines and bookings with the statement, the books'
//! entries with the charge. One import is one transaction, all or nothing.

use crate::{
    charge::{self, Charge},
    import::{self, Plan},
    ledger::{Entry, LedgerError},
    matching::Match,
    statement::{self, Statement},
    zengin::{Account, Direction, Group, Layout, Sort},
};
use chassis::{Rows, StaffReason, Step};
use contracts::{BankLineId, Digest, ObjectId, StaffId, Uuid};
use futures::future::BoxFuture;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Rows per statement.
const BATCH: usize = 2_000;

/// Everything of a file that its transaction writes, sealed where it is personal.
#[derive(Debug)]
pub struct Prepared {
    /// SHA-256 of the file.
    pub digest: Digest,
    /// The sealed file.
    pub object: ObjectId,
    /// The profile's name.
    pub profile: String,
    /// How it was read.
    pub layout: Layout,
    /// Who imported it.
    pub staff: StaffId,
    /// Why, sealed.
    pub why: Vec<u8>,
    /// The file's groups without their lines.
    pub groups: Vec<(Group, usize)>,
    /// Fresh lines and what becomes of them.
    pub plan: Plan,
    /// The payer part of each fresh line, sealed.
    pub payers: Vec<Vec<u8>>,
}

/// Imports under way: what a statement's step writes, by the statement's id. Filled before `handle`, emptied after it.
#[derive(Debug, Default)]
pub struct UnderWay(Mutex<HashMap<Uuid, Arc<Prepared>>>);

impl UnderWay {
    /// Holds the rows ready.
    pub fn put(&self, statement: Uuid, prepared: Arc<Prepared>) {
        self.lock().insert(statement, prepared);
    }
    /// Lets go of them.
    pub fn remove(&self, statement: Uuid) {
        self.lock().remove(&statement);
    }
    fn get(&self, statement: Uuid) -> Option<Arc<Prepared>> {
        self.lock().get(&statement).cloned()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<Prepared>>> {
        // A panic elsewhere leaves the map whole: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows of a statement.
pub struct StatementRows(pub Arc<UnderWay>);

impl Rows<Statement> for StatementRows {
    fn write<'c>(
        &'c self,
        tx: &'c mut PgConnection,
        step: &'c Step<Statement>,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for event in &step.events {
                match event {
                    statement::Event::Imported { .. } => {
                        // Without its rows an import must not be written down as done.
                        let rows = self
                            .0
                            .get(step.id)
                            .ok_or_else(|| sqlx::Error::Protocol("an import without its rows".into()))?;
                        write_file(tx, step, &rows).await?;
                        write_lines(tx, step, &rows).await?;
                        take_back(tx, &rows.plan).await?;
                    }
                    statement::Event::Returned { line, .. } => returned(tx, line).await?,
                    statement::Event::Waits { .. } => {}
                }
            }
            Ok(())
        })
    }
}

async fn write_file(tx: &mut PgConnection, step: &Step<Statement>, rows: &Prepared) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into bank_file (statement, digest, object, profile, layout, imported_at, imported_by) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(step.id)
    .bind(rows.digest.0.as_slice())
    .bind(rows.object.0)
    .bind(&rows.profile)
    .bind(import::source(rows.layout))
    .bind(step.at.to_sqlx())
    .bind(rows.staff.0)
    .execute(&mut *tx)
    .await?;
    let (cause, staff, sealed, at) = (step.cause, rows.staff, rows.why.clone(), step.at);
    StaffReason { cause, staff, unit: None, sealed, at }.keep(tx).await?;
    for ((group, lines), position) in rows.groups.iter().zip(1i32..) {
        let account = import::account_id(&group.account);
        let covered = import::covered_through(group.to, group.made_on);
        write_account(tx, account, &group.account, import::source(rows.layout), covered).await?;
        sqlx::query(
            "insert into bank_group (statement, position, account, booked_from, booked_to, opening, closing, lines)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(step.id)
        .bind(position)
        .bind(account)
        .bind(group.from.to_sqlx())
        .bind(group.to.to_sqlx())
        .bind(group.opening)
        .bind(group.closing)
        .bind(*lines as i32)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn write_account(
    tx: &mut PgConnection,
    id: Uuid,
    account: &Account,
    source: &str,
    covered: Date,
) -> Result<(), sqlx::Error> {
    let written = sqlx::query(
        "insert into account (id, bank, branch, kind, number, source, covered_through) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (id) do update set covered_through = greatest(account.covered_through, excluded.covered_through)
           where account.source = excluded.source",
    )
    .bind(id)
    .bind(&account.bank)
    .bind(&account.branch)
    .bind(i16::from(account.kind))
    .bind(&account.number)
    .bind(source)
    .bind(covered.to_sqlx())
    .execute(tx)
    .await?;
    // Asked before as well; here it holds against an import of the other family at the same moment.
    match written.rows_affected() {
        1 => Ok(()),
        _ => Err(sqlx::Error::Protocol("the account is booked from the other family of files".into())),
    }
}

async fn write_lines(tx: &mut PgConnection, step: &Step<Statement>, rows: &Prepared) -> Result<(), sqlx::Error> {
    for (lines, payers) in rows.plan.lines.chunks(BATCH).zip(rows.payers.chunks(BATCH)) {
        let column = |f: &dyn Fn(&import::Placed) -> Uuid| lines.iter().map(f).collect::<Vec<_>>();
        sqlx::query(
            "insert into bank_line (id, statement, record, account, key, occurrence, party, direction, sort, booked_on, value_on, amount,
                                    uncleared, takes_back, payer)
             select t.id, $1, t.record, t.account, t.key, t.occurrence, t.party, t.direction, t.sort, t.booked_on, t.value_on, t.amount,
                    t.uncleared, t.takes_back, t.payer
               from unnest($2::uuid[], $3::int[], $4::uuid[], $5::bytea[], $6::int[], $7::bytea[], $8::text[], $9::text[], $10::date[],
                           $11::date[], $12::bigint[], $13::bigint[], $14::uuid[], $15::bytea[])
                    t (id, record, account, key, occurrence, party, direction, sort, booked_on, value_on, amount, uncleared, takes_back, payer)",
        )
        .bind(step.id)
        .bind(column(&|p| p.keyed.id.0))
        .bind(lines.iter().map(|p| p.keyed.line.record as i32).collect::<Vec<_>>())
        .bind(column(&|p| p.keyed.account))
        .bind(lines.iter().map(|p| p.keyed.key.as_slice()).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| p.keyed.occurrence).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| p.keyed.party.as_slice()).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| direction(p.keyed.line.direction)).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| sort(p.keyed.line.sort)).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| p.keyed.line.booked_on.to_sqlx()).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| p.keyed.line.value_on.to_sqlx()).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| p.keyed.line.amount.0).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| p.keyed.line.uncleared.0).collect::<Vec<_>>())
        .bind(lines.iter().map(|p| p.takes_back.map(|l| l.0)).collect::<Vec<_>>())
        .bind(payers)
        .execute(&mut *tx)
        .await?;
        place(tx, lines).await?;
        let entries: Vec<(&Entry, Option<Uuid>)> =
            lines.iter().filter_map(|p| p.entry.as_ref().map(|e| (e, Some(p.keyed.id.0)))).collect();
        post(tx, step.cause, step.at, &entries).await?;
    }
    Ok(())
}

async fn place(tx: &mut PgConnection, lines: &[import::Placed]) -> Result<(), sqlx::Error> {
    let state = |p: &import::Placed| if matches!(p.verdict, Match::Certain(_)) { "certain" } else { "waiting" };
    let reason = |p: &import::Placed| match p.verdict {
        Match::Certain(_) => None,
        Match::Exception(reason, _) => Some(reason.code().as_str().to_owned()),
    };
    let charge = |p: &import::Placed| match p.verdict {
        Match::Certain(charge) => Some(charge.0),
        Match::Exception(_, about) => about.map(|c| c.0),
    };
    sqlx::query("insert into placement (line, state, charge, reason) select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[])")
        .bind(lines.iter().map(|p| p.keyed.id.0).collect::<Vec<_>>())
        .bind(lines.iter().map(state).collect::<Vec<_>>())
        .bind(lines.iter().map(charge).collect::<Vec<_>>())
        .bind(lines.iter().map(reason).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

/// Lines that nothing was allocated from are done with when the bank takes them back; allocated ones go by their charge.
async fn take_back(tx: &mut PgConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    let originals: Vec<Uuid> = plan.lines.iter().filter_map(|p| p.takes_back.map(|l| l.0)).collect();
    sqlx::query("update placement set state = 'taken-back', reason = null where line = any($1) and state in ('waiting', 'certain')")
        .bind(&originals)
        .execute(tx)
        .await?;
    Ok(())
}

async fn returned(tx: &mut PgConnection, line: &statement::Waiting) -> Result<(), sqlx::Error> {
    // What the charge counts as its payment stays allocated: the exception is told, the money is where it was.
    sqlx::query("update placement set state = 'waiting', reason = $2 where line = $1 and state = 'certain'")
        .bind(line.line.0)
        .bind(line.reason.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// Writes entries with their postings. The database checks that each sums to zero, at the end of the transaction.
async fn post(
    tx: &mut PgConnection,
    cause: Uuid,
    at: jiff::Timestamp,
    entries: &[(&Entry, Option<Uuid>)],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into ledger_entry (id, kind, reverses, line, at, cause)
         select t.id, t.kind, t.reverses, t.line, $5, $6 from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[]) t (id, kind, reverses, line)",
    )
    .bind(entries.iter().map(|(e, _)| e.id()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(e, _)| e.kind().code()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(e, _)| e.reverses()).collect::<Vec<_>>())
    .bind(entries.iter().map(|(_, line)| *line).collect::<Vec<_>>())
    .bind(at.to_sqlx())
    .bind(cause)
    .execute(&mut *tx)
    .await?;
    let all: Vec<_> =
        entries.iter().flat_map(|(e, _)| e.postings().iter().zip(1i32..).map(|(p, n)| (e.id(), n, p))).collect();
    sqlx::query(
        "insert into ledger_posting (entry, position, account, charge, amount) select * from unnest($1::uuid[], $2::int[], $3::text[], $4::uuid[], $5::bigint[])",
    )
    .bind(all.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .bind(all.iter().map(|(_, n, _)| *n).collect::<Vec<_>>())
    .bind(all.iter().map(|(.., p)| p.account.code()).collect::<Vec<_>>())
    .bind(all.iter().map(|(.., p)| p.charge.map(|c| c.0)).collect::<Vec<_>>())
    .bind(all.iter().map(|(.., p)| p.amount).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Rows of a charge: what it does to the books.
pub struct ChargeRows;

impl Rows<Charge> for ChargeRows {
    fn write<'c>(&'c self, tx: &'c mut PgConnection, step: &'c Step<Charge>) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let Some(ask) = step.after.ask() else { return Ok(()) };
            let charge = contracts::ChargeId(step.id);
            for event in &step.events {
                match event {
                    charge::Event::Paid { line, .. } => {
                        let round = move_line(tx, *line, "allocated", charge.0, 0).await?;
                        let entry = Entry::allocation(line.0, round, charge, ask.amount).map_err(broken)?;
                        post(tx, step.cause, step.at, &[(&entry, Some(line.0))]).await?;
                    }
                    charge::Event::TakenBack { line } => {
                        let round = move_line(tx, *line, "taken-back", charge.0, 1).await?;
                        let allocation = Entry::allocation(line.0, round - 1, charge, ask.amount).map_err(broken)?;
                        let entry = Entry::reversal(&allocation).map_err(broken)?;
                        post(tx, step.cause, step.at, &[(&entry, Some(line.0))]).await?;
                    }
                    charge::Event::Earned { .. } => {
                        let entry = Entry::earning(charge, ask.amount).map_err(broken)?;
                        post(tx, step.cause, step.at, &[(&entry, None)]).await?;
                    }
                    charge::Event::Asked { .. }
                    | charge::Event::Closed { .. }
                    | charge::Event::Expired { .. }
                    | charge::Event::Cancelled { .. } => {}
                }
            }
            Ok(())
        })
    }
}

/// Moves a line's placement; gives its round. A line that is not where it should be stops the whole step.
async fn move_line(
    tx: &mut PgConnection,
    line: BankLineId,
    to: &'static str,
    charge: Uuid,
    rounds: i32,
) -> Result<u32, sqlx::Error> {
    let round: Option<i32> = sqlx::query_scalar(
        "update placement set state = $2, charge = $3, reason = null, round = round + $4
          where line = $1 and state in ('certain', 'waiting', 'allocated') and state <> $2 returning round",
    )
    .bind(line.0)
    .bind(to)
    .bind(charge)
    .bind(rounds)
    .fetch_optional(tx)
    .await?;
    let round = round.ok_or_else(|| sqlx::Error::Protocol("the line is already placed elsewhere".into()))?;
    u32::try_from(round).map_err(|e| sqlx::Error::Decode(Box::new(e)))
}

fn broken(error: LedgerError) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

const fn sort(sort: Sort) -> &'static str {
    match sort {
        Sort::Ordinary => "ordinary",
        Sort::Cancellation => "cancellation",
        Sort::Correction => "correction",
    }
}
