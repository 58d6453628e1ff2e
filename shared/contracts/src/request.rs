//! Request and reply (`req.<service>.<verb>`): for a person who waits, for disclosure of a personal value, and for the
//! bus asking itself. Never stored by NATS; free text and search terms travel sealed to the answering service.

use crate::{
    CaseId, Code, DecisionOutcome, Digest, DisclosePurpose, MessageId, ObjectId, PersonField, RecipientId,
    RecipientKind, Sealed, Service, StaffId, Transport,
    alert::{AlertReply, SendAlert, SetContact},
    arrival::{
        ArrivalList, ArrivalReply, FileRequest, HandOverSlip, ListArrivals, LogArrival, SettleArrival, ShowArrival,
        ShowSlip, SlipReply, Written,
    },
    books::{BooksReply, ReplayRecipient, ShowBooks},
    carried::{ExportFile, ExportReply, ImportFile, ImportReply},
    correspondence::{
        AcknowledgeMail, DestroyMailFile, ListMails, MailList, MailReply, NoticeOwner, SettleMail, ShowMail,
        WhoseNotice,
    },
    duty::{
        AnswerComplaint, AttestErasure, BasedOnLawList, BringWorkOrder, ComplaintList, ComplaintTold, DutiesReply,
        EndOperator, EndOperatorPreview, ForwardComplaint, HospitalStopped, IssueStopDocument, ListBasedOnLaw,
        ListComplaints, ListOverdue, ListProcessorIncidents, OverdueList, PassBasedOnLaw, PreviewEndOperator, Print,
        Printed, ProcessorIncidentList, RecordConsent, RecordDisagreement, RecordIncident, RecordRelay, ShowDuties,
        ShowSupervision, Supervise, Supervision,
    },
    endpoint_test::TestEndpoint,
    envelope::TraceParent,
    gate::{
        CheckGate, DecideReview, GateAnswers, GateIncidentList, KeepFiling, ListGateIncidents, ListReviews, ReviewList,
    },
    gate_desk::{FilingList, GateRunList, ListFilings, ListGateRuns, ReviewReply, ShowReview},
    register::{
        AttestReport, Certification, Certify, ChangeEndpoint, ChangeScope, CloseTask, ConfirmMatch, Contract,
        CorrectIdentifiers, EndCertification, EntryReply, FoundAt, HospitalReceived, ListTasks, RecipientReply,
        RemoveRecipient, ResumeRecipient, ResumeUse, RotateKeys, ScanReturn, SetContract, ShowEntry, ShowRecipient,
        SuspendRecipient, SuspendUse, TaskList, WithdrawStop,
    },
    standing::{PreviewStop, StopPreview},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// One row of the table of requests.
#[derive(Debug)]
pub struct RequestEntry {
    /// Who answers.
    pub at: Service,
    /// The verb, kebab-case.
    pub verb: &'static str,
    /// Who may ask.
    pub askers: &'static [Service],
}

impl RequestEntry {
    /// `req.intake.disclose`.
    pub fn subject(&self) -> String {
        format!("req.{}.{}", self.at.token(), self.verb)
    }
}

/// A request type: its row and its reply.
pub trait Request: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The reply's type.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// The row.
    const ENTRY: &'static RequestEntry;
}

macro_rules! requests {
    ($($name:ty => $reply:ty, $at:ident $verb:literal by [$($asker:ident),*];)*) => {
        $(impl Request for $name {
            type Reply = $reply;
            const ENTRY: &'static RequestEntry = &RequestEntry { at: Service::$at, verb: $verb, askers: &[$(Service::$asker),*] };
        })*
        /// Every request of the house, but for those that every service answers ([`EVERY_SERVICE`]).
        pub static REQUESTS: &[&RequestEntry] = &[$(<$name as Request>::ENTRY),*];
    };
}

