//! Where a house stands: its data folder, its servers, and the settings that follow from them.

use crate::{
    KEY_SCHEMAS, ServersFrom, UpArgs,
    outside::{self, Outside},
    schemas,
};
use anyhow::Context;
use chassis::{Clock, config::Settings, telemetry};
use nats_auth::{House as Accounts, RootSecret};
use serde::Deserialize;
use servers::{Binaries, DataDir, KeepRules, Keeper, Mode, Nats, NatsJwt, NatsOptions, PgOptions, Postgres, Why};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use steward::{
    StewardSettings,
    provision::{Databases, Secrets, databases},
};

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

/// A house that stands: servers run, schemas are migrated, credentials are written.
pub struct Place {
    /// PostgreSQL, when it is ours.
    pub postgres: Option<Arc<Postgres>>,
    /// NATS, when it is ours.
    pub nats: Option<Arc<Nats>>,
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
        let root = RootSecret::load_or_create(&secrets.root())?;
        let accounts = match &outside.nats {
            None => Accounts::new(root),
            Some(nats) => {
                let accounts = nats.accounts(root)?;
                nats.answers(&accounts, Clock::system().now()).await?;
                accounts
            }
        };
        secrets.write_creds(&accounts, outside.nats.is_none(), Clock::system().now())?;
        let room = max_file_store(&Settings::load(args.config.as_deref(), more)?.section("steward")?);
        let (postgres, nats) = start_servers(args, &outside, &dir, &accounts, room, progress).await?;
        let admin_url = match (&postgres, &outside.postgres) {
            (Some(ours), _) => ours.superuser_url("postgres"),
            (None, Some(url)) => url.clone(),
            (None, None) => anyhow::bail!("no PostgreSQL"),
        };
        let at = Databases { admin_url, data: "madoguchi".into(), keys: "madoguchi_keys".into() };
        databases(&at, &secrets, &schemas(), KEY_SCHEMAS, true, progress).await.with_context(|| {
            match outside.postgres {
                Some(_) => format!(
                    "`{}`: preparing the databases there; it must run, and the user be an administrator",
                    outside::POSTGRES
                ),
                None => "preparing the databases".to_owned(),
            }
        })?;
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

    /// Looks after the servers that are ours from now on: who dies, or stands still after a full disk, is started again.
    /// Begin when metrics are counted.
    pub(crate) fn keep(&self) -> anyhow::Result<Keeper> {
        let rules = self.settings.section::<KeeperSettings>("keeper")?.rules();
        Ok(Keeper::start(rules, self.nats.clone(), self.postgres.clone(), |restart| {
            let what = match (restart.server, restart.why, restart.error.is_some()) {
                (_, _, true) => "failed",
                ("nats", Why::Unhealthy, _) => "nats-unhealthy",
                ("nats", Why::Died, _) => "nats-died",
                _ => "postgres-died",
            };
            telemetry::count("madoguchi.keeper.restarts", what);
        }))
    }

    /// The process of the private PostgreSQL; its backends are children of it.
    pub async fn postgres_pid(&self) -> Option<u32> {
        self.postgres.as_ref()?.pid().await
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

/// `[keeper]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeeperSettings {
    look_seconds: u64,
    unhealthy_looks: u32,
    room_bytes: u64,
    pause_seconds: u64,
    pause_cap_seconds: u64,
}

impl KeeperSettings {
    /// At least a second between two looks and after a try: never a tight loop, whatever is set.
    fn rules(&self) -> KeepRules {
        let seconds = |n: u64| Duration::from_secs(n.clamp(1, 86_400));
        KeepRules {
            look_every: seconds(self.look_seconds),
            unhealthy_looks: self.unhealthy_looks.max(1),
            room_bytes: self.room_bytes,
            pause: seconds(self.pause_seconds),
            pause_cap: seconds(self.pause_cap_seconds.max(self.pause_seconds)),
        }
    }
}

/// Said to nats-server in figures and not left to what is free at its start: after a full disk that would be so little that
/// the streams' own limits no longer fit, and they could not be made anew. Two streams, and as much again.
fn max_file_store(steward: &StewardSettings) -> u64 {
    u64::try_from(steward.stream_max_bytes).unwrap_or_default().saturating_mul(4).max(1 << 30)
}

async fn start_servers(
    args: &UpArgs,
    outside: &Outside,
    dir: &Arc<DataDir>,
    accounts: &Accounts,
    max_file_store: u64,
    progress: Progress<'_>,
) -> anyhow::Result<(Option<Arc<Postgres>>, Option<Arc<Nats>>)> {
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
                let mut options = NatsOptions::operator_mode(NatsJwt::of(accounts, Clock::system().now()));
                options.max_file_store = Some(max_file_store);
                Nats::start(&binaries, dir, options, progress).await.map(Some)
            }
        }
    };
    let (postgres, nats) = tokio::try_join!(postgres, nats)?;
    Ok((postgres.map(Arc::new), nats.map(Arc::new)))
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
