//! A house for one test: its own database and key database (from a template), its own nats-server, its own secrets.

use crate::postgres::{binaries, postgres, run_folder};
use chassis::{Clock, Runtime, Schema, config::Settings};
use jiff::Timestamp;
use nats_auth::{House as Accounts, RootSecret};
use servers::{DataDir, Nats, NatsJwt, NatsOptions, quiet};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};
use steward::provision::{Databases, Secrets, databases};
use tokio::sync::Mutex;

/// A house for one test. Ends with the value.
pub struct House {
    /// Its nats-server, to be killed and wiped.
    pub nats: Nats,
    /// Its clock: the system's, unless [`House::held`] was called.
    pub clock: Clock,
    folder: PathBuf,
    secrets: Secrets,
    at: Databases,
    steward: chassis::Stop,
    _dir: Arc<DataDir>,
}

impl House {
    /// Makes databases, accounts, streams and durables; a steward runs.
    pub async fn start(schemas: &[Schema<'_>], key_schemas: &[&str]) -> Self {
        Self::start_at(schemas, key_schemas, Clock::system()).await
    }

    /// The same with a clock in the test's hand.
    pub async fn held(schemas: &[Schema<'_>], key_schemas: &[&str], at: Timestamp) -> Self {
        Self::start_at(schemas, key_schemas, Clock::held(at)).await
    }

    async fn start_at(schemas: &[Schema<'_>], key_schemas: &[&str], clock: Clock) -> Self {
        let name = format!("t{:012x}", rand::random::<u64>() & 0xffff_ffff_ffff);
        let folder = run_folder().join(&name);
        let secrets = Secrets::open(folder.join("secrets")).unwrap();
        share_passwords(&secrets);
        let at = make_databases(schemas, key_schemas, &name, &secrets).await;
        let accounts = Accounts::new(RootSecret::load_or_create(&secrets.root()).unwrap());
        secrets.write_creds(&accounts, true, Clock::system().now()).unwrap();
        let dir = DataDir::open(&folder.join("nats"), &quiet).await.unwrap();
        let options = NatsOptions::operator_mode(NatsJwt::of(&accounts, Clock::system().now()));
        let nats = Nats::start(binaries().await, &dir, options, &quiet).await.unwrap();
        let mut house = Self { nats, clock, folder, secrets, at, steward: chassis::Stop::new(), _dir: dir };
        // Without a register the steward has no recipients to look at: only a whole house gets one.
        if schemas.iter().any(|s| s.name == "optout") {
            let rt = house.runtime(&[]);
            steward::start(rt.clone()).await.unwrap();
            house.steward = rt.stopping();
        } else {
            house.streams().await;
        }
        house
    }

    /// Ends the steward in this process: the test runs one as a process of its own.
    pub fn steward_elsewhere(&self) {
        self.steward.ask();
    }

    /// Streams and durables for a few services only.
    async fn streams(&self) {
        use steward::desired;
        let creds = std::fs::read_to_string(self.secrets.creds().join("steward.creds")).unwrap();
        let client = async_nats::ConnectOptions::with_credentials(&creds)
            .unwrap()
            .custom_inbox_prefix("_INBOX_steward")
            .connect(self.nats.url())
            .await
            .unwrap();
        let context = async_nats::jetstream::new(client);
        let settings: steward::StewardSettings = self.settings(&[]).section("steward").unwrap();
        for stream in desired::streams(&settings, 1) {
            context.create_stream(stream).await.unwrap();
        }
        for service in contracts::Service::ALL {
            for queue in contracts::flow::Queue::of(*service) {
                let durable = desired::service_durable(*service, queue, 1);
                context.create_consumer_on_stream(durable, desired::BUS).await.unwrap();
            }
        }
    }

    fn settings(&self, more: &[(&str, &str)]) -> Settings {
        let path = |p: &Path| p.display().to_string();
        let mut overrides: Vec<(String, String)> = [
            ("house.database_url", self.at.template(&self.at.data).unwrap()),
            ("house.keys_url", self.at.template(&self.at.keys).unwrap()),
            ("house.password_dir", path(&self.secrets.passwords())),
            ("house.nats_url", self.nats.url()),
            ("house.creds_dir", path(&self.secrets.creds())),
            ("house.nats_monitor_url", self.nats.monitor_url()),
            ("house.keys_dir", path(&self.secrets.keys())),
            ("house.objects_dir", path(&self.folder.join("objects"))),
            ("house.connections", "4".into()),
            ("steward.root_secret_file", path(&self.secrets.root())),
            ("steward.system_creds_file", path(&self.secrets.system_creds())),
            ("steward.every_seconds", "1".into()),
            // Tests heal in a fraction of a second.
            ("bus.repeat_base_ms", "100".into()),
            ("bus.repeat_cap_ms", "1000".into()),
            ("bus.later_base_ms", "50".into()),
            ("bus.later_cap_ms", "500".into()),
            ("bus.poll_ms", "50".into()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        overrides.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Settings::load(None, &overrides).unwrap()
    }

    /// A process of the house: everything that a service's `start` takes.
    pub fn runtime(&self, settings: &[(&str, &str)]) -> Runtime {
        Runtime::new(self.settings(settings), self.clock.clone()).unwrap()
    }

    /// The database as its owner, to look into any schema.
    pub async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.at.admin(&self.at.data).unwrap()).await.unwrap()
    }
    /// The owner's URL of the data's database.
    pub fn admin_url(&self) -> String {
        self.at.admin(&self.at.data).unwrap()
    }
    /// The key database as its owner.
    pub async fn keys_admin(&self) -> PgConnection {
        PgConnection::connect(&self.at.admin(&self.at.keys).unwrap()).await.unwrap()
    }
    /// Where the house's secrets are.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }
    /// The test's own folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// The overrides that make another process (a real binary) part of this house, as environment variables.
    pub fn environment(&self) -> Vec<(String, String)> {
        let rt = self.runtime(&[]);
        let h = rt.house();
        let path = |p: &Path| p.display().to_string();
        [
            ("HOUSE__DATABASE_URL", h.database_url.clone()),
            ("HOUSE__KEYS_URL", h.keys_url.clone()),
            ("HOUSE__PASSWORD_DIR", path(&h.password_dir)),
            ("HOUSE__NATS_URL", h.nats_url.clone()),
            ("HOUSE__CREDS_DIR", path(&h.creds_dir)),
            ("HOUSE__NATS_MONITOR_URL", h.nats_monitor_url.clone()),
            ("HOUSE__KEYS_DIR", path(&h.keys_dir)),
            ("HOUSE__OBJECTS_DIR", path(&h.objects_dir)),
            ("STEWARD__ROOT_SECRET_FILE", path(&self.secrets.root())),
            ("STEWARD__SYSTEM_CREDS_FILE", path(&self.secrets.system_creds())),
        ]
        .map(|(k, v)| (format!("MADOGUCHI__{k}"), v))
        .into()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.steward.ask();
    }
}

/// Roles belong to the cluster, not to a database: all tests of a process share their passwords.
fn share_passwords(secrets: &Secrets) {
    let shared = run_folder().join("passwords");
    std::fs::create_dir_all(&shared).unwrap();
    let mine = secrets.passwords();
    let _ = std::fs::remove_dir(&mine);
    std::os::unix::fs::symlink(shared, mine).unwrap();
}

/// The first test of a process that needs these schemas makes a template; the others copy it.
async fn make_databases(schemas: &[Schema<'_>], key_schemas: &[&str], name: &str, secrets: &Secrets) -> Databases {
    static TEMPLATES: Mutex<Option<HashMap<u64, Databases>>> = Mutex::const_new(None);
    let mut hasher = DefaultHasher::new();
    for s in schemas {
        (s.name, s.machines).hash(&mut hasher);
    }
    key_schemas.hash(&mut hasher);
    let key = hasher.finish();
    let admin_url = postgres().await.superuser_url("postgres");
    let mut templates = TEMPLATES.lock().await;
    let templates = templates.get_or_insert_default();
    #[allow(clippy::map_entry)] // the value is made by an async function that may panic
    if !templates.contains_key(&key) {
        let at = Databases { admin_url: admin_url.clone(), data: format!("d{key:016x}"), keys: format!("k{key:016x}") };
        databases(&at, secrets, schemas, key_schemas, false, &|_| {}).await.unwrap_or_else(|e| panic!("{e:#}"));
        templates.insert(key, at);
    }
    let template = &templates[&key];
    let at = Databases { admin_url: admin_url.clone(), data: format!("d{name}"), keys: format!("k{name}") };
    let mut admin = PgConnection::connect(&admin_url).await.unwrap();
    let mut roles: Vec<&str> = schemas.iter().map(|s| s.name).collect();
    roles.push("steward");
    for (new, old, may) in [(&at.data, &template.data, &roles[..]), (&at.keys, &template.keys, key_schemas)] {
        // A copy does not take the template's own rights along.
        let grants: String = may.iter().map(|r| format!("grant connect on database {new} to {r};")).collect();
        let grants = format!("revoke connect, temporary on database {new} from public; {grants}");
        sqlx::raw_sql(AssertSqlSafe(format!("create database {new} template {old}")))
            .execute(&mut admin)
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(grants)).execute(&mut admin).await.unwrap();
    }
    at
}