requests! {
    Disclose => DisclosedReply, Intake "disclose" by [Identity, Fulfilment, OptOut, Notification, Console];
    SearchCases => FoundCases, Intake "search" by [Console];
    StaffCommand<Withdraw> => StaffReply, Intake "withdraw" by [Console];
    StaffCommand<Revive> => StaffReply, Intake "revive" by [Console];
    StaffCommand<EraseCase> => StaffReply, Intake "erase" by [Console];
    ListMails => MailList, Intake "mails" by [Console];
    ShowMail => MailReply, Intake "mail" by [Console];
    StaffCommand<SettleMail> => StaffReply, Intake "settle-mail" by [Console];
    StaffCommand<DestroyMailFile> => StaffReply, Intake "destroy-mail-file" by [Console];
    StaffCommand<LogArrival> => Written, Intake "log-arrival" by [Console];
    ListArrivals => ArrivalList, Intake "arrivals" by [Console];
    ShowArrival => ArrivalReply, Intake "arrival" by [Console];
    StaffCommand<SettleArrival> => StaffReply, Intake "settle-arrival" by [Console];
    StaffCommand<FileRequest> => Written, Intake "file" by [Console];
    ShowSlip => SlipReply, Intake "slip" by [Console];
    StaffCommand<HandOverSlip> => StaffReply, Intake "hand-over-slip" by [Console];
    WhoseNotice => NoticeOwner, Notification "whose" by [Intake];
    AcknowledgeMail => AlertReply, Notification "acknowledge" by [Intake];
    StaffCommand<ConfirmIdentity> => StaffReply, Identity "confirm" by [Console];
    StaffCommand<AskForCompletion> => StaffReply, Identity "ask-for-completion" by [Console];
    StaffCommand<RejectIdentity> => StaffReply, Identity "reject" by [Console];
    StaffCommand<ImportStatement> => StaffReply, Payment "import-statement" by [Console];
    StaffCommand<Decide> => StaffReply, Fulfilment "decide" by [Console];
    StaffCommand<RegisterRecipient> => StaffReply, OptOut "register-recipient" by [Console];
    ListRecipients => RecipientList, OptOut "recipients" by [Console];
    CheckGate => GateAnswers, OptOut "gate" by [Intake, Fulfilment, Console];
    ListReviews => ReviewList, OptOut "reviews" by [Console];
    StaffCommand<DecideReview> => StaffReply, OptOut "decide-review" by [Console];
    StaffCommand<KeepFiling> => StaffReply, OptOut "keep-filing" by [Console];
    ListGateIncidents => GateIncidentList, OptOut "gate-incidents" by [Console];
    ShowReview => ReviewReply, OptOut "review" by [Console];
    ListFilings => FilingList, OptOut "filings" by [Console];
    ListGateRuns => GateRunList, OptOut "gate-runs" by [Console];
    PreviewStop => StopPreview, OptOut "preview" by [Console];
    ShowRecipient => RecipientReply, OptOut "recipient" by [Console];
    StaffCommand<SetContract> => StaffReply, OptOut "set-contract" by [Console];
    StaffCommand<Certify> => StaffReply, OptOut "certify" by [Console];
    StaffCommand<EndCertification> => StaffReply, OptOut "end-certification" by [Console];
    StaffCommand<RotateKeys> => StaffReply, OptOut "rotate-keys" by [Console];
    StaffCommand<ChangeEndpoint> => StaffReply, OptOut "change-endpoint" by [Console];
    StaffCommand<SuspendRecipient> => StaffReply, OptOut "suspend-recipient" by [Console];
    StaffCommand<ResumeRecipient> => StaffReply, OptOut "resume-recipient" by [Console];
    StaffCommand<RemoveRecipient> => StaffReply, OptOut "remove-recipient" by [Console];
    ShowBooks => BooksReply, OptOut "books" by [Console];
    StaffCommand<ReplayRecipient> => StaffReply, OptOut "replay-recipient" by [Console];
    StaffCommand<TestEndpoint> => StaffReply, OptOut "test-endpoint" by [Console];
    StaffCommand<SetContact> => StaffReply, OptOut "set-contact" by [Console];
    SendAlert => AlertReply, Notification "alert" by [OptOut];
    ListTasks => TaskList, OptOut "tasks" by [Console];
    StaffCommand<CloseTask> => StaffReply, OptOut "close-task" by [Console];
    StaffCommand<AttestReport> => StaffReply, OptOut "attest-report" by [Console];
    ShowEntry => EntryReply, OptOut "entry" by [Console];
    StaffCommand<ConfirmMatch> => StaffReply, OptOut "confirm-match" by [Console];
    StaffCommand<ChangeScope> => StaffReply, OptOut "change-scope" by [Console];
    StaffCommand<CorrectIdentifiers> => StaffReply, OptOut "correct-identifiers" by [Console];
    StaffCommand<WithdrawStop> => StaffReply, OptOut "withdraw-stop" by [Console];
    StaffCommand<HospitalReceived> => StaffReply, OptOut "hospital-received" by [Console];
    StaffCommand<FoundAt> => StaffReply, OptOut "found-at" by [Console];
    StaffCommand<ScanReturn> => StaffReply, OptOut "scan-return" by [Console];
    StaffCommand<SuspendUse> => StaffReply, OptOut "suspend-use" by [Console];
    StaffCommand<ResumeUse> => StaffReply, OptOut "resume-use" by [Console];
    StaffCommand<ExportFile> => ExportReply, OptOut "export-file" by [Console];
    StaffCommand<ImportFile> => ImportReply, OptOut "import-file" by [Console];
    StaffCommand<PassBasedOnLaw> => StaffReply, OptOut "pass-based-on-law" by [Console];
    ListBasedOnLaw => BasedOnLawList, OptOut "based-on-law" by [Console];
    StaffCommand<RecordConsent> => StaffReply, OptOut "record-consent" by [Console];
    StaffCommand<BringWorkOrder> => StaffReply, OptOut "bring-work-order" by [Console];
    StaffCommand<HospitalStopped> => StaffReply, OptOut "hospital-stopped" by [Console];
    StaffCommand<IssueStopDocument> => StaffReply, OptOut "issue-stop-document" by [Console];
    StaffCommand<Print> => Printed, OptOut "print" by [Console];
    StaffCommand<RecordDisagreement> => StaffReply, OptOut "record-disagreement" by [Console];
    StaffCommand<RecordRelay> => StaffReply, OptOut "record-relay" by [Console];
    ShowDuties => DutiesReply, OptOut "duties" by [Console];
    StaffCommand<Supervise> => StaffReply, OptOut "supervise" by [Console];
    ShowSupervision => Supervision, OptOut "supervision" by [Console];
    ListOverdue => OverdueList, OptOut "overdue" by [Console];
    StaffCommand<EndOperator> => StaffReply, OptOut "end-operator" by [Console];
    PreviewEndOperator => EndOperatorPreview, OptOut "preview-end-operator" by [Console];
    StaffCommand<AttestErasure> => StaffReply, OptOut "attest-erasure" by [Console];
    StaffCommand<RecordIncident> => StaffReply, OptOut "record-incident" by [Console];
    ListProcessorIncidents => ProcessorIncidentList, OptOut "processor-incidents" by [Console];
    StaffCommand<ForwardComplaint> => StaffReply, OptOut "forward-complaint" by [Console];
    StaffCommand<AnswerComplaint> => StaffReply, OptOut "answer-complaint" by [Console];
    StaffCommand<ComplaintTold> => StaffReply, OptOut "complaint-told" by [Console];
    ListComplaints => ComplaintList, OptOut "complaints" by [Console];
}

