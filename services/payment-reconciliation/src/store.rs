//! Every question that this service asks its schema, and the one write outside a machine's transaction: reserving a
//! payment reference.

use crate::{
    charge,
    import::{Keyed, Original, Seen},
    matching::{ChargeView, Charges, Standing},
    reference,
    zengin::Sort,
};
use chassis::{Db, DbError};
use contracts::{BankLineId, CaseId, ChargeId, Code, StatementId, Uuid, payment::PaymentReference, payment::Yen};
use jiff::civil::Date;
use sqlx::PgPool;
use std::collections::HashSet;

/// Lines asked for at once.
const BATCH: usize = 5_000;
/// Charges and lines taken up in one pass of the sweeper.
pub const SWEEP: i64 = 500;

/// The payment reference of a charge: the one it has, or a new one that nobody ever had.
pub async fn reserve_reference(db: &Db, charge: ChargeId) -> Result<PaymentReference, DbError> {
    loop {
        let mut random = [0; 16];
        // Without randomness references could be guessed: better no answer than a bad one.
        getrandom::fill(&mut random).map_err(|_| DbError::Sql(sqlx::Error::Protocol("no random bytes".into())))?;
        let fresh = reference::from_random(random).as_str().to_owned();
        let kept: Option<String> = db
            .write(move |tx| {
                Box::pin(async move {
                    // Either row may be there already: another's number (try another) or this charge's own (keep it).
                    sqlx::query("insert into reference (reference, charge) values ($1, $2) on conflict do nothing")
                        .bind(fresh)
                        .bind(charge.0)
                        .execute(&mut *tx)
                        .await?;
                    let kept = sqlx::query_scalar("select reference from reference where charge = $1")
                        .bind(charge.0)
                        .fetch_optional(tx)
                        .await?;
                    Ok(kept)
                })
            })
            .await?;
        if let Some(reference) = kept.as_deref().and_then(PaymentReference::new) {
            return Ok(reference);
        }
    }
}

/// The charge that the end of a case is about: its living one, else the one that may still be ordered.
///
/// The case names its charges `base`, `base-2`, … by round, so the next one's id is known before it is ordered.
pub async fn charge_at_end(pool: &PgPool, case: CaseId) -> Result<ChargeId, DbError> {
    let known: Vec<(Uuid, String)> = sqlx::query_as(
        "select id, state ->> 'status' from charge where state #>> '{ask,case}' = $1 order by (state #>> '{ask,ordered}')::bigint desc limit 100",
    )
    .bind(case.0.to_string())
    .fetch_all(pool)
    .await?;
    let living = known.iter().find(|(_, status)| matches!(status.as_str(), "requested" | "paid" | "expired"));
    let next = match known.len() {
        0 => "base".to_owned(),
        n => format!("base-{}", n + 1),
    };
    Ok(living.map_or_else(|| ChargeId::derived(case.0, &next), |(id, _)| ChargeId(*id)))
}

/// The charges that have these references.
pub async fn charges(pool: &PgPool, references: &[PaymentReference]) -> Result<Charges, DbError> {
    let mut found = Charges::new();
    for some in references.chunks(BATCH) {
        let digits: Vec<&str> = some.iter().map(PaymentReference::as_str).collect();
        let rows: Vec<(String, Uuid, serde_json::Value)> = sqlx::query_as(
            "select r.reference, c.id, c.state from reference r join charge c on c.id = r.charge where r.reference = any($1)",
        )
        .bind(&digits)
        .fetch_all(pool)
        .await?;
        for (digits, id, state) in rows {
            let state: charge::State = serde_json::from_value(state).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            if let (Some(reference), Some(view)) = (PaymentReference::new(&digits), view(ChargeId(id), &state)) {
                found.insert(reference, view);
            }
        }
    }
    Ok(found)
}

fn view(charge: ChargeId, state: &charge::State) -> Option<ChargeView> {
    let standing = match state {
        charge::State::Requested { .. } => Standing::Requested,
        charge::State::Paid { .. } | charge::State::Earned { .. } => Standing::Paid,
        charge::State::Expired { .. } => Standing::Expired,
        charge::State::Cancelled { .. } => Standing::Cancelled,
        charge::State::Unknown | charge::State::Closed { .. } => return None,
    };
    state.ask().map(|ask| ChargeView { charge, amount: ask.amount, due_on: ask.due_on, standing })
}

/// Which of these lines earlier files held.
pub async fn seen(pool: &PgPool, lines: &[Keyed]) -> Result<HashSet<Seen>, DbError> {
    let mut all = HashSet::new();
    for some in lines.chunks(BATCH) {
        let accounts: Vec<Uuid> = some.iter().map(|k| k.account).collect();
        let keys: Vec<&[u8]> = some.iter().map(|k| k.key.as_slice()).collect();
        let rows: Vec<Seen> = sqlx::query_as(
            "select distinct l.account, l.key, l.occurrence from bank_line l
               join unnest($1::uuid[], $2::bytea[]) t (account, key) on (l.account, l.key) = (t.account, t.key)",
        )
        .bind(&accounts)
        .bind(&keys)
        .fetch_all(pool)
        .await?;
        all.extend(rows);
    }
    Ok(all)
}

