//! The pull feed (HTTPS): positions without a gap, for recipients that ask instead of being told, or that have a gap.
//!
//! A page holds the very bytes that the other transports carry. Without `after` it goes on from the position that the
//! recipient acknowledged; with `after` from any position, as often as it likes (a restored backup is the usual reason).
//! Acknowledging moves that position and nothing else: an instruction ends with its signed report only. Once a day a
//! recipient compares what stands, by digest; where the two differ the snapshot mends it.

use crate::books::{Comparison, Theirs};
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chassis::{Bus, DbError, Problem};
use contracts::{Digest, RecipientId, Uuid};
use futures::TryStreamExt;
use jiff_sqlx::ToSqlx;
use recipient_kit::{
    apply::{self, Standing},
    pull,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bodies in one page.
pub const PAGE: i64 = 500;
/// Bytes in one page: less than 500 bodies when they are large.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// The longest that a page is waited for, in seconds.
pub const WAIT_MAX: u64 = 20;
/// Entries whose lines are hashed; as many as the register may have standing.
const STANDING_MAX: i64 = 5_000_000;

/// A position of one life of the ledger: `<epoch>.<position>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which life.
    pub epoch: i32,
    /// 通番.
    pub position: i64,
}

impl Cursor {
    /// Reads one that may be used now.
    ///
    /// # Errors
    /// 400 when it is none, 409 when it is of another life: the desk was restored, positions of two lives do not mix.
    pub fn read(text: &str, epoch: i32) -> Result<Self, Problem> {
        let (e, p) = text.split_once('.').ok_or_else(bad)?;
        let cursor = Self { epoch: e.parse().map_err(|_| bad())?, position: p.parse().map_err(|_| bad())? };
        // A recipient that has nothing yet knows no epoch.
        if (cursor.epoch, cursor.position) == (0, 0) {
            return Ok(Self { epoch, position: 0 });
        }
        if cursor.epoch != epoch {
            let problem =
                Problem::new(StatusCode::CONFLICT, "other-epoch", "The cursor is of another life of the ledger");
            let remedy = "The desk was restored from a backup. Fetch /partner/v1/snapshot and go on from its cursor.";
            return Err(problem.detail(remedy).with("snapshot", "/partner/v1/snapshot"));
        }
        if cursor.position < 0 { Err(bad()) } else { Ok(cursor) }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)
    }
}

/// The problem of a query that cannot be read.
pub fn bad() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-query", "The query cannot be read").detail(
        "Cursors are <epoch>.<position> as `madoguchi-cursor` said; `wait` is whole seconds; `digest` is 64 hexadecimal digits.",
    )
}

/// The last position issued to a recipient.
///
/// # Errors
/// The database does not answer.
pub async fn last(pool: &PgPool, recipient: RecipientId) -> Result<i64, DbError> {
    let found: Option<i64> =
        sqlx::query_scalar("select last from recipient where id = $1").bind(recipient.0).fetch_optional(pool).await?;
    Ok(found.unwrap_or(0))
}

/// Where a recipient stands by its own acknowledgements; 0 in a new life of the ledger.
///
/// # Errors
/// The database does not answer.
pub async fn acknowledged(pool: &PgPool, recipient: RecipientId, epoch: i32) -> Result<i64, DbError> {
    let found: Option<i64> = sqlx::query_scalar("select position from pull where recipient = $1 and epoch = $2")
        .bind(recipient.0)
        .bind(epoch)
        .fetch_optional(pool)
        .await?;
    Ok(found.unwrap_or(0))
}

