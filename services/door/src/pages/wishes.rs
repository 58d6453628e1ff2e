//! Home and the page of a wish: what happens, what is easier, what it costs, before anything is typed.

use super::{Frame, Shared, error_page, filters, language, page};
use crate::{
    problem::Problem,
    wish::{Route, Wish},
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    f: Frame<'a>,
    wishes: &'a [Wish],
}

/// `/`: what do you want?
pub async fn home(State(door): Shared, uri: Uri, headers: HeaderMap) -> Response {
    let language = language(&uri, &headers);
    let w = door.texts.of_set(language);
    let f = Frame { w, title: w.t("home.title"), path: "/?".to_owned() };
    page(StatusCode::OK, language, &HomePage { f, wishes: Wish::ALL })
}

#[derive(Template)]
#[template(path = "wish.html")]
struct WishPage<'a> {
    f: Frame<'a>,
    wish: Wish,
    route: Route,
}

/// `/wishes/{wish}`: one screen about one wish.
pub async fn wish(State(door): Shared, Path(word): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let language = language(&uri, &headers);
    let Some(wish) = Wish::of(&word) else {
        return error_page(&door, language, &Problem::new(StatusCode::NOT_FOUND, "no-such-page"));
    };
    let w = door.texts.of_set(language);
    let f = Frame { w, title: w.wish(wish, "title"), path: format!("/wishes/{}?", wish.as_str()) };
    page(StatusCode::OK, language, &WishPage { f, wish, route: wish.route() })
}
