//! A recipient by HTTP: the endpoint that receives webhooks, the sender of reports, the reader of the pull feed.

use crate::{
    apply::Ledger,
    client::{Client, NoAnswer, anywhere},
    example::{ExampleContractor, TakeError},
    keys::RecipientKeys,
    pull,
    send::{Away, SendsReports},
    webhook::{self, Headers, Replays, Verifier},
};
use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    routing::post,
};
use contracts::{
    Digest, RecipientId,
    recipient::{BODY_MAX, REPORT_CONTENT_TYPE, ReportAnswer, SignedReport},
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The path of the endpoint.
pub const PATH: &str = "/madoguchi";
/// Longer than the desk waits for a page.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest page of the pull feed that is read, in bytes: 500 instructions.
const PAGE_MAX: usize = 500 * BODY_MAX;

struct Endpoint {
    contractor: Arc<ExampleContractor>,
    verifier: Verifier,
    replays: Mutex<Replays>,
}

/// The endpoint: `POST /madoguchi`.
///
/// | status | when |
/// |---|---|
/// | 204 | taken and written down, or had already |
/// | 400 | no instruction, or headers without sense |
/// | 401 | no signature verifies, or outside the tolerance |
/// | 413 | over 64 KiB |
/// | 422 | not for this recipient, cannot be opened |
/// | 503 | could not be written down: send it again |
pub fn router(contractor: Arc<ExampleContractor>, verifier: Verifier) -> Router {
    let endpoint = Arc::new(Endpoint { contractor, verifier, replays: Mutex::default() });
    Router::new().route(PATH, post(receive)).layer(DefaultBodyLimit::max(BODY_MAX)).with_state(endpoint)
}

async fn receive(State(at): State<Arc<Endpoint>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let headers =
        Headers { id: text(webhook::ID), timestamp: text(webhook::TIMESTAMP), signature: text(webhook::SIGNATURE) };
    let now = unix_now();
    let sent_at = match at.verifier.verify(&headers, &body, now, webhook::TOLERANCE) {
        Ok(sent_at) => sent_at,
        Err(webhook::NotBelieved::Headers) => return StatusCode::BAD_REQUEST,
        Err(_) => return StatusCode::UNAUTHORIZED,
    };
    // Only after the signature: otherwise anybody could fill the memory of replays.
    if !at.replays.lock().unwrap_or_else(PoisonError::into_inner).first_time(
        &headers.id,
        sent_at,
        now,
        webhook::TOLERANCE,
    ) {
        at.contractor.count_replay();
    }
    match at.contractor.take_blocking(body.to_vec()).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(TakeError::Refused(crate::Refused::Malformed)) => StatusCode::BAD_REQUEST,
        Err(TakeError::Refused(_) | TakeError::CannotOpen) => StatusCode::UNPROCESSABLE_ENTITY,
        Err(TakeError::Journal(_)) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Seconds since 1970.
pub fn unix_now() -> u64 {
    now().as_second().try_into().unwrap_or(0)
}

/// The recipient's own clock.
#[allow(clippy::disallowed_methods)] // a recipient is a system of its own, without the desk's clock
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The way of reports and of the pull feed over HTTP.
pub struct HttpDesk {
    client: Client,
    base: String,
}

impl HttpDesk {
    /// `base` is the partner API's address without a path (`https://desk.example`).
    ///
    /// # Errors
    /// No client can be made.
    pub fn new(base: &str) -> io::Result<Self> {
        Ok(Self { client: Client::new(TIMEOUT, anywhere)?, base: base.trim_end_matches('/').to_owned() })
    }

    /// One page of the pull feed after a cursor (`<epoch>.<position>`): the instructions' bytes, and the next cursor.
    ///
    /// # Errors
    /// [`PullError::Gone`] when the cursor is of another epoch: fetch the snapshot.
    pub async fn page(
        &self,
        keys: &RecipientKeys,
        me: RecipientId,
        after: &str,
    ) -> Result<(Vec<Vec<u8>>, String), PullError> {
        let (bodies, cursor, _) = self.batch(keys, me, &format!("/partner/v1/instructions?after={after}")).await?;
        Ok((bodies, cursor))
    }

    /// The page after the position acknowledged last; waits at most `wait` seconds (20) for something to be in it.
    ///
    /// # Errors
    /// The desk is away or refuses.
    pub async fn next(
        &self,
        keys: &RecipientKeys,
        me: RecipientId,
        wait: u64,
    ) -> Result<(Vec<Vec<u8>>, String), PullError> {
        let (bodies, cursor, _) = self.batch(keys, me, &format!("/partner/v1/instructions?wait={wait}")).await?;
        Ok((bodies, cursor))
    }

    /// The newest instruction of every entry, all pages, and the cursor to go on from.
    ///
    /// # Errors
    /// The desk is away or refuses.
    pub async fn snapshot(&self, keys: &RecipientKeys, me: RecipientId) -> Result<(Vec<Vec<u8>>, String), PullError> {
        let (mut bodies, cursor, mut next) = self.batch(keys, me, "/partner/v1/snapshot").await?;
        while let Some(path) = next {
            let (more, _, after) = self.batch(keys, me, &path).await?;
            if more.is_empty() {
                return Err(PullError::Malformed);
            }
            bodies.extend(more);
            next = after;
        }
        Ok((bodies, cursor))
    }

    /// Tells the desk that everything up to a cursor is in; with a digest of what stands, whether the books agree.
    ///
    /// # Errors
    /// The desk is away or refuses.
    pub async fn acknowledge(
        &self,
        keys: &RecipientKeys,
        me: RecipientId,
        cursor: &str,
        digest: Option<Digest>,
    ) -> Result<Option<bool>, PullError> {
        let digest = digest.map(|d| format!("&digest={d}")).unwrap_or_default();
        let answer = self.acknowledged(keys, me, &format!("{cursor}{digest}")).await?;
        Ok(answer["agrees"].as_bool())
    }

    /// 日次照合: count and digest of what stands by a ledger, as of its own cursor.
    ///
    /// # Errors
    /// The desk is away or refuses; [`PullError::Malformed`] when the ledger has no cursor (fetch the snapshot first).
    pub async fn compare(&self, keys: &RecipientKeys, me: RecipientId, ledger: &Ledger) -> Result<Compared, PullError> {
        let cursor = ledger.cursor().ok_or(PullError::Malformed)?;
        let query = format!("{cursor}&digest={}&entries={}", ledger.digest(), ledger.entries());
        let answer = self.acknowledged(keys, me, &query).await?;
        match (answer["agrees"].as_bool(), answer["replay"].as_str()) {
            (Some(true), _) => Ok(Compared::Agree),
            (Some(false), Some(replay)) => Ok(Compared::Differ { replay: replay.to_owned() }),
            _ => Err(PullError::Malformed),
        }
    }

    async fn acknowledged(
        &self,
        keys: &RecipientKeys,
        me: RecipientId,
        query: &str,
    ) -> Result<serde_json::Value, PullError> {
        let path = format!("/partner/v1/acknowledgements?cursor={query}");
        let (_, body) = self.ask(keys, me, Method::POST, &path).await?;
        serde_json::from_slice(&body).map_err(|_| PullError::Malformed)
    }

    async fn ask(
        &self,
        keys: &RecipientKeys,
        me: RecipientId,
        method: Method,
        path: &str,
    ) -> Result<(HeaderMap, Vec<u8>), PullError> {
        let uri: Uri = format!("{}{path}", self.base).parse().map_err(|_| PullError::Malformed)?;
        let mut headers = HeaderMap::new();
        for (name, value) in pull::sign(&keys.signing, me, unix_now(), method.as_str(), path) {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| PullError::Malformed)?);
        }
        let fetched = self.client.fetch(method, &uri, headers, Vec::new(), PAGE_MAX).await;
        let (status, headers, page) = fetched.map_err(|error| match error {
            NoAnswer::TooLarge => PullError::Malformed,
            NoAnswer::Connection | NoAnswer::Timeout | NoAnswer::Forbidden => PullError::Away,
        })?;
        match status.as_u16() {
            200 => Ok((headers, page)),
            409 => Err(PullError::Gone),
            status @ 400..=499 => Err(PullError::Refused(status)),
            _ => Err(PullError::Away),
        }
    }

    async fn batch(
        &self,
        keys: &RecipientKeys,
        me: RecipientId,
        path: &str,
    ) -> Result<(Vec<Vec<u8>>, String, Option<String>), PullError> {
        let (headers, page) = self.ask(keys, me, Method::GET, path).await?;
        let header = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let bodies: Vec<Box<serde_json::value::RawValue>> =
            serde_json::from_slice(&page).map_err(|_| PullError::Malformed)?;
        let bodies = bodies.into_iter().map(|b| b.get().as_bytes().to_vec()).collect();
        Ok((bodies, header(pull::CURSOR).ok_or(PullError::Malformed)?, header(pull::NEXT)))
    }
}

/// What came of comparing the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// They are the same.
    Agree,
    /// They differ.
    Differ {
        /// Path and query from which everything after the last agreed position comes again.
        replay: String,
    },
}

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// The desk does not answer.
    #[error("the desk does not answer; ask again later")]
    Away,
    /// The cursor is of a life of the ledger that is over.
    #[error("the desk was restored: fetch the snapshot")]
    Gone,
    /// The desk refuses.
    #[error("the desk refuses with status {0}; see the problem document")]
    Refused(u16),
    /// Not a page.
    #[error("the answer is not a page of instructions")]
    Malformed,
}

#[async_trait]
impl SendsReports for HttpDesk {
    async fn send(&self, signed: &SignedReport) -> Result<ReportAnswer, Away> {
        let uri: Uri = format!("{}/partner/v1/reports", self.base).parse().map_err(|_| Away)?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(REPORT_CONTENT_TYPE));
        let fetched =
            self.client.fetch(Method::POST, &uri, headers, signed.as_str().as_bytes().to_vec(), BODY_MAX).await;
        let (status, _, body) = fetched.map_err(|_| Away)?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Away);
        }
        // A refusal is a problem document with `result` and `reason` among its members.
        serde_json::from_slice(&body).map_err(|_| Away)
    }
}
