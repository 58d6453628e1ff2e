//! The statements of the delivery engine: leases, and what is to be sent.

use chassis::{Db, DbError};
use contracts::{RecipientId, SignaturesAs, Uuid};
use std::{collections::HashSet, time::Duration};

/// A leased endpoint.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The endpoint.
    pub id: Uuid,
    /// Whose it is.
    pub recipient: RecipientId,
    /// Whose address it is: the contractor above, where that one carries.
    pub carrier: RecipientId,
    /// `nats` or `webhook`.
    pub transport: String,
    /// The sealed URL.
    pub url: Option<Vec<u8>>,
    /// What the contract in force of whose address it is has webhooks signed with.
    pub signatures: SignaturesAs,
    /// The fence of this lease.
    pub fence: i64,
    /// Every position up to here has an outcome.
    pub cursor: i64,
}

/// Renews; absent from the answer = lost.
///
/// # Errors
/// The database did not do it.
pub async fn renew(db: &Db, me: Uuid, mine: Vec<Uuid>, lease: Duration) -> Result<HashSet<Uuid>, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let kept: Vec<Uuid> = sqlx::query_scalar(
                "update endpoint set lease_until = now() + make_interval(secs => $3) where owner = $1 and id = any($2) returning id",
            )
            .bind(me)
            .bind(&mine)
            .bind(lease.as_secs_f64())
            .fetch_all(tx)
            .await?;
            Ok(kept.into_iter().collect())
        })
    })
    .await
}

/// Takes this process' share of the endpoints: enabled ones ÷ live owners, rounded up, less those held.
///
/// # Errors
/// The database did not do it.
pub async fn take(db: &Db, me: Uuid, held: usize, lease: Duration) -> Result<Vec<Taken>, DbError> {
    let held = held as i64;
    db.write(move |tx| {
        Box::pin(async move {
            type Row = (Uuid, Uuid, Uuid, String, Option<Vec<u8>>, i64, i64, Option<String>);
            let rows: Vec<Row> = sqlx::query_as(
                "update endpoint set owner = $1, fence = fence + 1, lease_until = now() + make_interval(secs => $2)
                  where id in (
                    select id from endpoint e where enabled and lease_until < now()
                       and (via is null or exists (select from endpoint v where v.id = e.via and v.enabled)) order by id
                     limit (select greatest(0, ceil((select count(*) from endpoint where enabled)::numeric
                       / (1 + (select count(distinct owner) from endpoint where lease_until > now() and owner <> $1)))::bigint - $3))
                     for update skip locked)
                 returning id, recipient, coalesce((select v.recipient from endpoint v where v.id = endpoint.via), recipient),
                   coalesce((select v.transport from endpoint v where v.id = endpoint.via), transport),
                   coalesce((select v.url from endpoint v where v.id = endpoint.via), url), fence, cursor,
                   (select c.terms #>> '{forms,signatures}' from contract_version c where c.ended_at is null
                       and c.recipient = coalesce((select v.recipient from endpoint v where v.id = endpoint.via), endpoint.recipient))",
            )
            .bind(me)
            .bind(lease.as_secs_f64())
            .bind(held)
            .fetch_all(tx)
            .await?;
            Ok(rows
                .into_iter()
                .map(|(id, recipient, carrier, transport, url, fence, cursor, signatures)| Taken {
                    id,
                    recipient: RecipientId(recipient),
                    carrier: RecipientId(carrier),
                    transport,
                    url,
                    signatures: signatures.and_then(|word| word.parse().ok()).unwrap_or_default(),
                    fence,
                    cursor,
                })
                .collect())
        })
    })
    .await
}

/// Gives all leases back.
///
/// # Errors
/// The database did not do it; they end by themselves.
pub async fn release(db: &Db, me: Uuid) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query("update endpoint set owner = null, lease_until = '-infinity' where owner = $1")
                .bind(me)
                .execute(tx)
                .await?;
            Ok(())
        })
    })
    .await
}

/// One body to send.
#[derive(Debug)]
pub(super) struct Load {
    pub position: i64,
    pub instruction: Uuid,
    pub body: Vec<u8>,
    pub trace: Option<String>,
    /// Failed tries before.
    pub tries: u32,
    /// From the retry table.
    pub again: bool,
}

/// Positions beyond the cursor that have an outcome or a retry row already: not sent again as fresh after a take-over.
pub(super) async fn done_beyond(db: &Db, endpoint: Uuid, cursor: i64) -> Result<Vec<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "select position from attempt where endpoint = $1 and position > $2
         union select position from retry where endpoint = $1 and position > $2",
    )
    .bind(endpoint)
    .bind(cursor)
    .fetch_all(db.pool())
    .await?)
}

type FreshRow = (i64, Uuid, Vec<u8>, Option<String>);

pub(super) async fn fresh(db: &Db, endpoint: Uuid, after: i64, limit: usize) -> Result<Vec<Load>, DbError> {
    let rows: Vec<FreshRow> = sqlx::query_as(
        "select position, instruction, body, trace from delivery where endpoint = $1 and position > $2 order by position limit $3",
    )
    .bind(endpoint)
    .bind(after)
    .bind(limit as i64)
    .fetch_all(db.pool())
    .await?;
    let load =
        |(position, instruction, body, trace)| Load { position, instruction, body, trace, tries: 0, again: false };
    Ok(rows.into_iter().map(load).collect())
}

type AgainRow = (i64, Uuid, Vec<u8>, Option<String>, i32);

pub(super) async fn due_again(db: &Db, endpoint: Uuid, flying: &[i64], limit: usize) -> Result<Vec<Load>, DbError> {
    let rows: Vec<AgainRow> = sqlx::query_as(
        "select r.position, d.instruction, d.body, d.trace, r.tries from retry r
           join delivery d on d.endpoint = r.endpoint and d.position = r.position
          where r.endpoint = $1 and not r.parked and r.next_at <= now() and not r.position = any($2)
          order by r.next_at limit $3",
    )
    .bind(endpoint)
    .bind(flying)
    .bind(limit as i64)
    .fetch_all(db.pool())
    .await?;
    let load = |(position, instruction, body, trace, tries): AgainRow| Load {
        position,
        instruction,
        body,
        trace,
        tries: tries.try_into().unwrap_or(0),
        again: true,
    };
    Ok(rows.into_iter().map(load).collect())
}
