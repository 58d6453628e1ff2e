//! Every SQL statement about arrivals and about requests that staff filed.

use chassis::{Db, DbError};
use contracts::{
    ArrivalId, ArrivalState, CaseId, StaffId, Timestamp, Uuid,
    arrival::{ARRIVALS_PAGE, FiledFrom, LogArrival},
};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;

/// Writes an arrival down; the same form again changes nothing.
pub async fn log(
    db: &Db,
    id: Uuid,
    order: &LogArrival,
    sealed: Vec<u8>,
    by: StaffId,
    now: Timestamp,
) -> Result<(), DbError> {
    let order = order.clone();
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "insert into arrival (id, channel, arrived_at, postal_class, postmarked_on, cash, sealed, logged_by, logged_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing",
            )
            .bind(id)
            .bind(order.channel.as_str())
            .bind(order.arrived_at.to_sqlx())
            .bind(order.postal_class.map(|class| class.as_str()))
            .bind(order.postmarked_on.map(|day| day.to_sqlx()))
            .bind(order.cash)
            .bind(sealed)
            .bind(by.0)
            .bind(now.to_sqlx())
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await
}

/// A row as staff see it.
#[derive(FromRow)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Which way it came.
    pub channel: String,
    /// 到達.
    pub arrived_at: jiff_sqlx::Timestamp,
    /// 郵便物の種類.
    pub postal_class: Option<String>,
    /// 消印.
    pub postmarked_on: Option<jiff_sqlx::Date>,
    /// Money in it.
    pub cash: bool,
    /// What somebody wrote or said.
    pub sealed: Option<Vec<u8>>,
    /// Who wrote it down.
    pub logged_by: Uuid,
    /// When.
    pub logged_at: jiff_sqlx::Timestamp,
    /// Where it stands.
    pub state: String,
    /// What became of it.
    pub outcome: Option<String>,
    /// Its case.
    pub case_id: Option<Uuid>,
    /// Who settled it.
    pub settled_by: Option<Uuid>,
    /// When.
    pub settled_at: Option<jiff_sqlx::Timestamp>,
    /// What was done.
    pub why: Option<Vec<u8>>,
}

macro_rules! rows {
    ($which:literal) => {
        concat!(
            "select id, channel, arrived_at, postal_class, postmarked_on, cash, sealed, logged_by, logged_at, state, outcome, case_id,
                    settled_by, settled_at, why from arrival ",
            $which
        )
    };
}

/// A page, the oldest first. One more than a page tells that there are more.
pub async fn page(db: &Db, state: ArrivalState, after: Option<(Timestamp, ArrivalId)>) -> Result<Vec<Row>, DbError> {
    let (at, id) = after.map_or((Timestamp::UNIX_EPOCH, Uuid::nil()), |(at, arrival)| (at, arrival.0));
    let most = i64::try_from(ARRIVALS_PAGE + 1).unwrap_or(i64::MAX);
    // The word stands here and is not bound, so that the partial index serves.
    let find = match state {
        ArrivalState::Open => {
            rows!("where state = 'open' and (arrived_at, id) > ($1, $2) order by arrived_at, id limit $3")
        }
        ArrivalState::Settled => {
            rows!("where state = 'settled' and (arrived_at, id) > ($1, $2) order by arrived_at, id limit $3")
        }
    };
    Ok(sqlx::query_as(find).bind(at.to_sqlx()).bind(id).bind(most).fetch_all(db.pool()).await?)
}

/// How many are in each state.
pub async fn counts(db: &Db) -> Result<Vec<(String, i64)>, DbError> {
    Ok(sqlx::query_as("select state, count(*) from arrival group by state order by state").fetch_all(db.pool()).await?)
}

/// How many wait for a person, and since when the oldest does, in seconds.
pub async fn waiting(db: &Db) -> Result<(i64, f64), DbError> {
    let find = "select count(*), coalesce(extract(epoch from now() - min(arrived_at)), 0)::float8 from arrival where state = 'open'";
    Ok(sqlx::query_as(find).fetch_one(db.pool()).await?)
}

/// One arrival.
pub async fn one(db: &Db, id: ArrivalId) -> Result<Option<Row>, DbError> {
    Ok(sqlx::query_as(rows!("where id = $1")).bind(id.0).fetch_optional(db.pool()).await?)
}

