//! Benchmarks: `cargo run --release -p bench -- NAME`. The physical limit is measured in the same run; the last line on
//! stdout is one JSON object with figures, limit and their ratio.

mod cpu;
mod gate;
mod hop;
mod intake;
mod letters;
mod mail;
mod nats;
mod open_loop;
mod quiet;
mod replay;
mod report;
mod sink;
mod start;
mod tables;
mod webhooks;

use clap::{Parser, Subcommand};
use contracts::{IdentifiersAs, SignaturesAs, forms::Forms};

/// What the contracts of a benchmark's recipients choose.
fn forms(plain: bool) -> Forms {
    if plain {
        Forms { identifiers: IdentifiersAs::KeyedHashes, signatures: SignaturesAs::Hmac, ..Forms::default() }
    } else {
        Forms::default()
    }
}

#[derive(Parser)]
#[command(about = "Benchmarks of the desk; figures count as ratios within one run")]
struct Cli {
    #[command(subcommand)]
    name: Name,
}

#[derive(Subcommand)]
enum Name {
    /// Built binary to ready, with and without data; resident memory when idle.
    Start,
    /// Durable accepts per second over HTTP, beside bare inserts of the same bytes.
    Intake {
        /// Seconds per measurement.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// People from CSV against standing entries, beside the same file without a check; single checks over HTTP.
    Gate {
        /// People in the file.
        #[arg(long, default_value_t = 1_500_000)]
        rows: usize,
        /// Standing entries.
        #[arg(long, default_value_t = 100_000)]
        entries: usize,
    },
    /// From a staff confirmation to the contractor's receipt of the instruction, on an idle system.
    Hop {
        /// Journeys.
        #[arg(long, default_value_t = 200)]
        journeys: usize,
    },
    /// A backlog of stops to 10, 100 and 1,000 webhook endpoints in full, and with one sick endpoint of ten.
    Webhooks {
        /// Deliveries per run.
        #[arg(long, default_value_t = 10_000)]
        deliveries: usize,
        /// By contract HMAC alone and keyed hashes instead of sealed identifiers: like for like with other webhook servers.
        #[arg(long)]
        plain: bool,
        /// This many endpoints and nothing else.
        #[arg(long)]
        only: Option<usize>,
    },
    /// Orders at a fixed pace to ten webhook endpoints: from the order to the last endpoint.
    OpenLoop {
        /// Deliveries a second.
        #[arg(long, default_value_t = 1_000)]
        rate: usize,
        /// How long.
        #[arg(long, default_value_t = 20)]
        seconds: usize,
    },
    /// A backlog of stops to ten recipients over NATS, beside a bare loop that publishes durably to the same server.
    Nats {
        /// Deliveries.
        #[arg(long, default_value_t = 10_000)]
        deliveries: usize,
    },
    /// Everything that one recipient was ever told, again over the pull feed, beside bare reads of the same rows.
    Replay {
        /// Positions.
        #[arg(long, default_value_t = 1_000_000)]
        positions: i64,
    },
    /// Milliseconds a page of a letter, the first time and after.
    Letters,
    /// Mails of 10 KB a second in one thread, and in a process apart each.
    Mail,
    /// The process apart of `mail`.
    #[command(hide = true)]
    ReadMail,
    /// Where the webhooks of `webhooks` arrive.
    #[command(hide = true)]
    Sink,
    /// The desk itself, for `start` to measure: this binary is the launcher with another name.
    #[command(hide = true)]
    Desk {
        #[command(flatten)]
        up: launcher::UpArgs,
    },
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    let cli = Cli::parse();
    if matches!(cli.name, Name::ReadMail) {
        return Ok(::mail::apart::child());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match cli.name {
            Name::Start => start::run().await,
            Name::Intake { seconds } => intake::run(seconds).await,
            Name::Gate { rows, entries } => gate::run(rows, entries).await,
            Name::Hop { journeys } => hop::run(journeys).await,
            Name::Nats { deliveries } => nats::run(deliveries).await,
            Name::Replay { positions } => replay::run(positions).await,
            Name::Webhooks { deliveries, plain, only } => webhooks::run(deliveries, forms(plain), only).await,
            Name::OpenLoop { rate, seconds } => open_loop::run(rate, seconds, Forms::default()).await,
            Name::Letters => letters::run(),
            Name::Mail => mail::run().await,
            Name::ReadMail => unreachable!("done before the runtime"),
            Name::Sink => sink::serve().await,
            Name::Desk { up } => launcher::run(launcher::Cli { command: None, up }).await,
        }
    })?;
    Ok(std::process::ExitCode::SUCCESS)
}
