//! What recipients (通知先) get and send back: a family of its own, without internal ids and without trace context.
//!
//! An instruction is one CloudEvents 1.0 document, the same bytes by every transport, so that one digest, one signature
//! and one report work on NATS, by webhook and in a file. A report is a compact JWS (RFC 7515; EdDSA or ES256) by the
//! recipient's key over the digest of the bytes that it received.

use crate::{
    Code, Digest, InstructionId, Measure, RecipientId, ReportOutcome, Representation, Scope, Sealed, fhir,
    forms::{KeyedHashes, NotWhom, Whom},
};
use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The CloudEvents type of an instruction.
pub const INSTRUCTION_TYPE: &str = "jp.madoguchi.recipient.instruction.v1";
/// The `typ` in the protected header of a report's JWS.
pub const REPORT_TYP: &str = "madoguchi-report-v1+jws";
/// The `typ` of a JWS by which a contractor carries its sub-contractor's report ([`CarriedReport`]).
pub const CARRIED_TYP: &str = "madoguchi-carried-report-v1+jws";
/// The media type of a report that is sent by HTTP (RFC 7515 section 9.2.1).
pub const REPORT_CONTENT_TYPE: &str = "application/jose";
/// The largest instruction and the largest report, in bytes.
pub const BODY_MAX: usize = 64 * 1024;

/// 指示: one instruction to one recipient (structured CloudEvent; `sequence` is the position).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instruction {
    /// Always `1.0`.
    pub specversion: crate::envelope::SpecVersion,
    /// The instruction.
    pub id: InstructionId,
    /// Who instructs.
    pub source: InstructionSource,
    /// Always `jp.madoguchi.recipient.instruction.v1`.
    #[serde(rename = "type")]
    pub message_type: InstructionType,
    /// Whom it is for; anybody else must refuse it.
    pub subject: RecipientId,
    /// When it was issued.
    pub time: Timestamp,
    /// The report is due (`expirytime` extension).
    pub expirytime: Timestamp,
    /// `application/json`; by contract `application/fhir+json`.
    pub datacontenttype: InstructionContentType,
    /// What to do, and to whom.
    #[schemars(with = "InstructionForm")]
    pub data: InstructionData,
}

/// The fixed source of instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InstructionSource {
    /// The register of stops (停止登録簿).
    #[default]
    #[serde(rename = "/madoguchi/register")]
    Register,
}

/// What the data of an instruction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InstructionContentType {
    /// The desk's own JSON.
    #[default]
    #[serde(rename = "application/json")]
    Json,
    /// A FHIR R4 `Consent`.
    #[serde(rename = "application/fhir+json")]
    Fhir,
}

impl From<Representation> for InstructionContentType {
    fn from(representation: Representation) -> Self {
        match representation {
            Representation::CloudEvents => Self::Json,
            Representation::FhirConsent => Self::Fhir,
        }
    }
}

/// The fixed type of instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InstructionType {
    /// Version 1.
    #[default]
    #[serde(rename = "jp.madoguchi.recipient.instruction.v1")]
    V1,
}

/// What to do, and to whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "InstructionForm", into = "InstructionForm")]
pub struct InstructionData {
    /// How it is written; agrees with the content type.
    pub representation: Representation,
    /// Whom it is for, inside what is signed.
    pub audience: RecipientId,
    /// The life of the ledger; positions of two epochs never mix.
    pub epoch: i32,
    /// 通番.
    pub position: i64,
    /// The register entry as this recipient knows it.
    pub entry: uuid::Uuid,
    /// The version of the entry.
    pub entry_version: i64,
    /// 停止 or 消去.
    pub measure: Measure,
    /// Which tracks.
    pub scope: Scope,
    /// Whom it is about.
    pub person: Whom,
    /// With measure `erase`, and only then: what goes and what stays.
    pub erase: Option<EraseTerms>,
}

/// What to do, and to whom (指示の内容), as it stands in the document: the person in one form exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InstructionData", extend("oneOf" = [{ "required": ["person", "sealed_to"] }, { "required": ["hashes"] }]))]
pub struct InstructionFields {
    /// Whom it is for, inside what is signed.
    pub audience: RecipientId,
    /// The life of the ledger; positions of two epochs never mix.
    pub epoch: i32,
    /// 通番: 1, 2, 3 … per recipient and epoch, without a gap.
    pub position: i64,
    /// The register entry as this recipient knows it: the same for every instruction about the same entry.
    pub entry: uuid::Uuid,
    /// The version of the entry; an instruction with a lower one than already applied is reported and ignored.
    pub entry_version: i64,
    /// 停止 or 消去.
    pub measure: Measure,
    /// Which tracks.
    pub scope: Scope,
    /// The person's identifiers ([`Identifiers`] as JSON, see the recipient kit), sealed to the recipient's X25519 key;
    /// the additional data of the seal is the instruction's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Sealed>,
    /// SHA-256 of the recipient's sealing key in use, its first 8 bytes in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_to: Option<Code>,
    /// By contract, instead of both: the person's keyed hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<KeyedHashes>,
    /// With measure `erase`, and only then: what goes and what stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase: Option<EraseTerms>,
}

