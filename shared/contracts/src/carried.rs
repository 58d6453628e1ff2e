//! Orders about files that are carried by hand (封緘ファイル): for recipients in closed networks. The files themselves lie in
//! the object store; their form is the recipient kit's (`sealed_file`).

use crate::{Code, Digest, InstructionId, ObjectId, RecipientId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Makes a file of instructions for a recipient that is reached by sealed file. The same positions again give the same
/// bodies.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExportFile {
    /// For whom.
    pub recipient: RecipientId,
    /// Of which positions.
    pub what: Positions,
}

/// Which positions go into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "positions", rename_all = "kebab-case")]
pub enum Positions {
    /// Everything since the last file.
    New,
    /// Everything from the oldest instruction without a confirmed report on.
    Open,
    /// These, as often as it is asked for: a restored backup is the usual reason.
    Range {
        /// The first, from 1.
        first: i64,
        /// The last; absent: the last one issued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<i64>,
    },
}

/// The answer to [`ExportFile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ExportReply {
    /// Made.
    Exported {
        /// Its number: the order's token.
        export: Uuid,
        /// Where it lies, sealed to the recipient.
        object: ObjectId,
        /// SHA-256 of the whole file.
        digest: Digest,
        /// The life of the ledger.
        epoch: i32,
        /// The first position in it.
        first: i64,
        /// The last one.
        last: i64,
        /// More are waiting than go into one file: order another.
        more: bool,
    },
    /// Not made; nothing was written.
    Refused {
        /// Why.
        reason: Code,
    },
}

/// Takes in what a recipient sent back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ImportFile {
    /// From whom.
    pub recipient: RecipientId,
    /// What it is.
    pub form: FileForm,
    /// Where it lies: sealed to opt-out propagation, additional data as the seal's crate says (`carried_file`).
    pub object: ObjectId,
    /// SHA-256 of the plain bytes.
    pub digest: Digest,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileForm {
    /// 報告ファイル: signed reports. Each counts by its own signature.
    Reports,
    /// 台紙: an unsigned sheet. Each line counts when two different members of staff have brought the same.
    Sheet,
}

impl FileForm {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Sheet => "sheet",
        }
    }
}

/// The answer to [`ImportFile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ImportReply {
    /// Looked at, line by line.
    Imported {
        /// Its number: the order's token.
        import: Uuid,
        /// The file is as its maker signed it; a sheet always is. If not, lines are missing or damaged.
        whole: bool,
        /// Lines that nobody filled in (sheets).
        empty: u32,
        /// What became of each line.
        #[schemars(length(max = 10_000))]
        lines: Vec<FileLine>,
    },
    /// Not looked at; nothing moved.
    Refused {
        /// Why.
        reason: Code,
    },
}

/// What became of one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileLine {
    /// In the file, from 1.
    pub line: u32,
    /// The column, where a cell cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<Code>,
    /// About which instruction, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<InstructionId>,
    /// It was taken.
    pub ok: bool,
    /// `accepted`, `attested`, `awaits-second-person`; or why not, as on every other transport.
    pub word: Code,
}
