//! What a case knows: facts with the times at which they became true, never the time at which we heard of them. So the
//! order in which messages arrive leaves no trace here, and everything else (step, clocks, status page) is derived.

use contracts::{
    Capacity, CaseId, ChangeId, Channel, ChargeId, Code, Date, DecisionOutcome, EndedAs, EntryId, Kind, Language,
    ReceiptNumber, Scope, Timestamp, Track,
    opt_out::StopAnswer,
    payment::{PaymentReference, Yen},
};
use privacy_seal::PublicKey;
use serde::{Deserialize, Serialize};

/// 請求案件: one request of one kind for one person, from receipt to erasure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum State {
    /// Not filed yet.
    #[default]
    Absent,
    /// In work.
    Open {
        /// Everything known.
        file: Box<File>,
    },
    /// 終了. A lapsed one can be revived; late facts are still noted.
    Ended {
        /// Everything known.
        file: Box<File>,
        /// How.
        ended_as: EndedAs,
        /// When.
        at: Timestamp,
    },
    /// Its erasure is ordered; the key is being destroyed.
    Erasing {
        /// What remains.
        stub: Stub,
        /// When it was ordered.
        ordered_at: Timestamp,
    },
    /// 消去済み: the personal part can never be read again.
    Erased {
        /// What remains.
        stub: Stub,
        /// When the key was destroyed.
        at: Timestamp,
    },
}

/// What remains of an erased case: that there was one, of what kind, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stub {
    /// The case.
    pub case: CaseId,
    /// What was asked.
    pub kind: Kind,
    /// Arrival at the desk.
    pub received_at: Timestamp,
    /// How it ended.
    pub ended_as: EndedAs,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// The request as it arrived, without anything personal. Never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The case.
    pub case: CaseId,
    /// 受付番号.
    pub receipt_number: ReceiptNumber,
    /// The public half of the access code: letters are sealed to it, and a withdrawal has to show it.
    pub code_key: PublicKey,
    /// What is asked.
    pub kind: Kind,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// Which tracks of provision are stopped (stops only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The door.
    pub channel: Channel,
    /// The person's language.
    pub language: Language,
    /// Arrival at the desk (民法97条: effective on arrival).
    pub received_at: Timestamp,
    /// The desk's own times on the day of arrival; a later change of configuration does not touch this case.
    pub terms: Terms,
}

impl Request {
    /// The law.
    pub const fn track(&self) -> Track {
        self.kind.track()
    }
    /// Which tracks are stopped; a stop that does not say is for both (the safer reading of Act art. 58).
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(Scope::Both)
    }
}

/// The operator's own times for one case, from configuration. None is a period of law: the statutes say 遅滞なく only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// 処理期間: open days of the counter until the answer.
    pub service_days: u16,
    /// Open days after the due date of a completion before the case lapses: what was posted on the last day arrives later.
    pub completion_grace_days: u16,
    /// How often a lapsed case can be revived.
    pub revivals_max: u8,
}

/// Everything known of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// As it arrived.
    pub request: Request,
    /// 1, and one more with each revival. Charges and register entries of later rounds have names of their own, so that
    /// a late word about an earlier one cannot be taken for the present one.
    pub round: u8,
    /// When the present round began (second round and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revived_at: Option<Timestamp>,
    /// Pauses of the service clock in earlier rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// 本人確認.
    pub identity: Identity,
    /// 手数料.
    pub fee: Fee,
    /// 停止 (stops and deletions only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// 決定.
    pub answer: Answer,
    /// When the awaited completion had not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed_at: Option<Timestamp>,
    /// 取下げ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Timestamp>,
}

/// 期間の停止: a pause of the service clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hold {
    /// Since.
    pub from: Timestamp,
    /// Until.
    pub to: Timestamp,
}

/// 本人確認 as the case sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Identity {
    /// Complaints and consultations.
    NotNeeded,
    /// Asked for.
    Awaited,
    /// 不備: the person has to mend something; the service clock pauses.
    Deficient {
        /// The first deficiency: the clock pauses since then.
        since: Timestamp,
        /// The newest one.
        at: Timestamp,
        /// What the newest one misses.
        reasons: Vec<Code>,
        /// Until when the mending is awaited.
        due_at: Timestamp,
        /// When the case lapses without it.
        lapse_at: Timestamp,
    },
    /// 確認.
    Confirmed {
        /// When.
        at: Timestamp,
        /// The service clock paused since then until `at`, if there was a deficiency before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deficient_since: Option<Timestamp>,
    },
    /// 確認不能.
    Rejected {
        /// When.
        at: Timestamp,
    },
}

