//! 督促: the mails that tell a recipient's contact and the operator's officer that instructions are due or past due. They say
//! counts and ids of instructions, never a person.

use crate::{AlertKind, Code, InstructionId, NoticeId, RecipientId, Sealed, books::PastDue};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 連絡先: where a recipient's contact is reached by mail, as its contract says; none: it is taken away.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SetContact {
    /// Whose.
    pub recipient: RecipientId,
    /// The mailbox, sealed to opt-out propagation; additional data = the recipient's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Sealed>,
}

/// How the contact stands: its mailbox is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContactView {
    /// Since when it is the contact.
    pub set_at: Timestamp,
    /// When the mail host took the test mail; none: not yet.
    #[serde(default)]
    pub tested_at: Option<Timestamp>,
    /// Why the last try of the test mail failed; none: none failed.
    #[serde(default)]
    pub test_failed: Option<Code>,
}

/// To whom.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "whom", rename_all = "kebab-case")]
pub enum AlertTo {
    /// The recipient's contact.
    Contact {
        /// The mailbox, sealed to notification; additional data = the alert's id.
        at: Sealed,
    },
    /// The operator's officer (責任者): the mailbox is notification's own configuration.
    Officer,
}

/// `req.notification.alert`: sends one mail now. The same id again is the same mail with the same Message-ID.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SendAlert {
    /// The mail.
    pub id: NoticeId,
    /// To whom.
    pub to: AlertTo,
    /// What it is about.
    pub kind: AlertKind,
    /// The recipient's short name.
    pub label: Code,
    /// Due soon.
    pub soon: u32,
    /// Past due, by stage.
    pub past_due: PastDue,
    /// The oldest of these instructions.
    #[schemars(length(max = 20))]
    pub oldest: Vec<InstructionId>,
    /// When it was made: the mail's date.
    pub at: Timestamp,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum AlertReply {
    /// The mail host has it.
    Sent,
    /// Not this time: ask again later.
    NotNow {
        /// Why.
        reason: Code,
    },
    /// Never: the mailbox is none, or there is none.
    Never {
        /// Why.
        reason: Code,
    },
}
