//! 受信のお知らせ: tells the sender of a mail that it arrived, and nothing of what it says.
//!
//! Whether and how often is intake's business (one for each sender and hour); it asks, and asks again until the answer is yes or
//! never. Nothing is kept here: the same id gives the same bytes and the same Message-ID.

use crate::{
    alert::word,
    mail::{Letter, write},
    transport::{Answer, Transport},
};
use contracts::{Code, Timestamp, alert::AlertReply, correspondence::AcknowledgeMail};
use jiff::tz::TimeZone;
use lettre::message::Mailbox;
use privacy::{Personal, ServiceKey};
use serde::Deserialize;
use std::sync::{Arc, LazyLock};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    subject: String,
    body: String,
}

fn texts() -> &'static Texts {
    // The file is in the program and read by a test: this cannot fail at run time.
    static TEXT: LazyLock<Texts> = LazyLock::new(|| {
        toml::from_str(include_str!("texts/acknowledgement.toml"))
            .unwrap_or_else(|e| panic!("the acknowledgement: {e}"))
    });
    &TEXT
}

/// The body, filled in. Pure.
pub fn body(at: Timestamp, link: &str) -> String {
    let zone = TimeZone::get("Asia/Tokyo").unwrap_or(TimeZone::UTC);
    let at = at.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string();
    texts().body.trim_start().replace("{at}", &at).replace("{link}", link)
}

/// Sends them.
pub struct Acknowledgements {
    /// What mailboxes are sealed to.
    pub key: ServiceKey,
    /// How mails leave.
    pub transport: Arc<Transport>,
    /// From whom.
    pub from: Mailbox,
    /// Where a request can be filed.
    pub link: String,
}

impl Acknowledgements {
    /// One mail, now.
    pub async fn send(&self, asked: AcknowledgeMail) -> AlertReply {
        let opened = self.key.open(asked.id.0.as_bytes(), &asked.to.0).ok().and_then(|opened| opened.text().ok());
        let answer = match opened {
            Some(to) => self.to(&asked, &to).await,
            None => Answer::Never(Code::of("sender-unreadable")),
        };
        let reply = AlertReply::from(answer);
        chassis::telemetry::count("madoguchi.acknowledgements", word(&reply));
        reply
    }

    async fn to(&self, asked: &AcknowledgeMail, to: &Personal<String>) -> Answer {
        let words = body(asked.at, &self.link);
        let letter = Letter { id: asked.id, subject: &texts().subject, words, since: asked.at, answers: true };
        match write(&letter, &self.from, to) {
            Ok(mail) => self.transport.send(asked.id, mail).await,
            Err(why) => Answer::Never(why.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{NoticeId, Uuid};

    #[test]
    fn it_says_when_in_short_lines_and_asks_for_no_answer_by_a_machine() {
        let text = body("2026-06-01T15:04:05Z".parse().unwrap(), "https://desk.example/");
        assert!(
            text.contains("2026-06-02 00:04") && text.contains("https://desk.example/") && !text.contains('{'),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
        let letter = Letter {
            id: NoticeId(Uuid::from_u128(1)),
            subject: &texts().subject,
            words: text,
            since: Timestamp::UNIX_EPOCH,
            answers: true,
        };
        let mail =
            write(&letter, &"desk@desk.example".parse().unwrap(), &Personal::new("a@example.jp".into())).unwrap();
        assert!(mail.envelope.from().is_none(), "no bounce of it comes back");
        assert!(String::from_utf8_lossy(&mail.bytes).contains("Auto-Submitted: auto-replied\r\n"));
    }
}
