//! One mail: composed from a notice and an address. Pure: the same notice gives the same bytes, also on a second try.
//!
//! Headers: `From`, `To`, `Subject` (RFC 2047), `Date` (when the notice was made), `Message-ID` (from the notice's id, so
//! that a repeat is recognised), `Auto-Submitted: auto-generated` (RFC 3834: no vacation replies, no loops). Plain text in
//! UTF-8. An address with a line end or another control character in it is refused: it would make headers of its own.

use crate::{
    message::Notice,
    texts::{body, subject},
};
use contracts::{Code, NoticeId, Timestamp};
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, SinglePart,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
};
use privacy_seal::{Personal, Purpose};
use std::time::SystemTime;

/// The longest address (RFC 5321 4.5.3.1.3: a path has 256 characters with its brackets).
const ADDRESS_MAX: usize = 254;

/// A mail as it goes out.
pub struct Mail {
    /// Who it is from and to, for SMTP.
    pub envelope: Envelope,
    /// RFC 5322, with CRLF.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[mail, {} bytes]", self.bytes.len())
    }
}

/// Why there is no mail. Never quotes the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMail {
    /// Not an address.
    Address,
    /// The library refused a header.
    Headers,
}

impl From<NoMail> for Code {
    fn from(why: NoMail) -> Self {
        match why {
            NoMail::Address => Self::of("not-a-mail-address"),
            NoMail::Headers => Self::of("mail-not-composed"),
        }
    }
}

#[derive(Clone)]
struct AutoSubmitted(&'static str);

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self("auto-generated"))
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.into())
    }
}

/// Reads an address that a person gave.
///
/// Old addresses of Japanese carriers have dots where RFC 5321 has none (`taro..x.@docomo.ne.jp`); such a local part is
/// sent quoted, which the carriers take.
///
/// # Errors
/// [`NoMail::Address`].
pub fn address(text: &Personal<String>) -> Result<Personal<Address>, NoMail> {
    text.try_map(|text| {
        let text = text.trim_matches([' ', '\u{3000}']);
        if text.len() > ADDRESS_MAX || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(NoMail::Address);
        }
        if let Ok(address) = text.parse::<Address>() {
            return Ok(address);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(NoMail::Address)?;
        let dots_only = !local.is_empty()
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
        if !dots_only {
            return Err(NoMail::Address);
        }
        Address::new(format!("\"{local}\""), domain).map_err(|_| NoMail::Address)
    })
}

/// Writes the mail.
///
/// # Errors
/// [`NoMail`].
pub fn compose(
    id: NoticeId,
    notice: &Notice,
    from: &Mailbox,
    status_url: &str,
    to: &Personal<String>,
) -> Result<Mail, NoMail> {
    let words = body(notice.text, notice.language, &notice.receipt_number, status_url);
    write(&Letter { id, subject: subject(notice.language), words, since: notice.since, answers: false }, from, to)
}

/// What a mail says.
pub struct Letter<'a> {
    /// Makes the Message-ID.
    pub id: NoticeId,
    /// The subject.
    pub subject: &'a str,
    /// The body.
    pub words: String,
    /// Its date.
    pub since: Timestamp,
    /// It answers a mail by itself: nobody may answer it by himself in turn, and no bounce of it comes back (RFC 3834, 3.3).
    pub answers: bool,
}

