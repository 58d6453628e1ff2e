//! The pages: plain HTML forms without script, Japanese (also in easy words) and English, WCAG 2.2 AA.
//!
//! Neither receipt number nor code is ever in an address: the status is shown as the answer to a POST. No cookie is set,
//! so there is no session to ride on; the hidden token of a form is its idempotency key, which makes a double click one
//! filing.

mod fields;
mod filing;
mod filters;
mod published;
mod status;
mod wishes;

pub use filing::{form, send};
pub use published::{feed, published};
pub use status::{status, status_form, withdrawal};
pub use wishes::{home, wish};

use crate::{
    api::Shared,
    door::Door,
    problem::Problem,
    texts::{self, Texts, WordSet},
};
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

/// What the frame of every page needs.
pub struct Frame<'a> {
    /// The words.
    pub w: &'a Texts,
    /// Title of the page, before the name of the desk.
    pub title: &'a str,
    /// The path of this page, for the links to the other languages; empty = no such link (the answer to a POST).
    pub path: String,
}

impl Frame<'_> {
    /// `ja` or `en`: what the page is written in.
    pub const fn lang(&self) -> &'static str {
        self.w.set.language().as_str()
    }
    /// The word of the set of words, for the addresses of links.
    pub const fn set(&self) -> &'static str {
        self.w.set.as_str()
    }
    /// In やさしい日本語.
    pub fn is_easy(&self) -> bool {
        self.w.set == WordSet::Easy
    }
    /// The other sets.
    pub fn others(&self) -> impl Iterator<Item = WordSet> {
        WordSet::ALL.iter().copied().filter(|set| *set != self.w.set)
    }
}

/// One value of the query. The pages have two parameters, `lang` and `kind`, both words of closed lists.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The page's language: `?lang=`, else what the browser prefers.
fn language(uri: &Uri, headers: &HeaderMap) -> WordSet {
    let asked = parameter(uri, "lang").and_then(WordSet::of);
    asked.unwrap_or_else(|| texts::accepted(headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok())).into())
}

fn page(status: StatusCode, language: WordSet, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = (status, html).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.language().as_str()));
            headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    f: Frame<'a>,
    detail: &'a str,
    retry_after: Option<String>,
}

/// A problem as a page.
fn error_page(door: &Door, language: WordSet, problem: &Problem) -> Response {
    let w = door.texts.of_set(language);
    let f = Frame { w, title: w.of("problem", &format!("{}.title", problem.code)), path: String::new() };
    let retry_after = problem.retry_after_s().map(|s| w.fill("page.retry-after", &s.to_string()));
    let template = ErrorPage { f, detail: w.of("problem", &format!("{}.detail", problem.code)), retry_after };
    let mut response = page(problem.status, language, &template);
    if let Some(seconds) = problem.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A problem as the client wants it: a document for the API, a page for people.
pub fn refuse(door: &Door, uri: &Uri, headers: &HeaderMap, problem: Problem) -> Response {
    let html = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"));
    let language = language(uri, headers);
    if html && !uri.path().starts_with("/api/") {
        error_page(door, language, &problem)
    } else {
        problem.respond(&door.texts, language.language())
    }
}
