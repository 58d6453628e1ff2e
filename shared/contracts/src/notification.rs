//! Notification: what became of the messages to people.

use crate::{CaseId, Code, NoticeChannel, NoticeId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 通知: the relay host took the mail, or the status page alone tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoticeSent {
    /// The case.
    pub case: CaseId,
    /// The notice.
    pub notice: NoticeId,
    /// Which text it was.
    pub text: Code,
    /// How.
    pub channel: NoticeChannel,
    /// When.
    pub at: Timestamp,
}

/// The mail could not be sent; staff must reach the person in another way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoticeFailed {
    /// The case.
    pub case: CaseId,
    /// The notice.
    pub notice: NoticeId,
    /// Which text it was.
    pub text: Code,
    /// Why.
    pub reason: Code,
    /// When.
    pub at: Timestamp,
}
