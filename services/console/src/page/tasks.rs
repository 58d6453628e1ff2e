//! 対応待ち: everything that waits for a member of staff, the oldest first, and which recipients are late.

use super::{Answer, App, Page, guard::SignedIn, html};
use crate::command::CommandError;
use askama::Template;
use axum::{extract::State, http::StatusCode};
use contracts::{
    Code, RecipientId, Timestamp, Uuid,
    gate::ReviewRow,
    register::TaskRow,
    request::{RecipientRow, StaffReply},
};
use std::time::Duration;

/// How long a page waits for the alarm; it does not depend on it.
const ALARM_WAIT: Duration = Duration::from_millis(700);

/// `B has 4 past due`: a recipient that is late, and the words.
pub struct Alarm {
    /// Who.
    pub recipient: RecipientId,
    /// The words.
    pub text: String,
}

/// The alarms of a list, the latest first.
pub fn alarms(rows: &[RecipientRow], page: &Page) -> Vec<Alarm> {
    let mut late: Vec<&RecipientRow> = rows.iter().filter(|row| row.overdue > 0).collect();
    late.sort_by_key(|row| (std::cmp::Reverse(row.overdue), row.label.clone()));
    let say = |row: &RecipientRow| {
        let text = page.t("recipients.past-due");
        text.replace("{label}", row.label.as_str()).replace("{n}", &row.overdue.to_string())
    };
    late.into_iter().map(|row| Alarm { recipient: row.recipient, text: say(row) }).collect()
}

/// What the front page says of them, if opt-out propagation answers soon.
pub async fn on_the_front(app: &App, page: &Page) -> Vec<Alarm> {
    match tokio::time::timeout(ALARM_WAIT, app.commands.recipients()).await {
        Ok(Ok(list)) => alarms(&list.recipients, page),
        _ => vec![],
    }
}

/// An instruction's own status in the words of these pages: of a case, `confirmed` means the identity.
pub fn of_a_report(reply: Result<StaffReply, CommandError>) -> Result<StaffReply, CommandError> {
    reply.map(|reply| match reply {
        StaffReply::Done { machine, status, figures } if status.as_str() == "confirmed" => {
            StaffReply::Done { machine, status: Code::of("settled"), figures }
        }
        other => other,
    })
}

#[derive(Template)]
#[template(path = "tasks.html")]
struct TasksPage {
    page: Page,
    /// None: opt-out propagation does not answer.
    tasks: Option<Vec<TaskRow>>,
    reviews: Vec<ReviewRow>,
    alarms: Vec<Alarm>,
    away: String,
    now: Timestamp,
}

impl TasksPage {
    fn new_token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn is_late(&self, task: &TaskRow) -> bool {
        task.due <= self.now
    }
}

/// GET /tasks
pub async fn page(State(app): State<App>, who: SignedIn) -> Answer {
    let tasks = app.commands.tasks().await.ok().map(|list| list.tasks);
    let (mut reviews, mut rows) = (vec![], vec![]);
    if tasks.is_some() {
        reviews = app.commands.reviews().await.map(|list| list.reviews).unwrap_or_default();
        rows = app.commands.recipients().await.map(|list| list.recipients).unwrap_or_default();
    }
    let page = who.page(&app, "tasks");
    let alarms = alarms(&rows, &page);
    let away = page.t("answer.away-read").replace("{service}", &page.word("service", "optout"));
    Ok(html(StatusCode::OK, TasksPage { page, tasks, reviews, alarms, away, now: app.clock.now() }))
}
