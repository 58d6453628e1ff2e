//! The work list: filters, pages, and the searches by receipt number and by a personal value.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Signed, SignedIn},
    html,
    tasks::{self, Alarm},
};
use crate::{
    audit,
    store::{self, Filter, Listed},
};
use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect},
};
use contracts::{Kind, PersonField, ReceiptNumber, Step};
use serde::Deserialize;

/// Which fields cases can be searched by: those that intake keeps a blind index of.
const SEARCHABLE: &[PersonField] = &[PersonField::Name, PersonField::Kana, PersonField::Telephone];

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage {
    page: Page,
    filter: Filter,
    rows: Vec<Listed>,
    more: bool,
    /// What was typed as a receipt number and is none.
    bad_number: Option<String>,
    /// A search by a personal value was made.
    searched: bool,
    now: contracts::Timestamp,
    fields: &'static [PersonField],
    /// Recipients that are late.
    alarms: Vec<Alarm>,
}

impl CasesPage {
    fn kinds(&self) -> &'static [Kind] {
        Kind::ALL
    }
    fn steps(&self) -> &'static [Step] {
        Step::ALL
    }
    fn is_kind(&self, kind: &Kind) -> bool {
        self.filter.kind == Some(*kind)
    }
    fn is_step(&self, step: &Step) -> bool {
        self.filter.step == Some(*step)
    }
    fn is_late(&self, due: &contracts::Timestamp) -> bool {
        *due < self.now
    }
    /// The address of another page of the same list.
    fn page_link(&self, page: u32) -> String {
        let f = &self.filter;
        let kind = f.kind.map_or("", Kind::as_str);
        let step = f.step.map_or(if f.ended { "any" } else { "" }, Step::as_str);
        let sort = if f.newest { "newest" } else { "urgent" };
        format!("/cases?kind={kind}&step={step}&sort={sort}&page={page}")
    }
}

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    kind: String,
    step: String,
    sort: String,
    page: String,
    number: String,
}

/// GET /cases
pub async fn list(State(app): State<App>, who: SignedIn, Query(asked): Query<Asked>) -> Answer {
    let mut bad_number = None;
    if !asked.number.trim().is_empty() {
        match asked.number.parse::<ReceiptNumber>() {
            Ok(number) => match store::by_number(app.db.pool(), &number.to_string()).await? {
                Some(case) => return Ok(Redirect::to(&format!("/cases/{case}")).into_response()),
                None => bad_number = Some("cases.number-unknown"),
            },
            Err(contracts::receipt::NotAReceiptNumber::Check) => bad_number = Some("cases.number-slip"),
            Err(contracts::receipt::NotAReceiptNumber::Form) => bad_number = Some("cases.number-form"),
        }
    }
    // A word that is on no list filters nothing: an old bookmark still shows the work.
    let filter = Filter {
        kind: asked.kind.parse().ok(),
        step: asked.step.parse().ok(),
        ended: asked.step == "any",
        newest: asked.sort == "newest",
        page: asked.page.parse().unwrap_or(1).clamp(1, 2_000),
        only: None,
    };
    let (rows, more) = store::list(app.db.pool(), &filter).await?;
    let page = who.page(&app, "cases");
    let bad_number = bad_number.map(|key| page.t(key).to_owned());
    let now = app.clock.now();
    let alarms = tasks::on_the_front(&app, &page).await;
    Ok(html(
        StatusCode::OK,
        CasesPage { page, filter, rows, more, bad_number, searched: false, now, fields: SEARCHABLE, alarms },
    ))
}

/// POST /cases/search: a personal value, so not in an address. Who searched is written down first.
pub async fn search(State(app): State<App>, Signed { who, fields }: Signed) -> Answer {
    let next = || Next { section: "cases", path: "/cases".into(), words: "answer.to-cases" };
    let field = fields.parsed::<PersonField>("field").filter(|f| SEARCHABLE.contains(f));
    let (Some(field), Some(term)) = (field, fields.get("term")) else {
        return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, "search-empty", next()));
    };
    audit::looked(&app.db, who.staff.id, None, "search", &[field], app.clock.now()).await?;
    let found = match app.commands.search(who.staff.id, field, term).await {
        Ok(found) => found,
        // Not offered again: the term must not stand in a page.
        Err(error) => return Ok(answer::failed(&who, &app, next(), &error, None)),
    };
    let only = found.cases.iter().map(|c| c.0).collect();
    let filter = Filter { only: Some(only), newest: true, page: 1, ..Filter::default() };
    let (rows, more) = store::list(app.db.pool(), &filter).await?;
    let (page, now) = (who.page_at(&app, "cases", "/cases"), app.clock.now());
    Ok(html(
        StatusCode::OK,
        CasesPage {
            page,
            filter,
            rows,
            more,
            bad_number: None,
            searched: true,
            now,
            fields: SEARCHABLE,
            alarms: vec![],
        },
    ))
}
