//! 不達: reports that a mail of ours did not arrive. RFC 3464 first; then what servers that know no RFC write. Pure.
//!
//! A carrier that filters (受信設定) is no dead address: such a bounce is not hard, and the person is told by post how to let us in.

use crate::{file::FileKind, view::Mail};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most recipients of one report.
pub const RECIPIENTS_MAX: usize = 50;

/// Why a mail did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Nobody has this address: the only one that is hard.
    Unknown,
    /// The receiver does not want it: carrier filters, blocks, policies.
    Refused,
    /// The mailbox is full, or its owner is away from it.
    Full,
    /// Tried for long, or still trying.
    Expired,
    /// Something else.
    Other,
}

/// What became of one recipient.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounce {
    /// The address; empty = the report does not say.
    pub recipient: String,
    /// The enhanced status (RFC 3463); empty = none.
    pub status: String,
    /// The reply code of SMTP; empty = none.
    pub reply_code: String,
    /// Why.
    pub why: Why,
    /// The address is of no use any more.
    pub is_hard: bool,
}

impl fmt::Debug for Bounce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounce({} {} {:?})", self.status, self.reply_code, self.why)
    }
}

/// The bounces that a mail reports; none = it is no bounce.
pub fn find(mail: &Mail) -> Vec<Bounce> {
    let is_report = mail.marks.content_type == "multipart/report" && mail.marks.delivery_status.is_empty();
    // Some servers forget to begin a part for it.
    let report = if is_report { &mail.text } else { &mail.marks.delivery_status };
    let formal = by_status(report, own_words(mail));
    if !formal.is_empty() {
        return formal;
    }
    if is_from_a_server(mail) { by_text(mail).into_iter().collect() } else { vec![] }
}

