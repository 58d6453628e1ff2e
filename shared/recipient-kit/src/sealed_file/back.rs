//! The report file: what comes back. Each report in it proves itself; the manifest says who made the file, and whether it is
//! whole.

use super::{FileError, line, not_signed};
use crate::report::digest_of;
use contracts::{Digest, RecipientId, Timestamp, Uuid, recipient::SignedReport};
use jws::{Compact, ReportKey, ReportSigner};
use serde::{Deserialize, Serialize};

/// The first line of a report file.
pub const MAGIC: &str = "madoguchi-report-file-v1";
/// The `typ` of the JWS over a [`ReportManifest`].
pub const TYP: &str = "madoguchi-report-file-v1+jws";
/// The most reports in one file.
pub const REPORTS_MAX: usize = 5_000;
/// The largest report file, in bytes.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is in a report file, signed by the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportManifest {
    /// Who reports.
    pub recipient: RecipientId,
    /// The desk's number of the file that it answers, where it answers one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Uuid>,
    /// When it was made, by the recipient's clock.
    pub made_at: Timestamp,
    /// How many reports.
    pub reports: u32,
    /// SHA-256 of everything after the manifest's line.
    pub contents: Digest,
}

/// Makes one.
///
/// # Errors
/// [`FileError::TooLarge`].
pub fn pack_reports(
    recipient: RecipientId,
    export: Option<Uuid>,
    made_at: Timestamp,
    reports: &[SignedReport],
    key: &ReportSigner,
) -> Result<Vec<u8>, FileError> {
    let contents: String = reports.iter().flat_map(|report| [report.as_str(), "\n"]).collect();
    let count = reports.len().try_into().map_err(|_| FileError::TooLarge)?;
    let digest = digest_of(contents.as_bytes());
    let manifest = ReportManifest { recipient, export, made_at, reports: count, contents: digest };
    // A struct with text keys always has a JSON form.
    let signed = jws::sign(TYP, &serde_json::to_vec(&manifest).unwrap_or_default(), key);
    let file = format!("{MAGIC}\n{signed}\n{contents}").into_bytes();
    if reports.len() > REPORTS_MAX || file.len() > BYTES_MAX { Err(FileError::TooLarge) } else { Ok(file) }
}

/// A report file whose maker is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile<'a> {
    /// What the recipient signed.
    pub manifest: ReportManifest,
    /// The reports are those that were signed for, all of them. If not, each line still counts by its own signature.
    pub whole: bool,
    /// The reports as they stand, with the number of their line in the file.
    pub lines: Vec<(u32, &'a [u8])>,
}

/// Reads one and verifies that this recipient made it. A line that was damaged on the way costs that line only.
///
/// # Errors
/// Another format, over the limits, or not signed by one of its keys.
pub fn open_reports<'a>(file: &'a [u8], from: RecipientId, keys: &[ReportKey]) -> Result<ReportFile<'a>, FileError> {
    if file.len() > BYTES_MAX {
        return Err(FileError::TooLarge);
    }
    let (magic, rest) = line(file).ok_or(FileError::Form)?;
    let (signed, contents) = line(rest).ok_or(FileError::Form)?;
    // An editor that puts carriage returns in has damaged nothing that matters.
    if magic.trim_ascii_end() != MAGIC.as_bytes() {
        return Err(FileError::Form);
    }
    let signed = Compact::parse(signed.trim_ascii_end(), TYP).map_err(not_signed)?;
    signed.verify(keys).map_err(not_signed)?;
    let manifest: ReportManifest = serde_json::from_slice(&signed.payload).map_err(|_| FileError::Form)?;
    if manifest.recipient != from {
        return Err(FileError::NotForMe);
    }
    let numbered = contents.split(|b| *b == b'\n').zip(3u32..);
    let lines: Vec<_> =
        numbered.map(|(report, n)| (n, report.trim_ascii())).filter(|(_, report)| !report.is_empty()).collect();
    if lines.len() > REPORTS_MAX {
        return Err(FileError::TooLarge);
    }
    let whole = manifest.contents == digest_of(contents) && usize::try_from(manifest.reports) == Ok(lines.len());
    Ok(ReportFile { manifest, whole, lines })
}
