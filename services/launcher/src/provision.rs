//! `provision`: what a set-up of containers (docker-compose.yml) needs before its servers start, and before its services do.
//!
//! `secrets` makes everything secret once, without a network, in one folder per container; `databases` makes roles, databases
//! and schemas. Both may run again: what is there stays as it is.

use crate::{KEY_SCHEMAS, schemas};
use anyhow::Context;
use clap::Subcommand;
use contracts::Service;
use jiff::Timestamp;
use nats_auth::{House as Accounts, RootSecret};
use privacy::ServiceKey;
use servers::NatsJwt;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use steward::{
    permissions,
    provision::{Databases, Secrets, databases_apart, parse_admin_url},
};

/// The folders of the two PostgreSQL servers, as their containers are called.
const POSTGRES: [&str; 2] = ["postgres", "postgres-keys"];

/// The steps of `provision`.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Makes every secret once, one folder per container. Needs no server.
    Secrets {
        /// Credentials, passwords, the root of the NATS keys, nats-server's house.conf.
        #[arg(long)]
        secrets: PathBuf,
        /// The services' key pairs, and everybody's public keys.
        #[arg(long)]
        keys: PathBuf,
    },
    /// Makes roles, databases, schemas and the epoch on the servers that MADOGUCHI_POSTGRES_URL and
    /// MADOGUCHI_KEYS_POSTGRES_URL name (without password: it is among the secrets).
    Databases {
        /// The folder that `secrets` made.
        #[arg(long)]
        secrets: PathBuf,
    },
}

pub(crate) async fn run(step: Step, progress: &(dyn Fn(&str) + Send + Sync)) -> anyhow::Result<()> {
    match step {
        Step::Secrets { secrets, keys } => make_secrets(&secrets, &keys),
        Step::Databases { secrets } => make_databases(&secrets, progress).await,
    }
}

fn make_secrets(into: &Path, keys: &Path) -> anyhow::Result<()> {
    #[allow(clippy::disallowed_methods)] // the day on which credentials were made; nothing is decided by it
    let now = Timestamp::now();
    let house = Secrets::open(into.join("house"))?;
    let accounts = Accounts::new(RootSecret::load_or_create(&house.root())?);
    house.write_creds(&accounts, true, now)?;
    for (user, _) in permissions::all() {
        let own = folder(&into.join(user), 0o700)?;
        copy(
            &house.creds().join(format!("{user}.creds")),
            &folder(&own.join("creds"), 0o700)?.join(format!("{user}.creds")),
        )?;
        let password = house.password(user)?;
        write(&folder(&own.join("postgres"), 0o700)?.join(user), &password, 0o600)?;
    }
    let steward = into.join(permissions::STEWARD);
    copy(&house.root(), &steward.join(nats_auth::DEFAULT_ROOT_FILE))?;
    copy(&house.system_creds(), &steward.join("system.creds"))?;
    // Public: JWTs without seeds. The server's container runs as another user than ours may.
    write(&folder(&into.join("nats"), 0o755)?.join("house.conf"), &house_conf(&NatsJwt::of(&accounts, now)), 0o444)?;
    for server in POSTGRES {
        let own = folder(&into.join(server), 0o755)?;
        let password = house.password(&format!("{server}-administrator"))?;
        // Read by the server's own user; the folder is mounted into its container only.
        write(&own.join("password"), &password, 0o444)?;
        write(&own.join("pgpass"), &format!("*:*:*:postgres:{password}\n"), 0o600)?;
    }
    write(&folder(&into.join("collector"), 0o700)?.join("monitor"), &house.password("monitor")?, 0o400)?;
    key_pairs(keys)
}

/// A key pair for every service, and its public half for everybody, the door included.
fn key_pairs(keys: &Path) -> anyhow::Result<()> {
    let holders: Vec<&str> = Service::ALL.iter().map(|s| s.token()).chain([permissions::DOOR]).collect();
    for holder in &holders {
        folder(&keys.join(holder), 0o700)?;
    }
    for service in Service::ALL {
        let own = keys.join(service.token());
        ServiceKey::load_or_create(&own, service.token())?;
        let public = format!("{}.pub", service.token());
        for holder in &holders {
            copy(&own.join(&public), &keys.join(holder).join(&public))?;
        }
    }
    Ok(())
}

fn house_conf(jwt: &NatsJwt) -> String {
    let preload: String = jwt.preload.iter().map(|(account, jwt)| format!("    {account}: \"{jwt}\"\n")).collect();
    format!(
        "operator: \"{}\"\nsystem_account: {}\nresolver_preload {{\n{preload}}}\n",
        jwt.operator, jwt.system_account
    )
}

async fn make_databases(secrets: &Path, progress: &(dyn Fn(&str) + Send + Sync)) -> anyhow::Result<()> {
    let url = |variable: &str, server: &str| -> anyhow::Result<String> {
        let url = std::env::var(variable)
            .with_context(|| format!("`{variable}`: give the address of PostgreSQL as its administrator"))?;
        parse_admin_url(&url)?;
        let file = secrets.join(server).join("password");
        let password = fs::read_to_string(&file)
            .with_context(|| format!("{}: run `madoguchi provision secrets` first", file.display()))?;
        Ok(url.replacen("postgres@", &format!("postgres:{}@", password.trim()), 1))
    };
    let at = Databases {
        admin_url: url("MADOGUCHI_POSTGRES_URL", POSTGRES[0])?,
        data: "madoguchi".into(),
        keys: "madoguchi_keys".into(),
    };
    let keys = url("MADOGUCHI_KEYS_POSTGRES_URL", POSTGRES[1])?;
    databases_apart(&at, &keys, &Secrets::open(secrets.join("house"))?, &schemas(), KEY_SCHEMAS, true, progress)
        .await?;
    Ok(())
}

fn folder(path: &Path, mode: u32) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("making {}", path.display()))?;
    Ok(path.to_owned())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from != to {
        fs::copy(from, to).map(drop).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Written under another name first, so that nobody reads half of it; the old file may be read-only.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let unfinished = path.with_extension("part");
    fs::write(&unfinished, text)
        .and_then(|()| fs::set_permissions(&unfinished, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("writing {}", path.display()))
}