/// RFC 3464: fields in groups, one group for each recipient.
fn by_status(report: &str, text: &str) -> Vec<Bounce> {
    let report = report.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let groups = report.split("\n\n").filter_map(|group| {
        let field = |name: &str| {
            group.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let last =
            |value: String| value.rsplit(';').next().unwrap_or_default().trim_matches(['<', '>', ' ']).to_owned();
        let action = field("Action")?.to_ascii_lowercase();
        if !matches!(&*action, "failed" | "delayed" | "delayed, will retry") {
            return None;
        }
        let diagnostic = field("Diagnostic-Code").unwrap_or_default();
        let (words, around) = if diagnostic.is_empty() { (text, "") } else { (&*diagnostic, text) };
        let status =
            field("Status").map_or(String::new(), |s| s.split_whitespace().next().unwrap_or_default().to_owned());
        let recipient = field("Final-Recipient").or_else(|| field("Original-Recipient")).map_or(String::new(), last);
        Some(bounce(recipient, &status, words, around))
    });
    groups.take(RECIPIENTS_MAX).collect()
}

/// What the reporting server writes itself; what the returned mail says is no reason.
fn own_words(mail: &Mail) -> &str {
    mail.text.split("\n----------\n").next().unwrap_or_default()
}

fn is_from_a_server(mail: &Mail) -> bool {
    if !mail.marks.failed_recipients.is_empty() {
        return true;
    }
    let sender = mail.from.first().map_or(String::new(), |m| format!("{} {}", m.name, m.address).to_ascii_lowercase());
    let is_server = SERVERS.iter().any(|name| sender.contains(name));
    let returns_a_mail = mail.attachments.iter().any(|file| file.kind == FileKind::Mail);
    let is_machine = is_server || sender.contains("no-reply") || mail.marks.return_path.as_deref() == Some("");
    let subject = mail.subject.to_lowercase();
    let says_so = SUBJECTS.iter().any(|word| subject.contains(word));
    (is_server && says_so)
        || (is_machine && returns_a_mail && (says_so || why("", &own_words(mail).to_lowercase()) != Why::Other))
}

fn by_text(mail: &Mail) -> Option<Bounce> {
    let recipient = if mail.marks.failed_recipients.is_empty() {
        let looks_like_one = |word: &&str| word.contains('@') && !word.contains("://");
        let word = mail.text.split_whitespace().find(looks_like_one);
        word.map_or(String::new(), |word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
    } else {
        mail.marks.failed_recipients.split(',').next().unwrap_or_default().trim().to_owned()
    };
    let words: String = own_words(mail).chars().take(4_000).collect();
    Some(bounce(recipient, &enhanced(&words), &words, ""))
}

/// `words`: what the other server said; `around`: what the reporting server tells beside it.
fn bounce(recipient: String, status: &str, words: &str, around: &str) -> Bounce {
    let reply_code = reply_code(words);
    let status = match enhanced(words) {
        // What the other server said is more exact than the reporting server's summary.
        said if !said.is_empty() && (status.is_empty() || status.ends_with(".0.0")) => said,
        _ => status.to_owned(),
    };
    let (words, around) = (words.to_lowercase(), around.to_lowercase());
    let why = match why(&status, &words) {
        _ if FULL.iter().any(|word| around.contains(word)) => Why::Full,
        // Said when the whole mail was there: the address is known, and a filter of its owner refused (docomo, 受信設定).
        Why::Unknown if is_filter(&recipient, &words) || around.contains("end of data") => Why::Refused,
        // A program behind the server failed.
        Why::Unknown if words.starts_with("x-unix") => Why::Other,
        why => why,
    };
    let recipient = recipient.chars().take(320).collect();
    Bounce { recipient, status, reply_code, why, is_hard: why == Why::Unknown }
}

fn is_filter(recipient: &str, words: &str) -> bool {
    words.contains("end of data") || recipient.contains("docomo.") && words.contains("550 unknown user")
}

/// The first `d.d.d` that is a status of RFC 3463.
fn enhanced(words: &str) -> String {
    let is_status = |word: &&str| {
        let mut parts = word.split('.');
        let digits = |part: Option<&str>, most: usize| {
            part.is_some_and(|p| (1..=most).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
        };
        let class = matches!(parts.next(), Some("4" | "5"));
        class && digits(parts.next(), 3) && digits(parts.next(), 3) && parts.next().is_none()
    };
    let mut all = words.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
    all.find(is_status).unwrap_or_default().to_owned()
}

/// The first reply of SMTP that refuses.
fn reply_code(words: &str) -> String {
    let mut all = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    all.find(|word| {
        word.len() == 3 && matches!(word.as_bytes()[0], b'4' | b'5') && word.bytes().all(|b| b.is_ascii_digit())
    })
    .unwrap_or_default()
    .to_owned()
}

const SERVERS: &[&str] = &["mailer-daemon", "postmaster", "mail delivery"];
const SUBJECTS: &[&str] = &[
    "undeliver",
    "delivery status",
    "delivery fail",
    "failure",
    "returned mail",
    "mail system error",
    "could not be delivered",
    "配信",
    "送信エラー",
    "メールエラー",
    "エラーメール",
];
const FULL: &[&str] = &[
    "mailbox full",
    "mailbox is full",
    "over quota",
    "quota exceed",
    "exceeded storage",
    "mail box full",
    "disk quota",
    "disk space",
    "disk full",
    "out of email storage",
    "user's mailbox",
    "storage allocation",
];
const SUSPENDED: &[&str] =
    &["account is disabled", "account has been disabled", "account is suspended", "mailbox disabled", "利用停止"];
const EXPIRED: &[&str] = &[
    "timed out",
    "time out",
    "retry timeout",
    "could not be delivered for",
    "delivery temporarily suspended",
    "connection refused",
    "host not found",
    "name service error",
    "dns error",
    "domain name not found",
    "no route",
    "expired",
    "unable to connect",
    "delayed",
];
const REFUSED: &[&str] = &[
    "spam",
    "policy",
    "blocked",
    "blacklist",
    "blocklist",
    "black list",
    "denied",
    "refused",
    "rejected",
    "filtered",
    "not accept",
    "reputation",
    "spf",
    "dmarc",
    "too many connections",
    "reject",
    "受信拒否",
    "cannot send mails",
];
const UNKNOWN: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "does not exist",
    "doesn't exist",
    "no mailbox here",
    "recipient unknown",
    "invalid recipient",
    "no such recipient",
    "unknown recipient",
    "unknown local part",
    "not a known user",
    "account is disabled",
    "address not found",
    "宛先不明",
    "recipient address rejected",
];

fn why(status: &str, words: &str) -> Why {
    let says = |list: &[&str]| list.iter().any(|word| words.contains(word));
    if says(FULL) || status.ends_with(".2.2") {
        Why::Full
    } else if status.ends_with(".1.8") || status.ends_with(".1.7") {
        // The sender's address, not the recipient's.
        Why::Refused
    } else if says(SUSPENDED) {
        // For a while, perhaps for a bill: the address lives.
        Why::Refused
    } else if matches!(status, "5.1.1" | "5.1.0" | "4.1.1") && !words.is_empty() && says(UNKNOWN) {
        Why::Unknown
    } else if says(EXPIRED) || status.starts_with("4.4.") {
        Why::Expired
    } else if says(UNKNOWN) && !says(&["spam", "policy", "blocked"]) {
        Why::Unknown
    } else if says(REFUSED) || status.contains(".7.") {
        Why::Refused
    } else if status == "5.1.1" {
        Why::Unknown
    } else {
        Why::Other
    }
}
