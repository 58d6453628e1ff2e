//! What a service said to an order, in words: done with its figures, refused with its reason and place, or no answer.

use super::{
    App, Page,
    guard::{Fields, SignedIn},
    html,
};
use crate::{command::CommandError, text::place};
use askama::Template;
use axum::{http::StatusCode, response::Response};
use contracts::request::StaffReply;

/// The page after an order.
#[derive(Template)]
#[template(path = "answer.html")]
pub struct AnswerPage {
    page: Page,
    title: String,
    /// `done`, `refused`, `away`.
    tone: &'static str,
    text: String,
    /// Where in a file.
    place: Option<String>,
    figures: Vec<(String, i64)>,
    /// Where to go on, and its words.
    next: (String, String),
    /// The same form again, with the same token, where nobody answered.
    again: Option<(String, Fields)>,
    /// Something to be handed on: what it is, and its text.
    handed: Option<(String, String)>,
}

/// Where the answer leads on to.
pub struct Next {
    /// The part of the console.
    pub section: &'static str,
    /// The address.
    pub path: String,
    /// The key of its words.
    pub words: &'static str,
}

fn page(who: &SignedIn, app: &App, next: &Next, title: &str, tone: &'static str, text: String) -> AnswerPage {
    let page = who.page_at(app, next.section, &next.path);
    let (title, words) = (page.t(title).to_owned(), page.t(next.words).to_owned());
    AnswerPage {
        title,
        tone,
        text,
        place: None,
        figures: vec![],
        next: (next.path.clone(), words),
        again: None,
        handed: None,
        page,
    }
}

/// The answer to an order. `again` is the form's own address and fields, so that it can be sent again unchanged.
pub fn answer(
    who: &SignedIn,
    app: &App,
    next: Next,
    reply: Result<StaffReply, CommandError>,
    again: Option<(String, Fields)>,
) -> Response {
    answer_with(who, app, next, reply, again, None)
}

/// The same; when it is done, something is handed on (the key of its words, its text).
pub fn answer_with(
    who: &SignedIn,
    app: &App,
    next: Next,
    reply: Result<StaffReply, CommandError>,
    again: Option<(String, Fields)>,
    handed: Option<(&'static str, String)>,
) -> Response {
    let t = who.page(app, "").texts();
    match reply {
        Ok(StaffReply::Done { status, figures, .. }) => {
            let mut p = page(who, app, &next, "answer.done", "done", t.word("status", status.as_str()));
            p.handed = handed.map(|(key, text)| (t.t(key).to_owned(), text));
            p.figures = figures.into_iter().map(|(code, n)| (t.word("figure", code.as_str()), n)).collect();
            html(StatusCode::OK, p)
        }
        Ok(StaffReply::Refused { reason, at }) => {
            let mut p = page(who, app, &next, "answer.refused", "refused", t.refusal(&reason));
            p.place = at.map(|at| match place(&at) {
                Some((line, column, field)) => {
                    let column = column.map(|c| format!(", {} {c}", t.t("answer.column"))).unwrap_or_default();
                    let field = field.map(|f| format!(", {} {}", t.t("answer.field"), t.word("field-of-file", f)));
                    format!("{} {line}{column}{}", t.t("answer.line"), field.unwrap_or_default())
                }
                None => at.to_string(),
            });
            html(StatusCode::UNPROCESSABLE_ENTITY, p)
        }
        Err(error) => failed(who, app, next, &error, again),
    }
}

/// No reply, or nothing could be sent.
pub fn failed(
    who: &SignedIn,
    app: &App,
    next: Next,
    error: &CommandError,
    again: Option<(String, Fields)>,
) -> Response {
    let t = who.page(app, "").texts();
    match error {
        CommandError::Away(service) | CommandError::Garbled(service) => {
            let key = if matches!(error, CommandError::Away(_)) { "answer.away-text" } else { "answer.garbled-text" };
            let text = t.t(key).replace("{service}", &t.word("service", service.token()));
            let mut p = page(who, app, &next, "answer.away", "away", text);
            p.again = again;
            html(StatusCode::SERVICE_UNAVAILABLE, p)
        }
        CommandError::Steward => {
            let mut p = page(who, app, &next, "answer.away", "away", t.t("answer.steward").to_owned());
            p.again = again;
            html(StatusCode::SERVICE_UNAVAILABLE, p)
        }
        CommandError::Words { field, max } => {
            let text =
                t.t("answer.words").replace("{field}", &t.word("form", field)).replace("{max}", &max.to_string());
            html(StatusCode::UNPROCESSABLE_ENTITY, page(who, app, &next, "answer.refused", "refused", text))
        }
        CommandError::FileSize => {
            let text = t.t("answer.file-size").to_owned();
            html(StatusCode::UNPROCESSABLE_ENTITY, page(who, app, &next, "answer.refused", "refused", text))
        }
        CommandError::Key(_) | CommandError::Seal(_) | CommandError::Objects(_) => {
            // Names a key file or a folder of this house: for the log, not for the page.
            tracing::error!(%error, "an order could not be sent");
            let text = t.t("answer.not-sent").to_owned();
            html(StatusCode::SERVICE_UNAVAILABLE, page(who, app, &next, "answer.away", "away", text))
        }
    }
}

/// A form that is not taken at all; nothing was sent.
pub fn refused(who: &SignedIn, app: &App, status: StatusCode, word: &str) -> Response {
    let next = Next { section: "cases", path: "/cases".into(), words: "answer.to-cases" };
    refused_at(who, app, status, word, next)
}

/// The same, leading back to the form.
pub fn refused_at(who: &SignedIn, app: &App, status: StatusCode, word: &str, next: Next) -> Response {
    let text = who.page(app, "").word("error", word);
    html(status, page(who, app, &next, "answer.refused", "refused", text))
}
