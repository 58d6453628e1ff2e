//! 認定の失効 of the operator itself: first whom it would reach, then two different people.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Signed, SignedIn},
    html, orders,
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use contracts::{
    Date, StaffId, Uuid,
    duty::{EndOperator, EndOperatorPreview, EndOperatorRow},
};
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "operator_end.html")]
struct EndPage {
    page: Page,
    told: Vec<EndOperatorRow>,
    not_told: Vec<EndOperatorRow>,
    preview: EndOperatorPreview,
    names: BTreeMap<Uuid, String>,
}

impl EndPage {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn name(&self, staff: &StaffId) -> String {
        self.names.get(&staff.0).cloned().unwrap_or_else(|| super::case::short(&staff.0))
    }
    fn ended(&self) -> bool {
        self.preview.said.iter().any(|said| said.second.is_some())
    }
}

fn next() -> Next {
    Next { section: "recipients", path: "/operator/end".into(), words: "operator-end.back" }
}

/// GET /operator/end
pub async fn page(State(app): State<App>, who: SignedIn) -> Answer {
    let preview = match app.commands.preview_end().await {
        Ok(preview) => preview,
        Err(error) => {
            let to = Next { section: "recipients", path: "/recipients".into(), words: "answer.to-recipients" };
            return Ok(answer::failed(&who, &app, to, &error, None));
        }
    };
    let names = app.access.everybody().await?.into_iter().map(|a| (a.staff.id.0, a.staff.display)).collect();
    let (told, not_told) = preview.rows.iter().cloned().partition(|row| row.not_told.is_none());
    let page = who.page_at(&app, "recipients", "/operator/end");
    Ok(html(StatusCode::OK, EndPage { page, told, not_told, preview, names }))
}

/// POST /operator/end
pub async fn end(State(app): State<App>, Signed { who, fields }: Signed) -> Answer {
    let wrong = |word| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next()));
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word),
    };
    let Some(on) = fields.parsed::<Date>("on") else { return wrong("day-none") };
    // It cannot be taken back, so it needs a second sign.
    if fields.get("sure") != Some("yes") {
        return wrong("end-not-sure");
    }
    let reply = app.commands.duty(by, EndOperator { on }).await;
    Ok(answer::answer(&who, &app, next(), reply, Some(("/operator/end".into(), fields.clone()))))
}
