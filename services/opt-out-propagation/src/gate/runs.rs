//! What a check leaves behind: enough to write the receipt record of Act art. 55, and what did not pass, without a value.

use super::desk::{Desk, Question};
use chassis::DbError;
use contracts::{Code, RecipientId, Uuid};
use gate::{AsOf, Counts, Finding, Flow, Word, filing::Ground};
use jiff_sqlx::ToSqlx;
use serde_json::{Value, json};

/// Findings that are kept of one run; the counts tell how many there were.
const FINDINGS_MAX: i64 = 100_000;

/// A run begins.
///
/// # Errors
/// The database's.
pub async fn begin(
    desk: &Desk,
    asker: &Code,
    question: &Question,
    as_of: AsOf,
    ground: &Ground,
) -> Result<Uuid, DbError> {
    let (id, at) = (Uuid::now_v7(), desk.bus.clock().now());
    let (asker, flow, track) = (asker.clone(), question.flow, question.track);
    let (supplier, ground) = (question.supplier.clone(), sqlx::types::Json(ground.clone()));
    desk.bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into gate_run (id, asker, flow, track, supplier, begun_at, epoch, position, ground)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                )
                .bind(id)
                .bind(asker.as_str())
                .bind(flow.as_str())
                .bind(track.as_str())
                .bind(supplier.as_ref().map(Code::as_str))
                .bind(at.to_sqlx())
                .bind(as_of.epoch)
                .bind(as_of.position)
                .bind(ground)
                .execute(tx)
                .await?;
                Ok(id)
            })
        })
        .await
}

/// It ended without rows: the whole file was refused, or cut off.
///
/// # Errors
/// The database's.
pub async fn refused(desk: &Desk, run: Uuid, why: &'static str) -> Result<(), DbError> {
    end(desk, run, why, None, None).await
}

/// It ended: what was written may be used.
///
/// # Errors
/// The database's.
pub async fn complete(
    desk: &Desk,
    run: Uuid,
    counts: &Counts,
    digests: Option<([u8; 32], [u8; 32])>,
) -> Result<(), DbError> {
    end(desk, run, "complete", Some(*counts), digests).await
}

async fn end(
    desk: &Desk,
    run: Uuid,
    outcome: &'static str,
    counts: Option<Counts>,
    digests: Option<([u8; 32], [u8; 32])>,
) -> Result<(), DbError> {
    let at = desk.bus.clock().now();
    desk.bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "update gate_run set ended_at = $2, outcome = $3, counts = $4, sha256_in = $5, sha256_out = $6 where id = $1",
                )
                .bind(run)
                .bind(at.to_sqlx())
                .bind(outcome)
                .bind(counts.map(sqlx::types::Json))
                .bind(digests.map(|d| d.0.to_vec()))
                .bind(digests.map(|d| d.1.to_vec()))
                .execute(tx)
                .await?;
                Ok(())
            })
        })
        .await
}

#[derive(Default)]
struct Columns {
    lines: Vec<i64>,
    answers: Vec<&'static str>,
    whys: Vec<Option<&'static str>>,
    keys: Vec<Option<String>>,
    articles: Vec<Option<String>>,
    entries: Vec<Option<Uuid>>,
    known: Vec<Option<Uuid>>,
    ids: Vec<Uuid>,
}

/// The entry as the asker knows it; services know ours.
pub fn known_to(asker: &Code, entry: Uuid) -> Uuid {
    match asker.as_str().parse::<RecipientId>() {
        Ok(recipient) => crate::propagation::entry_as_known_to(contracts::EntryId(entry), recipient),
        Err(_) => entry,
    }
}

fn columns(desk: &Desk, asker: &Code, findings: &[Finding]) -> Columns {
    let mut rows = Columns::default();
    for finding in findings {
        rows.lines.push(i64::try_from(finding.line).unwrap_or(i64::MAX));
        rows.answers.push(finding.word.as_str());
        rows.whys.push(if let Word::Bad(bad) = finding.word { Some(bad.code()) } else { None });
        let key = finding.rule.and_then(|n| desk.rules.keys.get(usize::from(n)));
        rows.keys.push(key.map(|k| k.word.to_string()));
        rows.articles.push(finding.article.as_ref().map(Code::to_string));
        rows.entries.push(finding.entry);
        rows.known.push(finding.entry.map(|e| known_to(asker, e)));
        rows.ids.push(Uuid::now_v7());
    }
    rows
}

