//! What staff look at: one possible match with both people's values, the filings, and what was checked.

use super::desk::Desk;
use chassis::{DbError, HandleError};
use contracts::{
    Code, EntryId, StaffId, Uuid,
    gate::ReviewRow,
    gate_desk::{FilingList, FilingRow, GateRunList, GateRunRow, ReviewDetail, ReviewReply, ShowReview},
};
use gate::{Counts, Part, Person, filing::Filing};
use privacy_seal::{PublicKey, Purpose, seal_to};
use recipient_kit::Identifiers;
use serde_json::{Value, json};
use std::{collections::HashMap, path::Path};

type Time = jiff_sqlx::Timestamp;

/// `req.optout.review`: both people's values, sealed to the console, which has written down who looks.
///
/// # Errors
/// A database or the console's public key is not to be had: nothing left.
pub async fn review(desk: &Desk, keys: &Path, asked: ShowReview) -> Result<ReviewReply, HandleError> {
    type Row = (Uuid, String, String, String, Time, Option<Uuid>, Option<bool>, Option<Vec<u8>>);
    let row: Option<Row> = sqlx::query_as(
        "select entry, key, flow, asker, raised_at, first, first_same, person from gate_review
          where id = $1 and decided_at is null",
    )
    .bind(asked.review)
    .fetch_optional(desk.bus.db().pool())
    .await?;
    let Some((entry, key, flow, asker, since, first, same, Some(person))) = row else {
        return Ok(ReviewReply::Unknown);
    };
    let (Ok(key), Ok(flow), Ok(asker)) = (key.parse(), flow.parse(), asker.parse()) else {
        return Ok(ReviewReply::Unreadable);
    };
    let Some(found) = desk.register.open(asked.review.as_bytes(), &person) else { return Ok(ReviewReply::Unreadable) };
    let stopped = match desk.register.person(EntryId(entry)).await {
        Ok(person) => person,
        Err(crate::person::PersonError::Db(error)) => return Err(error.into()),
        Err(_) => return Ok(ReviewReply::Unreadable),
    };
    let unavailable = |error: &dyn std::fmt::Display| HandleError::Unavailable(error.to_string());
    let console = PublicKey::load(&keys.join("console.pub")).map_err(|e| unavailable(&e))?;
    let seal = |bytes: &[u8]| seal_to(&console, asked.review.as_bytes(), bytes).map_err(|e| unavailable(&e));
    let found = seal(found.disclose(Purpose::ShowToStaff))?;
    let stopped = stopped.map(|p| {
        // As the gate compares them: the row's values are folded, and a blank is no difference.
        let folded = folded(p);
        json!({
            "kana": p.kana, "birth-date": p.birth_date, "name": p.name, "sex": p.sex, "hospitals": p.hospitals,
            "folded": folded,
        })
        .to_string()
    });
    let stopped = seal(stopped.disclose(Purpose::ShowToStaff).as_bytes())?;
    tracing::info!(review = %asked.review, staff = %asked.staff, cause = %asked.cause, "a possible match is looked at");
    let row = ReviewRow {
        review: asked.review,
        entry: EntryId(entry),
        key,
        flow,
        asker,
        since: since.to_jiff(),
        looked: first.is_some(),
    };
    Ok(ReviewReply::Found(Box::new(ReviewDetail { row, first: first.map(StaffId).zip(same), found, stopped })))
}

/// An entry's identifiers in the form in which the gate compares them; what cannot be folded is left out.
fn folded(person: &Identifiers) -> Value {
    let mut parts = Person::new();
    let (date, sex) = (person.birth_date.to_string(), person.sex.map(|sex| json!(sex)));
    let sex = sex.as_ref().and_then(Value::as_str).unwrap_or_default();
    let name = person.name.as_deref().unwrap_or_default();
    for (part, value) in
        [(Part::Kana, person.kana.as_str()), (Part::Name, name), (Part::BirthDate, date.as_str()), (Part::Sex, sex)]
    {
        // A value that does not fold is no key either: then there is nothing to compare.
        let _ = parts.set(part, value);
    }
    let said = Part::ALL.iter().filter_map(|part| Some((part.as_str().to_owned(), json!(parts.get(*part)?))));
    Value::Object(said.collect())
}

/// `req.optout.filings`.
///
/// # Errors
/// The database does not answer.
pub async fn filings(desk: &Desk) -> Result<FilingList, HandleError> {
    let rows: Vec<(sqlx::types::Json<Filing>, Time)> =
        sqlx::query_as("select filing, at from gate_filing order by at desc, supplier, track, number limit 500")
            .fetch_all(desk.bus.db().pool())
            .await?;
    let filings = rows.into_iter().map(|(filing, at)| {
        let Filing { supplier, track, number, filed_on, published_on, starts_on, notice_days, ended_on, .. } = filing.0;
        FilingRow {
            supplier,
            track,
            number,
            filed_on,
            published_on,
            starts_on,
            notice_days,
            ended_on,
            at: at.to_jiff(),
        }
    });
    Ok(FilingList { filings: filings.collect() })
}

/// `req.optout.gate-runs`.
///
/// # Errors
/// The database does not answer.
pub async fn runs(desk: &Desk) -> Result<GateRunList, HandleError> {
    type Row = (
        Uuid,
        String,
        String,
        String,
        Option<String>,
        Time,
        Option<Time>,
        i64,
        Option<String>,
        Option<sqlx::types::Json<Counts>>,
    );
    let pool = desk.bus.db().pool();
    let rows: Vec<Row> = sqlx::query_as(
        "select id, asker, flow, track, supplier, begun_at, ended_at, position, outcome, counts from gate_run
          order by begun_at desc, id limit 200",
    )
    .fetch_all(pool)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.0).collect();
    let mut findings = findings(pool, &ids).await?;
    let run = |(run, asker, flow, track, supplier, begun_at, ended_at, position, outcome, counts): Row| {
        let counts = counts.map(|c| [c.rows, c.no_match, c.exact, c.possible, c.bad, c.unfiled]);
        Some(GateRunRow {
            run,
            asker: asker.parse().ok()?,
            flow: flow.parse().ok()?,
            track: track.parse().ok()?,
            supplier: supplier.and_then(|s| s.parse().ok()),
            begun_at: begun_at.to_jiff(),
            ended_at: ended_at.map(|t| t.to_jiff()),
            position,
            outcome: outcome.and_then(|word| word.parse().ok()),
            counts,
            findings: findings.remove(&run).unwrap_or_default(),
        })
    };
    Ok(GateRunList { runs: rows.into_iter().filter_map(run).collect() })
}

type Findings = HashMap<Uuid, Vec<(i64, Code, Option<EntryId>)>>;

/// The first 20 of each run.
async fn findings(pool: &sqlx::PgPool, runs: &[Uuid]) -> Result<Findings, DbError> {
    let rows: Vec<(Uuid, i64, String, Option<Uuid>)> = sqlx::query_as(
        "select f.run, f.line, f.answer, f.entry from unnest($1::uuid[]) r (id)
           cross join lateral (select * from gate_finding g where g.run = r.id order by g.line limit 20) f",
    )
    .bind(runs)
    .fetch_all(pool)
    .await?;
    let mut all = Findings::new();
    for (run, line, answer, entry) in rows {
        if let Ok(answer) = answer.parse() {
            all.entry(run).or_default().push((line, answer, entry.map(EntryId)));
        }
    }
    Ok(all)
}
