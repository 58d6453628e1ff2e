//! 常時掲載: the version of today, of any past day, and the feed of what changed.

use super::{Frame, Shared, filters, language, page};
use crate::published::{Item, Version};
use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use contracts::{Date, Language};
use serde::Deserialize;

/// Entries of the feed, the newest first.
const FEED_MAX: usize = 100;

/// `?on=`: a day, as people write it.
#[derive(Deserialize)]
pub struct On {
    on: Option<String>,
}

#[derive(Template)]
#[template(path = "published.html")]
struct PublishedPage<'a> {
    f: Frame<'a>,
    /// What held on that day; nothing before the first version.
    version: Option<&'a Version>,
    /// The last day of one that holds no more.
    held_to: Option<Date>,
    /// All versions so far, the newest first.
    versions: Vec<&'a Version>,
    /// What was typed as the day.
    typed: &'a str,
    error: &'a str,
}

impl PublishedPage<'_> {
    const fn language(&self) -> Language {
        self.f.w.set.language()
    }
    fn holds_from(&self, version: &Version) -> String {
        self.f.w.fill("published.from", &self.f.w.day(version.from))
    }
    /// Said of one that holds no more.
    fn held(&self) -> Option<String> {
        self.held_to.map(|day| self.f.w.fill("published.held-to", &self.f.w.day(day)))
    }
    /// The items that this version has.
    fn items<'v>(&self, version: &'v Version) -> Vec<(Item, &'v [String])> {
        let all = Item::ALL.iter().map(|item| (*item, version.item(*item, self.language())));
        all.filter(|(_, paragraphs)| !paragraphs.is_empty()).collect()
    }
}

/// What was asked for: today, or a day that is past.
fn asked(on: Option<&str>, today: Date) -> Result<Date, &'static str> {
    match on.filter(|typed| !typed.trim().is_empty()) {
        None => Ok(today),
        Some(typed) => match calendar::parse_date(typed.trim()) {
            Ok(day) if day <= today => Ok(day),
            Ok(_) => Err("published.error-future"),
            Err(_) => Err("published.error-day"),
        },
    }
}

/// `/published`, `/published?on=2026-04-01`.
pub async fn published(
    State(door): Shared,
    on: Result<Query<On>, QueryRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let language = language(&uri, &headers);
    let w = door.texts.of_set(language);
    let today = door.today();
    let posted = door.posted.now(today);
    let typed = on.map_or_else(|_unreadable| Some("?".to_owned()), |Query(on)| on.on).unwrap_or_default();
    let (day, mut error) = match asked(Some(&typed), today) {
        Ok(day) => (Some(day), ""),
        Err(error) => (None, error),
    };
    let held = day.and_then(|day| posted.on(day));
    if day.is_some() && held.is_none() {
        error = "published.error-before";
    }
    // What holds until tomorrow's version is today's.
    let next = held.and_then(|(_, next)| next).filter(|next| *next <= today);
    let path = match day {
        Some(day) if !typed.is_empty() => format!("/published?on={day}&"),
        _ => "/published?".to_owned(),
    };
    let template = PublishedPage {
        f: Frame { w, title: w.t("published.title"), path },
        version: held.map(|(version, _)| version),
        held_to: next.and_then(|next| next.yesterday().ok()),
        versions: posted.until(today).iter().rev().collect(),
        typed: &typed,
        error: if error.is_empty() { "" } else { w.t(error) },
    };
    let status = match (day, held) {
        (None, _) => StatusCode::BAD_REQUEST,
        (_, None) => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    };
    page(status, language, &template)
}

/// RFC 4287.
#[derive(Template)]
#[template(path = "published.xml")]
struct Feed<'a> {
    f: Frame<'a>,
    base_url: &'a str,
    versions: Vec<&'a Version>,
}

impl Feed<'_> {
    /// The first instant of a version.
    fn instant(&self, version: &Version) -> String {
        format!("{}T00:00:00+09:00", version.from)
    }
    fn change(&self, version: &Version) -> String {
        version.change(self.f.w.set.language()).join("\n")
    }
}

/// `/published/feed`: for those who want to hear of a new version.
pub async fn feed(State(door): Shared, uri: Uri, headers: HeaderMap) -> Response {
    let language = language(&uri, &headers);
    let w = door.texts.of_set(language);
    let today = door.today();
    let posted = door.posted.now(today);
    let versions = posted.until(today).iter().rev().take(FEED_MAX).collect();
    let f = Frame { w, title: w.t("published.title"), path: String::new() };
    match (Feed { f, base_url: &door.base_url, versions }).render() {
        Ok(xml) => {
            let kept = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/atom+xml; charset=utf-8")),
                (header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600")),
                (header::VARY, HeaderValue::from_static("Accept-Language")),
            ];
            (kept, xml).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the feed could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_day_is_asked_for_as_people_write_it() {
        let today = date(2026, 5, 1);
        assert_eq!(asked(None, today), Ok(today));
        assert_eq!(asked(Some(" "), today), Ok(today));
        assert_eq!(asked(Some("令和8年4月1日"), today), Ok(date(2026, 4, 1)));
        assert_eq!(asked(Some("2026-05-02"), today), Err("published.error-future"));
        assert_eq!(asked(Some("2026-02-30"), today), Err("published.error-day"));
        assert_eq!(asked(Some("\"><x"), today), Err("published.error-day"));
    }
}