/// What is done with an arrival.
pub struct Settled {
    /// Which.
    pub id: ArrivalId,
    /// What.
    pub outcome: &'static str,
    /// The case.
    pub case: Option<CaseId>,
    /// Who.
    pub by: StaffId,
    /// In words, sealed.
    pub why: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

/// Settles an open arrival; whether it did.
pub async fn settle(db: &Db, settled: Settled) -> Result<bool, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let done = sqlx::query(
                "update arrival set state = 'settled', outcome = $2, case_id = $3, settled_by = $4, why = $5, settled_at = $6
                  where id = $1 and state = 'open'
                    and ($3::uuid is null or exists (select from person where case_id = $3 and sealed is not null))",
            )
            .bind(settled.id.0)
            .bind(settled.outcome)
            .bind(settled.case.map(|case| case.0))
            .bind(settled.by.0)
            .bind(settled.why)
            .bind(settled.at.to_sqlx())
            .execute(tx)
            .await?;
            Ok(done.rows_affected() > 0)
        })
    })
    .await
}

/// The keys of the arrivals of a case.
pub async fn units_of(db: &Db, case: CaseId) -> Result<Vec<Uuid>, DbError> {
    let find = "select id from arrival where case_id = $1 and erased_at is null";
    Ok(sqlx::query_scalar(find).bind(case.0).fetch_all(db.pool()).await?)
}

/// The arrivals of a case whose keys are destroyed: only that they were there stays.
pub async fn erase_of(db: &Db, case: CaseId, at: Timestamp) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "update arrival set sealed = null, why = null, erased_at = $2 where case_id = $1 and erased_at is null",
            )
            .bind(case.0)
            .bind(at.to_sqlx())
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await
}

/// A request that staff filed.
#[derive(FromRow)]
pub struct DeskFiling {
    /// The form's token.
    pub token: Uuid,
    /// 受付番号.
    pub receipt_number: String,
    /// 照会用暗証, sealed.
    pub code: Option<Vec<u8>>,
    /// When it was handed over.
    pub handed_at: Option<jiff_sqlx::Timestamp>,
}

/// One of them.
pub async fn filed(db: &Db, case: CaseId) -> Result<Option<DeskFiling>, DbError> {
    let find = "select token, receipt_number, code, handed_at from desk_filing where case_id = $1";
    Ok(sqlx::query_as(find).bind(case.0).fetch_optional(db.pool()).await?)
}

/// A request that staff are filing.
pub struct NewFiling {
    /// The case that it becomes.
    pub case: CaseId,
    /// The form's token.
    pub token: Uuid,
    /// What it is filed from.
    pub from: FiledFrom,
    /// 受付番号.
    pub receipt_number: String,
    /// 照会用暗証, sealed.
    pub code: Vec<u8>,
    /// Who.
    pub by: StaffId,
    /// When.
    pub at: Timestamp,
}

/// Keeps number and code before the case is opened; whether this form may go on. One that was left half done is taken over by another
/// after `patience`: the caller has looked that no case came of it.
pub async fn begin(db: &Db, new: NewFiling, patience: SignedDuration) -> Result<bool, DbError> {
    let (arrival, mail) = match new.from {
        FiledFrom::Arrival(id) => (Some(id.0), None),
        FiledFrom::Mail(id) => (None, Some(id.0)),
    };
    let stale = new.at.saturating_sub(patience).unwrap_or(Timestamp::MIN);
    db.write(move |tx| {
        Box::pin(async move {
            let ours = sqlx::query(
                "insert into desk_filing (case_id, token, from_arrival, from_mail, receipt_number, code, filed_by, filed_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)
                 on conflict (case_id) do update set token = excluded.token, filed_by = excluded.filed_by, filed_at = excluded.filed_at
                   where desk_filing.token = excluded.token or desk_filing.filed_at <= $9",
            )
            .bind(new.case.0)
            .bind(new.token)
            .bind(arrival)
            .bind(mail)
            .bind(new.receipt_number)
            .bind(new.code)
            .bind(new.by.0)
            .bind(new.at.to_sqlx())
            .bind(stale.to_sqlx())
            .execute(tx)
            .await?;
            Ok(ours.rows_affected() > 0)
        })
    })
    .await
}

/// The person of a form that was left half done: no case came of it, and the next form may say something else.
pub async fn forget_half_done(db: &Db, case: CaseId) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "delete from person where case_id = $1 and not exists (select from receipt where case_id = $1)",
            )
            .bind(case.0)
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await
}

/// 交付済み: the code is forgotten; whether it was there to be forgotten.
pub async fn hand_over(db: &Db, case: CaseId, by: StaffId, at: Timestamp) -> Result<bool, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let done = sqlx::query(
                "update desk_filing set code = null, handed_by = $2, handed_at = $3 where case_id = $1 and code is not null",
            )
            .bind(case.0)
            .bind(by.0)
            .bind(at.to_sqlx())
            .execute(tx)
            .await?;
            Ok(done.rows_affected() > 0)
        })
    })
    .await
}