/// Writes one mail. The same letter gives the same bytes.
///
/// # Errors
/// [`NoMail`].
pub fn write(letter: &Letter<'_>, from: &Mailbox, to: &Personal<String>) -> Result<Mail, NoMail> {
    let to = address(to)?;
    let to = to.disclose(Purpose::NotifyPerson);
    // Said here and not read back from the headers: the library cannot read a quoted local part that it wrote.
    let sender = (!letter.answers).then(|| from.email.clone());
    let envelope = Envelope::new(sender, vec![to.clone()]).map_err(|_| NoMail::Headers)?;
    let message = Message::builder()
        .envelope(envelope)
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(letter.subject)
        .date(SystemTime::from(letter.since))
        .message_id(Some(format!("<{}@{}>", letter.id, from.email.domain())))
        .header(AutoSubmitted(if letter.answers { "auto-replied" } else { "auto-generated" }))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(letter.words.clone()))
        .map_err(|_| NoMail::Headers)?;
    Ok(Mail { envelope: message.envelope().clone(), bytes: message.formatted() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Plan, Text};
    use contracts::{CaseId, Language, MessageId, ReceiptNumber, Uuid};
    use proptest::prelude::*;

    fn notice(text: Text, language: Language) -> Notice {
        Notice {
            case: CaseId(Uuid::from_u128(2)),
            fact: MessageId(Uuid::from_u128(3)),
            text,
            language,
            receipt_number: ReceiptNumber::from_random([9; 16]),
            since: Timestamp::from_second(1_780_000_000).unwrap(),
            plan: Plan { attempts_max: 3, lease_s: 60, backoff_s: 30, backoff_cap_s: 300, give_up_s: 3600 },
        }
    }
    fn from() -> Mailbox {
        "窓口 <desk@example.jp>".parse().unwrap()
    }
    fn written(notice: &Notice, to: &str) -> Result<Mail, NoMail> {
        compose(
            NoticeId(Uuid::from_u128(1)),
            notice,
            &from(),
            "https://desk.example/status",
            &Personal::new(to.to_owned()),
        )
    }
    fn header<'m>(mail: &'m str, name: &str) -> Vec<&'m str> {
        let head = mail.split_once("\r\n\r\n").unwrap().0;
        head.split("\r\n")
            .filter_map(|l| l.split_once(": "))
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
            .collect()
    }

    #[test]
    fn a_mail_has_the_headers_and_is_the_same_each_time() {
        let notice = notice(Text::Ended, Language::En);
        let mail = written(&notice, "taro@example.com").unwrap();
        let text = String::from_utf8(mail.bytes.clone()).unwrap();
        assert_eq!(header(&text, "Auto-Submitted"), ["auto-generated"]);
        assert_eq!(header(&text, "Message-ID"), ["<00000000-0000-0000-0000-000000000001@example.jp>"]);
        assert_eq!(header(&text, "Date"), ["Thu, 28 May 2026 20:26:40 +0000"]);
        assert_eq!(header(&text, "To"), ["taro@example.com"]);
        assert_eq!(header(&text, "Subject"), ["A message from the counter"]);
        assert_eq!(header(&text, "Content-Type"), ["text/plain; charset=utf-8"]);
        assert_eq!(header(&text, "MIME-Version"), ["1.0"]);
        assert_eq!(written(&notice, "taro@example.com").unwrap().bytes, mail.bytes);
        assert_eq!(format!("{mail:?}"), format!("[mail, {} bytes]", mail.bytes.len()));
    }

    /// English goes out as it is written, so that the receipt number and the link stand in one piece whatever reads it.
    #[test]
    fn english_needs_no_encoding() {
        for text in Text::ALL {
            let notice = notice(*text, Language::En);
            let whole = String::from_utf8(written(&notice, "taro@example.com").unwrap().bytes).unwrap();
            assert_eq!(header(&whole, "Content-Transfer-Encoding"), ["7bit"], "{whole}");
            assert!(whole.contains(&notice.receipt_number.to_string()));
        }
    }

    /// RFC 5321 4.5.3.1.6: a line has 998 characters at most; and no bare line feed.
    #[test]
    fn every_text_is_ascii_on_the_wire_in_short_lines() {
        for language in [Language::Ja, Language::En] {
            for text in Text::ALL {
                let bytes = written(&notice(*text, language), "taro@example.com").unwrap().bytes;
                assert!(bytes.is_ascii());
                let whole = String::from_utf8(bytes).unwrap();
                assert!(
                    whole.split("\r\n").all(|line| line.len() <= 998 && !line.contains('\n') && !line.contains('\r'))
                );
            }
        }
    }

    #[test]
    fn an_address_that_would_add_a_header_is_refused() {
        for evil in [
            "a@example.com\r\nBcc: all@example.com",
            "a@example.com\nX: y",
            "a@example.com\u{0}",
            "a@example.com, b@example.com",
            "A <a@example.com>",
            "a b@example.com",
            "\"a\r\nBcc: b@example.com\"@example.com",
            "",
            "a@",
            "@example.com",
            "no-at-sign",
        ] {
            assert_eq!(
                written(&notice(Text::Received, Language::Ja), evil).map(|_| ()),
                Err(NoMail::Address),
                "{evil:?}"
            );
        }
        let long = format!("{}@example.com", "a".repeat(300));
        assert!(written(&notice(Text::Received, Language::Ja), &long).is_err());
    }

    #[test]
    fn an_old_carrier_address_is_quoted() {
        let mail = written(&notice(Text::Received, Language::Ja), "taro..yamada.@docomo.ne.jp").unwrap();
        assert_eq!(mail.envelope.to()[0].to_string(), "\"taro..yamada.\"@docomo.ne.jp");
        let text = String::from_utf8(mail.bytes).unwrap();
        assert_eq!(header(&text, "To"), ["\"taro..yamada.\"@docomo.ne.jp"]);
    }

    proptest! {
        /// Whatever stands in the field: no mail, or a mail with one recipient and no header that we did not write.
        #[test]
        fn no_text_makes_a_header(to in "[a-z\\r\\n\\t :@<>\",;\\.]{0,40}(@example\\.com)?") {
            if let Ok(mail) = written(&notice(Text::Received, Language::En), &to) {
                prop_assert_eq!(mail.envelope.to().len(), 1);
                let text = String::from_utf8(mail.bytes).unwrap();
                let head = text.split_once("\r\n\r\n").unwrap().0;
                let names: Vec<&str> = head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])).filter_map(|l| l.split_once(':')).map(|(n, _)| n).collect();
                let known = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"];
                for name in &names {
                    prop_assert!(known.contains(name), "{}", name);
                }
                prop_assert_eq!(names.len(), known.len());
            }
        }
    }
}