/// Verbs that every service with a machine answers: `heard` and `told` to its speakers and hearers, the others to the
/// console.
pub static EVERY_SERVICE: &[(&str, Family)] = &[
    ("heard", Family::Bus),
    ("told", Family::Bus),
    ("history", Family::Console),
    ("parked", Family::Console),
    ("retry", Family::Console),
    ("drop", Family::Console),
];

/// Who asks the verbs of [`EVERY_SERVICE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The relays.
    Bus,
    /// The staff's pages.
    Console,
}

// ---- the bus asking itself -------------------------------------------------------------------------------------

/// `req.<hearer>.heard`: which of these messages do you have?
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Heard {
    /// Who asks: the speaker.
    pub from: Code,
    /// Open messages, at most 256.
    #[schemars(length(max = 256))]
    pub ids: Vec<MessageId>,
    /// A few that were confirmed long ago: a hearer that has lost them has lost rows.
    #[schemars(length(max = 8))]
    pub probe: Vec<MessageId>,
}

/// The hearer's answer from its own inbox.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HeardReply {
    /// Those of `ids` and `probe` that it has, in any state.
    pub have: Vec<MessageId>,
    /// The newest one that it ever heard from the asker.
    pub newest: Option<MessageId>,
    /// Nothing waits for it in JetStream: what is missing will not come by itself.
    pub idle: bool,
    /// The same of its queue of the many ([`crate::flow::Queue::Bulk`]).
    #[serde(default)]
    pub bulk_idle: bool,
    /// The life of its database.
    pub epoch: i32,
}

/// `req.<hearer>.told`: what have you heard from me after this? Asked by a speaker that has lost rows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// Who asks: the speaker.
    pub from: Code,
    /// After this id (they sort by time); absent: from the beginning.
    pub after: Option<MessageId>,
}

