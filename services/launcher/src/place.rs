//! Where a house stands: its data folder, its servers, and the settings that follow from them.

use crate::{KEY_SCHEMAS, ServersFrom, UpArgs, schemas};
use anyhow::Context;
use chassis::{Clock, config::Settings};
use nats_auth::{House as Accounts, RootSecret};
use servers::{Binaries, DataDir, Mode, Nats, NatsJwt, NatsOptions, PgOptions, Postgres};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use steward::provision::{Databases, Secrets, databases, parse_admin_url};

/// Told what is being done.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The four listeners.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    desk: u16,
    console: u16,
    partner: u16,
    ops: u16,
}

impl Ports {
    /// `first` and the next three; 0: whatever is free.
    pub fn from(first: u16) -> anyhow::Result<Self> {
        anyhow::ensure!(
            first < u16::MAX - 3,
            "`--port`: {first} leaves no room for the next three; use at most {}",
            u16::MAX - 4
        );
        if first != 0 {
            return Ok(Self { desk: first, console: first + 1, partner: first + 2, ops: first + 3 });
        }
        // Held together, so that four different ones are free; the links in mails must be known before the door listens.
        let held: Vec<_> = (0..4).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let mut free = held.iter().map(|l| l.local_addr().map(|a| a.port()));
        let mut next = || free.next().context("no free port")?.context("no free port");
        Ok(Self { desk: next()?, console: next()?, partner: next()?, ops: next()? })
    }
}

/// Servers named by the environment; absent ones are started privately.
#[derive(Clone, Debug, Default)]
struct Outside {
    postgres: Option<String>,
    nats: Option<OutsideNats>,
}

#[derive(Clone, Debug)]
struct OutsideNats {
    url: String,
    monitor: String,
    operator_seed: PathBuf,
    system_account: String,
    system_creds: PathBuf,
}

impl Outside {
    fn from_environment() -> anyhow::Result<Self> {
        let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let need = |name: &str| {
            var(name).with_context(|| {
                format!("MADOGUCHI_NATS_URL is set, so `{name}` must be set too (see README, \"Existing servers\")")
            })
        };
        let postgres = var("MADOGUCHI_POSTGRES_URL");
        if let Some(url) = &postgres {
            parse_admin_url(url)?;
        }
        let nats = match var("MADOGUCHI_NATS_URL") {
            None => None,
            Some(url) => Some(OutsideNats {
                url,
                monitor: need("MADOGUCHI_NATS_MONITOR_URL")?,
                operator_seed: need("MADOGUCHI_NATS_OPERATOR_SEED_FILE")?.into(),
                system_account: need("MADOGUCHI_NATS_SYSTEM_ACCOUNT")?,
                system_creds: need("MADOGUCHI_NATS_SYSTEM_CREDS_FILE")?.into(),
            }),
        };
        Ok(Self { postgres, nats })
    }
}

/// A house that stands: servers run, schemas are migrated, credentials are written.
pub struct Place {
    /// PostgreSQL, when it is ours.
    pub postgres: Option<Postgres>,
    /// NATS, when it is ours.
    pub nats: Option<Nats>,
    /// The data folder.
    pub folder: PathBuf,
    /// The secrets.
    pub secrets: Secrets,
    /// The databases.
    pub databases: Databases,
    /// The settings that follow, for every service's runtime.
    pub settings: Settings,
    /// NATS' address.
    pub nats_url: String,
    _dir: Arc<DataDir>,
}

