//! 日次照合 and 初期同期: how the books of a recipient stand beside ours, and the order to offer it again what it may lack.

use crate::{Code, Digest, RecipientId, endpoint_test::TestView};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 再送の提供: offers a recipient everything after the last position at which its books and ours agreed. Nothing new is
/// issued: the same bytes again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReplayRecipient {
    /// To whom.
    pub recipient: RecipientId,
}

/// Asks how the books of one recipient stand.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowBooks {
    /// Whose.
    pub recipient: RecipientId,
}

/// The answer to [`ShowBooks`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum BooksReply {
    /// Here they are.
    Found(Box<BooksView>),
    /// No such recipient.
    Unknown,
}

/// A position of one life of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct At {
    /// Which life.
    pub epoch: i32,
    /// 通番.
    pub position: i64,
}

/// How the books of one recipient stand beside ours.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BooksView {
    /// 初期同期の段階: `waiting` (it may not be told yet), `snapshot` (what stands is on its way), `live` (it has everything,
    /// and nothing was compared yet), `reconciled`, `differs`.
    pub stage: Code,
    /// Standing entries that it is still to be told of.
    pub backlog: u32,
    /// Everything up to here it says to have; none: it never acknowledged a position.
    #[serde(default)]
    pub acknowledged: Option<At>,
    /// Where both agreed last, and when.
    #[serde(default)]
    pub agreed: Option<(At, Timestamp)>,
    /// The newest comparisons first.
    #[schemars(length(max = 30))]
    pub compared: Vec<Compared>,
    /// Webhooks: how the newest test of the endpoint in force stands.
    #[serde(default)]
    pub endpoint_test: Option<TestView>,
    /// What is past due, by stage.
    pub past_due: PastDue,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// When.
    pub at: Timestamp,
    /// As of which position.
    pub as_of: At,
    /// Entries by their books; none: the digest only was sent.
    #[serde(default)]
    pub their_entries: Option<u64>,
    /// The digest of their books.
    pub their_digest: Digest,
    /// Entries by ours.
    pub our_entries: u64,
    /// The digest of ours.
    pub our_digest: Digest,
    /// Whether they are the same.
    pub agrees: bool,
}

/// 期限超過: instructions past their deadline, by the stage that is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastDue {
    /// Not even 受領.
    pub unreceived: u32,
    /// 受領, and no 報告.
    pub unreported: u32,
    /// 報告 with an outcome that a member of staff has to deal with.
    pub unconfirmed: u32,
}

impl PastDue {
    /// All of them.
    pub const fn sum(self) -> u32 {
        self.unreceived.saturating_add(self.unreported).saturating_add(self.unconfirmed)
    }
}
