//! 通知: how a notice stands, what may happen to it, what did. Data only.

use contracts::{CaseId, Code, Language, MessageId, ReceiptNumber};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is told. One text in `texts/<language>.toml` each; none of them says what the request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// The request arrived.
    Received,
    /// Something is to be mended (補正).
    Completion,
    /// A fee is asked for.
    FeeRequested,
    /// The fee is paid.
    FeePaid,
    /// The stop stands.
    StopEntered,
    /// The request is at its end.
    Ended,
}

impl Text {
    /// Every text.
    pub const ALL: &[Self] =
        &[Self::Received, Self::Completion, Self::FeeRequested, Self::FeePaid, Self::StopEntered, Self::Ended];
    /// Its word.
    pub const fn code(self) -> Code {
        match self {
            Self::Received => Code::of("received"),
            Self::Completion => Code::of("completion"),
            Self::FeeRequested => Code::of("fee-requested"),
            Self::FeePaid => Code::of("fee-paid"),
            Self::StopEntered => Code::of("stop-entered"),
            Self::Ended => Code::of("ended"),
        }
    }
}

/// How long and how often: configuration, kept with the notice so that its life does not change under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Attempts at the mail host before it is given up.
    pub attempts_max: u8,
    /// How long one attempt may take, in seconds; longer than every time-out in it together.
    pub lease_s: u32,
    /// First pause after a failure that may pass, in seconds; doubles each time.
    pub backoff_s: u32,
    /// The longest such pause, in seconds.
    pub backoff_cap_s: u32,
    /// After this it is given up whatever the reason, in seconds.
    pub give_up_s: u32,
}

/// What stays the same in a notice's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The case.
    pub case: CaseId,
    /// The fact that it tells.
    pub fact: MessageId,
    /// Which text.
    pub text: Text,
    /// The person's language.
    pub language: Language,
    /// 受付番号.
    pub receipt_number: ReceiptNumber,
    /// When the fact became known here; the `Date` of the mail.
    pub since: Timestamp,
    /// How long and how often.
    pub plan: Plan,
}

/// How a notice stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// No fact yet.
    #[default]
    None,
    /// Waits for its next attempt.
    Due {
        /// What.
        notice: Notice,
        /// Attempts made.
        attempts: u8,
        /// Times that it could not even be tried, because the address could not be had.
        postponed: u32,
        /// Next attempt.
        next_at: Timestamp,
        /// Why the last one failed.
        reason: Option<Code>,
    },
    /// Being sent.
    Sending {
        /// What.
        notice: Notice,
        /// Which attempt, from 1.
        attempt: u8,
        /// Times that it could not even be tried.
        postponed: u32,
        /// Until when the shell is waited for.
        lease_until: Timestamp,
    },
    /// The mail host has it.
    Sent {
        /// What.
        notice: Notice,
        /// Attempts made.
        attempts: u8,
        /// When.
        at: Timestamp,
    },
    /// No mail address: the status page alone tells it.
    OnStatusPage {
        /// What.
        notice: Notice,
        /// When.
        at: Timestamp,
    },
    /// Given up; staff must reach the person in another way.
    Failed {
        /// What.
        notice: Notice,
        /// Why.
        reason: Code,
        /// When.
        at: Timestamp,
    },
    /// The case's personal part is destroyed; nothing is sent any more.
    Erased {
        /// When.
        at: Timestamp,
    },
}

/// What may happen to it.
#[derive(Clone, Debug)]
pub enum Input {
    /// A fact is to be told.
    Tell(Notice),
    /// The shell: the mail host said yes.
    Delivered {
        /// Which attempt.
        attempt: u8,
        /// When.
        at: Timestamp,
    },
    /// The shell: the person gave no address.
    NoAddress {
        /// Which attempt.
        attempt: u8,
        /// When.
        at: Timestamp,
    },
    /// The shell: the address could not be had (intake is away); this attempt does not count.
    Postponed {
        /// Which attempt.
        attempt: u8,
        /// Why.
        reason: Code,
        /// When.
        at: Timestamp,
    },
    /// The shell: not this time (4xx, no connection, unknown outcome).
    Failed {
        /// Which attempt.
        attempt: u8,
        /// Why.
        reason: Code,
        /// When.
        at: Timestamp,
    },
    /// The shell: never (5xx, an address that is none).
    Refused {
        /// Which attempt.
        attempt: u8,
        /// Why.
        reason: Code,
        /// When.
        at: Timestamp,
    },
    /// The case's personal part was destroyed.
    CaseErased {
        /// When.
        at: Timestamp,
    },
    /// A wake-up: the next attempt is due, or a lease ran out.
    Clock {
        /// The time.
        now: Timestamp,
    },
}

/// What did happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// There is something to tell.
    Noted {
        /// What.
        notice: Notice,
    },
    /// An attempt begins; the shell acts after the commit.
    Started {
        /// Which, from 1.
        attempt: u8,
        /// Until when the shell is waited for.
        lease_until: Timestamp,
    },
    /// It could not even be tried.
    Postponed {
        /// Why.
        reason: Code,
        /// Next attempt.
        next_at: Timestamp,
    },
    /// An attempt failed and another follows.
    AttemptFailed {
        /// Why.
        reason: Code,
        /// Next attempt.
        next_at: Timestamp,
    },
    /// The mail host has it.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// On the status page only.
    LeftOnStatusPage {
        /// When.
        at: Timestamp,
    },
    /// Given up.
    GivenUp {
        /// Why.
        reason: Code,
        /// When.
        at: Timestamp,
    },
    /// Erased with the case.
    Erased {
        /// When.
        at: Timestamp,
    },
}

/// Why not. Only for a person who would feed it by hand: the bus gets verdicts that never park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such notice.
    NoNotice,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::NoNotice => Self::of("no-such-notice"),
        }
    }
}

/// The reason of an attempt whose shell did not come back.
pub const OUTCOME_UNKNOWN: Code = Code::of("outcome-unknown");
/// The reason when time ran out before an attempt could be made.
pub const OUT_OF_TIME: Code = Code::of("out-of-time");