/// What the hearer heard, at most 256 at a time, in order.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ToldReply {
    /// Id and lane.
    #[schemars(length(max = 256))]
    pub heard: Vec<(MessageId, Uuid)>,
}

/// `req.<service>.history`: what happened to one machine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The machine.
    pub machine: Uuid,
}

/// Events as stored, oldest first, at most 1,000. They hold codes, ids, amounts and times only.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryReply {
    /// One row per version.
    #[schemars(length(max = 1000))]
    pub rows: Vec<HistoryRow>,
}

/// One version.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRow {
    /// 1, 2, 3 …
    pub version: i64,
    /// When.
    pub at: Timestamp,
    /// The message, staff command or wake-up that caused it.
    pub cause: Uuid,
    /// The event.
    pub event: serde_json::Value,
}

/// `req.<service>.parked`: what waits for a person?
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Parked {}

/// At most 200, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ParkedReply {
    /// The rows.
    #[schemars(length(max = 200))]
    pub rows: Vec<ParkedRow>,
}

/// One parked message.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ParkedRow {
    /// The inbox row.
    pub id: Uuid,
    /// The machine whose lane it blocks (for later messages of the same speaker).
    pub lane: Uuid,
    /// Why.
    pub note: Code,
    /// Since when.
    pub since: Timestamp,
    /// How many wait behind it.
    pub behind: u32,
}

/// `req.<service>.retry` and `.drop` carry this inside a [`StaffCommand`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ParkedChoice {
    /// The inbox row.
    pub id: Uuid,
}

// ---- personal values -------------------------------------------------------------------------------------------

/// Asks intake for personal values of a case, for a purpose; the reply is sealed to the asking service's key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Disclose {
    /// The case.
    pub case: CaseId,
    /// Who asks.
    pub asker: Code,
    /// What for; intake checks its table of allowed purposes and writes the audit row first.
    pub purpose: DisclosePurpose,
    /// Which values.
    #[schemars(length(min = 1, max = 10))]
    pub fields: Vec<PersonField>,
    /// The message or staff command because of which it is asked.
    pub cause: Uuid,
    /// The member of staff who looks, where it is one.
    #[serde(default)]
    pub staff: Option<StaffId>,
}

/// The reply to [`Disclose`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum DisclosedReply {
    /// A JSON object of the fields that the case has, sealed to the asker's key; additional data is the case id.
    Values {
        /// The values.
        sealed: Sealed,
    },
    /// The personal part no longer exists (消去済み).
    Erased,
    /// No such case here (yet).
    Unknown,
    /// This service may not have these fields for this purpose.
    Forbidden,
}

/// Finds cases by a personal value (blind index); the term is sealed to intake.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SearchCases {
    /// Which field.
    pub field: PersonField,
    /// The term.
    pub term: Sealed,
    /// Who searches.
    pub staff: StaffId,
}

/// The cases found, at most 100.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FoundCases {
    /// Newest first.
    #[schemars(length(max = 100))]
    pub cases: Vec<CaseId>,
}

// ---- staff commands --------------------------------------------------------------------------------------------

/// What a member of staff orders: always with who, why and a token that makes a repeat harmless.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StaffCommand<T> {
    /// The form's token: the cause of what follows; the same token again gets the first answer.
    pub token: Uuid,
    /// Who.
    pub staff: StaffId,
    /// Why, sealed to the answering service; kept with the history row's cause.
    pub why: Sealed,
    /// The trace of the page that sent it.
    #[serde(default)]
    pub traceparent: Option<TraceParent>,
    /// The order.
    pub order: T,
}

/// The reply to a staff command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum StaffReply {
    /// Done (or already so).
    Done {
        /// The machine.
        machine: Uuid,
        /// Its status now.
        status: Code,
        /// Figures that belong to the answer (lines, matches …), as codes and numbers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        figures: Vec<(Code, i64)>,
    },
    /// Not done; nothing was written.
    Refused {
        /// Why, as a code whose words are configuration.
        reason: Code,
        /// Where in the input (`line-3-column-20-amount`), when it is about a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Code>,
    },
}

/// 取下げ on the person's behalf (by telephone or letter).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Withdraw {
    /// The case.
    pub case: CaseId,
}

/// Takes a lapsed case up again (失効の取消し).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Revive {
    /// The case.
    pub case: CaseId,
}

