//! Orders and questions about the desk's duties towards persons, hospitals and processors, as the console sends them: what passes
//! based on law, work orders to hospitals and the document of Act art. 53, consents and records of telling others,
//! disagreement, supervision of recipients, their incidents, complaints about them. Answered by opt-out propagation.

use crate::{
    Capacity, CaseId, Code, Date, Digest, EntryId, IncidentItem, InstructionId, RecipientId, RecipientKind,
    ReportOutcome, Scope, Sealed, StaffId,
    recipient::{Erasure, ToldStep},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

// ---- based on law ------------------------------------------------------------------------------------------------

/// 法令に基づく場合 (Act art. 56): lets one entry's rows of one file pass, for a time. The first of two different people proposes;
/// the second one, with the same words, puts it in force.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PassBasedOnLaw {
    /// The run in which the row was taken out: of a file, which is known again by its digest.
    pub run: Uuid,
    /// The entry.
    pub entry: EntryId,
    /// The article that asks for it (`pmd-act-68-2-5`).
    pub article: Code,
    /// Until when it counts; at most 30 days.
    pub until: Timestamp,
}

/// What passes, passed, or waits for the second person.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListBasedOnLaw {}

/// At most 200, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BasedOnLawList {
    /// The rows.
    #[schemars(length(max = 200))]
    pub rows: Vec<BasedOnLawRow>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BasedOnLawRow {
    /// The run.
    pub run: Uuid,
    /// The entry.
    pub entry: EntryId,
    /// Whose file.
    pub asker: Code,
    /// The article.
    pub article: Code,
    /// Until when it counts.
    pub until: Timestamp,
    /// Who said it first, and when.
    pub first: (StaffId, Timestamp),
    /// Who else; none: it is not in force.
    #[serde(default)]
    pub second: Option<(StaffId, Timestamp)>,
}

// ---- consents ----------------------------------------------------------------------------------------------------

/// 同意・承諾: what a requester may consent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentTo {
    /// To tell the hospitals and other certified operators concerned (APPI art. 27(1); contractors need none).
    TellOthers,
    /// To have the document of Act art. 53 as an electronic record (art. 53(2)); paper without it.
    ElectronicDocument,
}

impl ConsentTo {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TellOthers => "tell-others",
            Self::ElectronicDocument => "electronic-document",
        }
    }
}

/// Records what the requester said, with the version of the text that was put before them. The newest counts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecordConsent {
    /// The entry.
    pub entry: EntryId,
    /// To what.
    pub to: ConsentTo,
    /// Given; false: refused, or taken back.
    pub given: bool,
    /// When it was said.
    pub at: Timestamp,
    /// The version of the text.
    pub text: Code,
}

// ---- work orders and the document of Act art. 53 -----------------------------------------------------------------

/// The work order was handed to the hospital, or read to it, by a member of staff.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BringWorkOrder {
    /// Which.
    pub work_order: Uuid,
    /// When.
    pub at: Timestamp,
}

/// 提供を停止した日: the hospital confirmed when it had the request, and since when it provides nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HospitalStopped {
    /// Which work order: one hospital, one track.
    pub work_order: Uuid,
    /// When the hospital had the request (Rules art. 47).
    pub received_at: Timestamp,
    /// Since which day it provides nothing.
    pub stopped_on: Date,
}

/// How a document is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HandOver {
    /// 書面.
    Paper,
    /// 電磁的記録: with the requester's earlier consent only (Act art. 53(2)).
    Electronic,
}

impl HandOver {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Electronic => "electronic",
        }
    }
}

/// Makes the document of Act art. 53 for one work order: one per hospital and track, with today as its date of issue.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IssueStopDocument {
    /// Which work order.
    pub work_order: Uuid,
    /// How it is handed over.
    pub how: HandOver,
}

/// What is printed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Print {
    /// 法53条書面.
    StopDocument {
        /// The document.
        document: Uuid,
    },
    /// 作業依頼: the work order for the hospital.
    WorkOrder {
        /// Which.
        work_order: Uuid,
    },
    /// The person's letter: which tracks are stopped and how to stop the other; which hospitals were not told, and the way there.
    StopNotice {
        /// The entry.
        entry: EntryId,
    },
    /// The letter to a relative who wants a stop lifted: what would be needed. Names nobody.
    DisagreementLetter {
        /// The entry.
        entry: EntryId,
    },
}

