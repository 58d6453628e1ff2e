//! The gate on the partner API, for certified contractors and their sub-contractors.
//!
//! | request | answer |
//! |---|---|
//! | `POST /partner/v1/gate/check?digest=…` | answers about at most 100 rows (JSON) |
//! | `POST /partner/v1/gate/file?flow=…&track=…&mode=…&digest=…` | the file without the blocked rows, or with every row marked |
//! | `GET /partner/v1/gate/runs/{run}` | what came of a file: counts, ground, digests, as of when |
//! | `GET /partner/v1/gate/runs/{run}/report?after=…` | every row that did not pass, with its line (NDJSON) |
//! | `GET /partner/v1/gate/snapshot` | the signed snapshot for the offline gate |
//! | `POST /partner/v1/gate/incidents?digest=…` | a record arrived although it is blocked |
//!
//! Signed as the pull feed: method, path with query, time. A POST names the SHA-256 of its body in `digest`, so that the body
//! is signed too.

use super::{
    check::{self, ROWS_MAX},
    desk::{Desk, GateError, Question},
    file, runs, snapshot, staff,
};
use crate::recipients::{self, By};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chassis::{Problem, http::HttpLimits};
use contracts::{Code, Date, Digest, RecipientId, Scope, Uuid};
use gate::{
    AsOf, Flow,
    filing::{Statement, Unfiled},
};
use recipient_kit::pull;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest body of a check.
const CHECK_MAX: usize = 256 * 1024;
/// Seconds until a check's or snapshot's answer.
const TIMEOUT: u64 = 60;

/// What is asked, in the query of a file and in the body of a check.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// How the data flow.
    pub flow: Flow,
    /// For which track.
    pub track: Scope,
    /// From whom.
    #[serde(default)]
    pub supplier: Option<Code>,
    /// The supplier states that everybody was notified through this day.
    #[serde(default)]
    pub notified_through: Option<Date>,
    /// 取得の経緯.
    #[serde(default)]
    pub acquired: Option<Code>,
    /// Each row says in `notified-on` when its person was notified.
    #[serde(default)]
    pub rows_say_when: bool,
}

impl Asked {
    /// As a question.
    pub fn question(self) -> Question {
        let statement =
            self.notified_through.map(|day| Statement { notified_through: day, acquired: self.acquired.clone() });
        Question {
            flow: self.flow,
            track: self.track,
            supplier: self.supplier,
            statement,
            rows_say_when: self.rows_say_when,
        }
    }
}

/// The router, with its limits.
pub fn router(desk: Arc<Desk>) -> Router {
    let few = Router::new()
        .route("/partner/v1/gate/check", post(few))
        .route("/partner/v1/gate/incidents", post(incident))
        .route("/partner/v1/gate/runs/{run}", get(run))
        .route("/partner/v1/gate/runs/{run}/report", get(report))
        .route("/partner/v1/gate/snapshot", get(make_snapshot))
        .with_state(desk.clone());
    let few = chassis::http::limited(few, HttpLimits { body_max: CHECK_MAX, timeout_seconds: TIMEOUT });
    let body_max = usize::try_from(desk.file_max).unwrap_or(usize::MAX);
    let files = Router::new()
        .route("/partner/v1/gate/file", post(file::take))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(desk);
    // The time is that until the first rows; each further piece has its own.
    few.merge(chassis::http::limited(files, HttpLimits { body_max, timeout_seconds: TIMEOUT }))
}

/// A body that nobody could have exchanged: the digest that the signed query names.
#[derive(Deserialize)]
pub(super) struct OfBody {
    pub(super) digest: Digest,
}

/// Who asks, if a contractor does.
pub(super) async fn contractor(
    desk: &Desk,
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
    let pool = desk.bus.db().pool();
    let found = recipients::find(pool, By::Id(recipient)).await.map_err(|_| Problem::away())?;
    let keys = found.map(|f| f.keys).unwrap_or_default();
    let now = desk.bus.clock().now().as_second().try_into().unwrap_or(0);
    let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
    let (time, proof) = (text(pull::TIMESTAMP), text(pull::SIGNATURE));
    match pull::verify(&keys, recipient, time, proof, now, method.as_str(), path) {
        Ok(()) => {}
        Err(reason) if reason.as_str() == "bad-time" => return Err(unauthorized("bad-time")),
        Err(_) => return Err(unauthorized("bad-signature")),
    }
    let may: Option<bool> = sqlx::query_scalar(
        "select kind in ('contractor', 'sub-contractor') and status = 'active' from recipient where id = $1",
    )
    .bind(recipient.0)
    .fetch_optional(pool)
    .await
    .map_err(|_| Problem::away())?;
    if may == Some(true) {
        return Ok(recipient);
    }
    // A hospital is told only about people shown to be its own: the gate would tell it about others.
    Err(Problem::new(StatusCode::FORBIDDEN, "not-for-you", "The gate is for certified contractors in force")
        .detail("Hospitals, other operators and users are instructed instead; a contractor asks the desk to be registered as one."))
}

/// Reads the query of a signed request.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    Query::try_from_uri(uri).map(|Query(q)| q).map_err(|e| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-query", "The query cannot be read")
            .detail(format!("{}. See the developer pages for the names and their values.", e.body_text()))
    })
}

fn same(body: &[u8], uri: &Uri) -> Result<(), Problem> {
    use sha2::Digest as _;
    let OfBody { digest } = query(uri)?;
    if digest.0 == <[u8; 32]>::from(sha2::Sha256::digest(body)) {
        return Ok(());
    }
    Err(wrong_digest())
}

