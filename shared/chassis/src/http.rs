//! What every HTTP face has in common: problem documents (RFC 9457), limits, and stopping in order.

use crate::stop::Stop;
use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

/// How every page for people outside looks: colours, type, head and foot. A face adds what only it has.
pub const PUBLIC_STYLE: &str = include_str!("../assets/public.css");

/// An error on HTTP: what is wrong, where, and what to do. Never quotes what was sent.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// A URI that names the problem: `urn:madoguchi:problem:<word>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This occurrence, and the remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// More members (`errors`, `retry_after` …).
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Problem {
    /// A problem of a given kind: a kebab-case word.
    pub fn new(status: StatusCode, word: &str, title: &str) -> Self {
        Self {
            kind: format!("urn:madoguchi:problem:{word}"),
            title: title.into(),
            status: status.as_u16(),
            detail: None,
            more: Map::new(),
        }
    }
    /// Adds what is wrong here and how to mend it.
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }
    /// Adds a member.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.into(), value.into());
        self
    }
    /// Not accepted because something behind this page is away; nothing was kept.
    pub fn away() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "away", "Not available at the moment / ただいまご利用いただけません")
            .detail("Nothing was kept. Please send it again in a few seconds. / 受け付けていません。しばらくしてからもう一度お送りください。")
            .with("retry_after", 5)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.more.get("retry_after").and_then(Value::as_u64) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The limits that every face has.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpLimits {
    /// The largest body, in bytes.
    pub body_max: usize,
    /// The longest a request may take, in seconds.
    pub timeout_seconds: u64,
}

/// Puts the limits around a router.
pub fn limited(router: Router, limits: HttpLimits) -> Router {
    router
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            crate::telemetry::count("madoguchi.http.panics", "handler");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side")
                .detail("It was written down. Please try again; if it stays, telephone the desk.")
                .into_response()
        }))
        .layer(RequestBodyLimitLayer::new(limits.body_max))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(limits.timeout_seconds),
        ))
}

/// Binds `address` (`host:port`, port 0 for a free one).
pub async fn listen(address: &str, setting: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.map_err(|e| {
        anyhow::anyhow!("`{setting}`: cannot listen on {address}: {e}. Choose another port, or 0 for a free one.")
    })?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

/// Serves until the process stops; what is in work ends first.
pub fn serve(stop: &Stop, listener: TcpListener, router: Router) {
    let asked = stop.clone();
    stop.spawn("http", async move {
        // Without it an answer in two pieces waits for the client's delayed acknowledgement, 40 ms.
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let until = asked.clone();
        if let Err(error) =
            axum::serve(listener, service).with_graceful_shutdown(async move { until.asked().await }).await
        {
            tracing::error!(%error, "an HTTP face ended");
            asked.ask();
        }
    });
}
