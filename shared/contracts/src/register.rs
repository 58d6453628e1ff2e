//! Orders and questions about the register of stops (停止登録簿) and the life of its recipients (通知先), as the console and the
//! command line send them. The table of them is in [`crate::request`].

use crate::{
    CaseId, Code, ContractItem, Date, Diligence, EntryId, InstructionId, Measure, RecipientId, ReportOutcome, Scope,
    Sealed, StaffId, Transport,
    alert::ContactView,
    forms::Forms,
    request::{NatsKey, RecipientRow},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

// ---- what a recipient stands on ----------------------------------------------------------------------------------

/// 認定: of a contractor or certified operator (Act art. 9, 45, 46), and its place in the tiers (Act art. 24).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certification {
    /// 認定番号.
    pub number: Code,
    /// 認定の年月日.
    pub on: Date,
    /// For which track.
    pub scope: Scope,
    /// Last day, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// 再委託元: the contractor that it works for; sub-contractors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RecipientId>,
    /// 許諾の年月日: when the operator permitted the sub-entrusting (Act art. 24(2)); sub-contractors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted_on: Option<Date>,
}

/// 契約: one version. Instructions are frozen to the version in force when they are issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contract {
    /// Which tracks the recipient works on.
    pub scope: Scope,
    /// From which day.
    pub from: Date,
    /// Until which day, where it has an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Until when a stop is to be reported, in the statute's words.
    pub stop: Diligence,
    /// Until when an erasure is to be reported, in the statute's words.
    pub erase: Diligence,
    /// 七項目: where in the contract each stands (`article-3`). One that is missing refuses the activation.
    #[schemars(length(max = 7))]
    pub items: Vec<(ContractItem, Code)>,
    /// What the recipient has otherwise than usual.
    #[serde(default, skip_serializing_if = "Forms::is_usual")]
    pub forms: Forms,
}

impl Contract {
    /// The first of the seven items (Rules art. 20(1)) that the contract does not have.
    pub fn missing(&self) -> Option<ContractItem> {
        ContractItem::ALL.iter().copied().find(|item| self.items.iter().all(|(i, _)| i != item))
    }
}

/// 契約の版の発効: a new version of the contract takes the old one's place.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SetContract {
    /// Whose.
    pub recipient: RecipientId,
    /// The new version.
    pub contract: Contract,
}

/// Records a certification, and the place in the tiers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Certify {
    /// Whose.
    pub recipient: RecipientId,
    /// What.
    pub certification: Certification,
}

/// 認定の失効 (Act art. 12(2), 16(2)): no new instruction but to erase everything, which is owed until it is reported.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EndCertification {
    /// Whose.
    pub recipient: RecipientId,
    /// The last day on which it was certified.
    pub on: Date,
}

/// New keys; what is not given stays. The old report key verifies until `overlap_until`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RotateKeys {
    /// Whose.
    pub recipient: RecipientId,
    /// The new Ed25519 public key of its reports, 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_key: Option<Sealed>,
    /// The new X25519 public key; instructions from now on are sealed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<Sealed>,
    /// Until when reports signed with the old key are taken; at most 90 days.
    pub overlap_until: Timestamp,
}

/// Another endpoint. What the old one owes is cancelled and issued anew to this one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangeEndpoint {
    /// Whose.
    pub recipient: RecipientId,
    /// How it is reached from now on.
    pub transport: Transport,
    /// Webhook: where to POST; sealed to opt-out propagation, additional data = the recipient's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Sealed>,
    /// NATS: the recipient's own user public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats_user: Option<NatsKey>,
    /// NATS: the account that the steward derives for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats_account: Option<NatsKey>,
}

macro_rules! about_a_recipient {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// Which.
            pub recipient: RecipientId,
        }
    )*};
}

about_a_recipient! {
    /// Deliveries are parked, never dropped; deadlines run on.
    SuspendRecipient;
    /// Deliveries go on where they stood.
    ResumeRecipient;
    /// No new instructions. What is owed stays owed until it is reported or attested.
    RemoveRecipient;
    /// Asks for everything about one recipient.
    ShowRecipient;
}

/// The answer to [`ShowRecipient`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum RecipientReply {
    /// Here it is.
    Found(Box<RecipientView>),
    /// No such recipient.
    Unknown,
}