/// Destroys the personal part of an ended case by destroying its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EraseCase {
    /// The case.
    pub case: CaseId,
}

/// The papers prove it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmIdentity {
    /// The case.
    pub case: CaseId,
    /// The papers seen, as codes of the document matrix (`drivers-licence`).
    #[schemars(length(min = 1, max = 10))]
    pub papers: Vec<Code>,
}

/// Papers are missing (補正依頼).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AskForCompletion {
    /// The case.
    pub case: CaseId,
    /// What is missing.
    #[schemars(length(min = 1, max = 20))]
    pub reasons: Vec<Code>,
}

/// It is not the person, or nobody who may act.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RejectIdentity {
    /// The case.
    pub case: CaseId,
    /// Why.
    #[schemars(length(min = 1, max = 20))]
    pub reasons: Vec<Code>,
}

/// Takes a bank file in. The bytes lie sealed to payment's key in the object store: files never cross NATS.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ImportStatement {
    /// The sealed file.
    pub file: ObjectId,
    /// SHA-256 of the plain bytes.
    pub digest: Digest,
    /// The account's profile, which names the layout; never sniffed.
    pub profile: Code,
}

/// 決定.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Decide {
    /// The case.
    pub case: CaseId,
    /// The answer.
    pub outcome: DecisionOutcome,
    /// The article.
    pub ground: Code,
    /// The reasons in words (APPI art. 36), sealed to fulfilment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Sealed>,
    /// 苦情処理記録 (Rules art. 25): a JSON object of `content`, `cause` and `measures`, sealed to fulfilment; additional data = the case's id.
    /// With a complaint, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<Sealed>,
}

/// Puts a recipient on the list of those who must be told.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegisterRecipient {
    /// The new recipient.
    pub recipient: RecipientId,
    /// Its short name on pages, an organisation's (`nichii-data-centre`).
    pub label: Code,
    /// What it is.
    pub kind: RecipientKind,
    /// How it is reached.
    pub transport: Transport,
    /// Webhook: where to POST; sealed to opt-out propagation, since it may hold a secret path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Sealed>,
    /// NATS: the recipient's own user public key (`U…`); it keeps the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats_user: Option<NatsKey>,
    /// NATS: the account that the steward derives for it (`A…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats_account: Option<NatsKey>,
    /// Public key of its reports: Ed25519, 32 bytes, or P-256, 33 bytes (or 65, kept as 33).
    pub report_key: Sealed,
    /// X25519 public key that identifiers are sealed to, 32 bytes.
    pub sealing_key: Sealed,
    /// What it is called, as people write it: a hospital is told of those who named it. Sealed to opt-out propagation,
    /// additional data = the recipient's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Sealed>,
    /// Its certification and place in the tiers; a contractor without gets no identifiers (Act art. 24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certification: Option<Certification>,
    /// Its contract; a contractor without gets no identifiers (Rules art. 20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
}

/// A public nkey: 56 characters of base 32.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct NatsKey(#[schemars(regex(pattern = "^[A-Z2-7]{56}$"))] Box<str>);

impl NatsKey {
    /// `None` unless it is 56 characters of base 32.
    pub fn new(text: &str) -> Option<Self> {
        (text.len() == 56 && text.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)))
            .then(|| Self(text.into()))
    }
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Asks for the recipients.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListRecipients {}

/// The recipients, at most 2,000.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecipientList {
    /// By label.
    #[schemars(length(max = 2000))]
    pub recipients: Vec<RecipientRow>,
}

/// One recipient as the console shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecipientRow {
    /// The recipient.
    pub recipient: RecipientId,
    /// Its short name.
    pub label: Code,
    /// What it is.
    pub kind: RecipientKind,
    /// How it is reached.
    pub transport: Transport,
    /// The last position issued to it.
    pub last: i64,
    /// Instructions without a verified report.
    pub open: u32,
    /// When its oldest open instruction was issued.
    #[serde(default)]
    pub oldest_open: Option<Timestamp>,
    /// `active`, `suspended`, `removed`, `certification-ended`.
    #[serde(default = "active")]
    pub status: Code,
    /// Instructions whose report is past due.
    #[serde(default)]
    pub overdue: u32,
    /// What is missing before it may get identifiers (`certification`, `contract`, `permission` …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub missing: Vec<Code>,
}

const fn active() -> Code {
    Code::of("active")
}
