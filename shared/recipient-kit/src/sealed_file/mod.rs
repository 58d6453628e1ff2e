//! 封緘ファイル: instructions for closed networks, one file out and one report file back. The format, for both sides. Pure.
//!
//! Out (`madoguchi-sealed-file-v1`):
//!
//! | part | what |
//! |---|---|
//! | line 1 | `madoguchi-sealed-file-v1` |
//! | line 2 | JSON, in the clear: `recipient`, and `sealed_to`, the id of the key that opens the rest |
//! | the rest | HPKE to the recipient's key (the one suite of the house); additional data = lines 1 and 2 with their line feeds |
//!
//! Inside: one line with a compact JWS by the desk over the [`Manifest`], then one line per instruction: the very bytes of
//! every other transport, positions without a gap. So one digest, one signature and one report work here too. A CSV sheet
//! is written when the file is opened, from bytes that were verified: a second copy inside could say something else.
//!
//! Back (`madoguchi-report-file-v1`): that line, a compact JWS by the recipient over a [`ReportManifest`], one compact JWS
//! per report. It is not sealed: ids, codes and dates stand in it, nobody's data.

mod back;
pub mod folder;
pub mod sheet;

pub use back::{ReportFile, ReportManifest, open_reports, pack_reports};
pub use folder::Folder;

use crate::{apply, keys::RecipientKeys, report::digest_of};
use contracts::{Code, Digest, RecipientId, Timestamp, Uuid};
use jws::{Compact, ReportKey, ReportSigner};
use privacy_seal::{PublicKey, Purpose, seal_to};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The first line of a file of instructions.
pub const MAGIC: &str = "madoguchi-sealed-file-v1";
/// The `typ` of the JWS over a [`Manifest`].
pub const FILE_TYP: &str = "madoguchi-sealed-file-v1+jws";
/// The most instructions in one file.
pub const INSTRUCTIONS_MAX: usize = 2_500;
/// The most bytes of instructions in one file.
pub const CONTENTS_MAX: usize = 24 * 1024 * 1024;
/// The largest file.
pub const FILE_MAX: usize = CONTENTS_MAX + 64 * 1024;
/// The longest second line.
const HEAD_MAX: usize = 512;

/// What is in a file, signed by the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Whom it is for.
    pub recipient: RecipientId,
    /// The desk's number of this file.
    pub export: Uuid,
    /// The life of the ledger when it was made.
    pub epoch: i32,
    /// When it was made.
    pub made_at: Timestamp,
    /// The first position in it.
    pub first: i64,
    /// The last one; every position between is in it.
    pub last: i64,
    /// The last position that the desk had issued then: more than `last` when another file follows.
    pub issued: i64,
    /// SHA-256 of everything after the manifest's line.
    pub contents: Digest,
}

/// What stands in the clear.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    recipient: RecipientId,
    sealed_to: Code,
}

/// Why a file was not made or not taken. Nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Another format or version, or cut off.
    #[error("not a file of this format: its first line says what it is; carry it again, or update the program")]
    Form,
    /// Over the limits.
    #[error("the file is over the limit of {FILE_MAX} bytes, {INSTRUCTIONS_MAX} instructions or 5000 reports")]
    TooLarge,
    /// For somebody else.
    #[error("the file is for another recipient; give it back to the desk at once")]
    NotForMe,
    /// Sealed to a key that is not at hand.
    #[error("the file is sealed to the key {0}, which is not at hand; tell the desk your new key")]
    OtherKey(Code),
    /// It does not open.
    #[error("the file does not open: it was changed on the way, or is of another recipient's key")]
    CannotOpen,
    /// The signature is not that of whom it should be.
    #[error("the file's signature does not verify ({0}); take the key from a person you know, never from a file")]
    NotSigned(Code),
    /// What is signed and what is in it differ.
    #[error("line {line} of the instructions is not what was signed for: {why}")]
    Contents {
        /// Which, from 1.
        line: usize,
        /// Why.
        why: Code,
    },
    /// The key cannot be sealed to.
    #[error("the recipient's sealing key cannot be used; ask it for a new one")]
    SealingKey,
}

impl FileError {
    /// The reason as a code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Form => Code::of("not-such-a-file"),
            Self::TooLarge => Code::of("file-too-large"),
            Self::NotForMe => Code::of("not-for-me"),
            Self::OtherKey(_) => Code::of("sealed-to-another-key"),
            Self::CannotOpen => Code::of("file-not-openable"),
            Self::NotSigned(_) => Code::of("file-not-signed"),
            Self::Contents { .. } => Code::of("contents-differ"),
            Self::SealingKey => Code::of("sealing-key-unusable"),
        }
    }
}

pub(super) fn not_signed(why: jws::Refused) -> FileError {
    FileError::NotSigned(crate::ReportError::from(why).code())
}

