//! `madoguchi recipient-kit`: the conformance program for contractors. Needs no desk and no configuration; see the recipient
//! kit's `conformance` for what it plays.

use anyhow::{Context, ensure};
use clap::Subcommand;
use recipient_kit::conformance::{self, Contractor, Sandbox, Settings};
use std::{path::PathBuf, time::Duration};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum KitStep {
    /// Makes the sandbox's keys and prints the settings that the contractor's test system needs.
    Settings {
        /// Where the sandbox keeps its keys.
        #[arg(long, default_value = "madoguchi-sandbox")]
        folder: PathBuf,
    },
    /// Files for closed networks (封緘ファイル): opens the desk's, and makes the one that goes back. Needs no network.
    File {
        /// Which way.
        #[command(subcommand)]
        step: crate::kit_file::Step,
    },
    /// Plays every case against a webhook and prints the conformance report; status 0 only if all passed.
    Run {
        /// Where the sandbox keeps its keys.
        #[arg(long, default_value = "madoguchi-sandbox")]
        folder: PathBuf,
        /// The contractor's webhook.
        #[arg(long)]
        url: String,
        /// Public key of its reports, base64: Ed25519 (32 bytes) or P-256 (33 or 65).
        #[arg(long)]
        report_key: String,
        /// Public X25519 key that identifiers are sealed to, base64.
        #[arg(long)]
        sealing_key: String,
        /// Where the sandbox listens for reports: the contractor sends them to http://<this>/partner/v1/reports.
        #[arg(long, default_value = "127.0.0.1:8399")]
        listen: String,
        /// Seconds that a report may take.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
        patience: u64,
        /// Writes the report as JSON into this file too.
        #[arg(long)]
        json: Option<PathBuf>,
    },
}

/// Does it.
pub(crate) async fn run(step: KitStep) -> anyhow::Result<()> {
    match step {
        KitStep::Settings { folder } => {
            let settings = Settings::load_or_create(&folder).with_context(|| folder.display().to_string())?;
            print!("{}", settings.show());
            Ok(())
        }
        KitStep::File { step } => crate::kit_file::run(step),
        KitStep::Run { folder, url, report_key, sealing_key, listen, patience, json } => {
            let contractor = Contractor::parse(&url, &report_key, &sealing_key, Duration::from_secs(patience));
            let contractor = contractor.map_err(anyhow::Error::msg)?;
            let settings = Settings::load_or_create(&folder).with_context(|| folder.display().to_string())?;
            let (mut sandbox, ear) = Sandbox::new(contractor, settings)?;
            let listener =
                tokio::net::TcpListener::bind(&listen).await.with_context(|| format!("`--listen` {listen}"))?;
            println!("reports are heard at http://{}/partner/v1/reports", listener.local_addr()?);
            let serving = tokio::spawn(conformance::serve(listener, ear));
            let shown = conformance::run(&mut sandbox).await;
            serving.abort();
            print!("{}", shown.table());
            if let Some(path) = json {
                let text = serde_json::to_string_pretty(&shown)? + "\n";
                std::fs::write(&path, text).with_context(|| format!("`--json` {}", path.display()))?;
            }
            ensure!(shown.passed, "the contractor does not conform; the cases above say what was seen");
            Ok(())
        }
    }
}
