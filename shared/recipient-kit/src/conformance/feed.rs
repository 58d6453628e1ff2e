//! The sandbox's pull feed: the part of the partner API that a recipient asks. Positions of its cursors count what was put;
//! what stands is computed from the very bodies.

use super::{queue::Queue, sandbox::RECIPIENT};
use crate::{Ledger, ReportKey, apply, http, pull};
use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// The longest that a page is waited for.
const WAIT_MAX: u64 = 20;

#[derive(Default)]
struct Put {
    bodies: Vec<Vec<u8>>,
    acknowledged: usize,
}

/// The feed.
pub struct Feed {
    key: ReportKey,
    epoch: i32,
    put: Mutex<Put>,
    news: watch::Sender<usize>,
}

impl Feed {
    /// For the contractor whose key this is.
    pub fn new(key: ReportKey, epoch: i32) -> Arc<Self> {
        Arc::new(Self { key, epoch, put: Mutex::default(), news: watch::Sender::new(0) })
    }

    /// `GET /partner/v1/instructions`, `GET /partner/v1/snapshot`, `POST /partner/v1/acknowledgements`.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/partner/v1/instructions", get(instructions))
            .route("/partner/v1/snapshot", get(instructions))
            .route("/partner/v1/acknowledgements", post(acknowledgements))
            .with_state(self)
    }

    fn lock(&self) -> MutexGuard<'_, Put> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signed(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), StatusCode> {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
        if text(pull::RECIPIENT) != RECIPIENT.to_string() {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let (time, proof, now) = (text(pull::TIMESTAMP), text(pull::SIGNATURE), http::unix_now());
        let keys = std::slice::from_ref(&self.key);
        pull::verify(keys, RECIPIENT, time, proof, now, method.as_str(), path).map_err(|_| StatusCode::UNAUTHORIZED)
    }

    fn position(&self, cursor: &str) -> Result<usize, StatusCode> {
        let (epoch, position) = cursor.split_once('.').ok_or(StatusCode::BAD_REQUEST)?;
        let position = position.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
        let same = epoch == self.epoch.to_string() || (epoch, position) == ("0", 0);
        if same { Ok(position) } else { Err(StatusCode::CONFLICT) }
    }

    /// What stands by what was put, up to a position of the instructions.
    fn books(&self, upto: i64) -> Ledger {
        let mut ledger = Ledger::new(RECIPIENT);
        for body in &self.lock().bodies {
            if let Ok(instruction) = apply::parse(body)
                && instruction.data.position <= upto
            {
                // What is not for this recipient is refused here as well.
                let _ = ledger.take(&instruction);
            }
        }
        ledger
    }
}

#[async_trait]
impl Queue for Feed {
    async fn put(&self, body: Vec<u8>) -> Result<(), String> {
        self.lock().bodies.push(body);
        self.news.send_modify(|n| *n += 1);
        Ok(())
    }
    async fn open(&self) -> Result<u64, String> {
        let put = self.lock();
        Ok((put.bodies.len() - put.acknowledged) as u64)
    }
}

#[derive(Deserialize)]
struct After {
    after: Option<String>,
    #[serde(default)]
    wait: u64,
}

async fn instructions(
    State(feed): State<Arc<Feed>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<After>,
) -> Result<Response, StatusCode> {
    feed.signed(&method, &uri, &headers)?;
    let snapshot = uri.path().ends_with("snapshot");
    let after = match query.after {
        _ if snapshot => 0,
        Some(cursor) => feed.position(&cursor)?,
        None => feed.lock().acknowledged,
    };
    let mut news = feed.news.subscribe();
    let waited = news.wait_for(|n| *n > after);
    let _ = tokio::time::timeout(Duration::from_secs(query.wait.min(WAIT_MAX)), waited).await;
    let put = feed.lock();
    let bodies = put.bodies.get(after.min(put.bodies.len())..).unwrap_or_default();
    let bodies = &bodies[..bodies.len().min(100)];
    let end = after.min(put.bodies.len()) + bodies.len();
    let mut page = vec![b'['];
    for (n, body) in bodies.iter().enumerate() {
        if n > 0 {
            page.push(b',');
        }
        page.extend_from_slice(body);
    }
    page.push(b']');
    let mut response = page.into_response();
    let cursor = |n: usize| HeaderValue::from_str(&format!("{}.{n}", feed.epoch));
    let into = response.headers_mut();
    into.insert(header::CONTENT_TYPE, HeaderValue::from_static(pull::PAGE_TYPE));
    for (name, at) in [(pull::CURSOR, end), (pull::LAST, put.bodies.len())] {
        if let Ok(value) = cursor(at) {
            into.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

#[derive(Deserialize)]
struct Upto {
    cursor: String,
    digest: Option<String>,
}

async fn acknowledgements(
    State(feed): State<Arc<Feed>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<Upto>,
) -> Result<Json<serde_json::Value>, StatusCode> {
    feed.signed(&method, &uri, &headers)?;
    let position = feed.position(&query.cursor)?;
    let Some(digest) = query.digest else {
        let mut put = feed.lock();
        if position > put.bodies.len() {
            return Err(StatusCode::CONFLICT);
        }
        put.acknowledged = put.acknowledged.max(position);
        return Ok(Json(serde_json::json!({ "cursor": query.cursor })));
    };
    let books = feed.books(position.try_into().unwrap_or(i64::MAX));
    let agrees = books.digest().to_string() == digest;
    let again = format!("/partner/v1/instructions?after={}.0", feed.epoch);
    Ok(Json(serde_json::json!({ "cursor": query.cursor, "agrees": agrees, "replay": again })))
}
