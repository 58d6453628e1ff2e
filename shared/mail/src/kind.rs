//! 振り分け: what a mail is, before anybody answers it. Pure. Only a letter may become a case or get an answer (RFC 3834): two desks
//! that write to each other stop after one mail.

use crate::{
    bounce::{self, Bounce},
    view::Mail,
};
use serde::{Deserialize, Serialize};

/// How our own mails are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// The part behind `@` of our addresses and of our `Message-ID`s.
    pub domain: String,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "arrival", rename_all = "kebab-case")]
pub enum Arrival {
    /// Somebody wrote.
    Letter {
        /// Whether it may get an answer by itself, and if not, why not.
        silence: Option<Silence>,
    },
    /// A mail of ours did not arrive, or will be late.
    Bounce {
        /// What the report says, for each recipient.
        bounces: Vec<Bounce>,
    },
    /// A machine wrote: an absence, a receipt.
    Automatic {
        /// Why it is taken for one.
        reason: Silence,
    },
    /// A complaint about our mail, as providers send them (RFC 5965), or their statistics (RFC 7489).
    Feedback,
    /// Our own mail came back to us.
    Loop,
}

impl Arrival {
    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Letter { .. } => "letter",
            Self::Bounce { .. } => "bounce",
            Self::Automatic { .. } => "automatic",
            Self::Feedback => "feedback",
            Self::Loop => "loop",
        }
    }
}

/// Why nothing is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// `Auto-Submitted` is not `no`.
    AutoSubmitted,
    /// `Return-Path: <>`.
    NullSender,
    /// `Precedence: bulk`, `list`, `junk`.
    Precedence,
    /// It asks for none (`X-Auto-Response-Suppress`).
    Suppressed,
    /// A mailing list.
    List,
    /// `mailer-daemon`, `noreply`, ….
    Machine,
    /// Its subject begins as those of absences do.
    Absence,
    /// There is no address to answer to.
    NoSender,
}

impl Silence {
    /// The word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AutoSubmitted => "auto-submitted",
            Self::NullSender => "null-sender",
            Self::Precedence => "precedence",
            Self::Suppressed => "suppressed",
            Self::List => "list",
            Self::Machine => "machine",
            Self::Absence => "absence",
            Self::NoSender => "no-sender",
        }
    }
}

/// Local parts behind which nobody reads.
const MACHINES: &[&str] =
    &["mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "bounce", "bounces"];

/// How the subjects of automatic answers begin that say so nowhere else.
const ABSENCES: &[&str] = &[
    "auto reply",
    "auto-reply",
    "autoreply",
    "automatic reply",
    "auto:",
    "out of office",
    "自動応答",
    "自動返信",
    "不在通知",
];

/// What a mail is.
pub fn classify(mail: &Mail, ours: &Ours) -> Arrival {
    if mail.marks.content_type == "multipart/report" && mail.marks.report_type == "feedback-report" {
        return Arrival::Feedback;
    }
    let bounces = bounce::find(mail);
    if !bounces.is_empty() {
        return Arrival::Bounce { bounces };
    }
    if is_own(mail, ours) {
        return Arrival::Loop;
    }
    match silence(mail) {
        // A person may write from a list's address or with a null sender's server; a machine that says so does not.
        Some(reason @ (Silence::AutoSubmitted | Silence::NullSender | Silence::Machine | Silence::Absence)) => {
            Arrival::Automatic { reason }
        }
        silence => Arrival::Letter { silence },
    }
}

fn is_own(mail: &Mail, ours: &Ours) -> bool {
    let is_ours = |domain: &str| !ours.domain.is_empty() && domain.eq_ignore_ascii_case(&ours.domain);
    mail.marks.loops.iter().any(|mark| is_ours(mark.rsplit('@').next().unwrap_or_default().trim()))
        || mail.message_id.rsplit_once('@').is_some_and(|(_, domain)| is_ours(domain))
}

fn silence(mail: &Mail) -> Option<Silence> {
    let marks = &mail.marks;
    let sender = mail.from.first().map(|m| m.address.to_ascii_lowercase());
    if !marks.auto_submitted.is_empty() && !marks.auto_submitted.starts_with("no") {
        return Some(Silence::AutoSubmitted);
    }
    let subject = mail.subject.to_lowercase();
    if ABSENCES.iter().any(|word| subject.starts_with(word)) {
        return Some(Silence::Absence);
    }
    if marks.return_path.as_deref() == Some("") {
        return Some(Silence::NullSender);
    }
    let Some(sender) = sender else { return Some(Silence::NoSender) };
    let local = sender.split('@').next().unwrap_or_default();
    if MACHINES.iter().any(|machine| local == *machine || local.starts_with(&format!("{machine}+"))) {
        return Some(Silence::Machine);
    }
    if matches!(&*marks.precedence, "bulk" | "list" | "junk" | "auto_reply") {
        return Some(if marks.precedence == "auto_reply" { Silence::AutoSubmitted } else { Silence::Precedence });
    }
    if marks.is_list {
        return Some(Silence::List);
    }
    if !marks.suppress.is_empty() && !marks.suppress.eq_ignore_ascii_case("none") {
        return Some(Silence::Suppressed);
    }
    None
}