/// The reply to a [`Print`]: what stands on the paper.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Printed {
    /// The values of the paper (`papers::Paper`) as JSON, sealed to the console; additional data = the order's token.
    Values {
        /// The values.
        sealed: Sealed,
    },
    /// It is not printed, for this reason.
    Refused {
        /// Why.
        reason: Code,
    },
}

/// 撤回への不同意・異議: somebody wants a stop lifted that another had asked for. Recorded; the entry stays.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecordDisagreement {
    /// The entry.
    pub entry: EntryId,
    /// The case in which it was said.
    pub case: CaseId,
    /// In what role.
    pub capacity: Capacity,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// 取次ぎの記録 (APPI art. 30): a request that another body handed on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecordRelay {
    /// The entry.
    pub entry: EntryId,
    /// The case.
    pub case: CaseId,
    /// Who handed it on; sealed to opt-out propagation, additional data = the order's token.
    pub sender: Sealed,
    /// 取得の経緯: how that body came to have it (`told-by-the-person`).
    pub acquired: Code,
    /// The legal basis on which it was handed on.
    pub basis: Code,
    /// When.
    pub received_at: Timestamp,
}

/// Asks for everything that duties say about one entry.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowDuties {
    /// The entry.
    pub entry: EntryId,
}

/// The reply to [`ShowDuties`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum DutiesReply {
    /// Here it is.
    Found(Box<EntryDuties>),
    /// No such entry.
    Unknown,
}

/// What duties say about one entry.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EntryDuties {
    /// The track that is not stopped, where one is not.
    #[serde(default)]
    pub not_stopped: Option<Scope>,
    /// 作業依頼: one per hospital and track.
    #[schemars(length(max = 200))]
    pub work_orders: Vec<WorkOrderRow>,
    /// Every consent and refusal, the oldest first.
    #[schemars(length(max = 200))]
    pub consents: Vec<ConsentRow>,
    /// 第三者提供の記録 (APPI art. 29): who was told of this person.
    #[schemars(length(max = 1000))]
    pub provisions: Vec<ProvisionRow>,
    /// Who disagreed.
    #[schemars(length(max = 200))]
    pub disagreements: Vec<(CaseId, Capacity, Timestamp)>,
    /// Requests that were handed on by others: case, how acquired, basis, when.
    #[schemars(length(max = 200))]
    pub relays: Vec<(CaseId, Code, Code, Timestamp)>,
}

/// One work order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkOrderRow {
    /// The work order.
    pub work_order: Uuid,
    /// Which of the hospitals that the person named: 1, 2, 3 …
    pub supplier: u16,
    /// The track.
    pub track: Scope,
    /// The recipient, where the hospital is one.
    #[serde(default)]
    pub recipient: Option<RecipientId>,
    /// `no-consent` (not told; the block holds), `to-be-brought`, `brought` (by hand), `instructed`, `confirmed`.
    pub state: Code,
    /// The desk has the request since.
    pub desk_received_at: Timestamp,
    /// The hospital has it since; none: not yet.
    #[serde(default)]
    pub supplier_received_at: Option<Timestamp>,
    /// Since which day the hospital provides nothing.
    #[serde(default)]
    pub stopped_on: Option<Date>,
    /// Documents that were issued: which, when, how.
    #[schemars(length(max = 20))]
    pub documents: Vec<(Uuid, Date, HandOver)>,
}

/// One consent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConsentRow {
    /// To what.
    pub to: ConsentTo,
    /// Given or not.
    pub given: bool,
    /// When it was said.
    pub at: Timestamp,
    /// The version of the text.
    pub text: Code,
}

/// One record of telling another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvisionRow {
    /// To whom, where it is a recipient.
    #[serde(default)]
    pub recipient: Option<RecipientId>,
    /// To which of the hospitals that the person named, where it was brought by hand.
    #[serde(default)]
    pub supplier: Option<u16>,
    /// The person, as that body knows it.
    pub person: Uuid,
    /// What was told.
    #[schemars(length(max = 20))]
    pub items: Vec<Code>,
    /// The order that recorded the consent; none: told based on law.
    #[serde(default)]
    pub consent: Option<Uuid>,
    /// When.
    pub at: Timestamp,
    /// The last day on which the record is kept.
    pub kept_until: Date,
}