/// One recipient, in full.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecipientView {
    /// As in the list.
    pub row: RecipientRow,
    /// Its certification.
    #[serde(default)]
    pub certification: Option<Certification>,
    /// The contract in force and its version.
    #[serde(default)]
    pub contract: Option<(i32, Contract)>,
    /// Endpoints: version, transport, whether deliveries go there.
    #[schemars(length(max = 100))]
    pub endpoints: Vec<(i32, Transport, bool)>,
    /// Report keys that verify now: id, and until when.
    #[schemars(length(max = 100))]
    pub report_keys: Vec<(Code, Option<Timestamp>)>,
    /// The id of the key that identifiers are sealed to.
    pub sealing_key: Code,
    /// The desk's Ed25519 public key for this recipient, 32 bytes: verifies the webhooks and files that are for it. In text
    /// `whpk_` and the base64. Handed over by a person.
    #[serde(default)]
    pub desk_key: Sealed,
    /// 連絡先; none: there is none.
    #[serde(default)]
    pub contact: Option<ContactView>,
    /// Deliveries that wait for a person, or for its resumption.
    pub parked: u32,
    /// Its oldest open instructions: which, what, since when, due when.
    #[schemars(length(max = 100))]
    pub owed: Vec<(InstructionId, Measure, Timestamp, Timestamp)>,
}

// ---- tasks -------------------------------------------------------------------------------------------------------

/// Asks what waits for a member of staff.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListTasks {}

/// At most 200, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {
    /// The tasks.
    #[schemars(length(max = 200))]
    pub tasks: Vec<TaskRow>,
}

/// One task.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TaskRow {
    /// The task.
    pub task: Uuid,
    /// `report` (an outcome that does not close by itself), `sample` (drawn for a person's confirmation), `erase-all`.
    pub kind: Code,
    /// Of whom.
    pub recipient: RecipientId,
    /// Its short name.
    pub label: Code,
    /// The instruction, where it is about one.
    #[serde(default)]
    pub instruction: Option<InstructionId>,
    /// The entry, where it is about one.
    #[serde(default)]
    pub entry: Option<EntryId>,
    /// What was reported.
    #[serde(default)]
    pub outcome: Option<ReportOutcome>,
    /// The ground that the report gives.
    #[serde(default)]
    pub ground: Option<Code>,
    /// Since when.
    pub since: Timestamp,
    /// The recipient's deadline, or that of the task.
    pub due: Timestamp,
}

/// A member of staff dealt with it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CloseTask {
    /// The task.
    pub task: Uuid,
    /// True: the outcome stands and is confirmed (確認). False: the recipient has to report again.
    pub accept: bool,
}

/// 書面の報告の確認: a report on paper or without a signature counts when two members of staff attest it. The first order
/// proposes, the second one, by another person and with the same words, attests.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AttestReport {
    /// The instruction.
    pub instruction: InstructionId,
    /// What the paper says.
    pub outcome: ReportOutcome,
    /// Its ground, where the outcome needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
}

/// 返信票の読取り: the return form of a letter. Counts like every paper: when two members of staff have scanned the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScanReturn {
    /// The code on the form.
    pub code: Code,
    /// What is ticked on it.
    pub outcome: ReportOutcome,
    /// Its ground, where the outcome needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
}

// ---- the register ------------------------------------------------------------------------------------------------

/// Asks for everything about one entry but the person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowEntry {
    /// The entry.
    pub entry: EntryId,
}

/// The answer to [`ShowEntry`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum EntryReply {
    /// Here it is.
    Found(Box<EntryDetail>),
    /// No such entry.
    Unknown,
}

/// 登録の内容: one entry with its changes, its hospitals and the three-part answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EntryDetail {
    /// Which tracks are stopped.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// The gate says no since.
    #[serde(default)]
    pub blocked_since: Option<Timestamp>,
    /// Final since.
    #[serde(default)]
    pub final_since: Option<Timestamp>,
    /// 撤回: waits for a new notice by the hospital (Act art. 52(1)); the block holds.
    #[serde(default)]
    pub withdrawn_at: Option<Timestamp>,
    /// 利用の一時停止: current builds are frozen since; none: they are not, or an erasure took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<Timestamp>,
    /// Every change, the oldest first.
    #[schemars(length(max = 1000))]
    pub changes: Vec<EntryChange>,
    /// The hospitals that the person named, in that order: when each had the stop; none: not yet. And the recipient, where
    /// the hospital is one.
    #[schemars(length(max = 100))]
    pub suppliers: Vec<(Option<RecipientId>, Option<Timestamp>)>,
    /// 三つの回答: what each recipient did, and when.
    #[schemars(length(max = 2000))]
    pub answers: Vec<RecipientAnswer>,
    /// Recipients that are not told, and why.
    #[schemars(length(max = 2000))]
    pub not_told: Vec<(Code, Code)>,
    /// An erasure waits until two people confirmed the match: the first of them, when there is one.
    #[serde(default)]
    pub match_first: Option<StaffId>,
    /// Two people confirmed the match.
    pub match_confirmed: bool,
    /// How it stands, with every instruction about it; none while the entry's machine has not heard of it.
    #[serde(default)]
    pub standing: Option<crate::standing::EntryStanding>,
}

