//! The partner API: reports in, and the pull feed for recipients that prefer to ask or have a gap.
//!
//! | request | answer |
//! |---|---|
//! | `POST /partner/v1/reports` | 200 with `ReportAnswer`, or a problem document with `result` and `reason` |
//! | `GET /partner/v1/instructions?after=<epoch>.<position>&wait=<seconds>` | at most 500 bodies, `madoguchi-cursor` |
//! | `POST /partner/v1/acknowledgements?cursor=<cursor>&digest=<digest>&entries=<count>` | where you stand, and whether the books agree |
//! | `GET /partner/v1/snapshot` | the newest body of every entry, page by page, and the cursor to go on from |
//! | `GET /partner/v1/digest?at=<cursor>` | count and digest of what stands |
//! | `GET /partner/v1/checkpoint` | how our log stands, signed: public, for anybody who wants to keep it |
//! | `GET /`, `/openapi.json`, `/asyncapi.json`, `/schemas/…`, `/examples/…` | the developer pages ([`crate::pages`]) |
//!
//! A contractor asks for what travels through it to a sub-contractor with `of=<recipient>`, in both.
//!
//! A report proves itself by its signature. The others are signed with the same key (see `recipient_kit::pull`) and have no
//! body. A cursor of another epoch answers 409: the desk was restored, positions of two lives do not mix.

use crate::{
    books::Theirs,
    feed::{self, Acknowledged, Books, Cursor, WAIT_MAX},
    recipients::{self, By},
    reports::{Brought, Reports},
    tiers,
};
use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chassis::{Bus, Problem, http::HttpLimits};
use contracts::{
    Code, Digest, RecipientId, Uuid,
    recipient::{BODY_MAX, ReportAnswer},
};
use recipient_kit::pull;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

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
        .route("/partner/v1/acknowledgements", post(acknowledgement))
        .route("/partner/v1/snapshot", get(snapshot))
        .route("/partner/v1/digest", get(digest))
        .route("/partner/v1/checkpoint", get(checkpoint))
        .merge(crate::pages::router())
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "not-found", "No such resource")
                .detail("What there is stands in /openapi.json, and for people at /.")
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
            "The body must be a compact JWS (RFC 7515) with the header alg, kid and typ and nothing else, around a report; an exemption names its ground.",
        ),
        "unknown-key" => (
            StatusCode::UNAUTHORIZED,
            "`kid` names no registered key. Register the key, or sign with the registered one.",
        ),
        "wrong-algorithm" => {
            (StatusCode::UNAUTHORIZED, "`alg` is not that of the registered key: EdDSA for Ed25519, ES256 for P-256.")
        }
        "bad-signature" => (
            StatusCode::UNAUTHORIZED,
            "The signature does not verify. Sign header and payload as they travel (RFC 7515 section 5.1).",
        ),
        "not-yours" => {
            (StatusCode::FORBIDDEN, "The instruction was not issued to you. If you have it, call the desk at once.")
        }
        "unknown-instruction" => (StatusCode::NOT_FOUND, "No such instruction was issued. Check `instruction`."),
        "wrong-digest" => (
            StatusCode::CONFLICT,
            "The digest is not that of the bytes issued. Compute SHA-256 over the bytes exactly as received.",
        ),
        "comes-through-the-parent" => (
            StatusCode::CONFLICT,
            "The instruction was handed on by the contractor above. Give the signed report to it: it signs around it and sends both.",
        ),
        "erasure-incomplete" => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The report is kept and the instruction stays open: an erasure shows `book_entry`, and in `erasures` system, date, method, items, `backups_until` or `no_backups`, and what was `kept`.",
        ),
        "kept-record-erased" => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The report is kept and the instruction stays open: `items` names a class that the instruction's `erase.keep` says must stay. Call the desk.",
        ),
        _ => (StatusCode::CONFLICT, "The report contradicts what is on record. Call the desk."),
    };
    Problem::new(status, "report-refused", "The report was not taken; nothing moved")
        .detail(detail)
        .with("result", "refused")
        .with("reason", reason.as_str())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    /// One whose instructions travel through who asks.
    of: Option<RecipientId>,
    after: Option<String>,
    #[serde(default)]
    wait: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    at: Option<String>,
    from: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upto {
    of: Option<RecipientId>,
    cursor: String,
    digest: Option<Digest>,
    entries: Option<u64>,
}

/// A query, or the problem that it cannot be read.
type Asked<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