/// Earlier lines that the cancellations among these may take back: the newest first, each once.
pub async fn originals(pool: &PgPool, lines: &[Keyed]) -> Result<Vec<Original>, DbError> {
    let parties: Vec<&[u8]> =
        lines.iter().filter(|k| k.line.sort == Sort::Cancellation).map(|k| k.party.as_slice()).collect();
    if parties.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, Vec<u8>, Option<Uuid>)> = sqlx::query_as(
        "select l.id, l.party, case when p.state = 'allocated' then p.charge end
           from bank_line l join placement p on p.line = l.id
          where l.party = any($1) and l.sort = 'ordinary' and l.direction = 'in' and l.amount > 0 and p.state <> 'taken-back'
            and not exists (select 1 from bank_line b where b.takes_back = l.id)
          order by l.booked_on desc, l.id desc limit 10000",
    )
    .bind(&parties)
    .fetch_all(pool)
    .await?;
    let original = |(line, party, charge): (Uuid, Vec<u8>, Option<Uuid>)| Original {
        line: BankLineId(line),
        party,
        charge: charge.map(ChargeId),
    };
    Ok(rows.into_iter().map(original).collect())
}

/// The family of files that books this account; `None` for a new account.
pub async fn booked_from(pool: &PgPool, account: Uuid) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar("select source from account where id = $1").bind(account).fetch_optional(pool).await?)
}

/// A line that was found certain and is not yet allocated.
#[derive(Debug, Clone)]
pub struct Certain {
    /// The line.
    pub line: BankLineId,
    /// Its statement.
    pub statement: StatementId,
    /// The charge that it pays.
    pub charge: ChargeId,
    /// How much.
    pub amount: Yen,
    /// The earlier of value day and booking day.
    pub paid_on: Date,
}

/// Certain lines that are not yet allocated, at most [`SWEEP`]: those of one statement, or of all.
pub async fn certain(pool: &PgPool, statement: Option<StatementId>) -> Result<Vec<Certain>, DbError> {
    let rows: Vec<(Uuid, Uuid, Uuid, i64, jiff_sqlx::Date)> = sqlx::query_as(
        "select l.id, l.statement, p.charge, l.amount, least(l.value_on, l.booked_on)
           from placement p join bank_line l on l.id = p.line
          where p.state = 'certain' and ($1::uuid is null or l.statement = $1) order by l.id limit $2",
    )
    .bind(statement.map(|s| s.0))
    .bind(SWEEP)
    .fetch_all(pool)
    .await?;
    let certain = |(line, statement, charge, amount, day): (Uuid, Uuid, Uuid, i64, jiff_sqlx::Date)| Certain {
        line: BankLineId(line),
        statement: StatementId(statement),
        charge: ChargeId(charge),
        amount: Yen(amount),
        paid_on: day.to_jiff(),
    };
    Ok(rows.into_iter().map(certain).collect())
}

/// Lines that were taken back by the bank while their charge still counts them as its payment.
pub async fn to_take_back(pool: &PgPool) -> Result<Vec<Certain>, DbError> {
    let rows: Vec<(Uuid, Uuid, Uuid, i64, jiff_sqlx::Date)> = sqlx::query_as(
        "select l.id, b.statement, p.charge, l.amount, l.booked_on
           from bank_line b join bank_line l on l.id = b.takes_back join placement p on p.line = l.id
          where p.state = 'allocated' order by l.id limit $1",
    )
    .bind(SWEEP)
    .fetch_all(pool)
    .await?;
    let back = |(line, statement, charge, amount, day): (Uuid, Uuid, Uuid, i64, jiff_sqlx::Date)| Certain {
        line: BankLineId(line),
        statement: StatementId(statement),
        charge: ChargeId(charge),
        amount: Yen(amount),
        paid_on: day.to_jiff(),
    };
    Ok(rows.into_iter().map(back).collect())
}

/// How long an account may be silent, in days, before it no longer holds up the expiry of charges.
const SILENT_DAYS: i32 = 31;

/// The day up to which all our accounts are covered. An account that is no longer imported does not hold up the others.
pub async fn covered_through(pool: &PgPool) -> Result<Option<Date>, DbError> {
    let day: Option<jiff_sqlx::Date> = sqlx::query_scalar(
        "select min(covered_through) from account where covered_through >= (select max(covered_through) - $1 from account)",
    )
    .bind(SILENT_DAYS)
    .fetch_one(pool)
    .await?;
    Ok(day.map(|d| d.to_jiff()))
}

/// Requested charges whose time is over once bookings are in up to this day, at most [`SWEEP`].
/// A charge that a line is about to pay is left alone.
pub async fn may_expire(pool: &PgPool, through: Date) -> Result<Vec<ChargeId>, DbError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select id from charge c where state ->> 'status' = 'requested' and state #>> '{ask,settled_on}' <= $1
            and not exists (select 1 from placement p where p.charge = c.id and p.state = 'certain') order by id limit $2",
    )
    .bind(through.to_string())
    .bind(SWEEP)
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(ChargeId).collect())
}

/// Balances by account, in yen, debits positive.
pub async fn balances(pool: &PgPool) -> Result<Vec<(Code, i64)>, DbError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("select account, sum(amount)::bigint from ledger_posting group by account order by account")
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().filter_map(|(account, sum)| Some((account.parse().ok()?, sum))).collect())
}

/// The statement that these bytes were imported as, where they were.
pub async fn imported_object(pool: &PgPool, statement: StatementId) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar("select object from bank_file where statement = $1")
        .bind(statement.0)
        .fetch_optional(pool)
        .await?)
}

/// Which of these statements are in the table: their payer keys are in use.
pub async fn imported(pool: &PgPool, statements: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    let find = "select statement from bank_file where statement = any($1)";
    Ok(sqlx::query_scalar(find).bind(statements).fetch_all(pool).await?)
}
