//! The public API, `/api/v1`: JSON in, JSON or problem documents out. Its description is [`crate::openapi`].
//!
//! The access code travels in a header and the receipt number in the path, never in a query; no handler logs either.

use crate::{
    derive::IdempotencyKey,
    door::{Door, Receipt},
    draft,
    problem::{Problem, ProblemDocument},
    request::{self, FieldError},
    texts,
};
use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, Path, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use contracts::{Channel, Kind, Language, ReceiptNumber, Timestamp};
use privacy_seal::AccessCode;
use serde::Serialize;
use std::{net::SocketAddr, sync::Arc};
use utoipa::ToSchema;

/// The shared state of all handlers.
pub type Shared = State<Arc<Door>>;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ACCESS_CODE: HeaderName = HeaderName::from_static("access-code");

/// 受付票: the answer to a filing. The access code is shown here and never again, except to the same POST.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt, example = json!({"receipt_number": "M-0000-0000-0000", "access_code": "0123-4567-89AB-CDEF",
    "kind": "provision-stop", "received_at": "2026-11-22T01:23:45.678901Z",
    "status_url": "https://madoguchi.example.jp/api/v1/requests/M-0000-0000-0000"}))]
pub struct ReceiptDocument {
    /// 受付番号: what the person reads to the counter.
    receipt_number: String,
    /// 照会用暗証: opens the status together with the receipt number. Keep it secret; it cannot be shown again.
    access_code: String,
    /// What was asked.
    #[schema(value_type = String)]
    kind: Kind,
    /// Arrival at the desk: the time from which the law counts.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// Where the status is (with the access code in the header `Authorization`).
    #[schema(format = "uri")]
    status_url: String,
}

/// The answer to a withdrawal.
#[derive(Serialize, ToSchema)]
#[schema(as = Withdrawal)]
pub struct WithdrawalDocument {
    /// Which request.
    receipt_number: String,
    /// When the withdrawal arrived.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// The language of the answer.
pub fn language(headers: &HeaderMap) -> Language {
    texts::accepted(headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()))
}

/// Files a request.
///
/// It is accepted when 201 arrives: it is on disk then. Repeat with the same `Idempotency-Key` and the same body after
/// anything else that is not an answer: the original receipt comes back.
#[utoipa::path(post, path = "/api/v1/requests", tag = "requests", operation_id = "fileRequest",
    params(
        ("Idempotency-Key" = String, Header, description = "1 to 255 visible ASCII characters, new and random for every request (a UUID); the same for a repeat.", example = "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ("Accept-Language" = Option<String>, Header, description = "Language of problem documents: ja (default) or en."),
    ),
    request_body(content = crate::openapi::NewRequest, content_type = "application/json", description = "At most 64 KiB. Unknown fields are refused."),
    responses(
        (status = 201, description = "Accepted and stored durably.", body = ReceiptDocument, headers(("Location" = String, description = "The status resource."))),
        (status = 400, description = "No usable Idempotency-Key, or not JSON.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "Over 64 KiB.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The key was used for another body.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong (all are named).", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too many filings; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds."))),
        (status = 503, description = "Not accepted, nothing was stored; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds."))),
    ))]
pub async fn file(
    State(door): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let language = language(&headers);
    match try_file(&door, peer, &headers, body).await {
        Ok(receipt) => created(&door, receipt),
        Err(problem) => problem.respond(&door.texts, language),
    }
}

async fn try_file(
    door: &Door,
    peer: SocketAddr,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Receipt, Problem> {
    let key = idempotency_key(headers)?;
    json_only(headers)?;
    let body = body.map_err(|rejection| bad_body(rejection.status()))?;
    let (draft, shape) = draft::from_json(&body)
        .map_err(|error| Problem { status: StatusCode::BAD_REQUEST, ..Problem::invalid(vec![error]) })?;
    let request = checked(request::check(&draft, door.today(), door.ages.rules(door.today())), shape)?;
    door.file(door.client(peer, headers), &key, &body, request, Channel::Api).await
}

fn checked(
    content: Result<request::Request, Vec<FieldError>>,
    shape: Vec<FieldError>,
) -> Result<request::Request, Problem> {
    match content {
        Ok(request) if shape.is_empty() => Ok(request),
        Ok(_) => Err(Problem::invalid(shape)),
        Err(errors) => Err(Problem::invalid(draft::merged(shape, errors))),
    }
}

/// The header, which must be there.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let value = headers.get(IDEMPOTENCY_KEY).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "key-missing"))
}