async fn authenticated(at: &Partner, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<RecipientId, Problem> {
    signed_by(&at.bus, method, uri, headers).await
}

/// Which registered recipient signed a request.
pub(crate) async fn signed_by(
    bus: &Bus,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<RecipientId, Problem> {
    let unauthorized = |reason: &str| {
        Problem::new(StatusCode::UNAUTHORIZED, "not-authenticated", "The request is not signed by a registered recipient")
            .detail("Sign method, path with query and time with the report key: headers madoguchi-recipient, madoguchi-timestamp, madoguchi-signature.")
            .with("reason", reason)
    };
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let recipient: RecipientId = text(pull::RECIPIENT).parse().map_err(|_| unauthorized("malformed"))?;
    let found = recipients::find(bus.db().pool(), By::Id(recipient)).await.map_err(|_| Problem::away())?;
    // A stranger and a wrong signature are the same miss: nobody learns who is registered.
    let keys = found.map(|f| f.keys).unwrap_or_default();
    let now = bus.clock().now().as_second().try_into().unwrap_or(0);
    let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
    let (time, proof) = (text(pull::TIMESTAMP), text(pull::SIGNATURE));
    match pull::verify(&keys, recipient, time, proof, now, method.as_str(), path) {
        Ok(()) => Ok(recipient),
        Err(reason) if reason.as_str() == "bad-time" => Err(unauthorized("bad-time")),
        Err(_) => Err(unauthorized("bad-signature")),
    }
}

/// Whose feed it is: the asker's own, or that of a sub-contractor whose instructions travel to it. Of anybody else it is
/// told the same, whether there is such a recipient or not.
async fn whose(at: &Partner, asks: RecipientId, of: Option<RecipientId>) -> Result<RecipientId, Problem> {
    let Some(of) = of else { return Ok(asks) };
    if tiers::carries(at.bus.db().pool(), asks, of).await.map_err(|_| Problem::away())? {
        return Ok(of);
    }
    let problem =
        Problem::new(StatusCode::FORBIDDEN, "not-carried-by-you", "This recipient does not travel through you");
    Err(problem.detail("Leave `of` away for your own instructions; of others you see those that travel through you."))
}

async fn instructions(
    State(at): State<Partner>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    query: Asked<After>,
) -> Result<Response, Problem> {
    let asks = authenticated(&at, &method, &uri, &headers).await?;
    let Query(query) = query.map_err(|_| feed::bad())?;
    let recipient = whose(&at, asks, query.of).await?;
    let epoch = at.bus.epoch();
    let after = match query.after {
        Some(text) => Cursor::read(&text, epoch)?,
        None => {
            let position = feed::acknowledged(at.bus.db().pool(), recipient, epoch).await;
            Cursor { epoch, position: position.map_err(|_| Problem::away())? }
        }
    };
    feed::page(&at.bus, &at.waiting, at.poll, recipient, after, query.wait).await
}

/// As of a cursor, or of the last position issued.
async fn as_of(at: &Partner, recipient: RecipientId, cursor: Option<&str>) -> Result<Cursor, Problem> {
    let epoch = at.bus.epoch();
    match cursor {
        Some(text) => Cursor::read(text, epoch),
        None => {
            let position = feed::last(at.bus.db().pool(), recipient).await.map_err(|_| Problem::away())?;
            Ok(Cursor { epoch, position })
        }
    }
}

/// A C2SP signed note: size and root of the log, nothing else.
async fn checkpoint(State(at): State<Partner>) -> Result<String, Problem> {
    let newest = chassis::checkpoint::newest(at.bus.db().pool(), at.bus.epoch()).await.map_err(|_| Problem::away())?;
    newest.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no-checkpoint-yet", "The log is empty"))
}

async fn snapshot(
    State(at): State<Partner>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    query: Asked<At>,
) -> Result<Response, Problem> {
    let recipient = authenticated(&at, &method, &uri, &headers).await?;
    let Query(query) = query.map_err(|_| feed::bad())?;
    let cursor = as_of(&at, recipient, query.at.as_deref()).await?;
    feed::snapshot(at.bus.db().pool(), recipient, cursor, query.from).await
}

async fn digest(
    State(at): State<Partner>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    query: Asked<At>,
) -> Result<axum::Json<Books>, Problem> {
    let recipient = authenticated(&at, &method, &uri, &headers).await?;
    let Query(query) = query.map_err(|_| feed::bad())?;
    let cursor = as_of(&at, recipient, query.at.as_deref()).await?;
    let books = feed::books(at.bus.db().pool(), recipient, cursor).await;
    books.map(axum::Json).map_err(|_| Problem::away())
}

async fn acknowledgement(
    State(at): State<Partner>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    query: Asked<Upto>,
) -> Result<axum::Json<Acknowledged>, Problem> {
    let asks = authenticated(&at, &method, &uri, &headers).await?;
    let Query(query) = query.map_err(|_| feed::bad())?;
    let recipient = whose(&at, asks, query.of).await?;
    let upto = Cursor::read(&query.cursor, at.bus.epoch())?;
    let theirs = query.digest.map(|digest| Theirs { digest, entries: query.entries });
    feed::acknowledge(&at.bus, recipient, upto, theirs).await.map(axum::Json)
}
