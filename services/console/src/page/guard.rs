//! Who asks: the visitor's language and cookies, the session, and the token that every form must carry.

use super::{App, Oops, Page, answer, html};
use crate::{access::Staff, session::Token, text::Lang};
use askama::Template;
use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use contracts::{Code, Uuid};
use std::str::FromStr;

/// The language that `?lang=` asks for.
pub fn query_lang(query: &str) -> Option<Lang> {
    query.split('&').find_map(|pair| Lang::parse(pair.strip_prefix("lang=")?))
}

/// Whoever sent the request, signed in or not.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The language of the pages.
    pub lang: Lang,
    /// The path, for the language links.
    pub path: String,
    cookies: Vec<(String, String)>,
}

impl Visitor {
    fn of(parts: &Parts) -> Self {
        let cookies: Vec<(String, String)> = parts
            .headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .take(32)
            .collect();
        let chosen = query_lang(parts.uri.query().unwrap_or_default());
        let kept = cookies.iter().find(|(name, _)| name == "madoguchi-lang").and_then(|(_, tag)| Lang::parse(tag));
        let wanted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let lang = chosen.or(kept).unwrap_or_else(|| Lang::preferred(wanted.unwrap_or_default()));
        Self { lang, path: parts.uri.path().to_owned(), cookies }
    }

    /// The token in one of our cookies.
    pub fn token(&self, name: &str) -> Option<Token> {
        self.cookies.iter().find(|(n, _)| n == name).and_then(|(_, value)| Token::parse(value))
    }

    /// A page for somebody who is not signed in.
    pub fn page(&self, app: &App, csrf: String) -> Page {
        Page { lang: self.lang, staff: None, csrf, path: self.path.clone(), section: "", zone: app.zone.clone() }
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// A member of staff with a good session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub staff: Staff,
    /// The session.
    pub session: Token,
    visitor: Visitor,
}

impl SignedIn {
    /// A page of one part of the console.
    pub fn page(&self, app: &App, section: &'static str) -> Page {
        Page {
            lang: self.visitor.lang,
            staff: Some(self.staff.clone()),
            csrf: self.session.csrf(),
            path: self.visitor.path.clone(),
            section,
            zone: app.zone.clone(),
        }
    }
    /// The same; the language links lead elsewhere (an answer to a form has no address of its own).
    pub fn page_at(&self, app: &App, section: &'static str, path: &str) -> Page {
        Page { path: path.to_owned(), ..self.page(app, section) }
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let visitor = Visitor::of(parts);
        let session = visitor.token(app.session_cookie());
        let staff = match &session {
            Some(token) => app.access.session(token).await.map_err(|e| Oops::from(e).into_response())?,
            None => None,
        };
        match (session, staff) {
            (Some(session), Some(staff)) => Ok(Self { staff, session, visitor }),
            // Somebody who had a session is told that it ended.
            (Some(_), None) => Err(Redirect::to("/sign-in?ended").into_response()),
            (None, _) => Err(Redirect::to("/sign-in").into_response()),
        }
    }
}

/// The fields of a form, as sent.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first field of this name, trimmed; `None` when it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }
    /// The same, read.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }
    /// Every ticked code of this name; what is no code is left out, and then missed by the service that obeys.
    pub fn codes(&self, name: &str) -> Vec<Code> {
        self.0.iter().filter(|(n, _)| n == name).filter_map(|(_, v)| v.parse().ok()).take(32).collect()
    }
    /// The form's token.
    pub fn token(&self) -> Option<Uuid> {
        self.parsed("token")
    }
}

#[cfg(test)]
impl Fields {
    /// A form as a browser would send it.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }
}

/// A browser says where a request was made; an old one says nothing, and then the token decides alone.
pub fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// A form of ours, from a member of staff: session, origin and token are good.
pub struct Signed {
    /// Who.
    pub who: SignedIn,
    /// What.
    pub fields: Fields,
}

impl FromRequest<App> for Signed {
    type Rejection = Response;
    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let who = SignedIn::from_request_parts(&mut parts, app).await?;
        let here = is_from_here(&parts.headers);
        let request = Request::from_parts(parts, body);
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, app)
            .await
            .map_err(|_| answer::refused(&who, app, StatusCode::BAD_REQUEST, "form-unreadable"))?;
        let fields = Fields(fields);
        let signed = fields.get("csrf").is_some_and(|given| who.session.signed(given));
        if here && signed {
            Ok(Self { who, fields })
        } else {
            chassis::telemetry::count("madoguchi.console.csrf", "refused");
            Err(answer::refused(&who, app, StatusCode::FORBIDDEN, "form-not-ours"))
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
pub struct MessagePage {
    /// Around it.
    pub page: Page,
    /// The heading.
    pub title: String,
    /// What is so and what to do.
    pub text: String,
}

/// No such page.
pub async fn not_found(State(app): State<App>, visitor: Visitor) -> Response {
    let page = visitor.page(&app, String::new());
    let (title, text) = (page.t("page.not-found").to_owned(), page.t("page.not-found-text").to_owned());
    html(StatusCode::NOT_FOUND, MessagePage { page, title, text })
}

/// The same, to somebody who is signed in.
pub fn not_found_for(who: &SignedIn, app: &App) -> Response {
    let page = who.page_at(app, "", "/cases");
    let (title, text) = (page.t("page.not-found").to_owned(), page.t("page.not-found-text").to_owned());
    html(StatusCode::NOT_FOUND, MessagePage { page, title, text })
}

/// No such case.
pub fn no_case(who: &SignedIn, app: &App) -> Response {
    let page = who.page_at(app, "cases", "/cases");
    let (title, text) = (page.t("case.unknown").to_owned(), page.t("case.unknown-text").to_owned());
    html(StatusCode::NOT_FOUND, MessagePage { page, title, text })
}