impl Place {
    /// Finds or starts the servers and provisions them. `more` overrides settings last.
    pub async fn prepare(
        args: &UpArgs,
        folder: &Path,
        more: &[(String, String)],
        progress: Progress<'_>,
    ) -> anyhow::Result<Self> {
        let outside = Outside::from_environment()?;
        let dir = DataDir::open(folder, progress).await?;
        let folder = dir.path().to_owned();
        let secrets = Secrets::open(folder.join("secrets"))?;
        let accounts = match &outside.nats {
            None => Accounts::new(RootSecret::load_or_create(&secrets.root())?),
            Some(o) => {
                let seed = std::fs::read_to_string(&o.operator_seed).context("MADOGUCHI_NATS_OPERATOR_SEED_FILE")?;
                Accounts::with_operator(RootSecret::load_or_create(&secrets.root())?, seed.trim(), &o.system_account)?
            }
        };
        secrets.write_creds(&accounts, outside.nats.is_none(), Clock::system().now())?;
        let (postgres, nats) = start_servers(args, &outside, &dir, &accounts, progress).await?;
        let admin_url = match (&postgres, &outside.postgres) {
            (Some(ours), _) => ours.superuser_url("postgres"),
            (None, Some(url)) => url.clone(),
            (None, None) => anyhow::bail!("no PostgreSQL"),
        };
        let at = Databases { admin_url, data: "madoguchi".into(), keys: "madoguchi_keys".into() };
        databases(&at, &secrets, &schemas(), KEY_SCHEMAS, true, progress).await?;
        let (nats_url, monitor) = match (&nats, &outside.nats) {
            (Some(ours), _) => (ours.url(), ours.monitor_url()),
            (None, Some(o)) => (o.url.clone(), o.monitor.clone()),
            (None, None) => anyhow::bail!("no NATS"),
        };
        let mut overrides = overrides(&at, &secrets, &folder, &nats_url, &monitor, &outside)?;
        overrides.extend_from_slice(more);
        let settings = Settings::load(args.config.as_deref(), &overrides)?;
        Ok(Self { postgres, nats, folder, secrets, databases: at, settings, nats_url, _dir: dir })
    }

    /// Stops what is ours, NATS first: PostgreSQL remembers.
    pub async fn stop(self) -> anyhow::Result<()> {
        if let Some(nats) = self.nats {
            nats.stop().await?;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await?;
        }
        Ok(())
    }
}

async fn start_servers(
    args: &UpArgs,
    outside: &Outside,
    dir: &Arc<DataDir>,
    accounts: &Accounts,
    progress: Progress<'_>,
) -> anyhow::Result<(Option<Postgres>, Option<Nats>)> {
    if outside.postgres.is_some() && outside.nats.is_some() {
        return Ok((None, None));
    }
    let mode = match args.servers {
        ServersFrom::Fetch => Mode::Fetch,
        ServersFrom::Path => Mode::Path,
    };
    let binaries = Binaries::resolve(mode, progress).await?;
    let postgres = async {
        match outside.postgres {
            Some(_) => Ok(None),
            None => Postgres::start(&binaries, dir, PgOptions::real(), progress).await.map(Some),
        }
    };
    let nats = async {
        match outside.nats {
            Some(_) => Ok(None),
            None => {
                let options = NatsOptions::operator_mode(NatsJwt::of(accounts, Clock::system().now()));
                Nats::start(&binaries, dir, options, progress).await.map(Some)
            }
        }
    };
    let (postgres, nats) = tokio::try_join!(postgres, nats)?;
    Ok((postgres, nats))
}

fn overrides(
    at: &Databases,
    secrets: &Secrets,
    folder: &Path,
    nats_url: &str,
    monitor: &str,
    outside: &Outside,
) -> anyhow::Result<Vec<(String, String)>> {
    let path = |p: &Path| p.display().to_string();
    let mut all = vec![
        ("house.database_url", at.template(&at.data)?),
        ("house.keys_url", at.template(&at.keys)?),
        ("house.password_dir", path(&secrets.passwords())),
        ("house.nats_url", nats_url.to_owned()),
        ("house.nats_monitor_url", monitor.to_owned()),
        ("house.creds_dir", path(&secrets.creds())),
        ("house.keys_dir", path(&secrets.keys())),
        ("house.objects_dir", path(&folder.join("objects"))),
        ("steward.root_secret_file", path(&secrets.root())),
        ("notification.outbox_dir", path(&folder.join("mail"))),
    ];
    match &outside.nats {
        None => all.push(("steward.system_creds_file", path(&secrets.system_creds()))),
        Some(o) => all.extend([
            ("steward.system_creds_file", path(&o.system_creds)),
            ("steward.operator_seed_file", path(&o.operator_seed)),
            ("steward.system_account", o.system_account.clone()),
        ]),
    }
    Ok(all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

/// The listeners as settings.
pub(crate) fn listens(ports: Ports) -> Vec<(String, String)> {
    let at = |port: u16| format!("127.0.0.1:{port}");
    let mut all: Vec<(String, String)> = [
        ("door.listen", ports.desk),
        ("console.listen", ports.console),
        ("optout.partner_listen", ports.partner),
        ("ops.listen", ports.ops),
    ]
    .map(|(key, port)| (key.to_owned(), at(port)))
    .into();
    all.push(("notification.status_url".into(), format!("http://{}/status", at(ports.desk))));
    all
}
