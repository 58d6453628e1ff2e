//! What may be written into the book. Pure: the time is an input; no error quotes a value.

use contracts::{Channel, Timestamp, arrival::LogArrival};
use filing::{
    request::{FieldError, max},
    text::{self, BadText},
    tracking::{self, NotANumber},
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A clock of the house may be this much behind that of the staff.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Older than this is a slip of the pen.
const BEHIND: SignedDuration = SignedDuration::from_hours(366 * 24);

/// What somebody wrote or said, as staff wrote it down. Empty = not known.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Particulars {
    /// 差出人, 電話の相手.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// 電話番号.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub telephone: String,
    /// 住所.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// 引受番号.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tracking: String,
    /// 内容.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub words: String,
}

struct Check(Vec<FieldError>);

impl Check {
    fn wrong(&mut self, at: &'static str, code: &'static str) {
        self.0.push(FieldError::new(at, code));
    }

    fn text(&mut self, at: &'static str, value: &str, max: usize, lines: bool) -> String {
        if value.chars().nth(max).is_some() {
            self.0.push(FieldError::with(at, "too-long", max));
            return String::new();
        }
        match text::clean(value, lines) {
            Ok(kept) => return kept,
            Err(BadText::Control) => self.wrong(at, "control-character"),
            Err(BadText::Unreadable) => self.wrong(at, "unreadable-character"),
        }
        String::new()
    }
}

/// What is kept of an arrival, in the one form of each field.
///
/// # Errors
/// All that is wrong.
pub fn check(order: &LogArrival, said: &Particulars, now: Timestamp) -> Result<Particulars, Vec<FieldError>> {
    let mut check = Check(Vec::new());
    let post = order.channel == Channel::Post;
    if !matches!(order.channel, Channel::Post | Channel::Telephone | Channel::Counter) {
        check.0.push(FieldError::with("/channel", "unknown-word", "post, telephone, counter"));
    }
    if order.arrived_at > now + AHEAD {
        check.wrong("/arrived_at", "date-future");
    } else if order.arrived_at < now - BEHIND {
        check.wrong("/arrived_at", "date-too-early");
    }
    if !post && (order.postal_class.is_some() || order.postmarked_on.is_some() || order.cash) {
        check.wrong("/postal_class", "post-only");
    }
    if order.postmarked_on.is_some_and(|day| day > calendar::jst_date(order.arrived_at)) {
        check.wrong("/postmarked_on", "after-arrival");
    }
    let name = check.text("/name", &said.name, max::NAME, false);
    let address = check.text("/address", &said.address, max::ADDRESS, false);
    let words = check.text("/words", &said.words, max::WORDS, true);
    if !post && words.is_empty() && said.words.trim().is_empty() {
        check.wrong("/words", "required");
    }
    let telephone = match said.telephone.trim() {
        "" => String::new(),
        given => text::telephone(given).unwrap_or_else(|| {
            check.wrong("/telephone", "telephone-form");
            String::new()
        }),
    };
    let tracking = match said.tracking.trim() {
        "" => String::new(),
        _ if !post => {
            check.wrong("/tracking", "post-only");
            String::new()
        }
        given => tracking::read(given).unwrap_or_else(|error| {
            check.wrong(
                "/tracking",
                match error {
                    NotANumber::Form => "tracking-form",
                    NotANumber::CheckDigit => "tracking-check-digit",
                },
            );
            String::new()
        }),
    };
    if check.0.is_empty() { Ok(Particulars { name, telephone, address, tracking, words }) } else { Err(check.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{PostalClass, Sealed};

    fn now() -> Timestamp {
        "2026-06-01T03:00:00Z".parse().unwrap()
    }

    fn order(channel: Channel) -> LogArrival {
        LogArrival {
            channel,
            arrived_at: now(),
            postal_class: None,
            postmarked_on: None,
            cash: false,
            particulars: Sealed::default(),
        }
    }

    fn codes(order: &LogArrival, said: &Particulars) -> Vec<String> {
        let errors = check(order, said, now()).err().unwrap_or_default();
        errors.into_iter().map(|e| format!("{} {}", e.pointer, e.code)).collect()
    }

    #[test]
    fn an_envelope_nobody_has_opened_is_written_down_as_it_is() {
        assert!(check(&order(Channel::Post), &Particulars::default(), now()).unwrap() == Particulars::default());
        let mut letter = order(Channel::Post);
        (letter.postal_class, letter.postmarked_on) =
            (Some(PostalClass::Registered), Some("2026-05-30".parse().unwrap()));
        let said = Particulars {
            name: " 山田 標識 ".into(),
            telephone: "０３－００００－０００１".into(),
            tracking: "123-45-67890-3".into(),
            words: "一\r\n二".into(),
            ..Particulars::default()
        };
        let kept = check(&letter, &said, now()).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((&*kept.name, &*kept.tracking, &*kept.words), ("山田 標識", "12345678903", "一\n二"));
        assert_eq!(kept.telephone, "03-0000-0001");
    }

    #[test]
    fn a_call_without_words_is_nothing_and_has_no_postmark() {
        let mut call = order(Channel::Telephone);
        assert_eq!(codes(&call, &Particulars::default()), ["/words required"]);
        call.postal_class = Some(PostalClass::Ordinary);
        let said = Particulars { words: "w".into(), tracking: "12345678903".into(), ..Particulars::default() };
        assert_eq!(codes(&call, &said), ["/postal_class post-only", "/tracking post-only"]);
        assert_eq!(codes(&order(Channel::Web), &said)[0], "/channel unknown-word");
    }

    #[test]
    fn all_slips_are_said_at_once() {
        let mut letter = order(Channel::Post);
        letter.arrived_at = "2026-06-01T03:06:00Z".parse().unwrap();
        letter.postmarked_on = Some("2026-06-02".parse().unwrap());
        let said = Particulars {
            name: "あ".repeat(81),
            telephone: "none".into(),
            address: "a\u{0}".into(),
            tracking: "123-45-67890-4".into(),
            words: "\u{e000}".into(),
        };
        let all = [
            "/arrived_at date-future",
            "/postmarked_on after-arrival",
            "/name too-long",
            "/address control-character",
            "/words unreadable-character",
            "/telephone telephone-form",
            "/tracking tracking-check-digit",
        ];
        assert_eq!(codes(&letter, &said), all);
        letter.arrived_at = "2025-05-01T00:00:00Z".parse().unwrap();
        assert_eq!(codes(&letter, &Particulars::default())[0], "/arrived_at date-too-early");
    }
}
