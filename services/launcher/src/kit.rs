//! `madoguchi recipient-kit`: the conformance program for contractors. Needs no desk and no configuration; see the recipient
//! kit's `conformance` for what it plays.

use anyhow::{Context, ensure};
use clap::Subcommand;
use recipient_kit::conformance::{self, Broker, Contractor, Feed, Sandbox, Settings};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum KitStep {
    /// The sandbox recipient with invented people: makes its keys and prints the settings that the contractor's test system
    /// needs.
    #[command(alias = "sandbox")]
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
    /// Plays every case against a webhook, a durable on NATS or a reader of the pull feed, and prints the conformance report; status 0 only if all passed.
    Run {
        /// Where the sandbox keeps its keys.
        #[arg(long, default_value = "madoguchi-sandbox")]
        folder: PathBuf,
        /// The contractor's webhook.
        #[arg(long, required_unless_present_any = ["pull", "nats"])]
        url: Option<String>,
        /// The contractor asks the pull feed at `--listen` instead of being told.
        #[arg(long, conflicts_with_all = ["url", "nats"])]
        pull: bool,
        /// The contractor pulls a durable on this nats-server, which has JetStream and is its own for tests: the stream OPTOUT
        /// is made anew.
        #[arg(long, conflicts_with = "url", requires = "account")]
        nats: Option<String>,
        /// NATS: the contractor's account; also the name of its durable.
        #[arg(long, default_value = "ASANDBOX")]
        account: String,
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
        KitStep::Run { folder, url, pull, nats, account, report_key, sealing_key, listen, patience, json } => {
            // A queue has no address of the contractor.
            let at = url.as_deref().unwrap_or("http://localhost/");
            let contractor = Contractor::parse(at, &report_key, &sealing_key, Duration::from_secs(patience));
            let contractor = contractor.map_err(anyhow::Error::msg)?;
            let settings = Settings::load_or_create(&folder).with_context(|| folder.display().to_string())?;
            let key = contractor.report_key.clone();
            let (sandbox, ear) = Sandbox::new(contractor, settings)?;
            let listener =
                tokio::net::TcpListener::bind(&listen).await.with_context(|| format!("`--listen` {listen}"))?;
            let address = listener.local_addr()?;
            println!("reports are heard at http://{address}/partner/v1/reports");
            let mut serving = tokio::task::JoinSet::new();
            let mut feed = None;
            let mut sandbox = if let Some(url) = nats {
                let broker = Arc::new(Broker::open(&url, &account).await.map_err(anyhow::Error::msg)?);
                println!("the durable {account} of stream OPTOUT is at {url}; reports also at report.{account}.v1");
                let answers = broker.clone();
                let ear = ear.clone();
                serving.spawn(async move { drop(answers.serve(ear).await) });
                sandbox.queued(broker)
            } else if pull {
                let made = Feed::new(key, sandbox.epoch());
                println!("the pull feed is at http://{address}/partner/v1/instructions");
                feed = Some(made.clone());
                sandbox.queued(made)
            } else {
                sandbox
            };
            serving.spawn(async move { drop(conformance::serve(listener, ear, feed).await) });
            let shown = conformance::run(&mut sandbox).await;
            drop(serving);
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
