//! Possible matches (候補): two different members of staff say the same, or the row stays held back.

use super::desk::{Desk, Question};
use chassis::{DbError, HandleError, StaffReason};
use contracts::{
    Code, EntryId, Uuid,
    gate::{DecideReview, ReviewList, ReviewRow},
    request::{StaffCommand, StaffReply},
};
use gate::{Finding, Part, Word};
use jiff_sqlx::ToSqlx;
use privacy_seal::seal_to;

/// Reviews that may be open; more possible matches are held back all the same.
const OPEN_MAX: i64 = 10_000;

#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    entries: Vec<Uuid>,
    tags: Vec<Vec<u8>>,
    keys: Vec<String>,
    persons: Vec<Vec<u8>>,
}

/// Puts possible matches before two people. The same row about the same entry is one review for ever.
///
/// # Errors
/// The database's.
pub async fn raise(desk: &Desk, asker: &Code, question: &Question, findings: &[Finding]) -> Result<(), DbError> {
    let mut rows = Columns::default();
    let key = desk.register.public();
    for finding in findings.iter().filter(|f| f.word == Word::Possible) {
        let (Some(entry), Some(tag), Some(person)) = (finding.entry, finding.row, finding.person.as_ref()) else {
            continue;
        };
        let values: serde_json::Map<String, serde_json::Value> =
            Part::ALL.iter().filter_map(|part| Some((part.as_str().to_owned(), person.get(*part)?.into()))).collect();
        let id = Uuid::now_v7();
        let json = zeroize::Zeroizing::new(serde_json::Value::Object(values).to_string());
        let Ok(sealed) = seal_to(&key, id.as_bytes(), json.as_bytes()) else { continue };
        let rule = finding.rule.and_then(|n| desk.rules.keys.get(usize::from(n)));
        rows.ids.push(id);
        rows.entries.push(entry);
        rows.tags.push(tag.to_vec());
        rows.keys.push(rule.map(|k| k.word.to_string()).unwrap_or_default());
        rows.persons.push(sealed.0);
    }
    if rows.ids.is_empty() {
        return Ok(());
    }
    let (asker, flow, track) = (asker.clone(), question.flow.as_str(), question.track.as_str());
    let at = desk.bus.clock().now();
    desk.bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into gate_review (id, entry, tag, key, flow, track, asker, person, raised_at)
                     select i, e, t, k, $1, $2, $3, p, $4
                       from unnest($5::uuid[], $6::uuid[], $7::bytea[], $8::text[], $9::bytea[]) x (i, e, t, k, p)
                      where (select count(*) from gate_review where decided_at is null) < $10
                     on conflict (entry, tag) do nothing",
                )
                .bind(flow)
                .bind(track)
                .bind(asker.as_str())
                .bind(at.to_sqlx())
                .bind(&rows.ids)
                .bind(&rows.entries)
                .bind(&rows.tags)
                .bind(&rows.keys)
                .bind(&rows.persons)
                .bind(OPEN_MAX)
                .execute(tx)
                .await?;
                Ok(())
            })
        })
        .await
}

/// `req.optout.reviews`.
///
/// # Errors
/// The database does not answer.
pub async fn list(desk: &Desk) -> Result<ReviewList, HandleError> {
    type Row = (Uuid, Uuid, String, String, String, jiff_sqlx::Timestamp, bool);
    let rows: Vec<Row> = sqlx::query_as(
        "select id, entry, key, flow, asker, raised_at, first is not null from gate_review
          where decided_at is null order by raised_at limit 200",
    )
    .fetch_all(desk.bus.db().pool())
    .await
    .map_err(DbError::from)?;
    let reviews = rows.into_iter().filter_map(|(review, entry, key, flow, asker, since, looked)| {
        Some(ReviewRow {
            review,
            entry: EntryId(entry),
            key: key.parse().ok()?,
            flow: flow.parse().ok()?,
            asker: asker.parse().ok()?,
            since: since.to_jiff(),
            looked,
        })
    });
    Ok(ReviewList { reviews: reviews.collect() })
}

/// `req.optout.decide-review`. Two who do not agree begin again; one cannot be both.
///
/// # Errors
/// The database did not do it.
pub async fn decide(desk: &Desk, command: StaffCommand<DecideReview>) -> Result<StaffReply, HandleError> {
    let (DecideReview { review, same }, staff) = (command.order, command.staff.0);
    let at = desk.bus.clock().now();
    let reason = StaffReason { cause: command.token, staff: command.staff, unit: None, sealed: command.why.0, at };
    let said = desk.bus.db().write(move |tx| {
        Box::pin(async move {
            let row: Option<(Option<Uuid>, Option<bool>, bool)> = sqlx::query_as(
                "select first, first_same, decided_at is not null from gate_review where id = $1 for update",
            )
            .bind(review)
            .fetch_optional(&mut *tx)
            .await?;
            let status = match row {
                None => return Ok(Err(Code::of("no-such-review"))),
                Some((.., true)) => return Ok(Ok(Code::of("decided"))),
                Some((Some(first), ..)) if first == staff => return Ok(Err(Code::of("needs-another-person"))),
                Some((Some(_), Some(word), _)) if word == same => {
                    sqlx::query(
                        "update gate_review set second = $2, same = $3, decided_at = $4, person = null where id = $1",
                    )
                    .bind(review)
                    .bind(staff)
                    .bind(same)
                    .bind(at.to_sqlx())
                    .execute(&mut *tx)
                    .await?;
                    Code::of("decided")
                }
                // Nobody yet, or somebody who saw it otherwise: this is the first word now.
                Some(_) => {
                    sqlx::query("update gate_review set first = $2, first_same = $3 where id = $1")
                        .bind(review)
                        .bind(staff)
                        .bind(same)
                        .execute(&mut *tx)
                        .await?;
                    Code::of("waits-for-another-person")
                }
            };
            reason.keep(tx).await?;
            Ok(Ok(status))
        })
    });
    Ok(match said.await? {
        Ok(status) => StaffReply::Done { machine: review, status, figures: vec![] },
        Err(reason) => StaffReply::Refused { reason, at: None },
    })
}
