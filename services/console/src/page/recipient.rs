//! 通知先の一件: everything about one recipient, what is ordered about it, and the tasks that its reports make.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Fields, Signed, SignedIn, not_found_for},
    html,
};
use crate::{
    command::{By, CommandError},
    page::{
        contract_form, orders,
        tasks::{self, Alarm},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{
    Date, RecipientId, Scope, Timestamp, Transport, Uuid,
    register::{Certification, RecipientReply, RecipientView, TaskRow},
    request::NatsKey,
};

#[derive(Template)]
#[template(path = "recipient.html")]
struct RecipientPage {
    page: Page,
    view: RecipientView,
    /// What waits for a member of staff about it.
    tasks: Vec<TaskRow>,
    alarms: Vec<Alarm>,
}

impl RecipientPage {
    fn transports(&self) -> &'static [Transport] {
        Transport::ALL
    }
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn scopes(&self) -> &'static [Scope] {
        Scope::ALL
    }
    /// A new version begins as the one in force, but for its days.
    fn shown(&self) -> contract_form::Shown<'_> {
        contract_form::Shown::of(self.view.contract.as_ref().map(|(_, contract)| contract))
    }
    fn is_webhook(&self) -> bool {
        self.view.row.transport == Transport::Webhook
    }
    /// By hand: its own way, or perhaps that of the contractor above.
    fn is_carried(&self) -> bool {
        matches!(self.view.row.transport, Transport::SealedFile | Transport::ThroughParent)
    }
    fn is(&self, status: &str) -> bool {
        self.view.row.status.as_str() == status
    }
}

/// GET /recipients/{recipient}
pub async fn page(State(app): State<App>, Path(recipient): Path<Uuid>, who: SignedIn) -> Answer {
    match app.commands.recipient(RecipientId(recipient)).await {
        Ok(RecipientReply::Found(view)) => {
            let page = who.page_at(&app, "recipients", &format!("/recipients/{recipient}"));
            let tasks = app.commands.tasks().await.map(|list| list.tasks).unwrap_or_default();
            let tasks = tasks.into_iter().filter(|task| task.recipient.0 == recipient).collect();
            let alarms = tasks::alarms(std::slice::from_ref(&view.row), &page);
            Ok(html(StatusCode::OK, RecipientPage { page, view: *view, tasks, alarms }))
        }
        Ok(RecipientReply::Unknown) => Ok(not_found_for(&who, &app)),
        Err(error) => Ok(answer::failed(&who, &app, next("/recipients".into()), &error, None)),
    }
}

fn next(path: String) -> Next {
    Next { section: "recipients", path, words: "answer.to-recipients" }
}

/// 認定, as the form has it. Pure.
pub(super) fn certification(fields: &Fields) -> Result<Option<Certification>, &'static str> {
    let Some(number) = fields.get("certification_number") else { return Ok(None) };
    Ok(Some(Certification {
        number: number.parse().map_err(|_| "certification-number-form")?,
        on: fields.parsed("certification_on").ok_or("certification-on-none")?,
        scope: fields.parsed("certification_scope").ok_or("scope-none")?,
        until: fields.parsed("certification_until"),
        parent: fields.parsed("parent"),
        permitted_on: fields.parsed("permitted_on"),
    }))
}

fn key(fields: &Fields, name: &str, word: &'static str) -> Result<Option<Vec<u8>>, &'static str> {
    fields.get(name).map(|text| STANDARD.decode(text).map_err(|_| word)).transpose()
}

/// The contact's mailbox; an empty field takes it away. Pure.
fn mailbox(fields: &Fields) -> Result<Option<&str>, &'static str> {
    match fields.get("contact") {
        Some(text) if !text.split_once('@').is_some_and(|(l, d)| !l.is_empty() && d.contains('.')) => {
            Err("contact-form")
        }
        other => Ok(other),
    }
}

/// The end of that day in Japan; without a day: now, so that the old key verifies no longer.
fn overlap(fields: &Fields, now: Timestamp) -> Timestamp {
    let day = fields.parsed::<Date>("overlap_until");
    let end = day.and_then(|day| day.tomorrow().ok()?.in_tz("Asia/Tokyo").ok());
    end.map_or(now, |end| end.timestamp())
}

/// POST /recipients/{recipient}/{order}
pub async fn order(
    State(app): State<App>,
    Path((recipient, order)): Path<(Uuid, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let id = RecipientId(recipient);
    let next = next(format!("/recipients/{recipient}"));
    let by = orders::by(who.staff.id, &fields);
    let reply = match by {
        Err(word) => Err(word),
        Ok(by) => match order.as_str() {
            "suspend" => Ok(app.commands.suspend(by, id).await),
            "resume" => Ok(app.commands.resume(by, id).await),
            "remove" if fields.get("sure") != Some("yes") => Err("erase-not-sure"),
            "remove" => Ok(app.commands.remove(by, id).await),
            "set-contact" => match mailbox(&fields) {
                Ok(mailbox) => Ok(app.commands.set_contact(by, id, mailbox).await),
                Err(word) => Err(word),
            },
            "test-endpoint" => Ok(app.commands.test_endpoint(by, id).await),
            "replay-recipient" => Ok(app.commands.replay(by, id).await),
            "rotate" => rotate(&app, by, id, &fields).await,
            "change-endpoint" => return change_endpoint(&app, &who, by, id, &fields, next).await,
            "contract" => match contract_form::read(&fields) {
                Ok(Some(new)) => Ok(app.commands.set_contract(by, id, new).await),
                Ok(None) => Err("contract-from-none"),
                Err(word) => Err(word),
            },
            "certify" => match certification(&fields) {
                Ok(Some(new)) => Ok(app.commands.certify(by, id, new).await),
                Ok(None) => Err("certification-number-form"),
                Err(word) => Err(word),
            },
            "end-certification" => match fields.parsed("on") {
                Some(on) => Ok(app.commands.end_certification(by, id, on).await),
                None => Err("certification-on-none"),
            },
            _ => return Ok(not_found_for(&who, &app)),
        },
    };
    let again = Some((format!("/recipients/{recipient}/{order}"), fields.clone()));
    Ok(match reply {
        Ok(reply) => answer::answer(&who, &app, next, reply, again),
        Err(word) => answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next),
    })
}