/// The first line, and what comes after its line feed.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == b'\n')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Makes a file: `manifest.contents` is filled in here. The bodies are those of the positions `first` to `last`.
///
/// # Errors
/// Over the limits, bodies that do not fit the manifest, or a key that cannot be sealed to.
pub fn pack(
    mut manifest: Manifest,
    bodies: &[Vec<u8>],
    sealing_key: &PublicKey,
    desk: &ReportSigner,
) -> Result<Vec<u8>, FileError> {
    let size: usize = bodies.iter().map(|b| b.len() + 1).sum();
    if bodies.len() > INSTRUCTIONS_MAX || size > CONTENTS_MAX {
        return Err(FileError::TooLarge);
    }
    let mut contents = Zeroizing::new(Vec::with_capacity(size));
    for body in bodies {
        contents.extend_from_slice(body);
        contents.push(b'\n');
    }
    manifest.contents = digest_of(&contents);
    fits(&manifest, &contents)?;
    // A struct with text keys always has a JSON form.
    let signed = jws::sign(FILE_TYP, &serde_json::to_vec(&manifest).unwrap_or_default(), desk);
    let mut plain = Zeroizing::new(Vec::with_capacity(signed.len() + 1 + contents.len()));
    plain.extend_from_slice(signed.as_bytes());
    plain.push(b'\n');
    plain.extend_from_slice(&contents);
    let head = Head { recipient: manifest.recipient, sealed_to: crate::key_id(sealing_key.as_bytes()) };
    let mut file = format!("{MAGIC}\n{}\n", serde_json::to_string(&head).unwrap_or_default()).into_bytes();
    let sealed = seal_to(sealing_key, &file, &plain).map_err(|_| FileError::SealingKey)?;
    file.extend_from_slice(&sealed.0);
    Ok(file)
}

/// A file that was opened and verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// What the desk signed.
    pub manifest: Manifest,
    /// The instructions' bytes, in the order of their positions.
    pub bodies: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[sealed file, positions {} to {}]", self.manifest.first, self.manifest.last)
    }
}

/// Opens a file that is for `me`, with its keys; `desk` is what a person handed over as the desk's public key.
///
/// # Errors
/// See [`FileError`]: nothing of a file is believed that is not whole.
pub fn open(file: &[u8], me: RecipientId, keys: &RecipientKeys, desk: &[ReportKey]) -> Result<Opened, FileError> {
    if file.len() > FILE_MAX {
        return Err(FileError::TooLarge);
    }
    let (magic, rest) = line(file).ok_or(FileError::Form)?;
    let (head, sealed) = line(rest).ok_or(FileError::Form)?;
    if magic != MAGIC.as_bytes() || head.len() > HEAD_MAX {
        return Err(FileError::Form);
    }
    let head: Head = serde_json::from_slice(head).map_err(|_| FileError::Form)?;
    if head.recipient != me {
        return Err(FileError::NotForMe);
    }
    if head.sealed_to != keys.sealing_id() {
        return Err(FileError::OtherKey(head.sealed_to));
    }
    let plain = keys.open(&file[..file.len() - sealed.len()], sealed).map_err(|_| FileError::CannotOpen)?;
    let (signed, contents) = line(plain.disclose(Purpose::InstructRecipient)).ok_or(FileError::Form)?;
    let signed = Compact::parse(signed, FILE_TYP).map_err(not_signed)?;
    signed.verify(desk).map_err(not_signed)?;
    let manifest: Manifest = serde_json::from_slice(&signed.payload).map_err(|_| FileError::Form)?;
    if manifest.recipient != me {
        return Err(FileError::NotForMe);
    }
    if manifest.contents != digest_of(contents) {
        return Err(FileError::Contents { line: 0, why: Code::of("digest") });
    }
    fits(&manifest, contents)?;
    let bodies = contents.split(|b| *b == b'\n').filter(|b| !b.is_empty()).map(<[u8]>::to_vec).collect();
    Ok(Opened { manifest, bodies })
}

/// Every line is an instruction to this recipient, and positions have no gap.
fn fits(manifest: &Manifest, contents: &[u8]) -> Result<(), FileError> {
    let mut next = manifest.first;
    let mut rest = contents;
    while let Some((body, after)) = line(rest) {
        let n = usize::try_from(next.saturating_sub(manifest.first)).unwrap_or(0) + 1;
        let bad = |why| FileError::Contents { line: n, why };
        if n > INSTRUCTIONS_MAX {
            return Err(FileError::TooLarge);
        }
        let instruction = apply::parse(body).map_err(|refused| bad(refused.code()))?;
        let data = &instruction.data;
        if (instruction.subject, data.audience) != (manifest.recipient, manifest.recipient) {
            return Err(bad(Code::of("not-for-me")));
        }
        if data.position != next || data.epoch > manifest.epoch {
            return Err(bad(Code::of("position")));
        }
        (next, rest) = (next.saturating_add(1), after);
    }
    let whole = rest.is_empty() && manifest.first >= 1 && next == manifest.last.saturating_add(1);
    if whole && manifest.first <= manifest.last && manifest.last <= manifest.issued {
        return Ok(());
    }
    Err(FileError::Contents { line: 0, why: Code::of("positions") })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