/// The data in one of its representations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum InstructionForm {
    /// The desk's own JSON.
    Fields(InstructionFields),
    /// A FHIR R4 `Consent`.
    Consent(fhir::Consent),
}

/// Why data is no instruction's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInstructionData {
    /// It says nobody, or says somebody in two forms.
    #[error(transparent)]
    Whom(#[from] NotWhom),
    /// Neither the desk's own JSON nor its Consent.
    #[error(transparent)]
    Consent(#[from] fhir::NotAConsent),
}

impl TryFrom<InstructionForm> for InstructionData {
    type Error = NotInstructionData;
    fn try_from(form: InstructionForm) -> Result<Self, NotInstructionData> {
        Ok(match form {
            InstructionForm::Fields(fields) => Self::try_from(fields)?,
            InstructionForm::Consent(consent) => {
                let data = Self::try_from(fhir::read(&consent)?)?;
                Self { representation: Representation::FhirConsent, ..data }
            }
        })
    }
}

impl From<InstructionData> for InstructionForm {
    fn from(data: InstructionData) -> Self {
        match data.representation {
            Representation::CloudEvents => Self::Fields(data.into()),
            Representation::FhirConsent => Self::Consent(fhir::write(&data.into())),
        }
    }
}

impl TryFrom<InstructionFields> for InstructionData {
    type Error = NotWhom;
    fn try_from(f: InstructionFields) -> Result<Self, NotWhom> {
        Ok(Self {
            representation: Representation::CloudEvents,
            audience: f.audience,
            epoch: f.epoch,
            position: f.position,
            entry: f.entry,
            entry_version: f.entry_version,
            measure: f.measure,
            scope: f.scope,
            person: Whom::of((f.person, f.sealed_to, f.hashes))?,
            erase: f.erase,
        })
    }
}

impl From<InstructionData> for InstructionFields {
    fn from(d: InstructionData) -> Self {
        let (person, sealed_to, hashes) = d.person.fields();
        Self {
            audience: d.audience,
            epoch: d.epoch,
            position: d.position,
            entry: d.entry,
            entry_version: d.entry_version,
            measure: d.measure,
            scope: d.scope,
            person,
            sealed_to,
            hashes,
            erase: d.erase,
        }
    }
}

/// 消去の範囲: what an instruction to erase reaches, and what it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseTerms {
    /// True: everything that was entrusted, of everybody (a certification has ended; Act arts. 12(2), 16(2)). Then `person` holds
    /// no identifiers, and `entry` names the order itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everything: bool,
    /// Classes of medical data to erase.
    #[schemars(length(min = 1, max = 64))]
    pub classes: Vec<Code>,
    /// What must stay, whoever asks for an erasure.
    #[schemars(length(max = 64))]
    pub keep: Vec<Keep>,
}

/// 保存すべき記録: a class of records that an erasure never reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// The class (`receipt-record`, `book`, `stop-register`).
    pub class: Code,
    /// The article that says so.
    pub article: Code,
    /// The last day on which a record that exists now must be kept; none: as long as the stop stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// 報告: what a recipient states about one instruction; the payload of the JWS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ReportClaims", into = "ReportClaims")]
pub struct Report {
    /// The instruction.
    pub instruction: InstructionId,
    /// Who reports.
    pub recipient: RecipientId,
    /// SHA-256 of the instruction's bytes as received.
    pub digest: Digest,
    /// How far.
    pub stage: ReportStage,
    /// By the recipient's clock.
    pub time: Timestamp,
    /// The recipient's own book entry for an erasure (帳簿; Rules art. 46), where there is one.
    pub book_entry: Option<Code>,
    /// 消去の記録: what was erased, system by system.
    pub erasures: Vec<Erasure>,
}

/// How far a recipient is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportStage {
    /// 受領: I have the instruction and can read it.
    Received,
    /// 措置: I have begun to act on it; the outcome follows.
    Acted,
    /// 報告: this is what I did.
    Reported {
        /// What became of it.
        outcome: ReportOutcome,
        /// The ground of an exemption, or why something is not reachable, as a code.
        ground: Option<Code>,
    },
}

impl ReportStage {
    /// `received`, `acted`, or the word of the outcome.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Acted => "acted",
            Self::Reported { outcome, .. } => outcome.as_str(),
        }
    }
}

/// What was erased in one system of the recipient (Rules arts. 12(1)(iii), 46: date and items).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// Which system, by the recipient's own code.
    pub system: Code,
    /// 消去を行った年月日.
    pub on: Date,
    /// How: `overwritten`, `key-destroyed`, `medium-destroyed` …
    pub method: Code,
    /// What: the items in the words of the recipient's book, as codes.
    #[schemars(length(min = 1, max = 64))]
    pub items: Vec<Code>,
    /// Backups still hold it until this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups_until: Option<Date>,
    /// No backup of this system holds it. An erasure says one of the two.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_backups: bool,
    /// What was kept because the law says so: classes of the instruction's `keep`; `none-held` where there is none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub kept: Vec<Code>,
}

