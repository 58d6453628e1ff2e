//! 証跡: the file that proves a case, as `madoguchi evidence export` writes it. Who took it is written down first.

use super::{
    Answer, App,
    answer::{self, Next},
    download::attachment,
    guard::{Signed, no_case},
};
use crate::{audit, store};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use contracts::CaseId;

fn file(case: CaseId, person: bool, bytes: Vec<u8>) -> Response {
    let copy = if person { "-person" } else { "" };
    attachment(&format!("evidence-{case}{copy}.json"), "application/json", bytes)
}

/// POST /cases/{case}/evidence
pub async fn export(State(app): State<App>, Path(case): Path<CaseId>, Signed { who, fields }: Signed) -> Answer {
    if store::whole(app.db.pool(), case).await?.is_none() {
        return Ok(no_case(&who, &app));
    }
    let next = Next { section: "cases", path: format!("/cases/{case}"), words: "answer.to-case" };
    let wrong = |status, word, next| Ok(answer::refused_at(&who, &app, status, word, next));
    let person = match fields.get("copy") {
        Some("full") => false,
        Some("person") => true,
        _ => return wrong(StatusCode::UNPROCESSABLE_ENTITY, "copy-none", next),
    };
    let Some(exporter) = &app.evidence else {
        return wrong(StatusCode::NOT_IMPLEMENTED, "evidence-not-here", next);
    };
    // One at a time: each reads the whole log of every service.
    let Ok(_permit) = app.exports.try_acquire() else {
        return wrong(StatusCode::SERVICE_UNAVAILABLE, "evidence-busy", next);
    };
    let purpose = if person { "evidence-person" } else { "evidence-full" };
    audit::looked(&app.db, who.staff.id, Some(case), purpose, &[], app.clock.now()).await?;
    match exporter.export(case, person).await {
        Ok(bytes) => {
            chassis::telemetry::count("madoguchi.console.evidence", purpose);
            Ok(file(case, person, bytes))
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "an evidence file was not made");
            chassis::telemetry::count("madoguchi.console.evidence", "failed");
            wrong(StatusCode::SERVICE_UNAVAILABLE, "evidence-failed", next)
        }
    }
}
