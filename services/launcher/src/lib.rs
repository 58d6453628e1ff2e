//! The launcher: finds or starts the servers, provisions them, and runs the services, all in one process or each in its
//! own. It depends on all services; nothing depends on it but tests and benchmarks.

mod carried;
mod check;
mod cli;
mod client;
mod demo;
pub mod evidence;
mod gate;
mod houses;
mod kit;
mod kit_file;
mod outside;
mod place;
mod provision;
mod recipient;
mod serve;
mod signals;
pub mod story;
mod up;
mod webhook_options;

pub use cli::{Cli, Command, ServersFrom, UpArgs};
pub use client::ClientStep;
pub use gate::GateStep;
pub use houses::{KEY_SCHEMAS, NAMES, schemas, start_service};
pub use kit::KitStep;
pub use place::{Place, Ports};
pub use provision::Step;
pub use recipient::Step as RecipientStep;
pub use up::Up;

/// Runs what the command line asks for.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        None => up::run(cli.up).await,
        Some(Command::Up(args)) => up::run(args).await,
        Some(Command::Demo { up, exit }) => demo::run(up, exit).await,
        Some(Command::Serve { service, config }) => serve::run(&service, config.as_deref()).await,
        Some(Command::Provision { step }) => provision::run(step, &up::say).await,
        Some(Command::SignInLink { config }) => up::sign_in_link(config.as_deref()).await,
        Some(Command::Migrate { up }) => up::migrate_only(up).await,
        Some(Command::WebhookKeys { recipient, keys }) => {
            let keys = opt_out_propagation::WebhookKeys::load_or_create(&keys)?.hand_over(recipient);
            println!("{}\n{}", *keys.secret, keys.public);
            Ok(())
        }
        Some(Command::Evidence { step }) => crate::evidence::run(step).await,
        Some(Command::RecipientKit { step }) => kit::run(step).await,
        Some(Command::Gate { step }) => gate::run(step).await,
        Some(Command::Recipient { step }) => recipient::run(step).await,
        Some(Command::Client { step }) => client::run(step),
        Some(Command::ReadMail) => anyhow::bail!("this command reads its mail before anything else is started"),
        Some(Command::Check { config }) => check::run(config.as_deref()).await,
    }
}
