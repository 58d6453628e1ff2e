//! The batch transaction: lock, positions, deliveries, machines, marks.

use super::{Batch, Job, Kind, Pass, Prepared, in_force};
use crate::{
    change::{self, Change},
    engine::Fresh,
    instruction::{self, Instruction, Terms},
    propagation::{self, Words},
};
use chassis::{
    DbError,
    home::{self, Newborn},
};
use contracts::{
    InstructionId, Measure, RecipientId, RecipientKind, Timestamp, Uuid, envelope::TraceParent, opt_out,
    recipient::EraseTerms,
};
use futures::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use recipient_kit::digest_of;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// One instruction of the batch.
struct Issued {
    job: usize,
    id: InstructionId,
    endpoint: Uuid,
    /// As the recipient knows it.
    known_as: Uuid,
    contract: Option<i32>,
    terms: Terms,
    trace: Option<TraceParent>,
    body: Vec<u8>,
}

impl Issued {
    /// For the deliveries, once it is committed.
    fn fresh(self) -> Fresh {
        let (position, trace) = (self.terms.position, self.trace.map(|trace| trace.as_str().to_owned()));
        Fresh { endpoint: self.endpoint, position, instruction: self.id.0, body: self.body, trace }
    }
}

/// What was done; and what was issued, in the order of positions, which holds once this is committed.
pub(super) fn write<'c>(
    tx: &'c mut PgConnection,
    prepared: Prepared,
    batch: Batch,
) -> BoxFuture<'c, Result<(Pass, Vec<Fresh>), DbError>> {
    Box::pin(async move {
        let one = sqlx::query("select from one where job = 'fan-out' for update skip locked").fetch_optional(&mut *tx);
        if one.await?.is_none() || in_force(&mut *tx).await? != prepared.candidates {
            return Ok((Pass::Elsewhere, vec![]));
        }
        let open = still_open(tx, &prepared.jobs).await?;
        let jobs: Vec<&Job> = prepared.jobs.iter().zip(open).filter_map(|(job, open)| open.then_some(job)).collect();
        let issued = issue(tx, &prepared, &jobs, batch).await?;
        insert(tx, &issued, &jobs, batch).await?;
        provisions(tx, &prepared, &issued, &jobs, batch).await?;
        births(tx, &issued, &jobs, batch).await?;
        marks(tx, &issued, &jobs, batch).await?;
        let done = Pass::Done(jobs.len());
        Ok((done, issued.into_iter().map(Issued::fresh).collect()))
    })
}

/// Those of the ids that a question finds; none is not asked about.
async fn open_of(tx: &mut PgConnection, find: &'static str, ids: Vec<Uuid>) -> Result<Vec<Uuid>, DbError> {
    if ids.is_empty() {
        return Ok(ids);
    }
    Ok(sqlx::query_scalar(find).bind(&ids).fetch_all(tx).await?)
}

/// Which jobs are still to be done, now that nobody else can do them.
async fn still_open(tx: &mut PgConnection, jobs: &[Job]) -> Result<Vec<bool>, DbError> {
    let changes: Vec<Uuid> = jobs.iter().filter(|j| j.kind == Kind::Change).map(|j| j.change.0).collect();
    let changes = open_of(tx, "select change from fanout where change = any($1) and done_at is null", changes).await?;
    let entries: Vec<Uuid> = jobs.iter().filter(|j| matches!(j.kind, Kind::Late(_))).map(|j| j.entry.0).collect();
    let late: Vec<(Uuid, Uuid)> = if entries.is_empty() {
        vec![]
    } else {
        // A change of the entry that came meanwhile says it anew, to this recipient too: after it.
        let find = "select recipient, entry from backlog b where entry = any($1)
            and not exists (select from fanout f where f.entry = b.entry and f.done_at is null)";
        sqlx::query_as(find).bind(&entries).fetch_all(&mut *tx).await?
    };
    let olds = jobs.iter().filter_map(|j| if let Kind::Reissue(old) = j.kind { Some(old.0) } else { None }).collect();
    let open = "select old from reissue where old = any($1) and new is null and done_at is null";
    let olds = open_of(tx, open, olds).await?;
    let all =
        jobs.iter().filter_map(|j| if let Kind::Everything(order) = j.kind { Some(order) } else { None }).collect();
    let all = open_of(tx, "select id from erase_all where id = any($1) and done_at is null", all).await?;
    Ok(jobs
        .iter()
        .map(|job| match job.kind {
            Kind::Change => changes.contains(&job.change.0),
            Kind::Late(recipient) => late.contains(&(recipient.0, job.entry.0)),
            Kind::Reissue(old) => olds.contains(&old.0),
            Kind::Everything(order) => all.contains(&order),
        })
        .collect())
}

