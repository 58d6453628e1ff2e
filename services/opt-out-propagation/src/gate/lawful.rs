//! 法令に基づく場合 (Act art. 56): the one way past a block. An article of law, one entry, one file as it was checked, a time, and
//! two different people; the database refuses one who is both. What passes has an answer of its own and stands in the report,
//! the run and the list of incidents with its article. Checks of few, NATS and snapshots know no such way.

use super::desk::Desk;
use chassis::{DbError, HandleError, StaffReason};
use contracts::{
    Code, EntryId, StaffId, Timestamp, Uuid,
    duty::{BasedOnLawList, BasedOnLawRow, PassBasedOnLaw},
    request::{StaffCommand, StaffReply},
};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use privacy_seal::Purpose;
use sqlx::PgConnection;

/// The longest that it counts.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What counts for one file: entries and articles.
///
/// # Errors
/// The database's.
pub async fn in_force(desk: &Desk, asker: &Code, sha256: [u8; 32]) -> Result<Vec<(Uuid, Code)>, DbError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select entry, article from gate_based_on_law
          where asker = $1 and sha256 = $2 and second is not null and until > $3 order by entry",
    )
    .bind(asker.as_str())
    .bind(sha256.as_slice())
    .bind(desk.bus.clock().now().to_sqlx())
    .fetch_all(desk.bus.db().pool())
    .await?;
    Ok(rows.into_iter().filter_map(|(entry, article)| Some((entry, article.parse().ok()?))).collect())
}

/// `req.optout.pass-based-on-law`: the first of two people says it, the second one, with the same words, puts it in force.
///
/// # Errors
/// The database did not do it.
pub async fn pass(desk: &Desk, command: StaffCommand<PassBasedOnLaw>) -> Result<StaffReply, HandleError> {
    let refused = |reason| Ok(StaffReply::Refused { reason, at: None });
    let why = desk.register.open(command.token.as_bytes(), &command.why.0).and_then(|why| why.text().ok());
    if why.is_none_or(|why| why.disclose(Purpose::EnterRegister).trim().is_empty()) {
        return refused(Code::of("why-missing"));
    }
    let at = desk.bus.clock().now();
    let until = command.order.until;
    if until <= at || at.checked_add(LONGEST).is_ok_and(|longest| until > longest) {
        return refused(Code::of("at-most-30-days"));
    }
    let (entry, order) = (command.order.entry, command.order.clone());
    let reason =
        StaffReason { cause: command.token, staff: command.staff, unit: None, sealed: command.why.0.clone(), at };
    let said = desk.bus.db().write(move |tx| Box::pin(async move { say(tx, &order, &reason, at).await }));
    match said.await? {
        Ok(status) => {
            chassis::telemetry::count("madoguchi.gate.based_on_law", status.as_str());
            Ok(StaffReply::Done { machine: entry.0, status, figures: vec![] })
        }
        Err(reason) => refused(reason),
    }
}

type Said = Result<Code, Code>;

async fn say(
    tx: &mut PgConnection,
    order: &PassBasedOnLaw,
    reason: &StaffReason,
    at: Timestamp,
) -> Result<Said, DbError> {
    type Row = (String, jiff_sqlx::Timestamp, Uuid, Uuid, Option<Uuid>);
    let row: Option<Row> = sqlx::query_as(
        "select article, until, first, first_staff, second from gate_based_on_law where run = $1 and entry = $2 for update",
    )
    .bind(order.run)
    .bind(order.entry.0)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((article, until, first, first_staff, second)) = row else { return propose(tx, order, reason, at).await };
    if first == reason.cause {
        return Ok(Ok(Code::of("awaits-second-person")));
    }
    if second == Some(reason.cause) {
        return Ok(Ok(Code::of("passes-based-on-law")));
    }
    if second.is_some() {
        return Ok(Err(Code::of("passes-already")));
    }
    if first_staff == reason.staff.0 {
        return Ok(Err(Code::of("second-person-needed")));
    }
    // The table counts microseconds.
    if article != order.article.as_str() || until.to_jiff().as_microsecond() != order.until.as_microsecond() {
        return Ok(Err(Code::of("first-person-said-otherwise")));
    }
    reason.keep(&mut *tx).await?;
    sqlx::query(
        "update gate_based_on_law set second = $3, second_staff = $4, second_at = $5 where run = $1 and entry = $2",
    )
    .bind(order.run)
    .bind(order.entry.0)
    .bind(reason.cause)
    .bind(reason.staff.0)
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(Ok(Code::of("passes-based-on-law")))
}

async fn propose(
    tx: &mut PgConnection,
    order: &PassBasedOnLaw,
    reason: &StaffReason,
    at: Timestamp,
) -> Result<Said, DbError> {
    // A file whose digest is known, in which just this entry's row was taken out.
    let taken_out: bool = sqlx::query_scalar(
        "select exists (select from gate_run r join gate_finding f on f.run = r.id
                         where r.id = $1 and r.sha256_in is not null and f.entry = $2 and f.answer = 'exact')",
    )
    .bind(order.run)
    .bind(order.entry.0)
    .fetch_one(&mut *tx)
    .await?;
    if !taken_out {
        return Ok(Err(Code::of("no-such-row-in-this-file")));
    }
    reason.keep(&mut *tx).await?;
    sqlx::query(
        "insert into gate_based_on_law (run, entry, asker, sha256, article, until, first, first_staff, first_at)
         select id, $2, asker, sha256_in, $3, $4, $5, $6, $7 from gate_run where id = $1",
    )
    .bind(order.run)
    .bind(order.entry.0)
    .bind(order.article.as_str())
    .bind(order.until.to_sqlx())
    .bind(reason.cause)
    .bind(reason.staff.0)
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(Ok(Code::of("awaits-second-person")))
}

/// `req.optout.based-on-law`.
///
/// # Errors
/// The database does not answer.
pub async fn list(desk: &Desk) -> Result<BasedOnLawList, HandleError> {
    type Row = (
        Uuid,
        Uuid,
        String,
        String,
        jiff_sqlx::Timestamp,
        Uuid,
        jiff_sqlx::Timestamp,
        Option<Uuid>,
        Option<jiff_sqlx::Timestamp>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "select run, entry, asker, article, until, first_staff, first_at, second_staff, second_at
           from gate_based_on_law order by first_at desc limit 200",
    )
    .fetch_all(desk.bus.db().pool())
    .await
    .map_err(DbError::from)?;
    let row = |(run, entry, asker, article, until, first, first_at, second, second_at): Row| {
        Some(BasedOnLawRow {
            run,
            entry: EntryId(entry),
            asker: asker.parse().ok()?,
            article: article.parse().ok()?,
            until: until.to_jiff(),
            first: (StaffId(first), first_at.to_jiff()),
            second: second.map(StaffId).zip(second_at.map(|t| t.to_jiff())),
        })
    };
    Ok(BasedOnLawList { rows: rows.into_iter().filter_map(row).collect() })
}
