//! 証跡: the file that proves a case, as `madoguchi evidence export` writes it. Who took it is written down first.

use super::{
    Answer, App,
    answer::{self, Next},
    guard::{Signed, no_case},
};
use crate::{audit, store};
use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use contracts::CaseId;
use std::convert::Infallible;

/// Bytes sent at a time.
const PIECE: usize = 64 * 1024;

/// The file in pieces: a slow reader holds up nobody else, and it is in memory once.
fn pieces(bytes: Vec<u8>) -> Body {
    let mut rest = Bytes::from(bytes);
    let pieces = std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| Ok::<_, Infallible>(rest.split_to(rest.len().min(PIECE))))
    });
    Body::from_stream(futures::stream::iter(pieces))
}

fn file(case: CaseId, person: bool, bytes: Vec<u8>) -> Response {
    let copy = if person { "-person" } else { "" };
    let length = HeaderValue::from(bytes.len());
    // An id and our own words: always a header value.
    let name = HeaderValue::from_str(&format!("attachment; filename=\"evidence-{case}{copy}.json\""))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name), (header::CONTENT_LENGTH, length)];
    (headers, pieces(bytes)).into_response()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_comes_whole_in_pieces() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 7).map(|n| (n % 251) as u8).collect();
        let response = file(CaseId::default(), true, bytes.clone());
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_LENGTH], (PIECE * 2 + 7).to_string().as_str());
        assert!(headers[header::CONTENT_DISPOSITION].to_str().unwrap().ends_with("-person.json\""));
        let got = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(got == bytes);
    }
}
