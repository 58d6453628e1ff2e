//! 入出金明細: taking a bank file in, and what was taken in before.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::SignedIn,
    html,
    upload::Upload,
};
use crate::{command::STATEMENT_MAX, page::orders, projection::StatementView, store};
use askama::Template;
use axum::{
    extract::{Multipart, State},
    http::{HeaderMap, StatusCode},
};
use contracts::{Code, Uuid};

#[derive(Template)]
#[template(path = "bank.html")]
struct BankPage {
    page: Page,
    token: Uuid,
    profiles: Vec<(String, String)>,
    statements: Vec<StatementView>,
}

/// GET /bank
pub async fn page(State(app): State<App>, who: SignedIn) -> Answer {
    let statements = store::statements(app.db.pool()).await?;
    let page = who.page(&app, "bank");
    let profiles = page.texts().group("profile");
    Ok(html(StatusCode::OK, BankPage { page, token: Uuid::now_v7(), profiles, statements }))
}

/// POST /bank/import
pub async fn import(State(app): State<App>, who: SignedIn, headers: HeaderMap, form: Multipart) -> Answer {
    let next = Next { section: "bank", path: "/bank".into(), words: "answer.to-bank" };
    let wrong = |(status, word), next| Ok(answer::refused_at(&who, &app, status, word, next));
    let mut upload = match Upload::read(&who, &headers, form, "file-too-large").await {
        Ok(upload) => upload,
        Err(refused) => return wrong(refused, next),
    };
    let file = upload.file(STATEMENT_MAX);
    let Some(profile) = upload.fields.parsed::<Code>("profile") else {
        return wrong((StatusCode::UNPROCESSABLE_ENTITY, "profile-none"), next);
    };
    let by = match orders::by(who.staff.id, &upload.fields) {
        Ok(by) => by,
        Err(word) => return wrong((StatusCode::UNPROCESSABLE_ENTITY, word), next),
    };
    match file {
        Ok(bytes) => {
            let reply = app.commands.import_statement(by, bytes, profile).await;
            Ok(answer::answer(&who, &app, next, reply, None))
        }
        Err(refused) => wrong(refused, next),
    }
}