// ---- supervision -------------------------------------------------------------------------------------------------

/// 監督 (Rules art. 21, 37): what the operator did or saw about a recipient.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Supervise {
    /// Whom.
    pub recipient: RecipientId,
    /// What.
    pub act: Act,
}

/// One act of supervision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// 認定の証明: the paper that shows the certification.
    Proof {
        /// Which paper, by the operator's own code.
        paper: Code,
        /// SHA-256 of its bytes.
        digest: Digest,
    },
    /// 監査.
    Audit {
        /// When.
        on: Date,
        /// Who, by the operator's own code.
        by: Code,
        /// What was found: `nothing`, or codes of the operator's list.
        #[schemars(length(min = 1, max = 64))]
        findings: Vec<Code>,
        /// The next one is due.
        next_due: Date,
    },
    /// 措置の確認: that measures ordered before were taken.
    MeasuresConfirmed {
        /// When.
        on: Date,
        /// Which findings are mended.
        #[schemars(length(min = 1, max = 64))]
        findings: Vec<Code>,
    },
    /// 利用事業者の消去の報告 on paper (Rules art. 43(1)(ii)): date, items, book entry.
    Erased {
        /// When.
        on: Date,
        /// What.
        #[schemars(length(min = 1, max = 64))]
        items: Vec<Code>,
        /// The user's own book entry.
        book_entry: Code,
    },
}

/// Asks how one recipient is supervised.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowSupervision {
    /// Whom.
    pub recipient: RecipientId,
}

/// How one recipient is supervised.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Supervision {
    /// Acts, the oldest first, with when they were recorded.
    #[schemars(length(max = 200))]
    pub acts: Vec<(Timestamp, Act)>,
    /// Findings that nobody confirmed as mended, in the order of their codes.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub open: Vec<Code>,
    /// What is overdue: `audit`, `measures`, `erasure-report`, `proof`, since which day.
    #[schemars(length(max = 10))]
    pub overdue: Vec<(Code, Date)>,
    /// Reports confirmed automatically, by staff, attested by two.
    pub confirmed: (u32, u32, u32),
    /// Of them drawn for a person, and looked at.
    pub samples: (u32, u32),
    /// Incidents that it told, newest first.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub incidents: Vec<ProcessorIncident>,
    /// Complaints about it that were passed on and are not done with, oldest first.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub complaints: Vec<ComplaintRow>,
}

/// Asks what is overdue in supervision.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListOverdue {}

/// At most 200.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OverdueList {
    /// Whose, what, since which day.
    #[schemars(length(max = 200))]
    pub rows: Vec<(RecipientId, Code, Date)>,
}

/// 認定の失効 of the operator itself (Act art. 12(2), 16(2)): everybody who has medical data of it erases everything. The first of
/// two different people proposes; with the second one, who gives the same day, it goes out. It cannot be taken back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EndOperator {
    /// The last day on which it was certified.
    pub on: Date,
}

/// 事前確認: whom an [`EndOperator`] would reach, whom not and why, and who has proposed one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PreviewEndOperator {}

/// What [`EndOperator`] would do now.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EndOperatorPreview {
    /// Recipients that are not removed, those who are told first, then by their labels.
    #[schemars(length(max = 1000))]
    pub rows: Vec<EndOperatorRow>,
    /// Proposals and the end itself, the newest first: the day, who said it first, who else.
    #[schemars(length(max = 50))]
    pub said: Vec<EndOperatorSaid>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndOperatorRow {
    /// Who.
    pub recipient: RecipientId,
    /// Its label.
    pub label: Code,
    /// What it is.
    pub kind: RecipientKind,
    /// The tracks of its contract in force; none: it has none.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// Why it is not told to erase everything (`holds-data-of-its-own`, `not-in-the-operators-hands`, `told-already`); none: it is.
    #[serde(default)]
    pub not_told: Option<Code>,
}

