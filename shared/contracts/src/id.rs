//! Typed ids in one registry: a case id cannot be passed where a charge id is meant.
//!
//! All are random (UUID version 7, made in shells) or derived from another id (version 5), never from personal data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new random id (version 7: sorts by time of making). For shells only: a pure core gets its ids as input.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
            /// The id of this kind that belongs to `parent`, always the same one for the same `label` (version 5).
            pub fn derived(parent: Uuid, label: &str) -> Self {
                Self(Uuid::new_v5(&parent, label.as_bytes()))
            }
        }
        impl Default for $name {
            fn default() -> Self {
                Self(Uuid::nil())
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Ok(Self(s.parse()?))
            }
        }
        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }
    )*};
}

ids! {
    /// 請求案件: one request of one kind for one person. Also the id of its verification and its answer.
    CaseId;
    /// 申出: what arrived through a door.
    FilingId;
    /// One message on the bus (the CloudEvents `id`).
    MessageId;
    /// 手数料請求: one charge of a case.
    ChargeId;
    /// 停止登録簿の登録: one standing entry of the register.
    EntryId;
    /// 指示: one instruction to one recipient.
    InstructionId;
    /// 通知先: who must be told of a stop.
    RecipientId;
    /// One change of a register entry that is fanned out to the recipients.
    ChangeId;
    /// 入出金明細のファイル: one imported statement.
    StatementId;
    /// 入出金明細: one line of a statement.
    BankLineId;
    /// 通知: one message to one person.
    NoticeId;
    /// A member of staff's account.
    StaffId;
    /// A sealed file in the object store.
    ObjectId;
    /// 来信: a mail that arrived.
    MailId;
    /// 受付簿の記載: what came by post, telephone or to the counter.
    ArrivalId;
}
