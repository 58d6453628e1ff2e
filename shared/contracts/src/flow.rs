//! THE TABLE: every message of the house, who says it and who hears it. Nothing else decides that.
//!
//! Streams, durables and permissions are made from it (by the steward), AsyncAPI is generated from it, and README shows
//! it. `cmd` asks exactly one service to do something and is spoken by the case (in intake) alone; `evt` states a fact
//! that anybody on the list may hear.

use crate::{fulfilment::*, identity::*, intake::*, notification::*, opt_out::*, payment::*};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;
use uuid::Uuid;

/// The processes of the house that speak or hear. The token is also schema, role and NATS user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// 受付: cases, clocks, persons; runs the process manager `case`.
    Intake,
    /// 本人確認.
    Identity,
    /// 消込.
    Payment,
    /// 検索・決定・交付.
    Fulfilment,
    /// 停止登録簿と通知先.
    OptOut,
    /// 通知.
    Notification,
    /// The staff's pages.
    Console,
}

impl Service {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Intake,
        Self::Identity,
        Self::Payment,
        Self::Fulfilment,
        Self::OptOut,
        Self::Notification,
        Self::Console,
    ];

    /// Subject token, schema, role, durable and NATS user.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Identity => "identity",
            Self::Payment => "payment",
            Self::Fulfilment => "fulfilment",
            Self::OptOut => "optout",
            Self::Notification => "notification",
            Self::Console => "console",
        }
    }
    /// The crate and the name in `madoguchi serve <name>`.
    pub const fn crate_name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Identity => "identity-verification",
            Self::Payment => "payment-reconciliation",
            Self::Fulfilment => "fulfilment",
            Self::OptOut => "opt-out-propagation",
            Self::Notification => "notification",
            Self::Console => "console",
        }
    }
    /// The CloudEvents `source`.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Intake => "/madoguchi/intake",
            Self::Identity => "/madoguchi/identity-verification",
            Self::Payment => "/madoguchi/payment-reconciliation",
            Self::Fulfilment => "/madoguchi/fulfilment",
            Self::OptOut => "/madoguchi/opt-out-propagation",
            Self::Notification => "/madoguchi/notification",
            Self::Console => "/madoguchi/console",
        }
    }
    /// By its token.
    pub fn by_token(token: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.token() == token)
    }
}

/// The two families of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `evt`: states what is so.
    Fact,
    /// `cmd`: asks one service.
    Command,
}

/// Each hearer's messages come through two queues, a durable each. A fan-out tells of every recipient and stage; what a
/// person waits for, a block before all, must not stand behind that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// The steps of a case: a few per case.
    Steps,
    /// What recipients did: as many per case as there are recipients.
    Bulk,
}

