//! What staff must look at: refused reports, unmatched lines, late recipients, notices that did not go out.

use super::{
    Answer, App, Page,
    case::{Fact, labels},
    guard::SignedIn,
    html,
};
use crate::store;
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    page: Page,
    rows: Vec<Fact>,
    more: bool,
    number: u32,
}

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    page: String,
}

/// GET /incidents
pub async fn page(State(app): State<App>, who: SignedIn, Query(asked): Query<Asked>) -> Answer {
    let number = asked.page.parse().unwrap_or(1).clamp(1, 2_000);
    let (rows, more) = store::incidents(app.db.pool(), number).await?;
    let page = who.page(&app, "incidents");
    let labels =
        if rows.iter().any(|r| r.data.get("recipient").is_some()) { labels(&app).await } else { BTreeMap::new() };
    let rows = rows.into_iter().map(|r| Fact::of(r, &page, &labels)).collect();
    Ok(html(StatusCode::OK, IncidentsPage { page, rows, more, number }))
}
