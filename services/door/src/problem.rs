//! Problem documents (RFC 9457) of the public API: what is wrong, where, and what to do; in the client's language.
//!
//! None holds a value that the person wrote: a problem is made of codes, pointers and limits.

use crate::{
    request::FieldError,
    texts::{AllTexts, Texts},
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use contracts::Language;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Every code of a problem; a test looks for its words in each language.
pub const CODES: &[&str] = &[
    "invalid",
    "key-missing",
    "key-reused",
    "too-large",
    "mail-too-large",
    "mail-media-type",
    "mail-empty",
    "mail-broken",
    "envelope",
    "no-client-key",
    "not-for-this-client",
    "too-many-mails",
    "media-type",
    "no-code",
    "bad-code",
    "bad-number",
    "not-found",
    "no-such-page",
    "method",
    "too-many-tries",
    "too-many-filings",
    "full",
    "away",
    "over",
];

/// What went wrong. Becomes a document by [`Problem::respond`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// One of [`CODES`].
    pub code: &'static str,
    /// Where, for `invalid`.
    pub errors: Vec<FieldError>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

/// A problem document, `application/problem+json` (RFC 9457). For the API's description; [`Problem::respond`] writes it.
#[derive(ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:madoguchi:problem:invalid", "title": "The request cannot be taken as it is", "status": 422,
    "detail": "Nothing was filed. Mend the fields under `errors` and send the request again.",
    "errors": [{"pointer": "/person/birth_date", "code": "date-future", "detail": "This date is in the future. Check the year."}]}))]
#[expect(dead_code, reason = "a schema, never a value")]
pub struct ProblemDocument {
    /// What kind of problem: `urn:madoguchi:problem:<code>`. Never changes.
    #[schema(rename = "type")]
    kind: String,
    /// The kind of problem for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do, in the language asked for by `Accept-Language` (ja, en).
    detail: String,
    /// All that is wrong with the fields.
    errors: Option<Vec<ErrorItem>>,
    /// Seconds until it is worth trying again; also in the header `Retry-After`.
    retry_after: Option<u64>,
}

/// One field that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldProblem)]
pub struct ErrorItem {
    /// Where in the request (RFC 6901); empty = the whole document.
    pointer: String,
    /// What is wrong; never changes.
    #[schema(example = "date-future")]
    code: &'static str,
    /// What is wrong and what to do, in the language asked for by `Accept-Language` (ja, en).
    detail: String,
}

impl Problem {
    /// A problem by its code.
    pub const fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, errors: Vec::new(), retry_after: None }
    }
    /// 422: fields are wrong.
    pub const fn invalid(errors: Vec<FieldError>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "invalid", errors, retry_after: None }
    }
    /// The same with a time to come back.
    pub const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
    /// 404 for a wrong code and for an unknown number alike.
    pub const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found")
    }
    /// 503: the database is away.
    pub const fn away() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "away").after(Duration::from_secs(5))
    }

    /// As `Retry-After` has it: whole seconds, at least 1.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).map(|s| s.max(1))
    }

    /// The document as a response.
    pub fn respond(self, texts: &AllTexts, language: Language) -> Response {
        let words = texts.of_language(language);
        let mut document =
            chassis::Problem::new(self.status, self.code, words.of("problem", &format!("{}.title", self.code)))
                .detail(words.of("problem", &format!("{}.detail", self.code)));
        if !self.errors.is_empty() {
            let errors: Vec<_> = self.errors.iter().map(|error| error_item(error, words)).collect();
            document = document.with("errors", serde_json::to_value(errors).unwrap_or_default());
        }
        if let Some(seconds) = self.retry_after_s() {
            document = document.with("retry_after", seconds);
        }
        let mut response = document.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.as_str()));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"madoguchi\""));
        }
        response
    }
}

/// The words of a field error for people.
pub fn detail(error: &FieldError, words: &Texts) -> String {
    let text = words.of("error", error.code);
    match &error.fill {
        Some(fill) => text.replace("{}", fill),
        None => text.to_owned(),
    }
}

/// For systems the words of the API follow, where people would not understand them.
fn error_item(error: &FieldError, words: &Texts) -> ErrorItem {
    let api = words.of("error-api", error.code);
    let detail = format!("{} {api}", detail(error, words)).trim_end().to_owned();
    ErrorItem { pointer: error.pointer.clone().into_owned(), code: error.code, detail }
}
