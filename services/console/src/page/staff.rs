//! Accounts: administrators add people, give them a new link, and let them in no more.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Signed, SignedIn, not_found_for},
    html,
};
use crate::{
    access::AccessError,
    accounts::{self, Account},
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use contracts::StaffId;

#[derive(Template)]
#[template(path = "staff.html")]
struct StaffPage {
    page: Page,
    accounts: Vec<Account>,
    /// A link that was just made, and for whom. Shown once.
    link: Option<(String, String)>,
    me: StaffId,
    hours: i64,
}

fn next() -> Next {
    Next { section: "staff", path: "/staff".into(), words: "answer.to-staff" }
}

fn forbidden(who: &SignedIn, app: &App) -> Response {
    answer::refused(who, app, StatusCode::FORBIDDEN, "administrators-only")
}

async fn shown(app: &App, who: &SignedIn, link: Option<(String, String)>) -> Answer {
    let accounts = app.access.everybody().await?;
    let page = who.page_at(app, "staff", "/staff");
    Ok(html(StatusCode::OK, StaffPage { page, accounts, link, me: who.staff.id, hours: accounts::LINK_HOURS }))
}

/// A fault of the form as a page; a fault of the database as an error.
fn wrong(who: &SignedIn, app: &App, error: AccessError) -> Answer {
    match error {
        AccessError::Db(error) => Err(error.into()),
        error => Ok(answer::refused_at(who, app, StatusCode::UNPROCESSABLE_ENTITY, error.word(), next())),
    }
}

/// GET /staff
pub async fn page(State(app): State<App>, who: SignedIn) -> Answer {
    if !who.staff.administrator {
        return Ok(forbidden(&who, &app));
    }
    shown(&app, &who, None).await
}

/// POST /staff: adds an account and shows its link once.
pub async fn add(State(app): State<App>, Signed { who, fields }: Signed) -> Answer {
    if !who.staff.administrator {
        return Ok(forbidden(&who, &app));
    }
    let login = fields.get("login").unwrap_or_default();
    let display = fields.get("display").unwrap_or_default();
    match app.access.add(login, display, fields.get("administrator") == Some("yes")).await {
        Ok(token) => shown(&app, &who, Some((login.to_owned(), accounts::link(&app.base_url, &token)))).await,
        Err(error) => wrong(&who, &app, error),
    }
}

/// POST /staff/{staff}/{link|disable|enable}
pub async fn change(
    State(app): State<App>,
    Path((staff, what)): Path<(StaffId, String)>,
    Signed { who, .. }: Signed,
) -> Answer {
    if !who.staff.administrator {
        return Ok(forbidden(&who, &app));
    }
    let done = match what.as_str() {
        "link" => match app.access.new_link(staff).await {
            Ok(token) => {
                let accounts = app.access.everybody().await?;
                let login = accounts.into_iter().find(|a| a.staff.id == staff).map(|a| a.staff.login);
                let link = accounts::link(&app.base_url, &token);
                return shown(&app, &who, Some((login.unwrap_or_default(), link))).await;
            }
            Err(error) => Err(error),
        },
        "disable" => app.access.set_disabled(staff, true).await,
        "enable" => app.access.set_disabled(staff, false).await,
        _ => return Ok(not_found_for(&who, &app)),
    };
    match done {
        Ok(()) => Ok(Redirect::to("/staff").into_response()),
        Err(error) => wrong(&who, &app, error),
    }
}