type Reply = Result<contracts::request::StaffReply, crate::command::CommandError>;

async fn rotate(app: &App, by: By<'_>, id: RecipientId, fields: &Fields) -> Result<Reply, &'static str> {
    let report = key(fields, "report_key", "report-key-form")?;
    let sealing = match key(fields, "sealing_key", "sealing-key-form")? {
        Some(bytes) => Some(bytes.try_into().map_err(|_| "sealing-key-form")?),
        None => None,
    };
    Ok(app.commands.rotate_keys(by, id, report, sealing, overlap(fields, app.clock.now())).await)
}

/// 送り先の変更. A NATS endpoint needs an account from the steward first; its JWT is handed on.
async fn change_endpoint(
    app: &App,
    who: &SignedIn,
    by: By<'_>,
    id: RecipientId,
    fields: &Fields,
    next: Next,
) -> Answer {
    let wrong = |word, next| Ok(answer::refused_at(who, app, StatusCode::UNPROCESSABLE_ENTITY, word, next));
    let again = Some((format!("/recipients/{id}/change-endpoint"), fields.clone()));
    let Some(transport) = fields.parsed::<Transport>("transport") else { return wrong("transport-none", next) };
    let url = fields.get("url").filter(|_| transport == Transport::Webhook);
    if transport == Transport::Webhook && url.is_none_or(|u| !u.starts_with("https://") && !u.starts_with("http://")) {
        return wrong("url-form", next);
    }
    let (mut nats, mut jwt) = (None, None);
    if transport == Transport::Nats {
        let user = fields.get("nats_user").filter(|text| text.starts_with('U')).and_then(NatsKey::new);
        let Some(user) = user else { return wrong("nats-user-form", next) };
        let admitted = app.commands.admit(id, &user).await.and_then(|admitted| {
            let account = NatsKey::new(&admitted.account).ok_or(CommandError::Steward)?;
            Ok((account, admitted.user_jwt))
        });
        match admitted {
            Ok((account, text)) => {
                nats = Some((user, account));
                jwt = Some(("recipients.jwt", text));
            }
            Err(error) => return Ok(answer::failed(who, app, next, &error, again)),
        }
    }
    let reply = app.commands.change_endpoint(by, id, transport, url, nats).await;
    Ok(answer::answer_with(who, app, next, reply, again, jwt))
}

/// POST /tasks/{task}/{choice}
pub async fn task(
    State(app): State<App>,
    Path((task, choice)): Path<(Uuid, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let next = Next { section: "tasks", path: "/tasks".into(), words: "answer.to-tasks" };
    let accept = match choice.as_str() {
        "accept" => true,
        "send-back" => false,
        _ => return Ok(not_found_for(&who, &app)),
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => {
            return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next));
        }
    };
    let reply = tasks::of_a_report(app.commands.close_task(by, task, accept).await);
    let again = Some((format!("/tasks/{task}/{choice}"), fields.clone()));
    Ok(answer::answer(&who, &app, next, reply, again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Code;

    #[test]
    fn a_certification_is_complete_or_its_first_fault_is_named() {
        assert_eq!(certification(&Fields::of(&[])), Ok(None));
        let good =
            [("certification_number", "k-12"), ("certification_on", "2025-04-01"), ("certification_scope", "both")];
        assert_eq!(certification(&Fields::of(&good)).unwrap().unwrap().number, Code::of("k-12"));
        assert_eq!(certification(&Fields::of(&good[..1])), Err("certification-on-none"));
        assert_eq!(certification(&Fields::of(&[("certification_number", "K 12")])), Err("certification-number-form"));
    }

    #[test]
    fn a_contact_is_a_mailbox_or_taken_away() {
        assert_eq!(mailbox(&Fields::of(&[("contact", "desk@example.jp")])), Ok(Some("desk@example.jp")));
        assert_eq!(mailbox(&Fields::of(&[])), Ok(None));
        for wrong in ["desk", "@example.jp", "desk@"] {
            assert_eq!(mailbox(&Fields::of(&[("contact", wrong)])), Err("contact-form"), "{wrong}");
        }
    }

    #[test]
    fn an_old_key_verifies_until_the_end_of_the_day_in_japan() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        assert_eq!(overlap(&Fields::of(&[]), now), now);
        let until = overlap(&Fields::of(&[("overlap_until", "2026-11-30")]), now);
        assert_eq!(until.to_string(), "2026-11-30T15:00:00Z");
    }
}