/// One word of the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndOperatorSaid {
    /// The last day on which the operator was certified.
    pub on: Date,
    /// Who proposed it, and when.
    pub first: (StaffId, Timestamp),
    /// Who else said the same; none: nothing has gone out.
    #[serde(default)]
    pub second: Option<(StaffId, Timestamp)>,
}

/// 書面の消去報告の確認: as `AttestReport`, for an erasure: with all that its report has to say.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AttestErasure {
    /// The instruction.
    pub instruction: InstructionId,
    /// `applied` or `partly-applied`.
    pub outcome: ReportOutcome,
    /// The recipient's own book entry.
    pub book_entry: Code,
    /// System by system.
    #[schemars(length(min = 1, max = 64))]
    pub erasures: Vec<Erasure>,
}

// ---- incidents of recipients -------------------------------------------------------------------------------------

/// 漏えい等の通知 from a recipient that came by telephone or on paper (Rules art. 44, 45).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecordIncident {
    /// Who tells it.
    pub recipient: RecipientId,
    /// The recipient's own number of it: a later notice amends the earlier one.
    pub number: Code,
    /// When somebody there knew first.
    pub known_at: Timestamp,
    /// Who told whom on the way here, tier by tier.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub told: Vec<ToldStep>,
    /// Which items are stated; the others are not known yet.
    #[schemars(length(max = 9))]
    pub stated: Vec<IncidentItem>,
    /// Their words, sealed to opt-out propagation; additional data = the order's token.
    pub statement: Sealed,
}

/// Asks for incidents that recipients told.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListProcessorIncidents {}

/// At most 200, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProcessorIncidentList {
    /// The incidents.
    #[schemars(length(max = 200))]
    pub incidents: Vec<ProcessorIncident>,
}

/// One incident: the operator's own clock runs from the earliest time of knowing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessorIncident {
    /// The incident.
    pub incident: Uuid,
    /// Who told it.
    pub recipient: RecipientId,
    /// Its own number.
    pub number: Code,
    /// The earliest time of knowing, of anybody on the way.
    pub known_at: Timestamp,
    /// When it reached us first.
    pub reached_at: Timestamp,
    /// Who told whom.
    #[schemars(length(max = 10))]
    pub told: Vec<ToldStep>,
    /// Stated so far.
    #[schemars(length(max = 9))]
    pub stated: Vec<IncidentItem>,
    /// Not known yet.
    #[schemars(length(max = 9))]
    pub unknown: Vec<IncidentItem>,
    /// The first report to the ministers is due (速やかに).
    pub first_due: Date,
    /// The full report is due.
    pub full_due: Date,
}

// ---- complaints about recipients ---------------------------------------------------------------------------------

/// 苦情の取次ぎ: a complaint about a recipient is passed on (Act art. 29, 51). Overdue until cause and measures are in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ForwardComplaint {
    /// The case.
    pub case: CaseId,
    /// About whom.
    pub recipient: RecipientId,
}

/// The recipient's cause and measures came.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AnswerComplaint {
    /// Which.
    pub complaint: Uuid,
    /// 原因; sealed to opt-out propagation, additional data = the order's token.
    #[serde(default)]
    pub cause: Option<Sealed>,
    /// 改善措置; sealed likewise.
    #[serde(default)]
    pub measures: Option<Sealed>,
}

/// The person was told of it, by us.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ComplaintTold {
    /// Which.
    pub complaint: Uuid,
    /// When.
    pub at: Timestamp,
}

/// Asks for complaints that were passed on and are not done with.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListComplaints {}

/// At most 200, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ComplaintList {
    /// The complaints.
    #[schemars(length(max = 200))]
    pub complaints: Vec<ComplaintRow>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComplaintRow {
    /// The complaint.
    pub complaint: Uuid,
    /// Its case.
    pub case: CaseId,
    /// About whom.
    pub recipient: RecipientId,
    /// Passed on.
    pub at: Timestamp,
    /// Cause and measures are due.
    pub due: Timestamp,
    /// Overdue: the time is over and one of the two is missing.
    pub overdue: bool,
    /// What is missing: `cause`, `measures`, `person-told`.
    #[schemars(length(max = 3))]
    pub missing: Vec<Code>,
}
