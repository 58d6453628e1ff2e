//! 代理入力: a request in the person's name, from an arrival or a mail. What is known already stands in the form; intake checks it by the
//! rule of the web, and everything that is wrong is said at once, at its field.

use super::{
    Answer, App, Page, answer, arrivals,
    faults::Faults,
    guard::{Fields, Signed, SignedIn},
    html, mails, orders,
};
use crate::command::CommandError;
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use contracts::{
    ArrivalId, MailId, Standing, Uuid,
    arrival::{FiledFrom, Written},
};
use filing::{
    draft,
    request::{self, AGENTS, NO_RELATION, OTHER_PARENT, RECEIPT, RELATIONS, max},
};
use privacy::{Personal, Purpose};
use serde_json::Value;

/// A choice of words: its field, the key of its label, and the words with their codes.
type Choice = (&'static str, &'static str, Vec<(&'static str, String)>);

#[derive(Template)]
#[template(path = "filing.html")]
struct FilingPage {
    page: Page,
    /// `arrival/<id>` or `mail/<id>`.
    from: String,
    token: Uuid,
    fields: Fields,
    faults: Faults,
}

impl FilingPage {
    fn value(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_default()
    }
    fn is(&self, field: &str, code: &str) -> bool {
        self.value(field) == code
    }
    /// Without these nothing can be taken; the rest depends on them.
    fn is_must(&self, field: &str) -> bool {
        matches!(field, "kind" | "person-name")
    }
    /// Rows of hospitals: all that can be sent.
    fn rows(&self) -> Vec<(usize, [String; 3])> {
        let id = |n: usize| ["name", "period", "patient_number"].map(|part| format!("hospitals-{n}-{part}"));
        (0..max::HOSPITALS).map(|n| (n + 1, id(n))).collect()
    }
    /// Whether something stands in a part of the form, or is wrong there.
    fn is_used(&self, part: &str) -> bool {
        self.fields.0.iter().any(|(name, value)| name.starts_with(part) && !value.trim().is_empty())
            || self.faults.all().iter().any(|(field, _)| field.starts_with(part))
    }
    fn words(&self, codes: &[Standing]) -> Vec<(&'static str, String)> {
        codes.iter().map(|code| (code.as_str(), self.page.word("standing", code.as_str()))).collect()
    }
    /// The choices of what is said about the capacity.
    fn standing(&self) -> Vec<Choice> {
        let mut relations = self.words(RELATIONS);
        relations.push((NO_RELATION, self.page.t("filing.no-relation").to_owned()));
        vec![
            ("standing-other_parent", "filing.other-parent", self.words(OTHER_PARENT)),
            ("standing-agent", "filing.agent", self.words(AGENTS)),
            ("standing-receipt", "filing.receipt", self.words(RECEIPT)),
            ("standing-relation", "filing.relation", relations),
        ]
    }
    /// The label of a field that is wrong, for the summary.
    fn label(&self, field: &str) -> String {
        let (party, rest) = match field.split_once('-') {
            Some((party @ ("person" | "representative"), rest)) => (Some(party), rest),
            _ => (None, field),
        };
        let name = if rest.starts_with("hospitals") { "hospitals" } else { rest.trim_start_matches("standing-") };
        let name = self.page.word("filing-field", name);
        match party {
            Some(party) => format!("{} / {name}", self.page.word("filing-part", party)),
            None => name,
        }
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Fields {
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    Fields(given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// What an arrival says, where the form asks for it. Pure.
fn of_arrival(said: &Value) -> Fields {
    let text = |field: &str| said[field].as_str().unwrap_or_default();
    pairs([
        ("person-name", text("name")),
        ("person-telephone", text("telephone")),
        ("person-address", text("address")),
        ("words", text("words")),
    ])
}

/// The same of a mail: the sender, and as much of its text as fits. Pure.
fn of_mail(known: &Value) -> Fields {
    let mail = &known["mail"];
    let from = &mail["from"][0];
    let words: String = mail["text"].as_str().unwrap_or_default().chars().take(max::WORDS).collect();
    pairs([
        ("person-name", from["name"].as_str().unwrap_or_default()),
        ("person-mail", from["address"].as_str().unwrap_or_default()),
        ("words", words.trim()),
    ])
}

fn form(who: &SignedIn, app: &App, from: String, known: Option<Personal<Fields>>) -> Response {
    let page = who.page_at(app, "arrivals", "/arrivals");
    let fields = known.map(|known| known.disclose(Purpose::ShowToStaff).clone()).unwrap_or_default();
    html(StatusCode::OK, FilingPage { page, from, token: Uuid::now_v7(), fields, faults: Faults::default() })
}

/// POST /arrivals/{arrival}/file: the form, with what is known. The audit row first.
pub async fn from_arrival(State(app): State<App>, Path(id): Path<ArrivalId>, Signed { who, .. }: Signed) -> Answer {
    match arrivals::open(&app, &who, id).await {
        Ok((_, said)) => Ok(form(&who, &app, format!("arrival/{id}"), said.map(|said| said.map(of_arrival)))),
        Err(why) => why.answer(&who, &app, arrivals::next()),
    }
}

/// POST /mails/{mail}/file: the same from a mail.
pub async fn from_mail(State(app): State<App>, Path(id): Path<MailId>, Signed { who, .. }: Signed) -> Answer {
    match mails::open(&app, &who, id).await {
        Ok((_, known)) => Ok(form(&who, &app, format!("mail/{id}"), known.map(|known| known.map(of_mail)))),
        Err(why) => why.answer(&who, &app, mails::next()),
    }
}

fn from(text: &str) -> Option<FiledFrom> {
    let (what, id) = text.split_once('/')?;
    match what {
        "arrival" => Some(FiledFrom::Arrival(id.parse().ok()?)),
        "mail" => Some(FiledFrom::Mail(id.parse().ok()?)),
        _ => None,
    }
}

/// POST /filings
pub async fn file(State(app): State<App>, Signed { who, fields }: Signed) -> Answer {
    let wrong = |word| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, arrivals::next()));
    let Some(origin) = fields.get("from").and_then(from) else { return wrong("filing-from-none") };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word),
    };
    let token = by.token;
    let typed = draft::Fields::new(fields.0.clone());
    let draft = request::Draft { guided: false, ..typed.draft() }.to_json();
    let reply = app.commands.file_request(by, origin, &draft).await;
    Ok(match reply {
        Ok(Written::Wrong { faults }) => {
            let page = who.page_at(&app, "arrivals", "/arrivals");
            let faults = Faults::of(&page, &faults);
            let from = fields.get("from").unwrap_or_default().to_owned();
            html(StatusCode::UNPROCESSABLE_ENTITY, FilingPage { page, from, token, fields, faults })
        }
        other => after(&who, &app, origin, other, fields),
    })
}

fn after(
    who: &SignedIn,
    app: &App,
    origin: FiledFrom,
    reply: Result<Written, CommandError>,
    fields: Fields,
) -> Response {
    let next = match (&reply, origin) {
        (Ok(Written::Done { id }), _) => {
            answer::Next { section: "cases", path: format!("/cases/{id}"), words: "answer.to-case" }
        }
        (_, FiledFrom::Arrival(_)) => arrivals::next(),
        (_, FiledFrom::Mail(_)) => mails::next(),
    };
    let again = Some(("/filings".to_owned(), fields));
    answer::answer(who, app, next, reply.map(|written| arrivals::as_reply(written, "filed")), again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_need_not_be_typed_again() {
        let fields =
            of_arrival(&json!({ "name": "標識", "telephone": "03", "words": "w", "tracking": "1", "why": "x" }));
        assert_eq!(fields.0.len(), 3);
        assert_eq!((fields.get("person-name"), fields.get("words")), (Some("標識"), Some("w")));
        let long = "あ".repeat(3_000);
        let mail = json!({ "mail": { "from": [{ "name": "標識", "address": "a@example.jp" }], "text": long } });
        let fields = of_mail(&mail);
        assert_eq!(fields.get("person-mail"), Some("a@example.jp"));
        assert_eq!(fields.get("words").unwrap().chars().count(), max::WORDS);
        assert!(of_mail(&json!({ "envelope": {} })).0.is_empty(), "a mail that could not be read");
    }

    #[test]
    fn a_form_says_what_it_is_filed_from() {
        let id = Uuid::now_v7();
        assert_eq!(from(&format!("arrival/{id}")), Some(FiledFrom::Arrival(ArrivalId(id))));
        assert_eq!(from(&format!("mail/{id}")), Some(FiledFrom::Mail(MailId(id))));
        for bad in ["", "mail", "mail/", "fax/0190", "arrival/x"] {
            assert_eq!(from(bad), None, "{bad}");
        }
    }
}
