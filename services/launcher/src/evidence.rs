//! `evidence`: one file that proves what happened in a case, and its check, which needs neither network nor database.

mod collect;
mod person;
mod register;

use crate::{outside::Outside, up};
use anyhow::Context;
use chassis::{Clock, Runtime, config::Settings};
use clap::{Args, Subcommand};
use contracts::{CaseId, Uuid};
pub use evidence::file::Copy;
use evidence::{Signer, VerifierKey, file::HOUSE_KEY};
use privacy_seal::keyfile;
use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use steward::provision::Databases;

/// The house's key for evidence files, in the key folder.
const KEY_FILE: &str = "house.evidence";

/// The steps of `evidence`.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Writes one file: request, decision, events, deliveries, signed reports, proofs and keys.
    Export {
        /// The case, by its id or its receipt number.
        case: String,
        /// Where to; `evidence-<case>.json` here unless given. Never written over.
        #[arg(long)]
        out: Option<PathBuf>,
        /// The person's own copy: nothing of other parties but name, kind and outcome.
        #[arg(long)]
        person: bool,
        /// Which desk.
        #[command(flatten)]
        desk: Desk,
    },
    /// Checks a file offline and tells what it proves; names the first thing that fails.
    Verify {
        /// The file.
        file: PathBuf,
        /// The house's verifier key, as `evidence key` prints it. Without it the file's own word is taken for whose it is.
        #[arg(long)]
        key: Option<String>,
    },
    /// Prints the verifier key of the house's evidence files, to be published.
    Key {
        /// Which desk.
        #[command(flatten)]
        desk: Desk,
    },
}

/// Where the desk is: the folder of `up`, or the configuration of its services.
#[derive(Clone, Debug, Default, Args)]
pub struct Desk {
    /// Data folder of `madoguchi up`, which must be running. By default the one of `up`.
    #[arg(long, env = "MADOGUCHI_DATA")]
    data: Option<PathBuf>,
    /// A configuration file on top of the defaults; without `--data`, for services that run apart.
    #[arg(long)]
    config: Option<PathBuf>,
}

impl Desk {
    fn runtime(&self) -> anyhow::Result<Runtime> {
        let of_folder = if self.data.is_none() && self.config.is_some() { vec![] } else { self.of_folder()? };
        let settings = Settings::load(self.config.as_deref(), &of_folder)?;
        Runtime::new(settings, Clock::system())
    }

    /// What follows from a data folder whose desk runs, without touching its servers.
    fn of_folder(&self) -> anyhow::Result<Vec<(String, String)>> {
        let folder = match &self.data {
            Some(folder) => folder.clone(),
            None => up::folder(&crate::UpArgs::default(), "desk")?,
        };
        let admin_url = match Outside::from_environment()?.postgres {
            Some(url) => url,
            None => {
                let ports = folder.join("ports.json");
                let text = std::fs::read(&ports)
                    .with_context(|| format!("`--data`: {} is no data folder of a desk", folder.display()))?;
                let ports: serde_json::Value = serde_json::from_slice(&text).context("ports.json")?;
                let port = ports["postgres"].as_u64().context("`--data`: this desk has no PostgreSQL of its own")?;
                format!("postgres://nobody@127.0.0.1:{port}/postgres?sslmode=disable")
            }
        };
        let at = Databases { admin_url, data: "madoguchi".into(), keys: "madoguchi_keys".into() };
        let secrets = folder.join("secrets");
        let path = |p: PathBuf| p.display().to_string();
        Ok(vec![
            ("house.database_url".into(), at.template(&at.data)?),
            ("house.password_dir".into(), path(secrets.join("postgres"))),
            ("house.keys_dir".into(), path(secrets.join("keys"))),
        ])
    }
}