impl Queue {
    /// Those through which `service` hears something.
    pub fn of(service: Service) -> impl Iterator<Item = Self> {
        [Self::Steps, Self::Bulk].into_iter().filter(move |q| q.heard_by(service).next().is_some())
    }
    /// Its durable.
    pub fn durable(self, service: Service) -> String {
        match self {
            Self::Steps => service.token().to_owned(),
            Self::Bulk => format!("{}-bulk", service.token()),
        }
    }
    /// What `service` hears through it.
    pub fn heard_by(self, service: Service) -> impl Iterator<Item = &'static Entry> {
        heard_by(service).filter(move |e| e.queue == self)
    }
    /// Through which one a message with this subject comes.
    pub fn of_subject(subject: &str) -> Self {
        let prefix = subject.rsplit_once('.').map_or(subject, |(prefix, _)| prefix);
        let is_of = |e: &&&Entry| {
            let rest = prefix.strip_prefix("evt.").or_else(|| prefix.strip_prefix("cmd."));
            let mut tokens = rest.unwrap_or_default().split('.');
            tokens.next() == Some(e.at.token()) && tokens.next() == Some(e.word)
        };
        FLOW.iter().find(is_of).map_or(Self::Steps, |e| e.queue)
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Entry {
    /// The payload type's name.
    pub name: &'static str,
    /// Fact or command.
    pub family: Family,
    /// The service in the subject: a fact's speaker, a command's hearer.
    pub at: Service,
    /// The verb or the participle, kebab-case.
    pub word: &'static str,
    /// Version of the payload.
    pub version: u8,
    /// Who says it.
    pub speaker: Service,
    /// Who must have heard it before the outbox row closes.
    pub hearers: &'static [Service],
    /// Through which of a hearer's queues it comes.
    pub queue: Queue,
    /// The payload's JSON Schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Entry {
    /// `evt.identity.identity-confirmed.v1`, without the machine.
    pub fn subject_prefix(&self) -> String {
        let family = match self.family {
            Family::Fact => "evt",
            Family::Command => "cmd",
        };
        format!("{family}.{}.{}.v{}", self.at.token(), self.word, self.version)
    }
    /// The NATS subject of one message; the last token is an opaque id.
    pub fn subject(&self, machine: Uuid) -> String {
        format!("{}.{machine}", self.subject_prefix())
    }
    /// For spans, metrics and AsyncAPI: never a raw subject.
    pub fn template(&self) -> String {
        format!("{}.{{id}}", self.subject_prefix())
    }
    /// The CloudEvents `type`.
    pub fn message_type(&self) -> String {
        format!("jp.madoguchi.{}.{}.v{}", self.at.token(), self.word, self.version)
    }
}

macro_rules! flow {
    (@queue) => { Queue::Steps };
    (@queue bulk) => { Queue::Bulk };
    ($($name:ident : $family:ident $at:ident $word:literal v $version:literal, $speaker:ident => [$($hearer:ident),*] $($bulk:ident)?;)*) => {
        /// One message of the table, decoded.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum Message { $($name($name),)* }

        #[allow(non_upper_case_globals)]
        mod entries {
            use super::*;
            $(pub static $name: Entry = Entry {
                name: stringify!($name), family: Family::$family, at: Service::$at, word: $word, version: $version,
                speaker: Service::$speaker, hearers: &[$(Service::$hearer),*], queue: flow!(@queue $($bulk)?),
                schema: |g| g.subschema_for::<super::$name>(),
            };)*
        }

        /// Every message of the house.
        pub static FLOW: &[&Entry] = &[$(&entries::$name),*];

        impl Message {
            /// Its row in the table.
            pub fn entry(&self) -> &'static Entry {
                match self { $(Self::$name(_) => &entries::$name,)* }
            }
            /// The payload as JSON.
            pub fn data(&self) -> Value {
                // Payloads are plain structs of words, ids and numbers: serialising them into memory cannot fail.
                match self { $(Self::$name(p) => serde_json::to_value(p).unwrap_or_default(),)* }
            }
            /// Reads the payload of a given row.
            pub fn from_data(entry: &'static Entry, data: Value) -> Result<Self, serde_json::Error> {
                match entry.name {
                    $(stringify!($name) => serde_json::from_value(data).map(Self::$name),)*
                    // `entry` can only come from the table.
                    _ => unreachable!("an entry outside the table"),
                }
            }
        }
        $(impl From<$name> for Message { fn from(p: $name) -> Self { Self::$name(p) } })*
    };
}