/// Takes as many positions as each recipient needs; the last one before them, by recipient.
async fn taken(tx: &mut PgConnection, prepared: &Prepared, jobs: &[&Job]) -> Result<BTreeMap<Uuid, i64>, DbError> {
    let mut counts: BTreeMap<Uuid, i64> = BTreeMap::new();
    for to in jobs.iter().flat_map(|job| &job.to) {
        *counts.entry(prepared.candidates[*to].recipient.0).or_default() += 1;
    }
    let (ids, numbers): (Vec<Uuid>, Vec<i64>) = counts.into_iter().unzip();
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "update recipient r set last = r.last + t.n from unnest($1::uuid[], $2::bigint[]) t (id, n)
          where r.id = t.id returning r.id, r.last - t.n",
    )
    .bind(&ids)
    .bind(&numbers)
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Positions and bodies. Changes come first: what is late follows what everybody is told.
async fn issue(
    tx: &mut PgConnection,
    prepared: &Prepared,
    jobs: &[&Job],
    batch: Batch,
) -> Result<Vec<Issued>, DbError> {
    let mut last = taken(tx, prepared, jobs).await?;
    let mut issued = Vec::new();
    let missing = || DbError::Sql(sqlx::Error::RowNotFound);
    for (n, job) in jobs.iter().enumerate() {
        for to in job.to.iter().map(|to| &prepared.candidates[*to]) {
            let position = last.get_mut(&to.recipient.0).ok_or_else(missing)?;
            *position += 1;
            let (id, contract) = (job.instruction(to), to.contract.as_ref());
            let deadline = batch.periods.deadline(contract.map(|(_, c)| c), job.measure, batch.at);
            let terms = Terms {
                case: job.case,
                entry: job.entry,
                recipient: to.recipient,
                position: *position,
                issued_at: batch.at,
                deadline,
                remind_seconds: batch.remind_seconds,
                measure: job.measure,
                // That everything is gone, a person confirms.
                drawn: job.everything || rand::random_range(0..100u32) < batch.sample_percent,
                everything: job.everything,
                reissued: matches!(job.kind, Kind::Reissue(_)),
            };
            let words = Words {
                id,
                recipient: to.recipient,
                epoch: batch.epoch,
                position: *position,
                entry: job.entry,
                entry_version: job.version,
                measure: job.measure,
                scope: job.scope,
                representation: to.forms().representation,
                person: prepared.persons.get(&id).cloned().ok_or_else(missing)?,
                erase: erase_terms(job, prepared),
                at: batch.at,
                deadline,
            };
            issued.push(Issued {
                job: n,
                id,
                endpoint: to.endpoint,
                known_as: propagation::entry_as_known_to(job.entry, to.recipient),
                contract: contract.map(|(version, _)| *version),
                terms,
                trace: job.trace.clone(),
                // The length was looked at before the lock.
                body: propagation::body(words).ok_or_else(missing)?,
            });
        }
    }
    Ok(issued)
}

