//! The partner API: reports in, and the pull feed for recipients that prefer to ask or have a gap.
//!
//! | request | answer |
//! |---|---|
//! | `POST /partner/v1/reports` | 200 with `ReportAnswer`, or a problem document with `result` and `reason` |
//! | `GET /partner/v1/instructions?after=<epoch>.<position>&wait=<seconds>` | at most 500 bodies, `madoguchi-cursor` |
//! | `GET /partner/v1/snapshot` | the newest body of every entry, and the cursor to go on from |
//!
//! A report proves itself by its signature. A GET is signed with the same key (see `recipient_kit::pull`). A cursor of another
//! epoch answers 409: the desk was restored, positions of two lives do not mix.

use crate::{
    recipients::{self, By},
    reports::{Brought, Reports},
};
use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chassis::{Bus, DbError, Problem, http::HttpLimits};
use contracts::{
    Code, RecipientId,
    recipient::{BODY_MAX, ReportAnswer},
};
use recipient_kit::pull;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Bodies in one page.
const PAGE: i64 = 500;
/// Bytes in one page: less than 500 bodies when they are large.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Entries in a snapshot.
const SNAPSHOT_MAX: i64 = 100_000;
/// The longest that a page is waited for, in seconds.
const WAIT_MAX: u64 = 20;
/// Waiting readers at the same time.
const WAITING_MAX: usize = 64;

/// What the partner API needs.
#[derive(Clone)]
pub struct Partner {
    bus: Arc<Bus>,
    reports: Arc<Reports>,
    waiting: Arc<Semaphore>,
    poll: Duration,
}

/// The router, with its limits.
pub fn router(bus: Arc<Bus>, reports: Arc<Reports>, poll: Duration) -> Router {
    let state = Partner { bus, reports, waiting: Arc::new(Semaphore::new(WAITING_MAX)), poll };
    let router = Router::new()
        .route("/partner/v1/reports", post(report))
        .route("/partner/v1/instructions", get(instructions))
        .route("/partner/v1/snapshot", get(snapshot))
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "not-found", "No such resource")
                .detail("The partner API has /partner/v1/reports, /partner/v1/instructions and /partner/v1/snapshot.")
        })
        .with_state(state);
    chassis::http::limited(router, HttpLimits { body_max: BODY_MAX, timeout_seconds: WAIT_MAX + 10 })
}

async fn report(State(at): State<Partner>, body: Bytes) -> Response {
    match at.reports.take(&body, Brought::BySignature).await {
        accepted @ ReportAnswer::Accepted { .. } => axum::Json(accepted).into_response(),
        ReportAnswer::Unavailable => Problem::away().with("result", "unavailable").into_response(),
        ReportAnswer::Refused { reason } => refused(&reason).into_response(),
    }
}

fn refused(reason: &Code) -> Problem {
    let (status, detail) = match reason.as_str() {
        "malformed" => (
            StatusCode::BAD_REQUEST,
            "The body must be a DSSE envelope of a report with one or two signatures; an exemption names its ground.",
        ),
        "unknown-key" => (
            StatusCode::UNAUTHORIZED,
            "No signature is by a registered key. Register the key, or sign with the registered one.",
        ),
        "bad-signature" => (
            StatusCode::UNAUTHORIZED,
            "The signature does not verify. Sign the DSSE pre-authentication encoding of the payload's bytes.",
        ),
        "not-yours" => {
            (StatusCode::FORBIDDEN, "The instruction was not issued to you. If you have it, call the desk at once.")
        }
        "unknown-instruction" => (StatusCode::NOT_FOUND, "No such instruction was issued. Check `instruction`."),
        "wrong-digest" => (
            StatusCode::CONFLICT,
            "The digest is not that of the bytes issued. Compute SHA-256 over the bytes exactly as received.",
        ),
        _ => (StatusCode::CONFLICT, "The report contradicts what is on record. Call the desk."),
    };
    Problem::new(status, "report-refused", "The report was not taken; nothing moved")
        .detail(detail)
        .with("result", "refused")
        .with("reason", reason.as_str())
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    wait: u64,
}

async fn authenticated(at: &Partner, headers: &HeaderMap, path: &str) -> Result<RecipientId, Problem> {
    let unauthorized = |reason: &str| {
        Problem::new(StatusCode::UNAUTHORIZED, "not-authenticated", "The request is not signed by a registered recipient")
            .detail("Sign method, path with query and time with the report key: headers madoguchi-recipient, madoguchi-timestamp, madoguchi-signature.")
            .with("reason", reason)
    };
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let recipient: RecipientId = text(pull::RECIPIENT).parse().map_err(|_| unauthorized("malformed"))?;
    let found = recipients::find(at.bus.db().pool(), By::Id(recipient)).await.map_err(|_| Problem::away())?;
    // A stranger and a wrong signature are the same miss: nobody learns who is registered.
    let keys = found.map(|f| f.keys).unwrap_or_default();
    let now = at.bus.clock().now().as_second().try_into().unwrap_or(0);
    match pull::verify(&keys, recipient, text(pull::TIMESTAMP), text(pull::SIGNATURE), now, path) {
        Ok(()) => Ok(recipient),
        Err(reason) if reason.as_str() == "bad-time" => Err(unauthorized("bad-time")),
        Err(_) => Err(unauthorized("bad-signature")),
    }
}