pub(super) fn wrong_digest() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "wrong-digest", "The body is not the one that was signed")
        .detail("Give SHA-256 of the body, 64 hexadecimal digits, as `digest` in the query before signing.")
}

pub(super) fn unusable(error: &GateError) -> Problem {
    tracing::error!(%error, "the gate does not answer");
    Problem::away().with("answer", "do-not-use")
}

/// The second block: an answer of its own.
pub(super) fn unfiled(why: Unfiled, as_of: AsOf) -> Problem {
    let detail = match why {
        Unfiled::SupplierMissing => "Name the supplier: what comes from a hospital is checked against its filing.",
        Unfiled::NotFiled => {
            "No published filing of this hospital for this track is recorded. Nothing of it may be received (Act art. 56(i))."
        }
        Unfiled::NotStarted => "The planned start of the filing has not come.",
        Unfiled::SupplyEnded => "The hospital has ended its supply for this track.",
        Unfiled::NotNotified => "The hospital must state through which day people were notified: `notified_through`.",
        Unfiled::NoticePeriodRunning => "The time that the notice sets is not over for everybody in it.",
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "may-not-be-received", "This may not be received")
        .detail(detail)
        .with("reason", why.as_str())
        .with("as_of", json!(as_of))
}

#[derive(Deserialize)]
struct Few {
    #[serde(flatten)]
    asked: Asked,
    rows: Vec<Value>,
}

async fn few(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let me = super::keys::user(contractor(&desk, &method, &uri, &headers).await?);
    same(&body, &uri)?;
    let malformed = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", "The question cannot be read").detail(detail)
    };
    let Few { asked, rows } = serde_json::from_slice(&body).map_err(|_| {
        malformed("Give flow, track and rows (an array of objects with kana, birth-date, sex …).".into())
    })?;
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Err(malformed(format!("Give 1 to {ROWS_MAX} rows; for more there is /partner/v1/gate/file.")));
    }
    let rows: Vec<Vec<u8>> = rows.iter().map(|row| row.to_string().into_bytes()).collect();
    let found = check::few(&desk, &me, &asked.question(), &rows).await.map_err(|e| unusable(&e))?;
    let ground = found.ground.map_err(|why| unfiled(why, found.as_of))?;
    let mut answers = vec![json!({ "answer": "no-match" }); rows.len()];
    for mut finding in found.findings {
        finding.entry = finding.entry.map(|e| runs::known_to(&me, e));
        let mut answer: Value = serde_json::from_str(&finding.report(&desk.rules)).unwrap_or_default();
        answer.as_object_mut().map(|o| o.remove("line"));
        if let Some(slot) = answers.get_mut(finding.line as usize - 1) {
            *slot = answer;
        }
    }
    Ok(no_store(json!({ "as_of": found.as_of, "rules": desk.rules.version, "ground": ground, "answers": answers })))
}

fn no_store(json: Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(json)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    flow: Flow,
    #[serde(default)]
    supplier: Option<Code>,
    file: Code,
    line: i64,
    #[serde(default)]
    entry: Option<Uuid>,
}

async fn incident(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let me = super::keys::user(contractor(&desk, &method, &uri, &headers).await?);
    same(&body, &uri)?;
    let stated: Stated = serde_json::from_slice(&body).ok().filter(|s: &Stated| s.line > 0).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", "The incident cannot be read")
            .detail("Give flow, file (your code for it), line (from 1), and the entry as the gate named it, if it did.")
    })?;
    let away = |_| Problem::away();
    let entry = match stated.entry {
        None => None,
        Some(known) => Some(staff::entry_of(&desk, &me, known).await.map_err(away)?.ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "no-such-entry", "No entry is known to you by this name")
                .detail("Give `entry` as the gate's answer had it, or leave it away.")
        })?),
    };
    let raised = staff::Raised {
        asker: me,
        flow: stated.flow,
        supplier: stated.supplier,
        file: stated.file,
        line: stated.line,
        entry,
    };
    let id = staff::raise(&desk, raised).await.map_err(away)?;
    Ok(no_store(json!({ "incident": id })))
}

async fn run(
    State(desk): State<Arc<Desk>>,
    Path(run): Path<Uuid>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let me = super::keys::user(contractor(&desk, &method, &uri, &headers).await?);
    let shown = runs::show(&desk, &me, run).await.map_err(|_| Problem::away())?;
    shown.map(no_store).ok_or_else(no_such_run)
}

fn no_such_run() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-such-run", "No such run of yours")
        .detail("Give the id that `madoguchi-gate-run` had.")
}

#[derive(Deserialize)]
struct AfterLine {
    #[serde(default)]
    after: i64,
}

async fn report(
    State(desk): State<Arc<Desk>>,
    Path(run): Path<Uuid>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let me = super::keys::user(contractor(&desk, &method, &uri, &headers).await?);
    let AfterLine { after } = query(&uri)?;
    let lines = runs::report(&desk, &me, run, after).await.map_err(|_| Problem::away())?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], lines).into_response())
}

async fn make_snapshot(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let me = contractor(&desk, &method, &uri, &headers).await?;
    let Ok(_permit) = desk.files.try_acquire() else { return Err(Problem::away()) };
    let mut bytes = Vec::new();
    snapshot::make(&desk, Some(me), &mut bytes).await.map_err(|error| {
        tracing::error!(%error, "a snapshot was not made");
        Problem::away()
    })?;
    Ok((
        [(header::CONTENT_TYPE, "application/vnd.madoguchi.gate-snapshot"), (header::CACHE_CONTROL, "no-store")],
        bytes,
    )
        .into_response())
}
