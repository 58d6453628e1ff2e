//! What recipients (通知先) get and send back: a family of its own, without internal ids and without trace context.
//!
//! An instruction is one CloudEvents 1.0 document, the same bytes by every transport, so that one digest, one signature
//! and one report work on NATS, by webhook and in a file. A report is a DSSE envelope (dsse v1) signed with the
//! recipient's Ed25519 key over the digest of the bytes that it received.

use crate::{Code, Digest, InstructionId, Measure, RecipientId, ReportOutcome, Scope, Sealed};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The CloudEvents type of an instruction.
pub const INSTRUCTION_TYPE: &str = "jp.madoguchi.recipient.instruction.v1";
/// The DSSE payload type of a report.
pub const REPORT_PAYLOAD_TYPE: &str = "application/vnd.madoguchi.report.v1+json";
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
    /// Always `application/json`.
    pub datacontenttype: crate::envelope::DataContentType,
    /// What to do, and to whom.
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

/// The fixed type of instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InstructionType {
    /// Version 1.
    #[default]
    #[serde(rename = "jp.madoguchi.recipient.instruction.v1")]
    V1,
}

/// What to do, and to whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstructionData {
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
    pub person: Sealed,
    /// SHA-256 of the recipient's sealing key in use, its first 8 bytes in hexadecimal.
    pub sealed_to: Code,
}

/// 報告: what a recipient states about one instruction; the payload of the DSSE envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
    pub at: Timestamp,
    /// The recipient's own book entry for an erasure (帳簿), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book_entry: Option<Code>,
}

/// How far a recipient is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "stage", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReportStage {
    /// 受領: I have the instruction and can read it.
    Received,
    /// 報告: this is what I did.
    Reported {
        /// What became of it.
        outcome: ReportOutcome,
        /// The ground of an exemption, as a code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ground: Option<Code>,
    },
}

/// A DSSE v1 envelope around a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedReport {
    /// Always `application/vnd.madoguchi.report.v1+json`.
    pub payload_type: ReportPayloadType,
    /// The report's JSON bytes, base64.
    pub payload: Sealed,
    /// One or two signatures (two while a key is changed).
    #[schemars(length(min = 1, max = 2))]
    pub signatures: Vec<ReportSignature>,
}

/// The fixed payload type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReportPayloadType {
    /// Version 1.
    #[default]
    #[serde(rename = "application/vnd.madoguchi.report.v1+json")]
    V1,
}

/// One signature of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSignature {
    /// SHA-256 of the Ed25519 public key, its first 8 bytes in hexadecimal.
    pub keyid: Code,
    /// Ed25519 over the DSSE pre-authentication encoding, base64.
    pub sig: Sealed,
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
        /// Why: `malformed`, `unknown-key`, `bad-signature`, `wrong-digest`, `not-yours`, `unknown-instruction`.
        reason: Code,
    },
    /// Could not be looked at now; send it again later.
    Unavailable,
}
