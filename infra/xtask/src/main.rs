//! The repository's automation: `cargo xtask <task>`.

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "The repository's automation")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes shared/contracts/asyncapi.json and the recipients' two documents beside it from the code.
    Contracts,
    /// Prints the flow table as Markdown, as README shows it.
    Flow,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Contracts => {
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/contracts");
            let house = ("asyncapi.json", contracts::asyncapi::text());
            for (name, text) in contracts::partner::files().into_iter().chain([house]) {
                let path = folder.join(name);
                std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            }
            Ok(())
        }
        Task::Flow => {
            println!("| message | subject | said by | heard by |\n|---|---|---|---|");
            for entry in contracts::FLOW {
                let hearers: Vec<_> = entry.hearers.iter().map(|h| h.token()).collect();
                println!(
                    "| {} | `{}` | {} | {} |",
                    entry.name,
                    entry.template(),
                    entry.speaker.token(),
                    hearers.join(", ")
                );
            }
            Ok(())
        }
    }
}
