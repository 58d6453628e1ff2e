//! 通知先: who must be told of a stop, and putting one on the list.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Fields, Signed, SignedIn},
    html,
};
use crate::{
    command::{CommandError, NewRecipient},
    page::{
        contract_form, orders, recipient,
        tasks::{self, Alarm},
    },
};
use askama::Template;
use axum::{extract::State, http::StatusCode};
use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{
    RecipientId, RecipientKind, Scope, Transport, Uuid,
    register::TaskRow,
    request::{NatsKey, RecipientRow},
};
use privacy_seal::PublicKey;

#[derive(Template)]
#[template(path = "recipients.html")]
struct RecipientsPage {
    page: Page,
    token: Uuid,
    /// None: opt-out propagation does not answer.
    rows: Option<Vec<RecipientRow>>,
    tasks: Vec<TaskRow>,
    away: String,
}

impl RecipientsPage {
    fn kinds(&self) -> &'static [RecipientKind] {
        RecipientKind::ALL
    }
    fn transports(&self) -> &'static [Transport] {
        Transport::ALL
    }
    fn scopes(&self) -> &'static [Scope] {
        Scope::ALL
    }
    /// A new recipient has none in force.
    fn shown(&self) -> contract_form::Shown<'_> {
        contract_form::Shown::of(None)
    }
    /// One per form.
    fn new_token(&self) -> Uuid {
        Uuid::now_v7()
    }
    /// `B has 4 past due`: the alarm.
    fn alarms(&self) -> Vec<Alarm> {
        tasks::alarms(self.rows.as_deref().unwrap_or_default(), &self.page)
    }
}

/// GET /recipients
pub async fn page(State(app): State<App>, who: SignedIn) -> Answer {
    let rows = app.commands.recipients().await.ok().map(|list| list.recipients);
    let tasks = app.commands.tasks().await.map(|list| list.tasks).unwrap_or_default();
    let page = who.page(&app, "recipients");
    let away = page.t("answer.away-read").replace("{service}", &page.word("service", "optout"));
    Ok(html(StatusCode::OK, RecipientsPage { page, token: Uuid::now_v7(), rows, tasks, away }))
}

/// Reads the form; the error is the key of its sentence. Pure.
fn read(fields: &Fields, token: Uuid) -> Result<NewRecipient, &'static str> {
    let transport = fields.parsed::<Transport>("transport").ok_or("transport-none")?;
    let url = fields.get("url").map(str::to_owned);
    let nats_user = match fields.get("nats_user") {
        None => None,
        Some(text) => Some(NatsKey::new(text).filter(|_| text.starts_with('U')).ok_or("nats-user-form")?),
    };
    match transport {
        Transport::Webhook
            if !url.as_deref().is_some_and(|u| u.starts_with("https://") || u.starts_with("http://")) =>
        {
            return Err("url-form");
        }
        Transport::Nats if nats_user.is_none() => return Err("nats-user-form"),
        _ => {}
    }
    let bytes = |name, word| STANDARD.decode(fields.get(name).ok_or(word)?).map_err(|_| word);
    let sealing_key: [u8; 32] = bytes("sealing_key", "sealing-key-form")?.try_into().map_err(|_| "sealing-key-form")?;
    // Ed25519, or P-256 compressed or not; whether it is a point is seen where it is registered.
    let report_key = bytes("report_key", "report-key-form")?;
    if ![32, 33, 65].contains(&report_key.len()) {
        return Err("report-key-form");
    }
    PublicKey::from_bytes(&sealing_key).map_err(|_| "sealing-key-form")?;
    Ok(NewRecipient {
        // From the form's token: the form sent twice is one recipient.
        recipient: RecipientId::derived(token, "recipient"),
        label: fields.parsed("label").ok_or("label-form")?,
        kind: fields.parsed("kind").ok_or("recipient-kind-none")?,
        transport,
        url: url.filter(|_| transport == Transport::Webhook),
        nats_user: nats_user.filter(|_| transport == Transport::Nats),
        // The steward derives it.
        nats_account: None,
        report_key,
        sealing_key,
        organisation: fields.get("organisation").map(str::to_owned),
        certification: recipient::certification(fields)?,
        contract: contract_form::read(fields)?,
    })
}

/// POST /recipients
pub async fn register(State(app): State<App>, Signed { who, fields }: Signed) -> Answer {
    let next = Next { section: "recipients", path: "/recipients".into(), words: "answer.to-recipients" };
    let wrong = |word, next| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next));
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word, next),
    };
    let mut new = match read(&fields, by.token) {
        Ok(new) => new,
        Err(word) => return wrong(word, next),
    };
    let again = Some(("/recipients".to_owned(), fields.clone()));
    let mut jwt = None;
    if let Some(user) = &new.nats_user {
        let admitted = app.commands.admit(new.recipient, user).await.and_then(|a| {
            new.nats_account = Some(NatsKey::new(&a.account).ok_or(CommandError::Steward)?);
            Ok(a.user_jwt)
        });
        match admitted {
            Ok(text) => jwt = Some(("recipients.jwt", text)),
            Err(error) => return Ok(answer::failed(&who, &app, next, &error, again)),
        }
    }
    let reply = app.commands.register_recipient(by, new).await;
    Ok(answer::answer_with(&who, &app, next, reply, again, jwt))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(change: &[(&str, &str)]) -> Fields {
        let key = STANDARD.encode([9; 32]);
        let good = [
            ("transport", "webhook"),
            ("url", "https://contractor.example/hook"),
            ("label", "example-centre"),
            ("kind", "contractor"),
            ("report_key", key.as_str()),
            ("sealing_key", key.as_str()),
        ];
        let rest = good.iter().filter(|(n, _)| change.iter().all(|(c, _)| c != n));
        Fields::of(&rest.chain(change).copied().collect::<Vec<_>>())
    }

    #[test]
    fn a_recipient_is_complete_or_its_first_fault_is_named() {
        let token = Uuid::now_v7();
        let good = read(&form(&[]), token).unwrap();
        assert_eq!(good.recipient, read(&form(&[]), token).unwrap().recipient, "the same form is the same recipient");
        assert_eq!(good.url.as_deref(), Some("https://contractor.example/hook"));
        let user = format!("U{}", "A".repeat(55));
        let nats = read(&form(&[("transport", "nats"), ("nats_user", &user)]), token).unwrap();
        assert!(nats.url.is_none() && nats.nats_user.is_some());
        let zero = STANDARD.encode([0; 32]);
        for (change, fault) in [
            (("transport", "post"), "transport-none"),
            (("url", "ftp://x"), "url-form"),
            (("label", "Example Centre"), "label-form"),
            (("kind", "friend"), "recipient-kind-none"),
            (("report_key", "AAAA"), "report-key-form"),
            (("sealing_key", zero.as_str()), "sealing-key-form"),
            (("nats_user", "A2"), "nats-user-form"),
        ] {
            assert_eq!(read(&form(&[change]), token).err(), Some(fault), "{change:?}");
        }
        assert_eq!(read(&form(&[("transport", "nats")]), token).err(), Some("nats-user-form"));
    }
}
