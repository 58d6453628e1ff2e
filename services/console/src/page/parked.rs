//! 保留: messages that wait for a person, in every service; a person lets them try again or drops them, and says why.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Signed, SignedIn, not_found_for},
    html,
};
use crate::page::orders;
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use contracts::{Service, Uuid, request::ParkedRow};

/// What one service said; none: it does not answer.
struct Waiting {
    service: Service,
    rows: Option<Vec<ParkedRow>>,
}

#[derive(Template)]
#[template(path = "parked.html")]
struct ParkedPage {
    page: Page,
    services: Vec<Waiting>,
}

impl ParkedPage {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn is_empty(&self) -> bool {
        self.services.iter().all(|s| s.rows.as_ref().is_some_and(Vec::is_empty))
    }
    fn away(&self, service: &Service) -> String {
        self.page.t("answer.away-read").replace("{service}", &self.page.word("service", service.token()))
    }
}

/// GET /parked
pub async fn page(State(app): State<App>, who: SignedIn) -> Answer {
    let asked = Service::ALL.iter().map(|service| {
        let app = &app;
        async move { Waiting { service: *service, rows: app.commands.parked(*service).await.ok().map(|p| p.rows) } }
    });
    let services = futures::future::join_all(asked).await;
    Ok(html(StatusCode::OK, ParkedPage { page: who.page(&app, "parked"), services }))
}

/// POST /parked/{service}/{choice}
pub async fn choose(
    State(app): State<App>,
    Path((service, choice)): Path<(String, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let next = Next { section: "parked", path: "/parked".into(), words: "answer.to-parked" };
    let wrong = |word, next| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next));
    let Some(service) = Service::by_token(&service) else { return Ok(not_found_for(&who, &app)) };
    let Some(id) = fields.parsed::<Uuid>("id") else { return wrong("parked-none", next) };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word, next),
    };
    let reply = match choice.as_str() {
        "retry" => app.commands.retry_parked(by, service, id).await,
        "drop" => app.commands.drop_parked(by, service, id).await,
        _ => return Ok(not_found_for(&who, &app)),
    };
    let again = Some((format!("/parked/{}/{choice}", service.token()), fields.clone()));
    Ok(answer::answer(&who, &app, next, reply, again))
}
