//! 来信: the mails that arrived. The list has nothing that they say; one mail is shown on one page only, after it was written down who
//! looks. Text is shown as text, and no file of a stranger is opened here.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Fields, Signed, SignedIn},
    html,
    opened::{NotShown, opened},
    orders, place_in_list,
};
use crate::{audit, store};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use contracts::{
    CaseId, MailId, MailOutcome, MailState, PersonField, Uuid,
    correspondence::{
        DestroyMailFile, ListMails, MailDetail, MailFile, MailList, MailReply, MailRow, SettleMail, ShowMail,
    },
};
use privacy::{Personal, Purpose};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is looked at; written down before it is asked for.
const FIELDS: &[PersonField] = &[PersonField::Mail, PersonField::Words];

/// What the address of the list says.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    state: String,
    /// `time_id` of the last row seen.
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "mails.html")]
struct MailsPage {
    page: Page,
    /// None: intake does not answer.
    list: Option<MailList>,
    state: Option<MailState>,
    away: String,
    numbers: BTreeMap<Uuid, String>,
}

impl MailsPage {
    fn number(&self, row: &MailRow) -> Option<&str> {
        self.numbers.get(&row.case?.0).map(String::as_str)
    }
    fn more(&self, list: &MailList) -> String {
        let last = list.rows.last().map_or(String::new(), |row| format!("{}_{}", row.received_at, row.id));
        format!("/mails?state={}&after={last}", self.state.map_or("", MailState::as_str))
    }
    fn is(&self, state: &MailState) -> bool {
        self.state == Some(*state)
    }
}

/// GET /mails
pub async fn list(State(app): State<App>, who: SignedIn, Query(wanted): Query<Wanted>) -> Answer {
    let state = wanted.state.parse().ok();
    let list = app.commands.ask(&ListMails { state, after: place_in_list(&wanted.after) }).await.ok();
    let cases: Vec<Uuid> =
        list.iter().flat_map(|list| &list.rows).filter_map(|row| row.case).map(|case| case.0).collect();
    let numbers = store::numbers(app.db.pool(), &cases).await?;
    let page = who.page(&app, "mails");
    let away = page.t("answer.away-read").replace("{service}", &page.word("service", "intake"));
    Ok(html(StatusCode::OK, MailsPage { page, list, state, away, numbers }))
}

/// A file as the page shows it.
struct File<'a> {
    file: &'a MailFile,
    name: String,
}

/// What a mail says, for the eye. Pure.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    lines: Vec<(&'static str, String)>,
    text: String,
    doubts: Vec<String>,
    names: Vec<String>,
    /// Our own mail server's findings: not a proof of who wrote it.
    checks: Vec<String>,
}

impl Shown {
    fn of(known: &Value) -> Self {
        let mail = &known["mail"];
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let boxes = |value: &Value| {
            let one = |mailbox: &Value| {
                let (name, address) =
                    (mailbox["name"].as_str().unwrap_or(""), mailbox["address"].as_str().unwrap_or(""));
                if name.is_empty() { address.to_owned() } else { format!("{name} <{address}>") }
            };
            value.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
        };
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let lines = vec![
            ("from", boxes(&mail["from"])),
            ("reply-to", boxes(&mail["reply_to"])),
            ("to", boxes(&mail["to"])),
            ("cc", boxes(&mail["cc"])),
            ("date", text(&mail["date"])),
            ("subject", text(&mail["subject"])),
            ("envelope-from", text(&known["envelope"]["from"])),
        ];
        let names = mail["attachments"].as_array().into_iter().flatten();
        Self {
            lines: lines.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            text: text(&mail["text"]),
            doubts: texts(&mail["doubts"]),
            names: names.map(|file| text(&file["name"])).collect(),
            checks: texts(&mail["authentication_results"]),
        }
    }
}

#[derive(Template)]
#[template(path = "mail.html")]
struct MailPage<'a> {
    page: Page,
    row: MailRow,
    same_as: Option<MailId>,
    digest: String,
    shown: Option<&'a Shown>,
    files: Vec<File<'a>>,
    number: Option<String>,
}

impl MailPage<'_> {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn is_open(&self) -> bool {
        !matches!(self.row.state, MailState::Settled | MailState::Arrived)
    }
    /// A mail may hold a second wish.
    fn may_be_filed(&self) -> bool {
        self.shown.is_some() && (self.is_open() || self.row.outcome == Some(MailOutcome::Request))
    }
    fn outcomes(&self) -> Vec<(String, String)> {
        let all = self.page.texts().group("mail-outcome").into_iter();
        all.filter(|(code, _)| code != MailOutcome::Request.as_str()).collect()
    }
}

pub(super) fn next() -> Next {
    Next { section: "mails", path: "/mails".into(), words: "answer.to-mails" }
}

