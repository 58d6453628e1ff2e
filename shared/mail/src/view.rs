//! What a person and a program are shown of a mail.

use crate::file::Attachment;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// The most characters of text; what is beyond is in the bytes only, and [`Doubt::Cut`] says so.
pub const TEXT_MAX: usize = 200_000;
/// The most addresses of one header.
pub const ADDRESSES_MAX: usize = 100;
/// The most characters of a header's text.
pub const HEADER_MAX: usize = 2_000;
/// The most attachments, inner mails' included.
pub const ATTACHMENTS_MAX: usize = 50;
/// The largest attachment, in bytes.
pub const ATTACHMENT_MAX: usize = 20 * 1024 * 1024;

/// Something that a mail reader would not show, or show wrongly, and that a person has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// Bytes that are no characters of the set that the mail names.
    Undefined,
    /// The mail names no set of characters, or a wrong one: it was guessed.
    GuessedCharset,
    /// A carrier's pictogram (絵文字), shown as 〓.
    CarrierPictogram,
    /// A character without a meaning that everybody shares (外字), shown as 〓.
    PrivateUse,
    /// A base64 or quoted-printable that is none to its end.
    Encoding,
    /// An attachment in Microsoft's own wrapping (winmail.dat) that is not unwrapped.
    Tnef,
    /// Files that open with a password only (PPAP), or archives.
    Archive,
    /// A program or a document that may hold one.
    Executable,
    /// What an attachment says that it is and what it is are two things.
    OtherKind,
    /// More text, addresses or attachments than are shown.
    Cut,
    /// There is only an HTML part; its text is shown, and no picture.
    HtmlOnly,
}

/// One address.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// As written; empty = none.
    pub name: String,
    /// `local@domain`, as written.
    pub address: String,
}

/// What tells a letter from what a machine sent (RFC 3834, 3464, 2369), as written.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// `Return-Path`; `Some("")` is `<>`.
    pub return_path: Option<String>,
    /// `Auto-Submitted`.
    pub auto_submitted: String,
    /// `Precedence`.
    pub precedence: String,
    /// `X-Auto-Response-Suppress`.
    pub suppress: String,
    /// Some header of a mailing list.
    pub is_list: bool,
    /// `X-Loop` and `X-Madoguchi`: what our own mails carry.
    pub loops: Vec<String>,
    /// The content type of the whole: `multipart/report`.
    pub content_type: String,
    /// Its `report-type`.
    pub report_type: String,
    /// The text of `message/delivery-status`.
    pub delivery_status: String,
    /// `X-Failed-Recipients`.
    pub failed_recipients: String,
}

/// A mail, read. Holds what somebody wrote: no `Debug` of its content.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// Without the angle brackets.
    pub message_id: String,
    /// The same.
    pub in_reply_to: Vec<String>,
    /// The same.
    pub references: Vec<String>,
    /// Who says to have written it. Never a proof of identity.
    pub from: Vec<Mailbox>,
    /// `Reply-To`.
    pub reply_to: Vec<Mailbox>,
    /// `To`.
    pub to: Vec<Mailbox>,
    /// `Cc`.
    pub cc: Vec<Mailbox>,
    /// 件名.
    pub subject: String,
    /// `Date`, as written.
    pub date: String,
    /// `Authentication-Results`, newest first, as written: of use only where our own server wrote it.
    pub authentication_results: Vec<String>,
    /// What tells it from a machine's.
    pub marks: Marks,
    /// What a mail reader shows: text parts, or the text of HTML ones; inner mails behind a line of their own.
    pub text: String,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// What has to be known besides.
    pub doubts: BTreeSet<Doubt>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail([personal], {} attachments, {:?})", self.attachments.len(), self.doubts)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox([personal])")
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marks(…)")
    }
}
