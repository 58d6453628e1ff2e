//! What a service needs to run: settings, clock, connections, health, stopping. No globals.

use crate::{
    bus::{Bus, BusSettings},
    clock::Clock,
    config::Settings,
    db::Db,
    health::Health,
    nats,
    objects::Objects,
    stop::Stop,
};
use anyhow::Context;
use contracts::Service;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// `[house]`: where things are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HouseSettings {
    /// PostgreSQL with `{role}` where the role goes: `postgres://{role}@host/madoguchi`.
    pub database_url: String,
    /// The key database, apart from the data's base backup.
    pub keys_url: String,
    /// Folder with one file per role that holds its password; empty: the URLs have them.
    pub password_dir: PathBuf,
    /// NATS.
    pub nats_url: String,
    /// Folder with `<service>.creds`.
    pub creds_dir: PathBuf,
    /// NATS' monitoring address, to see that JetStream syncs always.
    pub nats_monitor_url: String,
    /// Folder with master key, service keys and index keys.
    pub keys_dir: PathBuf,
    /// Folder of sealed files.
    pub objects_dir: PathBuf,
    /// Connections per service.
    pub connections: u32,
}

/// What a service needs to run. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    settings: Settings,
    house: Arc<HouseSettings>,
    clock: Clock,
    stop: Stop,
    health: Health,
}

impl Runtime {
    /// From settings; nothing is connected yet.
    pub fn new(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let house = settings.section("house")?;
        Ok(Self { settings, house: Arc::new(house), clock, stop: Stop::new(), health: Health::default() })
    }
    /// A section of the configuration.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<T> {
        self.settings.section(name)
    }
    /// Where things are.
    pub fn house(&self) -> &HouseSettings {
        &self.house
    }
    /// The clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }
    /// Asks to stop, and is asked.
    pub fn stopping(&self) -> Stop {
        self.stop.clone()
    }
    /// What must be true before the process is ready.
    pub fn health(&self) -> &Health {
        &self.health
    }
    /// Folder with master key, service keys and index keys.
    pub fn keys_dir(&self) -> &Path {
        &self.house.keys_dir
    }
    /// The sealed files.
    pub fn objects(&self) -> anyhow::Result<Objects> {
        Objects::open(&self.house.objects_dir)
            .with_context(|| format!("`house.objects_dir`: {}", self.house.objects_dir.display()))
    }
    /// Sealed files that came through the door: a folder of their own, so that the door needs no other.
    pub fn inbound(&self) -> anyhow::Result<Objects> {
        let folder = self.house.objects_dir.join("inbound");
        Objects::open(&folder).with_context(|| format!("`house.objects_dir`: {}", folder.display()))
    }
    /// The database as a role sees it.
    pub fn database_url(&self, role: &str) -> anyhow::Result<String> {
        self.url("house.database_url", &self.house.database_url, role)
    }
    /// The key database as a role sees it.
    pub fn keys_url(&self, role: &str) -> anyhow::Result<String> {
        self.url("house.keys_url", &self.house.keys_url, role)
    }

    fn url(&self, setting: &str, template: &str, role: &str) -> anyhow::Result<String> {
        let url = template.replace("{role}", role);
        anyhow::ensure!(
            !url.is_empty(),
            "`{setting}` is not set: give the PostgreSQL address, with {{role}} where the role goes"
        );
        if self.house.password_dir.as_os_str().is_empty() {
            return Ok(url);
        }
        let file = self.house.password_dir.join(role);
        let password = std::fs::read_to_string(&file).with_context(|| {
            format!("`house.password_dir`: cannot read {}; run `madoguchi migrate` first", file.display())
        })?;
        Ok(url.replacen(&format!("{role}@"), &format!("{role}:{}@", password.trim()), 1))
    }

    /// A pool for a role, with its schema as search path.
    pub async fn db(&self, role: &str) -> anyhow::Result<Db> {
        let db = Db::connect(&self.database_url(role)?, role, self.house.connections)
            .await
            .with_context(|| format!("connecting to PostgreSQL as `{role}` (`house.database_url`)"))?;
        let pool = db.pool().clone();
        self.health.add(format!("{role}: database"), move || {
            let pool = pool.clone();
            async move {
                sqlx::query("select 1")
                    .execute(&pool)
                    .await
                    .map(drop)
                    .map_err(|e| format!("PostgreSQL does not answer: {e}"))
            }
        });
        Ok(db)
    }

    /// A NATS connection as a user of the house; it comes back by itself after an interruption.
    pub async fn nats(&self, user: &str) -> anyhow::Result<async_nats::Client> {
        let client = nats::connect(&self.house, user).await?;
        let (state, monitor) = (client.clone(), self.house.nats_monitor_url.clone());
        self.health.add(format!("{user}: nats"), move || {
            let (state, monitor) = (state.clone(), monitor.clone());
            async move {
                if state.connection_state() != async_nats::connection::State::Connected {
                    return Err("NATS is not connected".into());
                }
                nats::syncs_always(&monitor).await
            }
        });
        Ok(client)
    }

    /// A service on the bus.
    pub async fn bus(&self, service: Service) -> anyhow::Result<Arc<Bus>> {
        let db = self.db(service.token()).await?;
        let epoch: i32 = sqlx::query_scalar("select max(number) from house.epoch")
            .fetch_one(db.pool())
            .await
            .context("reading house.epoch; run `madoguchi migrate` first")?;
        let client = self.nats(service.token()).await?;
        let settings: BusSettings = self.section("bus")?;
        let bus = Bus::new(service, db, client, self.clock(), epoch, settings, self.stopping());
        bus.keep_log_key_in(self.keys_dir().to_owned());
        let looked_at = bus.clone();
        self.health.add(format!("{}: durable", service.token()), move || {
            let bus = looked_at.clone();
            async move { nats::durable_stands(&bus).await }
        });
        Ok(bus)
    }
}