fn json_only(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"))
    }
}

/// A body that could not be read: too large, or the client stopped sending.
pub fn bad_body(status: StatusCode) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(status, "too-large")
    } else {
        Problem { status: StatusCode::BAD_REQUEST, ..Problem::invalid(vec![FieldError::new("", "not-json")]) }
    }
}

fn created(door: &Door, receipt: Receipt) -> Response {
    let path = format!("/api/v1/requests/{}", receipt.receipt_number);
    let document = ReceiptDocument {
        receipt_number: receipt.receipt_number.to_string(),
        access_code: receipt.access_code.to_string(),
        kind: receipt.kind,
        received_at: receipt.received_at,
        status_url: format!("{}{path}", door.base_url),
    };
    let mut response = (StatusCode::CREATED, Json(document)).into_response();
    if let Ok(location) = HeaderValue::from_str(&path) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Shows how a request stands.
#[utoipa::path(get, path = "/api/v1/requests/{receipt_number}", tag = "requests", operation_id = "requestStatus",
    params(
        ("receipt_number" = String, Path, description = "受付番号, as given at filing; any way of writing it.", example = "M-0000-0000-0000"),
        ("Access-Code" = Option<String>, Header, description = "The access code, for clients that cannot set `Authorization`."),
        ("Accept-Language" = Option<String>, Header, description = "Language of problem documents: ja (default) or en."),
    ),
    security(("access_code" = [])),
    responses(
        (status = 200, description = "How it stands."),
        (status = 400, description = "The number or the code has a slip in it.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "No access code was sent.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "Wrong code or unknown number; which, is not said.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong codes; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds."))),
        (status = 503, description = "Try again; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn status(
    State(door): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(receipt_number): Path<String>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let (number, code) = credentials(&receipt_number, &headers)?;
        door.look_up(door.client(peer, &headers), number, &code).await
    };
    match found.await {
        Ok(found) => Json(found.view).into_response(),
        Err(problem) => problem.respond(&door.texts, language(&headers)),
    }
}

/// Takes a request back (取下げ).
///
/// Pressing twice is one withdrawal. What recipients were already told to stop stays stopped.
#[utoipa::path(post, path = "/api/v1/requests/{receipt_number}/withdrawal", tag = "requests", operation_id = "withdrawRequest",
    params(("receipt_number" = String, Path, description = "受付番号.", example = "M-0000-0000-0000")),
    security(("access_code" = [])),
    responses(
        (status = 202, description = "Accepted and stored durably; the status shows it in a moment.", body = WithdrawalDocument),
        (status = 400, description = "The number or the code has a slip in it.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "No access code was sent.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "Wrong code or unknown number; which, is not said.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The case has ended: nothing is left to withdraw.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong codes; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Not accepted; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn withdraw(
    State(door): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(receipt_number): Path<String>,
    headers: HeaderMap,
) -> Response {
    let done = async {
        let (number, code) = credentials(&receipt_number, &headers)?;
        let received_at = door.withdraw(door.client(peer, &headers), number, &code).await?;
        Ok(WithdrawalDocument { receipt_number: number.to_string(), received_at })
    };
    match done.await {
        Ok(document) => (StatusCode::ACCEPTED, Json(document)).into_response(),
        Err(problem) => Problem::respond(problem, &door.texts, language(&headers)),
    }
}

/// Receipt number and access code as sent. What is malformed is said: that is no secret.
fn credentials(receipt_number: &str, headers: &HeaderMap) -> Result<(ReceiptNumber, AccessCode), Problem> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| {
        let (scheme, code) = v.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(code)
    });
    let code = bearer.or_else(|| headers.get(ACCESS_CODE).and_then(|v| v.to_str().ok()));
    let code = code.ok_or(Problem::new(StatusCode::UNAUTHORIZED, "no-code"))?;
    let number = receipt_number.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad-number"))?;
    let code = code.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad-code"))?;
    Ok((number, code))
}
