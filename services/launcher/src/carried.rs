//! `madoguchi recipient file`: files for recipients in closed networks. The desk makes and takes them; they are carried by hand.

use crate::recipient::{By, Desk};
use anyhow::{Context, bail, ensure};
use clap::{Subcommand, ValueEnum};
use contracts::{
    Digest, ObjectId, RecipientId, Uuid,
    carried::{ExportFile, ExportReply, FileForm, ImportFile, ImportReply, Positions},
};
use privacy_seal::{aad, seal_to};
use recipient_kit::{digest_of, sealed_file};
use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Thousands of reports are verified and written down one by one.
const WITHIN: Duration = Duration::from_secs(600);
/// The largest file that comes back: the larger of the two forms.
const BACK_MAX: u64 = 16 * 1024 * 1024;

/// Which way.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Writes a file for a recipient: everything since the last one, unless positions are named.
    Export {
        /// The recipient.
        recipient: Uuid,
        /// Where to.
        #[arg(long)]
        out: PathBuf,
        /// From this position on, as often as it is asked for.
        #[arg(long, conflicts_with = "open")]
        from: Option<i64>,
        /// Up to this position.
        #[arg(long, requires = "from")]
        to: Option<i64>,
        /// From the oldest instruction without a confirmed report on.
        #[arg(long)]
        open: bool,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
    /// Takes in what came back; status 0 only if every line was taken.
    Import {
        /// The recipient.
        recipient: Uuid,
        /// The file.
        file: PathBuf,
        /// What it is.
        #[arg(long, value_enum, default_value = "reports")]
        form: Form,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
}

/// What came back.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Form {
    /// Signed reports.
    Reports,
    /// A sheet without a signature (CSV): another person has to bring the same.
    Sheet,
}

/// Does it.
///
/// # Errors
/// What is wrong with the flags, who does not answer, why it was refused, or that some lines were.
pub(crate) async fn run(step: Step) -> anyhow::Result<()> {
    match step {
        Step::Export { recipient, out, from, to, open, by } => {
            let what = match (from, open) {
                (Some(first), _) => Positions::Range { first, last: to },
                (None, true) => Positions::Open,
                (None, false) => Positions::New,
            };
            let order = ExportFile { recipient: RecipientId(recipient), what };
            let desk = Desk::open(by.config.as_deref()).await?;
            match desk.ask_within(&desk.command(&by, order)?, WITHIN).await? {
                ExportReply::Refused { reason } => bail!("refused: {reason}"),
                ExportReply::Exported { export, object, digest, epoch, first, last, more } => {
                    let file = desk.objects.get(object).await.context("`house.objects_dir`: the file that was made")?;
                    ensure!(digest_of(&file) == digest, "the file in the object store is not the one that was made");
                    write(&out, &file)?;
                    println!("{export} epoch {epoch} positions {first} to {last} sha256 {digest}");
                    if more {
                        println!("more is waiting than goes into one file: export again");
                    }
                    Ok(())
                }
            }
        }
        Step::Import { recipient, file, form, by } => {
            let form = match form {
                Form::Reports => FileForm::Reports,
                Form::Sheet => FileForm::Sheet,
            };
            let size = std::fs::metadata(&file).with_context(|| file.display().to_string())?.len();
            ensure!((1..=BACK_MAX).contains(&size), "{}: 1 to {BACK_MAX} bytes", file.display());
            let plain = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let desk = Desk::open(by.config.as_deref()).await?;
            import(&desk, RecipientId(recipient), form, &plain, &by).await
        }
    }
}

async fn import(desk: &Desk, recipient: RecipientId, form: FileForm, plain: &[u8], by: &By) -> anyhow::Result<()> {
    let (object, digest): (ObjectId, Digest) = (ObjectId::new(), digest_of(plain));
    let sealed = seal_to(&desk.key, &aad::carried_file(object), plain)?;
    desk.objects.put(object, sealed.0).await.context("`house.objects_dir`")?;
    let order = ImportFile { recipient, form, object, digest };
    match desk.ask_within(&desk.command(by, order)?, WITHIN).await? {
        ImportReply::Refused { reason } => {
            desk.objects.remove(object).await?;
            bail!("refused: {reason}")
        }
        ImportReply::Imported { import, whole, empty, lines } => {
            for line in &lines {
                let column = line.column.as_ref().map_or(String::new(), |c| format!(" column {c}"));
                let about = line.instruction.map_or(String::new(), |id| format!(" {id}"));
                println!("line {}{column}{about} {}", line.line, line.word);
            }
            let bad = lines.iter().filter(|line| !line.ok).count();
            println!("{import} {} taken, {bad} not, {empty} not filled in", lines.len() - bad);
            ensure!(whole, "the file is not as its maker signed it: lines are missing or damaged; ask for it again");
            ensure!(bad == 0, "{bad} lines were not taken; what was taken stays taken");
            Ok(())
        }
    }
}

/// Writes a file that only its owner reads, whole or not at all; never over another.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{}: must be a new file", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// The largest file of either direction, for who reads one.
pub(crate) const FILE_MAX: u64 = sealed_file::FILE_MAX as u64;