async fn insert(tx: &mut PgConnection, issued: &[Issued], jobs: &[&Job], batch: Batch) -> Result<(), DbError> {
    let column = |f: fn(&Issued) -> Uuid| issued.iter().map(f).collect::<Vec<_>>();
    let (recipients, instructions) = (column(|i| i.terms.recipient.0), column(|i| i.id.0));
    let positions: Vec<i64> = issued.iter().map(|i| i.terms.position).collect();
    let digests: Vec<Vec<u8>> = issued.iter().map(|i| digest_of(&i.body).0.to_vec()).collect();
    let traces: Vec<Option<&str>> = issued.iter().map(|i| i.trace.as_ref().map(|t| t.as_str())).collect();
    let bodies: Vec<&[u8]> = issued.iter().map(|i| i.body.as_slice()).collect();
    let changes: Vec<Uuid> = issued.iter().map(|i| jobs[i.job].change.0).collect();
    let scopes: Vec<&str> = issued.iter().map(|i| jobs[i.job].scope.as_str()).collect();
    let measures: Vec<&str> = issued.iter().map(|i| i.terms.measure.as_str()).collect();
    let contracts: Vec<Option<i32>> = issued.iter().map(|i| i.contract).collect();
    let dues: Vec<jiff_sqlx::Timestamp> = issued.iter().map(|i| i.terms.deadline.to_sqlx()).collect();
    sqlx::query(
        "with owe as (
           insert into owed (instruction, recipient, endpoint, position, issued_at)
           select i, r, e, p, $9 from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[]) t (r, p, i, e)),
         known as (
           insert into issued (instruction, change, recipient, entry, measure, scope, contract, issued_at, due)
           select i, c, r, n, m, s, v, $9, d
             from unnest($3::uuid[], $11::uuid[], $1::uuid[], $12::uuid[], $13::text[], $14::text[], $15::int[], $16::timestamptz[])
               t (i, c, r, n, m, s, v, d))
         insert into delivery (recipient, position, epoch, instruction, endpoint, entry, digest, body, at, trace)
         select r, p, $8, i, e, n, d, b, $9, c
           from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bytea[], $7::bytea[], $10::text[]) t (r, p, i, e, n, d, b, c)",
    )
    .bind(&recipients)
    .bind(&positions)
    .bind(&instructions)
    .bind(column(|i| i.endpoint))
    .bind(column(|i| i.known_as))
    .bind(&digests)
    .bind(&bodies)
    .bind(batch.epoch)
    .bind(batch.at.to_sqlx())
    .bind(&traces)
    .bind(&changes)
    .bind(column(|i| i.terms.entry.0))
    .bind(&measures)
    .bind(&scopes)
    .bind(&contracts)
    .bind(&dues)
    .execute(tx)
    .await?;
    Ok(())
}

/// What goes and what stays (duty M4).
fn erase_terms(job: &Job, prepared: &Prepared) -> Option<EraseTerms> {
    let terms = prepared.erase.clone().filter(|_| job.measure == Measure::Erase)?;
    Some(EraseTerms { everything: job.everything, ..terms })
}

/// What of a person an instruction tells.
const TOLD: [&str; 5] = ["name", "kana", "birth-date", "sex", "stop"];