async fn instructions(
    State(at): State<Partner>,
    uri: Uri,
    headers: HeaderMap,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
    let recipient = authenticated(&at, &headers, path).await?;
    let bad = || {
        Problem::new(StatusCode::BAD_REQUEST, "bad-cursor", "`after` is no cursor")
            .detail("Give <epoch>.<position> as `madoguchi-cursor` said, or leave it away for the beginning; `wait` in whole seconds.")
    };
    let Query(query) = query.map_err(|_| bad())?;
    let after = match query.after.as_deref() {
        None => 0,
        Some(text) => {
            let (epoch, position) = text.split_once('.').ok_or_else(bad)?;
            let (epoch, position): (i32, i64) =
                (epoch.parse().map_err(|_| bad())?, position.parse().map_err(|_| bad())?);
            // A recipient that has nothing yet knows no epoch.
            if epoch != at.bus.epoch() && (epoch, position) != (0, 0) {
                return Err(Problem::new(
                    StatusCode::CONFLICT,
                    "other-epoch",
                    "The cursor is of another life of the ledger",
                )
                .detail("The desk was restored from a backup. Fetch /partner/v1/snapshot and go on from its cursor.")
                .with("snapshot", "/partner/v1/snapshot"));
            }
            position
        }
    };
    let mut bodies = page(&at, recipient, after).await.map_err(|_| Problem::away())?;
    if bodies.is_empty() && query.wait > 0 {
        let Ok(_permit) = at.waiting.try_acquire() else { return Err(Problem::away()) };
        let until = tokio::time::Instant::now() + Duration::from_secs(query.wait.min(WAIT_MAX));
        let stop = at.bus.stopping();
        while bodies.is_empty() && tokio::time::Instant::now() < until && !stop.pause(at.poll).await {
            bodies = page(&at, recipient, after).await.map_err(|_| Problem::away())?;
        }
    }
    let last = bodies.last().map_or(after, |(position, _)| *position);
    Ok(array(&bodies, at.bus.epoch(), last))
}

async fn page(at: &Partner, recipient: RecipientId, after: i64) -> Result<Vec<(i64, Vec<u8>)>, DbError> {
    let mut rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select position, body from delivery where recipient = $1 and position > $2 order by position limit $3",
    )
    .bind(recipient.0)
    .bind(after)
    .bind(PAGE)
    .fetch_all(at.bus.db().pool())
    .await?;
    let mut bytes = 0;
    let fits = rows.iter().take_while(|(_, body)| {
        bytes += body.len();
        bytes <= PAGE_BYTES
    });
    let fits = fits.count().max(1);
    rows.truncate(fits);
    Ok(rows)
}

/// The newest instruction of every entry, and `last`, of one moment: one statement.
async fn snapshot(State(at): State<Partner>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
    let recipient = authenticated(&at, &headers, path).await?;
    let rows: Vec<(i64, i64, Option<Vec<u8>>)> = sqlx::query_as(
        "select r.last, coalesce(d.position, 0), d.body from recipient r
           left join lateral (select distinct on (entry) position, body from delivery
             where recipient = r.id order by entry, position desc limit $2) d on true
          where r.id = $1 order by 2",
    )
    .bind(recipient.0)
    .bind(SNAPSHOT_MAX)
    .fetch_all(at.bus.db().pool())
    .await
    .map_err(|_| Problem::away())?;
    let last = rows.first().map_or(0, |(last, ..)| *last);
    let bodies: Vec<(i64, Vec<u8>)> = rows.into_iter().filter_map(|(_, p, body)| Some((p, body?))).collect();
    Ok(array(&bodies, at.bus.epoch(), last))
}

/// The bodies' very bytes inside a JSON array: the digest of an element is the digest of the instruction.
fn array(bodies: &[(i64, Vec<u8>)], epoch: i32, last: i64) -> Response {
    let mut out = Vec::with_capacity(bodies.iter().map(|(_, b)| b.len() + 1).sum::<usize>() + 2);
    out.push(b'[');
    for (n, (_, body)) in bodies.iter().enumerate() {
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
    if let Ok(cursor) = HeaderValue::from_str(&format!("{epoch}.{last}")) {
        headers.insert(pull::CURSOR, cursor);
    }
    response
}
