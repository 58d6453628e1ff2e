//! `madoguchi recipient-kit file`: a recipient's side of sealed files. Keys and folder only: no desk, no configuration, no
//! network.

use crate::carried::{FILE_MAX, write};
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use chassis::Clock;
use clap::Subcommand;
use contracts::{RecipientId, Uuid};
use recipient_kit::{
    RecipientKeys, ReportKey,
    sealed_file::{
        Folder, folder, open, pack_reports,
        sheet::{self, Answer, BadCell},
    },
};
use std::path::{Path, PathBuf};

/// Which way.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Makes the recipient's keys, if there are none, and prints what the desk registers.
    Keys {
        /// Where the keys lie.
        #[arg(long)]
        keys: PathBuf,
    },
    /// Opens a file from the desk: verifies, decrypts, looks for gaps, and writes NDJSON and a sheet (CSV).
    Open {
        /// The file.
        file: PathBuf,
        /// Your id at the desk.
        #[arg(long)]
        recipient: Uuid,
        /// Where your keys lie.
        #[arg(long)]
        keys: PathBuf,
        /// The desk's public key for you, `whpk_…`, as a person handed it over. Several while it is changed.
        #[arg(long = "desk-key", required = true)]
        desk_keys: Vec<String>,
        /// Your folder: a journal of what came in, and what was written from it.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Makes the report file from a sheet that was filled in, or from NDJSON; without either it says what was received.
    Report {
        /// The sheet (CSV), or NDJSON with `instruction`, `outcome`, `ground`, `book_entry`, `erasures`.
        #[arg(long)]
        answers: Option<PathBuf>,
        /// Your id at the desk.
        #[arg(long)]
        recipient: Uuid,
        /// Where your keys lie.
        #[arg(long)]
        keys: PathBuf,
        /// Your folder.
        #[arg(long)]
        folder: PathBuf,
        /// Where to.
        #[arg(long)]
        out: PathBuf,
    },
}

fn keys_of(path: &Path) -> anyhow::Result<RecipientKeys> {
    RecipientKeys::load_or_create(path).with_context(|| format!("--keys {}", path.display()))
}

fn desk_key(text: &str) -> anyhow::Result<ReportKey> {
    let key = text.strip_prefix("whpk_").and_then(|text| STANDARD.decode(text).ok());
    let key = key.and_then(|bytes| ReportKey::from_bytes(&bytes).ok());
    key.context("`--desk-key`: whpk_ and 32 bytes in base64")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    ensure!(size <= FILE_MAX, "{}: at most {FILE_MAX} bytes", path.display());
    std::fs::read(path).with_context(|| path.display().to_string())
}

fn answers(path: &Path) -> anyhow::Result<(Vec<Answer>, Vec<BadCell>)> {
    let bytes = read(path)?;
    if bytes.first() != Some(&b'{') {
        let sheet = sheet::read(&bytes).with_context(|| path.display().to_string())?;
        return Ok((sheet.answers, sheet.bad));
    }
    let text = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
    let lines = text.lines().zip(1u32..).filter(|(line, _)| !line.trim().is_empty());
    let read = lines.map(|(line, n)| {
        let answer: Answer = serde_json::from_str(line).with_context(|| format!("{}: line {n}", path.display()))?;
        Ok(Answer { line: n, ..answer })
    });
    Ok((read.collect::<anyhow::Result<_>>()?, vec![]))
}

fn named(bad: &[BadCell]) -> anyhow::Result<()> {
    for cell in bad {
        let about = cell.instruction.map_or(String::new(), |id| format!(" {id}"));
        println!("line {} column {}{about} {}", cell.line, cell.column, cell.why);
    }
    ensure!(bad.is_empty(), "{} cells cannot be reported; nothing was signed", bad.len());
    Ok(())
}

/// Does it.
///
/// # Errors
/// What is wrong with the file, the keys or the sheet; or positions are missing.
pub(crate) fn run(step: Step) -> anyhow::Result<()> {
    match step {
        Step::Keys { keys } => {
            let keys = keys_of(&keys)?;
            println!("report-key {}", STANDARD.encode(keys.report_public()));
            println!("sealing-key {}", STANDARD.encode(keys.sealing_public().as_bytes()));
            Ok(())
        }
        Step::Open { file, recipient, keys, desk_keys, folder } => {
            let (me, keys) = (RecipientId(recipient), keys_of(&keys)?);
            let desk_keys = desk_keys.iter().map(|text| desk_key(text)).collect::<anyhow::Result<Vec<_>>>()?;
            let opened = open(&read(&file)?, me, &keys, &desk_keys).with_context(|| file.display().to_string())?;
            let mut mine = Folder::open(&folder, me).with_context(|| folder.display().to_string())?;
            let shown = mine.take(&opened, &keys)?;
            let (first, last) = (opened.manifest.first, opened.manifest.last);
            let name = |ending| folder.join(format!("{}-{first}-{last}.{ending}", opened.manifest.export.simple()));
            // The same file opened again writes the same: what lies there already stays.
            for (path, text) in [(name("ndjson"), folder::ndjson(&shown)), (name("csv"), folder::sheet_of(&shown))] {
                if !path.exists() {
                    write(&path, text.as_bytes())?;
                }
                println!("{}", path.display());
            }
            let refused = shown.iter().filter_map(|one| one.taken.as_ref().err()).count();
            println!("positions {first} to {last}, {} instructions, {refused} refused", shown.len());
            ended(&mine, &shown, &opened.manifest)
        }
        Step::Report { answers: from, recipient, keys, folder, out } => {
            let (me, keys) = (RecipientId(recipient), keys_of(&keys)?);
            let mut mine = Folder::open(&folder, me).with_context(|| folder.display().to_string())?;
            let (answers, bad) = from.as_deref().map(answers).transpose()?.unwrap_or_default();
            named(&bad)?;
            let now = Clock::system().now();
            let reports = match mine.report(&answers, &keys, now)? {
                Ok(reports) => reports,
                Err(bad) => return named(&bad),
            };
            ensure!(!reports.is_empty(), "there is nothing to report");
            write(&out, &pack_reports(me, None, now, &reports, &keys.signing)?)?;
            println!("{} reports", reports.len());
            Ok(())
        }
    }
}

/// What the desk has to be asked for, if anything.
fn ended(
    mine: &Folder,
    shown: &[folder::Shown],
    manifest: &recipient_kit::sealed_file::Manifest,
) -> anyhow::Result<()> {
    let sealed = |one: &&folder::Shown| one.instruction.data.person.sealed().is_some();
    for one in shown.iter().filter(sealed).filter(|one| one.person.is_none()) {
        println!("{} is sealed to a key that is not here; tell the desk", one.instruction.id);
    }
    let missing = mine.missing();
    for (from, to) in &missing {
        println!("positions {from} to {to} are missing");
    }
    if mine.ledger().complete().is_none() && manifest.first > 1 {
        bail!("the desk was restored from a backup: ask it for a file of everything from position 1");
    }
    ensure!(missing.is_empty(), "positions are missing: what came is taken; ask the desk for a file of the others");
    ensure!(shown.iter().all(|one| one.taken.is_ok()), "some instructions were refused: tell the desk at once");
    Ok(())
}

#[cfg(test)]
#[path = "kit_file_tests.rs"]
mod tests;