pub(crate) async fn run(step: Step) -> anyhow::Result<()> {
    match step {
        Step::Export { case, out, person, desk } => {
            let rt = desk.runtime()?;
            let case = find(&rt, &case).await?;
            let bytes = export(&rt, case, if person { Copy::Person } else { Copy::Full }).await?;
            let out = out.unwrap_or_else(|| PathBuf::from(format!("evidence-{case}.json")));
            write(&out, &bytes)?;
            println!(
                "{} ({} bytes); check it with: madoguchi evidence verify {}",
                out.display(),
                bytes.len(),
                out.display()
            );
            Ok(())
        }
        Step::Verify { file, key } => check(&file, key.as_deref()),
        Step::Key { desk } => {
            println!("{}", key(desk.runtime()?.keys_dir())?.verifier());
            Ok(())
        }
    }
}

/// The house's key for evidence files, made at its first use.
///
/// # Errors
/// The key file cannot be read or made, or is readable by others.
pub fn key(folder: &Path) -> anyhow::Result<Signer> {
    let secret = keyfile::load_or_create_secret(&folder.join(KEY_FILE)).context("`house.keys_dir`")?;
    Ok(Signer::new(HOUSE_KEY, &secret)?)
}

/// Makes the files that the console hands out. Reads each service's part as that service's role, so it needs the secrets of
/// all: `up` has them; where services run apart with secrets of their own it says so, and the command line makes the file.
pub struct Exporter(pub Runtime);

#[async_trait::async_trait]
impl console::evidence::Exporter for Exporter {
    async fn export(&self, case: CaseId, person: bool) -> anyhow::Result<Vec<u8>> {
        export(&self.0, case, if person { Copy::Person } else { Copy::Full }).await
    }
}

/// The file's bytes: everything that the house has about a case, proved, signed, and verified before it is given away.
///
/// # Errors
/// A database does not answer, there is no such case, or what is there does not verify: the error names it.
pub async fn export(rt: &Runtime, case: CaseId, copy: Copy) -> anyhow::Result<Vec<u8>> {
    let key = key(rt.keys_dir())?;
    let collected = collect::collect(rt, case, &key).await?;
    let (evidence, sealed) = match copy {
        Copy::Full => collected,
        Copy::Person => (person::copy_of(collected.0), vec![]),
    };
    let bytes = evidence.sign(&key, sealed).to_bytes();
    evidence::verify(&bytes, Some(&key.verifier())).map_err(|failure| {
        anyhow::anyhow!("what the house has about case {case} does not verify, nothing was written: {failure}")
    })?;
    Ok(bytes)
}

async fn find(rt: &Runtime, case: &str) -> anyhow::Result<CaseId> {
    if let Ok(id) = case.parse::<Uuid>() {
        return Ok(CaseId(id));
    }
    let db = rt.db("intake").await?;
    let found: Option<Uuid> = sqlx::query_scalar("select case_id from receipt where receipt_number = $1")
        .bind(case)
        .fetch_optional(db.pool())
        .await?;
    found.map(CaseId).with_context(|| format!("no case has the receipt number `{case}`: give the case's id"))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let create = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    create().with_context(|| format!("`--out` {}", path.display()))
}

fn check(file: &Path, key: Option<&str>) -> anyhow::Result<()> {
    let key: Option<VerifierKey> = key.map(str::parse).transpose().context("`--key`")?;
    let size = std::fs::metadata(file).with_context(|| file.display().to_string())?.len();
    anyhow::ensure!(size <= evidence::file::FILE_MAX as u64, "{}: larger than 256 MB", file.display());
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let account =
        evidence::verify(&bytes, key.as_ref()).map_err(|failure| anyhow::anyhow!("DOES NOT VERIFY: {failure}"))?;
    for line in &account.lines {
        println!("{line}");
    }
    if account.pinned {
        println!("Verified: signed by the key that you gave, {}", account.signed_by);
    } else {
        println!("Verified: unchanged since it was signed by {}", account.signed_by);
        println!(
            "Whether that is the house's key, the file cannot prove: compare it with the one that was published, or give it as --key."
        );
    }
    Ok(())
}
