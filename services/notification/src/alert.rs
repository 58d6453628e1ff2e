//! 督促: mails to a recipient's contact and to the operator's officer about instructions that are due or past due.
//!
//! Whether and when is opt-out propagation's business; it asks (`req.notification.alert`), and asks again until the answer is
//! yes. Nothing is kept here: the same id gives the same bytes and the same Message-ID.

use crate::{
    mail::{Letter, NoMail, write},
    transport::{Answer, Transport},
};
use contracts::{
    AlertKind, Code,
    alert::{AlertReply, AlertTo, SendAlert},
};
use lettre::message::Mailbox;
use privacy::{Personal, ServiceKey};
use serde::Deserialize;
use std::sync::{Arc, LazyLock};

const TEXTS: &str = include_str!("texts/alert.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    reminder: String,
    escalation: String,
    test: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    subject: Words,
    body: Words,
}

fn texts() -> &'static Texts {
    // The file is in the program and read by a test: this cannot fail at run time.
    static TEXT: LazyLock<Texts> =
        LazyLock::new(|| toml::from_str(TEXTS).unwrap_or_else(|e| panic!("the texts of the alerts: {e}")));
    &TEXT
}

impl Words {
    fn of(&self, kind: AlertKind) -> &str {
        match kind {
            AlertKind::Reminder => &self.reminder,
            AlertKind::Escalation => &self.escalation,
            AlertKind::Test => &self.test,
        }
    }
}

/// The body, filled in. Pure.
pub fn body(alert: &SendAlert, link: &str) -> String {
    let ids: Vec<String> = alert.oldest.iter().take(20).map(|id| format!("- {id}")).collect();
    let due = alert.past_due;
    let mut text = texts().body.of(alert.kind).replace("{ids}", &ids.join("\n"));
    for (place, number) in [
        ("{soon}", alert.soon),
        ("{all}", due.sum()),
        ("{unreceived}", due.unreceived),
        ("{unreported}", due.unreported),
        ("{unconfirmed}", due.unconfirmed),
    ] {
        text = text.replace(place, &number.to_string());
    }
    text.replace("{label}", alert.label.as_str()).replace("{link}", link)
}

impl From<Answer> for AlertReply {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Taken => Self::Sent,
            Answer::NotNow(reason) => Self::NotNow { reason },
            Answer::Never(reason) => Self::Never { reason },
        }
    }
}

/// What is counted.
pub(crate) const fn word(reply: &AlertReply) -> &'static str {
    match reply {
        AlertReply::Sent => "sent",
        AlertReply::NotNow { .. } => "not-now",
        AlertReply::Never { .. } => "never",
    }
}

/// Sends them.
pub struct Alerts {
    /// What contacts are sealed to.
    pub key: ServiceKey,
    /// How mails leave.
    pub transport: Arc<Transport>,
    /// From whom.
    pub from: Mailbox,
    /// The officer's mailbox; empty: there is none.
    pub officer: String,
    /// Where a recipient looks.
    pub partner_url: String,
    /// Where the officer looks.
    pub console_url: String,
}

impl Alerts {
    /// One mail, now.
    pub async fn send(&self, alert: SendAlert) -> AlertReply {
        let (to, link) = match self.to(&alert) {
            Ok(found) => found,
            Err(reason) => return AlertReply::Never { reason },
        };
        let words = body(&alert, link);
        let letter =
            Letter { id: alert.id, subject: texts().subject.of(alert.kind), words, since: alert.at, answers: false };
        let answer = match write(&letter, &self.from, &to) {
            Ok(mail) => self.transport.send(alert.id, mail).await,
            Err(why @ (NoMail::Address | NoMail::Headers)) => Answer::Never(why.into()),
        };
        let reply = AlertReply::from(answer);
        chassis::telemetry::count("madoguchi.alerts", word(&reply));
        reply
    }

    fn to(&self, alert: &SendAlert) -> Result<(Personal<String>, &str), Code> {
        match &alert.to {
            AlertTo::Officer if self.officer.is_empty() => Err(Code::of("no-officer-configured")),
            AlertTo::Officer => Ok((Personal::new(self.officer.clone()), &self.console_url)),
            AlertTo::Contact { at } => {
                let opened = self.key.open(alert.id.0.as_bytes(), &at.0).ok().and_then(|o| o.text().ok());
                Ok((opened.ok_or(Code::of("contact-unreadable"))?, &self.partner_url))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{InstructionId, NoticeId, Timestamp, Uuid, books::PastDue};

    #[test]
    fn an_alert_says_numbers_ids_and_link_in_short_lines() {
        let alert = SendAlert {
            id: NoticeId(Uuid::from_u128(1)),
            to: AlertTo::Officer,
            kind: AlertKind::Escalation,
            label: Code::of("b"),
            soon: 9,
            past_due: PastDue { unreceived: 1, unreported: 2, unconfirmed: 1 },
            oldest: vec![InstructionId(Uuid::from_u128(7))],
            at: Timestamp::UNIX_EPOCH,
        };
        for kind in [AlertKind::Reminder, AlertKind::Escalation] {
            let text = body(&SendAlert { kind, ..alert.clone() }, "https://desk.example/");
            assert!(!text.contains('{') && text.contains("https://desk.example/"), "{text}");
            assert!(text.contains("00000000-0000-0000-0000-000000000007"));
            assert!(text.lines().all(|line| line.chars().count() <= 72));
            assert!(!texts().subject.of(kind).chars().any(char::is_control));
        }
        let test = body(&SendAlert { kind: AlertKind::Test, ..alert.clone() }, "https://desk.example/");
        assert!(!test.contains('{') && test.contains("https://desk.example/") && test.starts_with("b\n"), "{test}");
        assert!(test.lines().all(|line| line.chars().count() <= 72));
        let text = body(&alert, "https://desk.example/");
        assert!(text.contains("4 instructions are past due: 1 without a receipt"), "{text}");
    }
}