/// One page after a cursor; waits for the first body if there is none, at most `wait` seconds.
///
/// # Errors
/// 503 when the database does not answer or too many wait.
pub async fn page(
    bus: &Bus,
    waiting: &Semaphore,
    poll: Duration,
    recipient: RecipientId,
    after: Cursor,
    wait: u64,
) -> Result<Response, Problem> {
    let pool = bus.db().pool();
    let mut bodies = bodies(pool, recipient, after.position).await.map_err(|_| Problem::away())?;
    if bodies.is_empty() && wait > 0 {
        let Ok(_permit) = waiting.try_acquire() else { return Err(Problem::away()) };
        let until = tokio::time::Instant::now() + Duration::from_secs(wait.min(WAIT_MAX));
        let stop = bus.stopping();
        while bodies.is_empty() && tokio::time::Instant::now() < until && !stop.pause(poll).await {
            bodies = self::bodies(pool, recipient, after.position).await.map_err(|_| Problem::away())?;
        }
    }
    let position = bodies.last().map_or(after.position, |(position, _)| *position);
    let high = last(pool, recipient).await.map_err(|_| Problem::away())?.max(position);
    let bodies: Vec<Vec<u8>> = bodies.into_iter().map(|(_, body)| body).collect();
    let cursor = Cursor { position, ..after };
    Ok(batch(
        &bodies,
        &[(pull::CURSOR, cursor.to_string()), (pull::LAST, Cursor { position: high, ..after }.to_string())],
    ))
}

async fn bodies(pool: &PgPool, recipient: RecipientId, after: i64) -> Result<Vec<(i64, Vec<u8>)>, DbError> {
    let mut rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select position, body from delivery where recipient = $1 and position > $2 order by position limit $3",
    )
    .bind(recipient.0)
    .bind(after)
    .bind(PAGE)
    .fetch_all(pool)
    .await?;
    let fits = fits(rows.iter().map(|(_, body)| body.len()));
    rows.truncate(fits);
    Ok(rows)
}

/// How many bodies fit into a page; at least one.
fn fits(lengths: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fit = lengths.take_while(|length| {
        bytes += length;
        bytes <= PAGE_BYTES
    });
    fit.count().max(1)
}

/// The newest instruction of every entry as of a position, in the order of the entries, one page after `from`.
///
/// # Errors
/// 503 when the database does not answer.
pub async fn snapshot(
    pool: &PgPool,
    recipient: RecipientId,
    at: Cursor,
    from: Option<Uuid>,
) -> Result<Response, Problem> {
    let rows: Result<Vec<(Uuid, Vec<u8>)>, _> = sqlx::query_as(
        "select distinct on (entry) entry, body from delivery
          where recipient = $1 and position <= $2 and ($3::uuid is null or entry > $3)
          order by entry, position desc limit $4",
    )
    .bind(recipient.0)
    .bind(at.position)
    .bind(from)
    .bind(PAGE + 1)
    .fetch_all(pool)
    .await;
    let mut rows = rows.map_err(|_| Problem::away())?;
    let fits = fits(rows.iter().map(|(_, body)| body.len())).min(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let more = rows.len() > fits;
    rows.truncate(fits);
    let mut headers = vec![(pull::CURSOR, at.to_string())];
    if let Some((entry, _)) = rows.last().filter(|_| more) {
        headers.push((pull::NEXT, format!("/partner/v1/snapshot?at={at}&from={entry}")));
    }
    let bodies: Vec<Vec<u8>> = rows.into_iter().map(|(_, body)| body).collect();
    Ok(batch(&bodies, &headers))
}

/// What stands for a recipient as of a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Books {
    /// As of which position.
    pub cursor: String,
    /// How many entries stand.
    pub entries: u64,
    /// SHA-256 over one line per entry in the order of their ids, `<entry> <version> <measure> <scope>\n`.
    pub digest: Digest,
}

