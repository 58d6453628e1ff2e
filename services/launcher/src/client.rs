//! `madoguchi client`: systems of the operator's own that have a key at the public desk.

use anyhow::Context;
use clap::Subcommand;
use contracts::Code;
use door::clients::{self, ClientScope};
use std::path::PathBuf;

/// What to do with a client.
#[derive(Debug, Subcommand)]
pub enum ClientStep {
    /// Adds one and prints its key, once.
    Add {
        /// What staff call it: lower-case letters, digits and hyphens.
        name: Code,
        /// What it may do; may be given several times.
        #[arg(long, required = true)]
        scope: Vec<ClientScope>,
        /// The key folder (`house.keys_dir`).
        #[arg(long)]
        keys: PathBuf,
    },
    /// Ends one's key at once.
    Remove {
        /// Its name.
        name: Code,
        /// The key folder (`house.keys_dir`).
        #[arg(long)]
        keys: PathBuf,
    },
    /// Lists them.
    List {
        /// The key folder (`house.keys_dir`).
        #[arg(long)]
        keys: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// The file of the key folder; the text names it.
pub fn run(step: ClientStep) -> anyhow::Result<()> {
    match step {
        ClientStep::Add { name, scope, keys } => {
            let key = clients::add(&keys, name, scope).context("`--keys`")?;
            println!("{key}");
            eprintln!("This key is kept nowhere: give it to the system now. It is good at once.");
        }
        ClientStep::Remove { name, keys } => {
            clients::remove(&keys, &name).context("`--keys`")?;
            eprintln!("{name} may do nothing any more.");
        }
        ClientStep::List { keys } => {
            for client in clients::list(&keys).context("`--keys`")? {
                let scopes: Vec<String> = client.scopes.iter().map(ToString::to_string).collect();
                println!("{}\t{}", client.name, scopes.join(" "));
            }
        }
    }
    Ok(())
}