/// The most systems in one report, and the most codes in one list.
pub const ERASURES_MAX: usize = 64;

/// 報告 as it stands in the payload of the JWS: flat, nothing unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportClaims {
    /// The instruction: its `id`.
    pub instruction: InstructionId,
    /// Who reports: the `audience` of the instruction.
    pub recipient: RecipientId,
    /// SHA-256 of the instruction's bytes exactly as received, in hexadecimal.
    pub digest: Digest,
    /// How far.
    pub stage: Stage,
    /// With stage `reported`, and only then: what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ReportOutcome>,
    /// With stage `reported` only: the ground of an exemption, or why something is not reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
    /// When, by the recipient's clock (RFC 3339).
    pub time: Timestamp,
    /// The recipient's own book entry of an erasure (帳簿).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book_entry: Option<Code>,
    /// After an instruction to erase: what was erased, system by system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub erasures: Vec<Erasure>,
}

/// The word of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// 受領.
    Received,
    /// 措置.
    Acted,
    /// 報告.
    Reported,
}

/// Why claims are no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAReport {
    /// Stage and outcome belong together.
    #[error("`outcome` belongs to stage `reported`, and `ground` to an outcome")]
    StageAndOutcome,
    /// Lists are bounded.
    #[error("at most {ERASURES_MAX} `erasures`, each with 1 to {ERASURES_MAX} `items` and at most as many `kept`")]
    TooMuch,
}

impl TryFrom<ReportClaims> for Report {
    type Error = NotAReport;
    fn try_from(c: ReportClaims) -> Result<Self, NotAReport> {
        let stage = match (c.stage, c.outcome, c.ground) {
            (Stage::Received, None, None) => ReportStage::Received,
            (Stage::Acted, None, None) => ReportStage::Acted,
            (Stage::Reported, Some(outcome), ground) => ReportStage::Reported { outcome, ground },
            _ => return Err(NotAReport::StageAndOutcome),
        };
        let fits = |e: &Erasure| (1..=ERASURES_MAX).contains(&e.items.len()) && e.kept.len() <= ERASURES_MAX;
        if c.erasures.len() > ERASURES_MAX || !c.erasures.iter().all(fits) {
            return Err(NotAReport::TooMuch);
        }
        Ok(Self {
            instruction: c.instruction,
            recipient: c.recipient,
            digest: c.digest,
            stage,
            time: c.time,
            book_entry: c.book_entry,
            erasures: c.erasures,
        })
    }
}

impl From<Report> for ReportClaims {
    fn from(r: Report) -> Self {
        let (stage, outcome, ground) = match r.stage {
            ReportStage::Received => (Stage::Received, None, None),
            ReportStage::Acted => (Stage::Acted, None, None),
            ReportStage::Reported { outcome, ground } => (Stage::Reported, Some(outcome), ground),
        };
        Self {
            instruction: r.instruction,
            recipient: r.recipient,
            digest: r.digest,
            stage,
            outcome,
            ground,
            time: r.time,
            book_entry: r.book_entry,
            erasures: r.erasures,
        }
    }
}

/// A report as it travels: a compact JWS (RFC 7515), three parts of base64url with dots between.
///
/// Its header is exactly `alg` (`EdDSA` or `ES256`), `kid` and `typ`; nothing else is looked at, anything else refused.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct SignedReport(
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,512}\.[A-Za-z0-9_-]{1,65536}\.[A-Za-z0-9_-]{86}$"))] Box<str>,
);

impl SignedReport {
    /// `None` unless it consists of the characters of a compact JWS and is at most [`BODY_MAX`] long.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() <= BODY_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        fits.then(|| Self(text.into()))
    }
    /// The bytes that travel.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SignedReport {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Box::<str>::deserialize(d)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("not a compact JWS"))
    }
}

impl fmt::Debug for SignedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[report of {} bytes]", self.0.len())
    }
}

/// One step of an incident's notice on its way to the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToldStep {
    /// Who told, by the code that the teller gives it (`sub-contractor-b`).
    pub by: Code,
    /// Whom.
    pub to: Code,
    /// When the teller knew.
    pub known_at: Timestamp,
    /// When it told.
    pub told_at: Timestamp,
}

/// 再委託先の報告: what a contractor signs around the report that its sub-contractor signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CarriedReport {
    /// Who carries it.
    pub by: RecipientId,
    /// The sub-contractor's own report, or one that carries in its turn.
    pub report: SignedReport,
}

/// The answer to a report, by every transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ReportAnswer {
    /// Taken; a repeat gets the same answer.
    Accepted {
        /// The instruction.
        instruction: InstructionId,
    },
    /// Not taken; nothing moved.
    Refused {
        /// Why: `malformed`, `wrong-algorithm`, `unknown-key`, `bad-signature`, `wrong-digest`, `not-yours`,
        /// `unknown-instruction`, `erasure-incomplete`, `kept-record-erased`, `comes-through-the-parent`.
        reason: Code,
    },
    /// Could not be looked at now; send it again later.
    Unavailable,
}
