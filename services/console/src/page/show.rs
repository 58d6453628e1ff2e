//! What is shown only when asked for: the person's values, and what a service wrote down of a case.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{MessagePage, Signed, SignedIn, no_case, not_found_for},
    html,
};
use crate::{
    personal::{self, ShowError, Shown},
    store,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use contracts::{CaseId, Service, Uuid, request::HistoryRow};
use privacy::Purpose;

#[derive(Template)]
#[template(path = "personal.html")]
struct PersonalPage<'a> {
    page: Page,
    case: CaseId,
    number: String,
    values: &'a [(contracts::PersonField, Vec<String>)],
}

/// POST /cases/{case}/show: the audit row first, then the question.
pub async fn personal(State(app): State<App>, Path(case): Path<CaseId>, Signed { who, .. }: Signed) -> Answer {
    let Some(whole) = store::whole(app.db.pool(), case).await? else { return Ok(no_case(&who, &app)) };
    let path = format!("/cases/{case}");
    let next = Next { section: "cases", path: path.clone(), words: "answer.to-case" };
    let shown = match personal::show(&app.db, &app.clock, &app.commands, &app.key, who.staff.id, case).await {
        Ok(shown) => shown,
        Err(ShowError::Command(error)) => return Ok(answer::failed(&who, &app, next, &error, None)),
        Err(ShowError::Db(error)) => return Err(error.into()),
        Err(error @ ShowError::Unreadable) => {
            tracing::error!(%error, "personal values cannot be shown");
            return Ok(answer::refused_at(&who, &app, StatusCode::SERVICE_UNAVAILABLE, "values-unreadable", next));
        }
    };
    let page = who.page_at(&app, "cases", &path);
    let word = match &shown {
        Shown::Values(values) => {
            let number = whole.view.opened.get().map_or_else(String::new, |o| o.receipt_number.to_string());
            let values = values.disclose(Purpose::ShowToStaff);
            return Ok(html(StatusCode::OK, PersonalPage { page, case, number, values }));
        }
        Shown::Erased => "personal.erased",
        Shown::Unknown => "personal.unknown",
        Shown::Forbidden => "personal.forbidden",
    };
    let (title, text) = (page.t("personal.title").to_owned(), page.t(word).to_owned());
    Ok(html(StatusCode::OK, MessagePage { page, title, text }))
}

/// One machine's history, or that its service did not answer.
struct Kept {
    machine: Uuid,
    rows: Option<Vec<HistoryRow>>,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    page: Page,
    case: CaseId,
    number: String,
    service: Service,
    machines: Vec<Kept>,
}

impl HistoryPage {
    fn event(&self, row: &HistoryRow) -> String {
        serde_json::to_string_pretty(&row.event).unwrap_or_default()
    }
    fn away(&self) -> String {
        let name = self.page.word("service", self.service.token());
        self.page.t("answer.away-read").replace("{service}", &name)
    }
}

/// GET /cases/{case}/history/{service}
pub async fn history(State(app): State<App>, who: SignedIn, Path((case, service)): Path<(CaseId, String)>) -> Answer {
    let Some(service) = Service::by_token(&service) else { return Ok(not_found_for(&who, &app)) };
    let Some(whole) = store::whole(app.db.pool(), case).await? else { return Ok(no_case(&who, &app)) };
    let ids = store::machines(case, service, &whole).into_iter().take(20);
    let asked = ids.map(|machine| {
        let app = &app;
        async move { Kept { machine, rows: app.commands.history(service, machine).await.ok().map(|h| h.rows) } }
    });
    let machines = futures::future::join_all(asked).await;
    let page = who.page(&app, "cases");
    let number = whole.view.opened.get().map_or_else(String::new, |o| o.receipt_number.to_string());
    Ok(html(StatusCode::OK, HistoryPage { page, case, number, service, machines }))
}