/// GET /mails/{mail}: leads to the list; a mail is shown only when it is asked for.
pub async fn page(State(_): State<App>, _: SignedIn, Path(_): Path<MailId>) -> axum::response::Redirect {
    axum::response::Redirect::to("/mails")
}

/// One mail with what it says (none: it is not read yet, or its key was destroyed). The audit row first.
pub(super) async fn open(
    app: &App,
    who: &SignedIn,
    mail: MailId,
) -> Result<(MailDetail, Option<Personal<Value>>), NotShown> {
    let staff = who.staff.id;
    let cause = audit::looked(&app.db, staff, None, "mail", FIELDS, app.clock.now()).await?;
    match app.commands.ask(&ShowMail { id: mail, staff, cause }).await {
        Ok(MailReply::Found(detail)) => {
            let known = detail.known.as_ref().map(|sealed| opened(app, mail.0, sealed)).transpose()?;
            Ok((*detail, known))
        }
        Ok(MailReply::Unknown) => Err(NotShown::Unknown),
        Err(error) => Err(NotShown::Command(error)),
    }
}

/// POST /mails/{mail}/show: the audit row first, then the question.
pub async fn show(State(app): State<App>, Path(mail): Path<MailId>, Signed { who, .. }: Signed) -> Answer {
    let (detail, known) = match open(&app, &who, mail).await {
        Ok(found) => found,
        Err(why) => return why.answer(&who, &app, next()),
    };
    let MailDetail { row, digest, files, same_as, .. } = detail;
    let shown: Option<Personal<Shown>> = known.map(|known| known.map(Shown::of));
    let shown = shown.as_ref().map(|shown| shown.disclose(Purpose::ShowToStaff));
    let name = |n: u32| shown.and_then(|shown| shown.names.get(n as usize)).cloned().unwrap_or_default();
    let files = files.iter().map(|file| File { file, name: name(file.number) }).collect();
    let number = match row.case {
        Some(case) => store::numbers(app.db.pool(), &[case.0]).await?.remove(&case.0),
        None => None,
    };
    let page = who.page_at(&app, "mails", "/mails");
    Ok(html(StatusCode::OK, MailPage { page, row, same_as, digest: digest.to_string(), shown, files, number }))
}

/// What the form says: what the mail is, and the case that it belongs to by its receipt number.
async fn settled(
    app: &App,
    fields: &Fields,
) -> Result<Result<(MailOutcome, Option<CaseId>), &'static str>, super::Oops> {
    let Some(outcome) = fields.parsed("outcome") else { return Ok(Err("mail-outcome-none")) };
    if outcome != MailOutcome::Case {
        return Ok(Ok((outcome, None)));
    }
    Ok(orders::numbered(app, fields).await?.map(|case| (outcome, Some(case))))
}

/// POST /mails/{mail}/settle
pub async fn settle(State(app): State<App>, Path(mail): Path<MailId>, Signed { who, fields }: Signed) -> Answer {
    let wrong = |word| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next()));
    let (outcome, case) = match settled(&app, &fields).await? {
        Ok(settled) => settled,
        Err(word) => return wrong(word),
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word),
    };
    let reply = app.commands.settle_mail(by, SettleMail { id: mail, outcome, case }).await;
    let again = Some((format!("/mails/{mail}/settle"), fields.clone()));
    Ok(answer::answer(&who, &app, next(), reply, again))
}

/// POST /mails/{mail}/files/{number}/destroy
pub async fn destroy(
    State(app): State<App>,
    Path((mail, number)): Path<(MailId, u32)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let wrong = |word| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next()));
    // It cannot be taken back, so it needs a second sign.
    if fields.get("sure") != Some("yes") {
        return wrong("destroy-not-sure");
    }
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word),
    };
    let reply = app.commands.destroy_mail_file(by, DestroyMailFile { id: mail, number }).await;
    let again = Some((format!("/mails/{mail}/files/{number}/destroy"), fields.clone()));
    Ok(answer::answer(&who, &app, next(), reply, again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mail_is_lines_text_doubts_and_names() {
        let known = json!({"envelope": {"from": "<a@example.jp>"}, "mail": {
            "from": [{"name": "標識", "address": "a@example.jp"}, {"name": "", "address": "b@example.jp"}], "to": [], "subject": "s",
            "text": "t", "doubts": ["cut"], "attachments": [{"name": "x.pdf"}, {"name": ""}], "authentication_results": ["mx; spf=pass"]}});
        let shown = Shown::of(&known);
        let lines =
            [("from", "標識 <a@example.jp>, b@example.jp"), ("subject", "s"), ("envelope-from", "<a@example.jp>")];
        assert_eq!(shown.lines, lines.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(
            (&*shown.text, &shown.doubts[..], &shown.names[..]),
            ("t", &["cut".to_owned()][..], &["x.pdf".to_owned(), String::new()][..])
        );
        assert_eq!(Shown::of(&json!({"envelope": {}})), Shown::default(), "what could not be read is shown as nothing");
    }
}
