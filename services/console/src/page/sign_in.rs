//! Signing in and out, and the one-time link with which somebody sets a password.

use super::{
    Answer, App, Oops, Page,
    guard::{Fields, Signed, SignedIn, Visitor, is_from_here},
    html,
};
use crate::{access::AccessError, session::Token};
use askama::Template;
use axum::{
    Form,
    extract::{ConnectInfo, Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use privacy_seal::Zeroizing;
use std::{collections::HashMap, net::SocketAddr};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Page,
    /// Key of what went wrong, if anything.
    error: Option<String>,
    /// Key of what is told.
    note: Option<&'static str>,
    login: String,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    page: Page,
    error: Option<String>,
    /// Whose link it is; none when it is no good.
    login: Option<String>,
}

/// A page with a form for somebody without a session: its token is made of a cookie that only this browser has.
fn with_visit(app: &App, visitor: &Visitor, make: impl FnOnce(Page) -> Response) -> Response {
    let known = visitor.token(app.visit_cookie());
    let visit = known.clone().unwrap_or_else(Token::random);
    let mut response = make(visitor.page(app, visit.csrf()));
    if known.is_none() {
        response.headers_mut().append(header::SET_COOKIE, app.cookie(app.visit_cookie(), &visit.text()));
    }
    response
}

fn is_ours(app: &App, visitor: &Visitor, headers: &HeaderMap, fields: &Fields) -> bool {
    let visit = visitor.token(app.visit_cookie());
    is_from_here(headers) && visit.is_some_and(|v| fields.get("csrf").is_some_and(|given| v.signed(given)))
}

/// The sentence of a failed sign-in.
fn sentence(page: &Page, error: &AccessError) -> String {
    let words = page.word("error", error.word());
    match error {
        AccessError::Limited(again) => words.replace("{time}", &page.when(again)),
        _ => words,
    }
}

fn status(error: &AccessError) -> StatusCode {
    match error {
        AccessError::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
        AccessError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// GET /sign-in
pub async fn form(State(app): State<App>, visitor: Visitor, Query(query): Query<HashMap<String, String>>) -> Response {
    let note = if query.contains_key("ended") {
        Some("sign-in.ended")
    } else if query.contains_key("out") {
        Some("sign-in.out")
    } else {
        None
    };
    with_visit(&app, &visitor, |page| {
        html(StatusCode::OK, SignInPage { page, error: None, note, login: String::new() })
    })
}

/// POST /sign-in
pub async fn sign_in(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Answer {
    let fields = Fields(fields);
    let login = fields.get("login").unwrap_or_default().chars().take(64).collect::<String>();
    let again = |status: StatusCode, error: &dyn Fn(&Page) -> String| {
        with_visit(&app, &visitor, |page| {
            let error = Some(error(&page));
            html(status, SignInPage { page, error, note: None, login: login.clone() })
        })
    };
    if !is_ours(&app, &visitor, &headers, &fields) {
        return Ok(again(StatusCode::FORBIDDEN, &|page| page.word("error", "form-not-ours")));
    }
    match app.access.sign_in(&login, password(&fields), from.ip()).await {
        Ok(session) => Ok(welcome(&app, &session)),
        Err(AccessError::Db(error)) => Err(Oops::Db(error)),
        Err(error) => Ok(again(status(&error), &|page| sentence(page, &error))),
    }
}

/// Not trimmed: a space is a character of a password.
fn password(fields: &Fields) -> Zeroizing<String> {
    let given = fields.0.iter().find(|(name, _)| name == "password").map(|(_, v)| v.clone());
    Zeroizing::new(given.unwrap_or_default())
}

fn welcome(app: &App, session: &Token) -> Response {
    let mut response = Redirect::to("/cases").into_response();
    response.headers_mut().append(header::SET_COOKIE, app.cookie(app.session_cookie(), &session.text()));
    response
}

/// POST /sign-out
pub async fn sign_out(State(app): State<App>, signed: Signed) -> Answer {
    let SignedIn { session, .. } = &signed.who;
    app.access.sign_out(session).await?;
    let mut response = Redirect::to("/sign-in?out").into_response();
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, app.cookie(app.session_cookie(), ""));
    headers.insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}

/// GET /link/{token}: does not use the link up (mail scanners follow links).
pub async fn link_form(State(app): State<App>, visitor: Visitor, Path(token): Path<String>) -> Answer {
    let login = match Token::parse(&token) {
        Some(link) => app.access.link_login(&link).await?,
        None => None,
    };
    let status = if login.is_some() { StatusCode::OK } else { StatusCode::GONE };
    Ok(with_visit(&app, &visitor, |page| html(status, LinkPage { page, error: None, login })))
}

/// POST /link/{token}
pub async fn use_link(
    State(app): State<App>,
    visitor: Visitor,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Answer {
    let fields = Fields(fields);
    let Some(link) = Token::parse(&token) else { return link_form(State(app), visitor, Path(token)).await };
    let login = app.access.link_login(&link).await?;
    let again = |status: StatusCode, word: &str| {
        with_visit(&app, &visitor, |page| {
            let error = Some(page.word("error", word));
            html(status, LinkPage { page, error, login: login.clone() })
        })
    };
    if !is_ours(&app, &visitor, &headers, &fields) {
        return Ok(again(StatusCode::FORBIDDEN, "form-not-ours"));
    }
    let password = password(&fields);
    if fields.0.iter().any(|(name, value)| name == "again" && *value != *password) {
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, "password-differs"));
    }
    match app.access.use_link(&link, password).await {
        Ok(session) => Ok(welcome(&app, &session)),
        Err(AccessError::Db(error)) => Err(Oops::Db(error)),
        Err(AccessError::Link) => link_form(State(app), visitor, Path(token)).await,
        Err(error) => Ok(again(status(&error), error.word())),
    }
}