/// Computes them; reads row by row, so that a hundred thousand entries need no memory.
///
/// # Errors
/// The database does not answer.
pub async fn books(pool: &PgPool, recipient: RecipientId, at: Cursor) -> Result<Books, DbError> {
    let mut rows = sqlx::query_as::<_, (Uuid, Vec<u8>)>(
        "select distinct on (entry) entry, body from delivery where recipient = $1 and position <= $2
          order by entry, position desc limit $3",
    )
    .bind(recipient.0)
    .bind(at.position)
    .bind(STANDING_MAX)
    .fetch(pool);
    let (mut hash, mut entries) = (Sha256::new(), 0);
    while let Some((entry, body)) = rows.try_next().await? {
        // The bytes are ours: they always can be read.
        let Ok(instruction) = apply::parse(&body) else { continue };
        let data = instruction.data;
        let standing = Standing { version: data.entry_version, measure: data.measure, scope: data.scope };
        hash.update(apply::line(entry, &standing));
        entries += 1;
    }
    Ok(Books { cursor: at.to_string(), entries, digest: Digest(hash.finalize().into()) })
}

/// The answer to an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acknowledged {
    /// Where the recipient stands now; an older acknowledgement does not move it back.
    pub cursor: String,
    /// Whether the recipient's books are those of the desk as of that position; absent when no digest was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agrees: Option<bool>,
    /// The desk's own, when they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub books: Option<Books>,
    /// When they differ: path and query from which everything after the last agreed position comes again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// Writes down that everything up to a position is in, and what came of comparing.
///
/// # Errors
/// 409 for a position that was never issued, 503 when the database does not answer.
pub async fn acknowledge(
    bus: &Bus,
    recipient: RecipientId,
    upto: Cursor,
    theirs: Option<Theirs>,
) -> Result<Acknowledged, Problem> {
    let pool = bus.db().pool();
    let high = last(pool, recipient).await.map_err(|_| Problem::away())?;
    if upto.position > high {
        let problem = Problem::new(StatusCode::CONFLICT, "not-issued", "More is acknowledged than was issued");
        let cursor = Cursor { position: high, ..upto }.to_string();
        return Err(problem.detail("Acknowledge a position that you have.").with("last", cursor.as_str()));
    }
    let comparison = match theirs {
        None => None,
        Some(theirs) => {
            let ours = books(pool, recipient, upto).await.map_err(|_| Problem::away())?;
            Some(Comparison { recipient, upto, agrees: theirs.agrees(&ours), theirs, ours, at: bus.clock().now() })
        }
    };
    let (at, kept) = (bus.clock().now(), comparison.clone());
    let written = bus.db().write(move |tx| {
        Box::pin(async move {
            let position: i64 = sqlx::query_scalar(
                "insert into pull (recipient, epoch, position, at) values ($1, $2, $3, $4)
                 on conflict (recipient) do update set
                   position = case when pull.epoch = excluded.epoch then greatest(pull.position, excluded.position)
                                   else excluded.position end,
                   epoch = excluded.epoch, at = excluded.at
                 returning position",
            )
            .bind(recipient.0)
            .bind(upto.epoch)
            .bind(upto.position)
            .bind(at.to_sqlx())
            .fetch_one(&mut *tx)
            .await?;
            if let Some(comparison) = kept {
                comparison.keep(tx).await?;
            }
            Ok(position)
        })
    });
    let position = written.await.map_err(|_| Problem::away())?;
    let agrees = comparison.as_ref().map(|c| c.agrees);
    let mut answer =
        Acknowledged { cursor: Cursor { position, ..upto }.to_string(), agrees, books: None, replay: None };
    if let Some(comparison) = comparison {
        comparison.count();
        if !comparison.agrees {
            let agreed = crate::books::agreed(pool, recipient, upto.epoch).await.map_err(|_| Problem::away())?;
            let after = Cursor { position: agreed, ..upto };
            answer.replay = Some(format!("/partner/v1/instructions?after={after}"));
            answer.books = Some(comparison.ours);
        }
    }
    Ok(answer)
}

/// The bodies' very bytes inside a JSON array: the digest of an element is the digest of the instruction.
fn batch(bodies: &[Vec<u8>], more: &[(&'static str, String)]) -> Response {
    let mut out = Vec::with_capacity(bodies.iter().map(|b| b.len() + 1).sum::<usize>() + 2);
    out.push(b'[');
    for (n, body) in bodies.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(body);
    }
    out.push(b']');
    let mut response = out.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(pull::PAGE_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in more {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