/// 手数料 as the case sees it. What was asked for is noted in any order with what was paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Fee {
    /// The kind costs nothing (APPI art. 38(1)).
    Free,
    /// Asked for, or about to be.
    Due {
        /// What the person was asked for in this round.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quote: Option<Quote>,
    },
    /// The time to pay ran out.
    Expired {
        /// What the person was asked for in this round.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quote: Option<Quote>,
        /// When.
        at: Timestamp,
    },
    /// 入金済み.
    Paid {
        /// What the person was asked for in this round.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quote: Option<Quote>,
        /// The charge that was paid; it may be one of an earlier round.
        charge: ChargeId,
        /// How much.
        amount: Yen,
        /// When it was matched.
        at: Timestamp,
    },
}

/// What the person was asked to pay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// How much.
    pub amount: Yen,
    /// 振込番号.
    pub reference: PaymentReference,
    /// Last day.
    pub due_on: Date,
}

/// 停止 as the case sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// What the case asked of the register last.
    pub asked: Block,
    /// The block holds since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_since: Option<Timestamp>,
    /// The changes whose fan-out is counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeId>,
    /// Instructions issued.
    pub instructed: u32,
    /// Instructions settled. A number and not a list: there may be 2,000, and the bus lets each message work once only.
    pub reported: u32,
    /// 停止完了.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
}

/// What the case asked of the register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// 仮の停止: identity is not proved yet.
    #[default]
    Provisional,
    /// The stop stands. No text lets the operator lift it (law-and-domain.md 5; duties row 9).
    Final,
    /// Taken back while it was provisional.
    Lifted,
}

/// 停止完了.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmed {
    /// How many recipients reported.
    pub recipients: u32,
    /// When, the first time.
    pub at: Timestamp,
    /// 三つの回答: what they did. An amended report is followed by another answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<StopAnswer>,
    /// When that answer was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
}

/// 決定 as the case sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    /// Not asked for (yet).
    #[default]
    NotAsked,
    /// Asked for.
    Asked,
    /// Given.
    Given {
        /// The answer.
        outcome: DecisionOutcome,
        /// The article it stands on.
        ground: Code,
        /// When.
        at: Timestamp,
    },
}

impl File {
    /// A new case.
    pub fn new(request: Request) -> Self {
        let kind = request.kind;
        Self {
            request,
            round: 1,
            revived_at: None,
            holds: Vec::new(),
            identity: if kind.needs_identity() { Identity::Awaited } else { Identity::NotNeeded },
            fee: if kind.may_cost_a_fee() { Fee::Due { quote: None } } else { Fee::Free },
            stop: kind.propagates().then(Stop::default),
            answer: Answer::NotAsked,
            lapsed_at: None,
            withdrawn_at: None,
        }
    }
    /// The case's id.
    pub fn case(&self) -> CaseId {
        self.request.case
    }
    /// The present round's charge.
    pub fn charge(&self) -> ChargeId {
        ChargeId::derived(self.case().0, &label("base", self.round))
    }
    /// Whether it is a charge of this case, of any round so far.
    pub fn knows_charge(&self, charge: ChargeId) -> bool {
        (1..=self.round).any(|round| ChargeId::derived(self.case().0, &label("base", round)) == charge)
    }
    /// The present round's register entry.
    pub fn entry(&self) -> EntryId {
        EntryId::derived(self.case().0, &label("entry", self.round))
    }
    /// Whether it is an entry of this case, of any round so far.
    pub fn knows_entry(&self, entry: EntryId) -> bool {
        (1..=self.round).any(|round| EntryId::derived(self.case().0, &label("entry", round)) == entry)
    }
}

/// `base`, `base-2`, `base-3` …
fn label(name: &str, round: u8) -> String {
    if round <= 1 { name.to_owned() } else { format!("{name}-{round}") }
}

impl State {
    /// What is known, while it is known.
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::Open { file } | Self::Ended { file, .. } => Some(file),
            Self::Absent | Self::Erasing { .. } | Self::Erased { .. } => None,
        }
    }
}
