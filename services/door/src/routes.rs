//! Which path goes where, and what goes around all of them: limits, a span, headers.

use crate::{api, door::Door, headers, mail, openapi, pages, problem::Problem};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chassis::http::{HttpLimits, limited};
use futures::StreamExt;
use std::sync::Arc;
use tracing::{Instrument, field::Empty, info_span};

/// The largest body that is read, in bytes.
pub const BODY_MAX: usize = 64 * 1024;

/// The outer limits: a body that says that it is larger than this is refused before a byte is read, without a document.
/// What is between the two limits is read and thrown away, so that the client sees the answer and not a broken connection.
const LIMITS: HttpLimits = HttpLimits { body_max: 8 * 1024 * 1024, timeout_seconds: 20 };

/// The same for mails, which are sealed while they arrive. A little more than a mail may have: who is over it by a little is told.
const MAIL_LIMITS: HttpLimits = HttpLimits { body_max: mail::MAIL_MAX as usize + 1024 * 1024, timeout_seconds: 120 };

/// All that the door serves.
pub fn router(door: Arc<Door>) -> Router {
    let description: Arc<str> = openapi::document(&door.base_url).to_string().into();
    let json = [(header::CONTENT_TYPE, "application/json"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let router = Router::new()
        .route("/api/v1/requests", post(api::file))
        .route("/api/v1/requests/{receipt_number}", get(api::status))
        .route("/api/v1/requests/{receipt_number}/withdrawal", post(api::withdraw))
        .route("/openapi.json", get(move || async move { (json, description.to_string()).into_response() }))
        .route("/healthz", get(healthz))
        .route("/", get(pages::home))
        .route("/wishes/{wish}", get(pages::wish))
        .route("/requests/new", get(pages::form).post(pages::send))
        .route("/status", get(pages::status_form).post(pages::status))
        .route("/status/withdrawal", post(pages::withdrawal))
        .route("/published", get(pages::published))
        .route("/published/feed", get(pages::feed))
        .route("/assets/door.css", get(style))
        .fallback(no_such_page)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(door.clone(), whole));
    let mails = Router::new().route("/api/v1/mail", post(mail::take)).method_not_allowed_fallback(wrong_method);
    limited(router.with_state(door.clone()), LIMITS)
        .merge(limited(mails.with_state(door.clone()), MAIL_LIMITS))
        .layer(from_fn_with_state(door, around))
}

/// A span per request, named after the route and never after the path: the path holds the receipt number.
async fn around(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("?", MatchedPath::as_str);
    let name = format!("{} {route}", request.method());
    // A new trace: what a stranger sends as its own is not ours to continue.
    let span = info_span!(parent: None, "http", otel.name = name, otel.kind = "server", madoguchi.service = "door",
        http.route = route, http.request.method = request.method().as_str(), http.response.status_code = Empty);
    let mut response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    headers::put(response.headers_mut(), door.base_url.starts_with("https://"));
    response
}

/// Reads the body before any handler runs. One that is too large is read to its end, without keeping it: who answers and
/// closes while the client still writes resets the connection, and the answer is lost with it.
async fn whole(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let refused = match read(body).await {
        Ok(Some(bytes)) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(None) => StatusCode::PAYLOAD_TOO_LARGE,
        Err(_broken) => StatusCode::BAD_REQUEST,
    };
    pages::refuse(&door, &parts.uri, &parts.headers, api::bad_body(refused))
}

/// The whole body, or `None` if it is too large.
async fn read(body: Body) -> Result<Option<Bytes>, axum::Error> {
    let mut parts = body.into_data_stream();
    let mut kept = Vec::new();
    let mut length = 0usize;
    while let Some(part) = parts.next().await {
        let part = part?;
        length += part.len();
        if length <= BODY_MAX {
            kept.extend_from_slice(&part);
        } else {
            kept = Vec::new();
        }
    }
    Ok((length <= BODY_MAX).then(|| kept.into()))
}

async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, [chassis::http::PUBLIC_STYLE, include_str!("../assets/door.css")].concat()).into_response()
}

/// Alive, and the database answers.
async fn healthz(State(door): api::Shared) -> Response {
    let answer = sqlx::query("select 1").execute(door.db.pool());
    let well = matches!(tokio::time::timeout(std::time::Duration::from_secs(2), answer).await, Ok(Ok(_)));
    let (status, body) = if well {
        (StatusCode::OK, "{\"status\":\"ok\"}")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"away\",\"detail\":\"PostgreSQL does not answer\"}")
    };
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

async fn no_such_page(State(door): api::Shared, request: Request) -> Response {
    pages::refuse(&door, request.uri(), request.headers(), Problem::new(StatusCode::NOT_FOUND, "no-such-page"))
}

async fn wrong_method(State(door): api::Shared, request: Request) -> Response {
    pages::refuse(&door, request.uri(), request.headers(), Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method"))
}