flow! {
    // The case speaks.
    VerifyIdentity:       Command Identity     "verify"                 v 1, Intake => [Identity];
    RequestFee:           Command Payment      "request-fee"            v 1, Intake => [Payment];
    PrepareAnswer:        Command Fulfilment   "prepare-answer"         v 1, Intake => [Fulfilment];
    PlaceBlock:           Command OptOut       "place-block"            v 1, Intake => [OptOut];
    EnterStop:            Command OptOut       "enter-stop"             v 1, Intake => [OptOut];
    LiftProvisionalBlock: Command OptOut       "lift-provisional-block" v 1, Intake => [OptOut];
    CaseOpened:           Fact    Intake       "case-opened"            v 1, Intake => [Console, Notification];
    CaseProgressed:       Fact    Intake       "case-progressed"        v 1, Intake => [Console];
    CaseEnded:            Fact    Intake       "case-ended"             v 1, Intake => [Identity, Payment, Fulfilment, Console, Notification];
    CaseErased:           Fact    Intake       "case-erased"            v 1, Intake => [Identity, Payment, Fulfilment, Console, Notification];
    // Identity verification.
    IdentityConfirmed:    Fact    Identity     "identity-confirmed"     v 1, Identity => [Intake, Console];
    IdentityDeficient:    Fact    Identity     "identity-deficient"     v 1, Identity => [Intake, Console, Notification];
    IdentityRejected:     Fact    Identity     "identity-rejected"      v 1, Identity => [Intake, Console];
    // Payment reconciliation.
    FeeRequested:         Fact    Payment      "fee-requested"          v 1, Payment => [Intake, Console, Notification];
    FeePaid:              Fact    Payment      "fee-paid"               v 1, Payment => [Intake, Console, Notification];
    ChargeExpired:        Fact    Payment      "charge-expired"         v 1, Payment => [Intake, Console];
    StatementImported:    Fact    Payment      "statement-imported"     v 1, Payment => [Console];
    LineUnmatched:        Fact    Payment      "line-unmatched"         v 1, Payment => [Console];
    // Fulfilment.
    DecisionMade:         Fact    Fulfilment   "decision-made"          v 1, Fulfilment => [Intake, Console];
    // Opt-out propagation. What its own machines tell each other goes the same way as everything else.
    BlockPlaced:          Fact    OptOut       "block-placed"           v 1, OptOut => [Intake, Console];
    BlockLifted:          Fact    OptOut       "block-lifted"           v 1, OptOut => [Intake, Console];
    StopEntered:          Fact    OptOut       "stop-entered"           v 1, OptOut => [Intake, Console, Notification];
    ChangeFannedOut:      Fact    OptOut       "change-fanned-out"      v 1, OptOut => [OptOut, Intake, Console];
    InstructionIssued:    Fact    OptOut       "instruction-issued"     v 1, OptOut => [Console] bulk;
    InstructionReceived:  Fact    OptOut       "instruction-received"   v 1, OptOut => [Console] bulk;
    InstructionSettled:   Fact    OptOut       "instruction-settled"    v 1, OptOut => [OptOut, Intake, Console] bulk;
    InstructionReported:  Fact    OptOut       "instruction-reported"   v 1, OptOut => [OptOut, Console] bulk;
    InstructionReplaced:  Fact    OptOut       "instruction-replaced"   v 1, OptOut => [OptOut, Console] bulk;
    InstructionOverdue:   Fact    OptOut       "instruction-overdue"    v 1, OptOut => [Console] bulk;
    ReportRefused:        Fact    OptOut       "report-refused"         v 1, OptOut => [Console] bulk;
    StopConfirmed:        Fact    OptOut       "stop-confirmed"         v 1, OptOut => [Intake, Console];
    // Notification.
    NoticeSent:           Fact    Notification "notice-sent"            v 1, Notification => [Console];
    NoticeFailed:         Fact    Notification "notice-failed"          v 1, Notification => [Console];
}

/// The row of a CloudEvents type.
pub fn by_type(message_type: &str) -> Option<&'static Entry> {
    FLOW.iter().copied().find(|e| {
        // `jp.madoguchi.<at>.<word>.v<version>`, compared without making a String per row.
        let mut tokens = message_type.split('.');
        tokens.next() == Some("jp")
            && tokens.next() == Some("madoguchi")
            && tokens.next() == Some(e.at.token())
            && tokens.next() == Some(e.word)
            && tokens.next().and_then(|v| v.strip_prefix('v')).and_then(|v| v.parse().ok()) == Some(e.version)
            && tokens.next().is_none()
    })
}

/// The messages that `service` hears.
pub fn heard_by(service: Service) -> impl Iterator<Item = &'static Entry> {
    FLOW.iter().copied().filter(move |e| e.hearers.contains(&service))
}

/// The messages that `service` says.
pub fn said_by(service: Service) -> impl Iterator<Item = &'static Entry> {
    FLOW.iter().copied().filter(move |e| e.speaker == service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_case_commands_and_a_command_has_one_hearer() {
        for e in FLOW {
            match e.family {
                Family::Command => assert_eq!((e.speaker, e.hearers), (Service::Intake, &[e.at][..]), "{}", e.name),
                Family::Fact => assert_eq!(e.speaker, e.at, "{}", e.name),
            }
            assert!(!e.hearers.is_empty(), "{} has no hearer", e.name);
            assert_eq!(by_type(&e.message_type()).map(|f| f.name), Some(e.name));
        }
        assert!(by_type("jp.madoguchi.identity.verify.v2").is_none());
    }

    #[test]
    fn a_queue_holds_what_the_table_says_and_no_command_is_behind_the_many() {
        for e in FLOW {
            assert_eq!(Queue::of_subject(&e.subject(Uuid::nil())), e.queue, "{}", e.name);
            assert!(e.queue == Queue::Steps || e.family == Family::Fact, "{}", e.name);
        }
        assert_eq!(Queue::of(Service::OptOut).count(), 2);
        assert_eq!(Queue::of(Service::Identity).collect::<Vec<_>>(), [Queue::Steps]);
        assert_eq!(Queue::Bulk.durable(Service::OptOut), "optout-bulk");
    }
}
