//! `madoguchi`: the one binary.

use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = launcher::Cli::parse();
    // Before any thread: what reads a stranger's mail has nothing of the desk in it.
    if matches!(cli.command, Some(launcher::Command::ReadMail)) {
        return mail::apart::child();
    }
    // Few worker threads: the work is waiting, and each thread costs memory for as long as the desk runs.
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(16)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(launcher::run(cli)),
        Err(e) => Err(anyhow::Error::from(e).context("starting the runtime")),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("madoguchi: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