/// Keeps what did not pass. A stopped person's record in a hospital's supply is an incident, raised to staff (art. 56).
///
/// # Errors
/// The database's.
pub async fn keep(
    desk: &Desk,
    run: Uuid,
    asker: &Code,
    question: &Question,
    findings: &[Finding],
) -> Result<(), DbError> {
    if findings.is_empty() {
        return Ok(());
    }
    let rows = columns(desk, asker, findings);
    let raise = question.flow == Flow::HospitalSupply;
    // What passes based on law arrived all the same, and stands in the list with its article.
    let arrived = |word| matches!(word, Word::Exact | Word::BasedOnLaw);
    let incidents = findings.iter().filter(|f| raise && arrived(f.word)).count();
    if incidents > 0 {
        chassis::telemetry::count("madoguchi.gate.incidents", question.flow.as_str());
        tracing::warn!(%run, incidents, "records arrived although they are blocked");
    }
    let (asker, supplier, flow) = (asker.clone(), question.supplier.clone(), question.flow.as_str());
    let at = desk.bus.clock().now();
    desk.bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into gate_finding (run, line, answer, why, key, entry, known, article)
                     select $1, l, a, w, k, e, n, b
                       from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $9::text[])
                            t (l, a, w, k, e, n, b)
                      where (select count(*) from gate_finding where run = $1) < $8 on conflict do nothing",
                )
                .bind(run)
                .bind(&rows.lines)
                .bind(&rows.answers)
                .bind(&rows.whys)
                .bind(&rows.keys)
                .bind(&rows.entries)
                .bind(&rows.known)
                .bind(FINDINGS_MAX)
                .bind(&rows.articles)
                .execute(&mut *tx)
                .await?;
                if raise {
                    sqlx::query(
                        "insert into gate_incident (id, asker, flow, supplier, file, line, entry, raised_at, article)
                         select i, $1, $2, $3, $4::text, l, e, $5, b
                           from unnest($6::uuid[], $7::bigint[], $8::text[], $9::uuid[], $10::text[]) t (i, l, a, e, b)
                          where a in ('exact', 'based-on-law') on conflict (asker, file, line) do nothing",
                    )
                    .bind(asker.as_str())
                    .bind(flow)
                    .bind(supplier.as_ref().map(Code::as_str))
                    .bind(run.to_string())
                    .bind(at.to_sqlx())
                    .bind(&rows.ids)
                    .bind(&rows.lines)
                    .bind(&rows.answers)
                    .bind(&rows.entries)
                    .bind(&rows.articles)
                    .execute(tx)
                    .await?;
                }
                Ok(())
            })
        })
        .await
}

/// One run of an asker, as it is told it.
///
/// # Errors
/// The database's.
pub async fn show(desk: &Desk, asker: &Code, run: Uuid) -> Result<Option<Value>, DbError> {
    type Row = (
        String,
        String,
        Option<String>,
        i32,
        i64,
        Value,
        Option<String>,
        Option<Value>,
        Option<String>,
        Option<String>,
    );
    let row: Option<Row> = sqlx::query_as(
        "select flow, track, supplier, epoch, position, ground, outcome, counts, encode(sha256_in, 'hex'), encode(sha256_out, 'hex')
           from gate_run where id = $1 and asker = $2",
    )
    .bind(run)
    .bind(asker.as_str())
    .fetch_optional(desk.bus.db().pool())
    .await?;
    Ok(row.map(|(flow, track, supplier, epoch, position, ground, outcome, counts, sha256_in, sha256_out)| {
        json!({
            "run": run, "flow": flow, "track": track, "supplier": supplier, "as_of": { "epoch": epoch, "position": position },
            "ground": ground, "outcome": outcome, "counts": counts, "sha256_in": sha256_in, "sha256_out": sha256_out,
        })
    }))
}

/// Lines of a run's report after a line, at most 10,000 (NDJSON).
///
/// # Errors
/// The database's.
pub async fn report(desk: &Desk, asker: &Code, run: Uuid, after: i64) -> Result<String, DbError> {
    type Row = (i64, String, Option<String>, Option<String>, Option<Uuid>, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "select f.line, f.answer, f.why, f.key, f.known, f.article from gate_finding f join gate_run r on r.id = f.run
          where r.id = $1 and r.asker = $2 and f.line > $3 order by f.line limit 10000",
    )
    .bind(run)
    .bind(asker.as_str())
    .bind(after)
    .fetch_all(desk.bus.db().pool())
    .await?;
    let mut out = String::new();
    for (line, answer, why, key, entry, article) in rows {
        let mut one = json!({ "line": line, "answer": answer });
        let texts = [("why", why), ("key", key), ("entry", entry.map(|e| e.to_string())), ("article", article)];
        for (name, value) in texts.into_iter().filter_map(|(n, v)| Some((n, v?))) {
            one[name] = value.into();
        }
        out.push_str(&one.to_string());
        out.push('\n');
    }
    Ok(out)
}
