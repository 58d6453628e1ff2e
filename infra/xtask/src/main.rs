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
    /// Writes shared/contracts/asyncapi.json from the code.
    Contracts,
    /// Prints the flow table as Markdown, as README shows it.
    Flow,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Contracts => {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/contracts/asyncapi.json");
            std::fs::write(&path, contracts::asyncapi::text()).with_context(|| format!("writing {}", path.display()))
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