/// 第三者提供の記録 (APPI art. 29; duty M8): one for each telling of a hospital or another operator, with the consent.
async fn provisions(
    tx: &mut PgConnection,
    prepared: &Prepared,
    issued: &[Issued],
    jobs: &[&Job],
    batch: Batch,
) -> Result<(), DbError> {
    let others: BTreeSet<RecipientId> = prepared
        .candidates
        .iter()
        .filter(|c| matches!(c.kind, RecipientKind::Hospital | RecipientKind::CertifiedOperator))
        .map(|c| c.recipient)
        .collect();
    let told: Vec<&Issued> =
        issued.iter().filter(|i| others.contains(&i.terms.recipient) && !jobs[i.job].everything).collect();
    let Some(kept_until) = prepared.kept_until.filter(|_| !told.is_empty()) else { return Ok(()) };
    let column = |f: fn(&Issued) -> Uuid| told.iter().map(|i| f(i)).collect::<Vec<_>>();
    sqlx::query(
        "insert into provision_record (id, entry, recipient, person, items, consent, at, kept_until)
         select gen_random_uuid(), e, r, p, $4,
                (select cause from (select cause, given from consent c where c.entry = e and c.what = 'tell-others'
                                     order by c.said_at desc, c.at desc limit 1) n where n.given), $5, $6::text::date
           from unnest($1::uuid[], $2::uuid[], $3::uuid[]) t (e, r, p)",
    )
    .bind(column(|i| i.terms.entry.0))
    .bind(column(|i| i.terms.recipient.0))
    .bind(column(|i| i.known_as))
    .bind(TOLD.as_slice())
    .bind(batch.at.to_sqlx())
    .bind(kept_until.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// The task of the order waits for this instruction's report.
async fn everything_issued(
    tx: &mut PgConnection,
    order: Uuid,
    instruction: Option<Uuid>,
    at: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("update erase_all set done_at = $2, instruction = $3 where id = $1")
        .bind(order)
        .bind(at.to_sqlx())
        .bind(instruction)
        .execute(&mut *tx)
        .await?;
    sqlx::query("update task set instruction = $2 where id = $1").bind(order).bind(instruction).execute(tx).await?;
    Ok(())
}

async fn births(tx: &mut PgConnection, issued: &[Issued], jobs: &[&Job], batch: Batch) -> Result<(), DbError> {
    let newborn = issued.iter().map(|one| Newborn::<Instruction> {
        id: one.id.0,
        events: vec![instruction::Event::Issued { terms: one.terms }],
        cause: jobs[one.job].change.0,
        trace: one.trace.clone(),
    });
    home::birth_many(tx, newborn.collect(), batch.at).await?;
    let mut instructions: BTreeMap<usize, Vec<opt_out::Issued>> = BTreeMap::new();
    for one in issued {
        let Terms { recipient, position, deadline, .. } = one.terms;
        let told = opt_out::Issued { instruction: one.id, recipient, position, deadline };
        instructions.entry(one.job).or_default().push(told);
    }
    let newborn = jobs.iter().enumerate().filter_map(|(n, job)| {
        let issued = instructions.remove(&n).unwrap_or_default();
        let id = match job.kind {
            Kind::Change => job.change,
            // A replaced instruction is stated by its own machine; who needs no telling, nobody tells.
            Kind::Reissue(_) | Kind::Everything(_) => return None,
            Kind::Late(_) if issued.is_empty() => return None,
            Kind::Late(recipient) => propagation::late_change(job.change, recipient),
        };
        let (case, entry, at) = (job.case, job.entry, batch.at);
        let instructions = issued.iter().map(|i| i.instruction).collect();
        let event = change::Event::FannedOut { case, entry, instructions, issued, at };
        Some(Newborn::<Change> { id: id.0, events: vec![event], cause: job.change.0, trace: job.trace.clone() })
    });
    home::birth_many(tx, newborn.collect(), batch.at).await
}

async fn marks(tx: &mut PgConnection, issued: &[Issued], jobs: &[&Job], batch: Batch) -> Result<(), DbError> {
    let (mut changes, mut late, mut entries, mut olds, mut news) = (vec![], vec![], vec![], vec![], vec![]);
    for (n, job) in jobs.iter().enumerate() {
        match job.kind {
            Kind::Change => changes.push(job.change.0),
            Kind::Late(recipient) => {
                late.push(recipient.0);
                entries.push(job.entry.0);
            }
            Kind::Everything(order) => {
                let instruction = issued.iter().find(|i| i.job == n).map(|i| i.id.0);
                everything_issued(tx, order, instruction, batch.at).await?;
            }
            Kind::Reissue(old) => {
                olds.push(old.0);
                news.push(issued.iter().find(|i| i.job == n).map(|i| i.id.0));
            }
        }
    }
    if !changes.is_empty() {
        sqlx::query("update fanout set done_at = $2 where change = any($1)")
            .bind(&changes)
            .bind(batch.at.to_sqlx())
            .execute(&mut *tx)
            .await?;
    }
    if !late.is_empty() {
        sqlx::query(
            "delete from backlog b using unnest($1::uuid[], $2::uuid[]) t (r, e) where b.recipient = t.r and b.entry = t.e",
        )
        .bind(&late)
        .bind(&entries)
        .execute(&mut *tx)
        .await?;
    }
    if !olds.is_empty() {
        sqlx::query("update reissue r set new = t.n from unnest($1::uuid[], $2::uuid[]) t (o, n) where r.old = t.o")
            .bind(&olds)
            .bind(&news)
            .execute(tx)
            .await?;
    }
    Ok(())
}
