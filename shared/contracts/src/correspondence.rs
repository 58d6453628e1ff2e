//! 来信: mails that arrived, as staff see them. What somebody wrote travels sealed to the console.

use crate::{CaseId, Code, Digest, MailId, MailOutcome, MailState, NoticeId, Sealed, StaffId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Rows of one page of [`MailList`].
pub const MAILS_PAGE: usize = 100;
/// The most characters of text in [`MailDetail::known`]; the rest is in the mail.
pub const MAIL_TEXT_SHOWN: usize = 12_000;

/// `req.intake.mails`: what arrived, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListMails {
    /// Only those in this state; absent: all that a person has to look at.
    #[serde(default)]
    pub state: Option<MailState>,
    /// After this row: the time and the id of the last one seen.
    #[serde(default)]
    pub after: Option<(Timestamp, MailId)>,
}

/// At most [`MAILS_PAGE`], and how many there are in each state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MailList {
    /// The rows.
    #[schemars(length(max = 100))]
    pub rows: Vec<MailRow>,
    /// More follow.
    pub more: bool,
    /// Mails by state.
    #[schemars(length(max = 10))]
    pub counts: Vec<(MailState, i64)>,
}

/// One mail, without anything that it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailRow {
    /// Its id.
    pub id: MailId,
    /// 到達: arrival at the desk.
    pub received_at: Timestamp,
    /// Where it stands.
    pub state: MailState,
    /// Why there.
    #[serde(default)]
    pub reason: Option<Code>,
    /// Which of our systems brought it.
    pub client: Code,
    /// As it came.
    pub bytes: u64,
    /// Files in it.
    pub files: u32,
    /// The case that it belongs to.
    #[serde(default)]
    pub case: Option<CaseId>,
    /// What a person made of it.
    #[serde(default)]
    pub outcome: Option<MailOutcome>,
}

/// `req.intake.mail`: one mail. The console has written down who looks before it asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowMail {
    /// Which.
    pub id: MailId,
    /// Who looks.
    pub staff: StaffId,
    /// The console's row of who looked.
    pub cause: Uuid,
}

/// The answer to [`ShowMail`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum MailReply {
    /// Here it is.
    Found(Box<MailDetail>),
    /// No such mail.
    Unknown,
}

/// One mail.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MailDetail {
    /// As in the list.
    pub row: MailRow,
    /// SHA-256 of the bytes as they came.
    pub digest: Digest,
    /// Envelope, headers and text as a JSON object, sealed to the console; additional data = the mail's id. Absent: it is not read
    /// yet, or its key was destroyed.
    #[serde(default)]
    pub known: Option<Sealed>,
    /// Its files.
    #[schemars(length(max = 50))]
    pub files: Vec<MailFile>,
    /// The first mail with the same Message-ID.
    #[serde(default)]
    pub same_as: Option<MailId>,
}

/// A file of a mail, without its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailFile {
    /// Its number in the mail.
    pub number: u32,
    /// What it is by its content.
    pub kind: Code,
    /// In bytes.
    pub bytes: u64,
    /// SHA-256.
    pub digest: Digest,
    /// When it was destroyed, and by whom.
    #[serde(default)]
    pub destroyed: Option<(Timestamp, StaffId)>,
}

/// 処理: what a person makes of a mail.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SettleMail {
    /// Which.
    pub id: MailId,
    /// What.
    pub outcome: MailOutcome,
    /// The case that it belongs to; with [`MailOutcome::Case`], and only then.
    #[serde(default)]
    pub case: Option<CaseId>,
}

/// 廃棄: destroys a file that should not have been sent (an identity paper that is not masked), or that nobody may keep. Its hash,
/// who and when stay.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DestroyMailFile {
    /// Which mail.
    pub id: MailId,
    /// Its number in the mail.
    pub number: u32,
}

/// `req.notification.acknowledge`: tells the sender of a mail that it arrived. The same id again is the same mail with the same
/// Message-ID.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AcknowledgeMail {
    /// The acknowledgement.
    pub id: NoticeId,
    /// The sender's mailbox, sealed to notification; additional data = the acknowledgement's id.
    pub to: Sealed,
    /// 到達: when the mail arrived.
    pub at: Timestamp,
}

/// `req.notification.whose`: which case were these notices about? Asked for the mails that a mail refers to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WhoseNotice {
    /// From the Message-IDs.
    #[schemars(length(max = 50))]
    pub notices: Vec<NoticeId>,
}

/// The answer to [`WhoseNotice`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoticeOwner {
    /// The case of the first one that is known.
    #[serde(default)]
    pub case: Option<CaseId>,
}
