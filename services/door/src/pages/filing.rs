//! The form and the receipt.

use super::{
    Frame, Shared, error_page,
    fields::{Builder, Control, Section},
    filters, language, page, parameter,
};
use crate::{
    api::bad_body,
    derive::IdempotencyKey,
    door::{Door, Receipt},
    draft::Fields,
    problem::Problem,
    request::{self, FieldError},
    texts::WordSet,
};
use askama::Template;
use axum::{
    Form,
    extract::{ConnectInfo, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use contracts::{Channel, Kind};
use std::net::SocketAddr;

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    f: Frame<'a>,
    kind: Kind,
    token: &'a str,
    sections: Vec<Section>,
    /// Said above the form; empty = nothing.
    notice: &'a str,
    wrong: bool,
    /// The fields of the representative are to be seen whatever the capacity is.
    show_representative: bool,
    /// Somebody who is none of the six relatives: a consultation is offered.
    offer_consultation: bool,
}

/// `/requests/new?kind=…`: an empty form.
pub async fn form(State(door): Shared, uri: Uri, headers: HeaderMap) -> Response {
    let language = language(&uri, &headers);
    let Some(kind) = parameter(&uri, "kind").and_then(|word| word.parse().ok()) else {
        return error_page(&door, language, &Problem::new(StatusCode::NOT_FOUND, "no-such-page"));
    };
    let empty = Fields::new(Vec::new());
    show(&door, StatusCode::OK, language, kind, &empty, &[], "")
}

fn show(
    door: &Door,
    status: StatusCode,
    language: WordSet,
    kind: Kind,
    typed: &Fields,
    errors: &[FieldError],
    notice: &str,
) -> Response {
    let w = door.texts.of_set(language);
    // A refused form keeps its token: nothing was filed under it. A used one is replaced.
    let fresh = IdempotencyKey::random();
    let token = typed.get("token").parse().ok().filter(|_: &IdempotencyKey| notice.is_empty()).unwrap_or(fresh);
    let title = w.of("kind-page", &format!("{kind}.title"));
    let form = FormPage {
        f: Frame {
            w,
            title,
            path: if typed.get("kind").is_empty() { format!("/requests/new?kind={kind}&") } else { String::new() },
        },
        kind,
        token: token.as_str(),
        sections: Builder { w, typed, errors, kind }.sections(),
        notice,
        wrong: !errors.is_empty(),
        offer_consultation: errors.iter().any(|error| error.code == "relation-not-listed"),
        show_representative: errors.iter().any(|error| error.code == "capacity-and-representative"),
    };
    page(status, language, &form)
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage<'a> {
    f: Frame<'a>,
    receipt: &'a Receipt,
    /// Asked as 利用停止等 without a ground, taken as 提供停止.
    turned: bool,
}

/// `POST /requests/new`: the receipt, or the form again with what is wrong.
pub async fn send(
    State(door): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let language = language(&uri, &headers);
    let typed = match body {
        Ok(Form(pairs)) => Fields::new(pairs),
        Err(rejection) => return error_page(&door, language, &bad_form(&rejection)),
    };
    let Ok(kind) = typed.get("kind").parse::<Kind>() else {
        return error_page(&door, language, &Problem::new(StatusCode::NOT_FOUND, "no-such-page"));
    };
    // "One more": nothing is filed and nothing is lost.
    if !typed.get("more").is_empty() {
        return show(&door, StatusCode::OK, language, kind, &typed, &[], "");
    }
    let mut draft = typed.draft();
    draft.language = language.language().as_str().to_owned();
    draft.easy = language == WordSet::Easy;
    let request = match request::check(&draft, door.today(), door.ages.rules(door.today())) {
        Ok(request) => request,
        Err(errors) => {
            let errors = asked_here(language, &typed, errors);
            return show(&door, StatusCode::UNPROCESSABLE_ENTITY, language, kind, &typed, &errors, "");
        }
    };
    let Ok(key) = typed.get("token").parse::<IdempotencyKey>() else {
        return error_page(&door, language, &Problem::new(StatusCode::BAD_REQUEST, "key-missing"));
    };
    let w = door.texts.of_set(language);
    match door.file(door.client(peer, &headers), &key, &typed.digest_bytes(), request, Channel::Web).await {
        Ok(receipt) => {
            let f = Frame { w, title: w.t("receipt.title"), path: String::new() };
            page(StatusCode::CREATED, language, &ReceiptPage { f, receipt: &receipt, turned: receipt.kind != kind })
        }
        // Sent already, changed, and sent again: the first stands, and the person decides about the second.
        Err(problem) if problem.code == "key-reused" => {
            show(&door, StatusCode::UNPROCESSABLE_ENTITY, language, kind, &typed, &[], w.t("form.sent-before"))
        }
        Err(problem) => error_page(&door, language, &problem),
    }
}

/// The English form does not mark the reading as required, since a name in Latin letters has none; so it is not asked for
/// before there is a name.
fn asked_here(language: WordSet, typed: &Fields, mut errors: Vec<FieldError>) -> Vec<FieldError> {
    if language == WordSet::En && typed.get("person-name").trim().is_empty() {
        errors.retain(|error| !(error.pointer == "/person/kana" && error.code == "required"));
    }
    errors
}

/// A form that could not be read.
pub fn bad_form(rejection: &FormRejection) -> Problem {
    bad_body(rejection.status())
}