/// One change of an entry.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EntryChange {
    /// The entry's version.
    pub version: i64,
    /// `stopped`, `scope-changed`, `identifiers-corrected`, `use-suspended`, `use-resumed`, `erasure-released`, `withdrawn`.
    pub kind: Code,
    /// The case of this change.
    pub case: CaseId,
    /// The legal basis.
    pub basis: Code,
    /// The tracks after it.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// Arrival at the desk.
    pub received_at: Timestamp,
    /// Effective at the gate.
    pub effective_at: Timestamp,
}

/// What one recipient did.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecipientAnswer {
    /// Its short name.
    pub label: Code,
    /// What it was instructed.
    pub measure: Measure,
    /// What it reported; none: nothing yet.
    #[serde(default)]
    pub outcome: Option<ReportOutcome>,
    /// Why not, where it is not.
    #[serde(default)]
    pub ground: Option<Code>,
    /// When it was reported.
    #[serde(default)]
    pub reported_at: Option<Timestamp>,
    /// When it was confirmed, and by what: `automatic`, `staff`, `attested`.
    #[serde(default)]
    pub confirmed: Option<(Timestamp, Code)>,
    /// The report is due.
    pub due: Timestamp,
    /// Its sub-contractors that have not reported yet: it does not close before they have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub waits_for: Vec<Code>,
}

/// 二人による照合の確認: two different people confirmed that the data found are this person's. Releases the erasure. Each gives
/// this order; the second one, by another person, completes it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmMatch {
    /// The entry.
    pub entry: EntryId,
}

/// 停止範囲の変更: wider or narrower, on the person's own wish in a case of its own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangeScope {
    /// The entry.
    pub entry: EntryId,
    /// The case in which the person asked for it.
    pub case: CaseId,
    /// From now on.
    pub scope: Scope,
    /// The legal basis (`act-52-1`).
    pub basis: Code,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// 識別事項の訂正: the identifiers as they stand in a case now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CorrectIdentifiers {
    /// The entry.
    pub entry: EntryId,
    /// The case that has them.
    pub case: CaseId,
    /// The legal basis.
    pub basis: Code,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// 停止の撤回: recorded; the block holds until the hospital has given a new notice (Act art. 52(1)). Never lifts by itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WithdrawStop {
    /// The entry.
    pub entry: EntryId,
    /// The case in which it was asked for.
    pub case: CaseId,
    /// The legal basis.
    pub basis: Code,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// 利用の一時停止: whoever builds from the person's data leaves current builds alone until it is resumed or erased. An erasure that
/// is asked for orders it by itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SuspendUse {
    /// The entry: a final stop.
    pub entry: EntryId,
    /// The case in which it was asked for.
    pub case: CaseId,
    /// The legal basis (`appi-35-5`).
    pub basis: Code,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// 一時停止の解除: current builds go on without the person. The stop stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResumeUse {
    /// The entry.
    pub entry: EntryId,
    /// The case in which it was found out.
    pub case: CaseId,
    /// The legal basis.
    pub basis: Code,
    /// Arrival at the desk.
    pub received_at: Timestamp,
}

/// A hospital has the stop (Rules art. 47): its own date, beside that of the desk.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HospitalReceived {
    /// The entry.
    pub entry: EntryId,
    /// Which of the hospitals that the person named: 1, 2, 3 …
    pub supplier: u16,
    /// When it had it.
    pub at: Timestamp,
}

/// A search ticket showed that a recipient has data of this person: it is told too.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FoundAt {
    /// The entry.
    pub entry: EntryId,
    /// Where.
    pub recipient: RecipientId,
}
