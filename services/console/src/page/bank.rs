//! 入出金明細: taking a bank file in, and what was taken in before.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Fields, SignedIn, is_from_here},
    html,
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

/// The parts of the upload; at most ten, and nothing but our own fields.
pub(super) async fn parts(mut form: Multipart) -> Result<(Fields, Option<Vec<u8>>), &'static str> {
    let (mut fields, mut file) = (Fields::default(), None);
    for _ in 0..10 {
        // Too large and cut off look the same here: the limit is the likelier one.
        let Some(part) = form.next_field().await.map_err(|_| "file-too-large")? else { break };
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| "file-too-large")?;
        if name == "file" {
            file = Some(bytes.to_vec());
        } else if bytes.len() <= 16 * 1024 {
            fields.0.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        } else {
            return Err("form-unreadable");
        }
    }
    Ok((fields, file))
}

/// POST /bank/import
pub async fn import(State(app): State<App>, who: SignedIn, headers: HeaderMap, form: Multipart) -> Answer {
    let next = Next { section: "bank", path: "/bank".into(), words: "answer.to-bank" };
    let wrong = |status, word, next| Ok(answer::refused_at(&who, &app, status, word, next));
    let (fields, file) = match parts(form).await {
        Ok(parts) => parts,
        Err(word) => return wrong(StatusCode::PAYLOAD_TOO_LARGE, word, next),
    };
    let signed = fields.get("csrf").is_some_and(|given| who.session.signed(given));
    if !signed || !is_from_here(&headers) {
        return wrong(StatusCode::FORBIDDEN, "form-not-ours", next);
    }
    let Some(profile) = fields.parsed::<Code>("profile") else {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, "profile-none", next);
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(StatusCode::UNPROCESSABLE_ENTITY, word, next),
    };
    match file {
        Some(bytes) if (1..=STATEMENT_MAX).contains(&bytes.len()) => {
            let reply = app.commands.import_statement(by, bytes, profile).await;
            Ok(answer::answer(&who, &app, next, reply, None))
        }
        Some(bytes) if !bytes.is_empty() => wrong(StatusCode::PAYLOAD_TOO_LARGE, "file-too-large", next),
        _ => wrong(StatusCode::UNPROCESSABLE_ENTITY, "file-none", next),
    }
}
