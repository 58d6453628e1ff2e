//! The private servers of `madoguchi up`: the disk under JetStream fills up, a server dies; nobody restarts anything.

use crate::{
    journey::{
        child::Child,
        people::Person,
        reckoning::{facts_are_said_once, machines_and_histories_agree, quiet},
    },
    processes::{Folder, lives, readiness, ready, servers_by_name, up_with},
};
use async_nats::{ConnectOptions, jetstream};
use contracts::Timestamp;
use launcher::{schemas, story};
use nats_auth::{House as Accounts, Permissions, RootSecret};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};
use testkit::eventually;

/// Enough for JetStream to begin, and quickly full.
const DISK_BYTES: u64 = 48 << 20;
/// What must be free again before JetStream is restarted.
const ROOM_BYTES: u64 = 8 << 20;

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|s| s.success())
}

/// A file system of its own, in memory. Unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={DISK_BYTES},mode=0700");
        let mounted = rustix::process::geteuid().is_root()
            && run("mount", &["-t", "tmpfs", "-o", &size, "madoguchi-test", at.to_str().unwrap()]);
        mounted.then(|| Self(at.to_owned()))
    }
    fn is_mounted(&self) -> bool {
        run("mountpoint", &["-q", self.0.to_str().unwrap()])
    }
    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
    /// Writes until the disk says that there is no room; never anywhere else.
    fn fill(&self) {
        assert!(self.is_mounted(), "this would fill another disk");
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        let mut written = 0;
        for piece in [1 << 16, 1 << 12, 1] {
            let bytes = vec![7; piece];
            loop {
                match file.write(&bytes) {
                    Ok(n) => written += n as u64,
                    Err(e) => {
                        assert_eq!(e.kind(), ErrorKind::StorageFull, "{e}");
                        break;
                    }
                }
                assert!(written <= DISK_BYTES, "the disk is larger than it was made");
            }
        }
    }
    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let at = self.0.to_str().unwrap();
        if self.is_mounted() && !run("umount", &[at]) {
            // The server that was killed with the test may have a file open for a moment.
            run("umount", &["--lazy", at]);
        }
    }
}

/// `up` whose keeper looks every second, with pauses of a test.
fn start(folder: &Folder) -> Child {
    let quick = [
        ("KEEPER__LOOK_SECONDS", "1".to_owned()),
        ("KEEPER__PAUSE_SECONDS", "1".to_owned()),
        ("KEEPER__ROOM_BYTES", ROOM_BYTES.to_string()),
        ("STEWARD__EVERY_SECONDS", "1".to_owned()),
        ("BUS__REPEAT_BASE_MS", "100".to_owned()),
        ("BUS__REPEAT_CAP_MS", "1000".to_owned()),
    ]
    .map(|(key, value)| (format!("MADOGUCHI__{key}"), value));
    let quick: Vec<(&str, String)> = quick.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    up_with(folder, &[], &quick)
}

/// What runs, from outside.
struct Running {
    desk: story::Desk,
    addresses: Value,
    data: PathBuf,
    filed: Vec<story::Receipt>,
}

impl Running {
    async fn of(folder: &Folder, up: &Child) -> Self {
        let addresses = ready(folder, up).await;
        let desk = story::Desk::new(addresses["desk"].as_str().unwrap()).unwrap();
        Self { desk, addresses, data: folder.0.join("data"), filed: vec![] }
    }
    fn ops(&self) -> &str {
        self.addresses["ops"].as_str().unwrap().trim_start_matches("http://")
    }
    /// Accepted, because PostgreSQL remembers; sent again with the same key until it is.
    async fn file(&mut self) {
        let n = self.filed.len();
        let body = story::opt_out_of(&Person::number(n).json());
        let receipt = eventually("the filing is accepted", || async {
            self.desk.file(&format!("filing-{n}"), &body).await.map_err(|e| e.to_string())
        })
        .await;
        self.filed.push(receipt);
    }
    /// Everybody who filed has the provisional block.
    async fn all_are_blocked(&self) {
        for receipt in &self.filed {
            eventually("the provisional block", || async {
                match self.desk.status(receipt).await {
                    Ok(view) if view.blocked_since.is_some() => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        }
    }
    async fn is_ready(&self) {
        eventually("it is ready", || async { readiness(self.ops()).await.map(drop) }).await;
    }
    async fn metrics(&self) -> String {
        reqwest::get(format!("http://{}/metrics", self.ops())).await.unwrap().text().await.unwrap()
    }
    fn pid(&self, server: &str) -> u32 {
        servers_by_name(&self.data)[server]
    }
    /// PostgreSQL as its administrator.
    fn admin_url(&self) -> String {
        let password = std::fs::read_to_string(self.data.join("postgres.secret")).unwrap();
        let url = self.addresses["postgres"].as_str().unwrap();
        url.replacen("postgres://", &format!("postgres://postgres:{}@", password.trim()), 1)
    }
    /// A stored message, as a user of the house who may say anything.
    async fn publish(&self) -> Result<(), String> {
        let root = RootSecret::load_or_create(&self.data.join("secrets").join(nats_auth::DEFAULT_ROOT_FILE)).unwrap();
        let anything = Permissions::new().publish([">"]).subscribe([">"]);
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let creds = Accounts::new(root).service_creds("vandal", anything, at).unwrap();
        let client = ConnectOptions::with_credentials(&creds)
            .unwrap()
            .custom_inbox_prefix("_INBOX_vandal")
            .connect(self.addresses["nats"].as_str().unwrap())
            .await
            .map_err(|e| e.to_string())?;
        // Held until the answer is there: the connection ends with it.
        let js = jetstream::new(client);
        let said = js.publish("evt.nobody.nothing.v1.x", "".into()).await.map_err(|e| e.to_string())?;
        said.await.map(drop).map_err(|e| e.to_string())
    }
    /// Nothing lost, nothing twice.
    async fn is_whole(&self) {
        quiet(&self.admin_url()).await;
        let mut db = PgConnection::connect(&self.admin_url()).await.unwrap();
        machines_and_histories_agree(&mut db, false).await;
        facts_are_said_once(&mut db, false).await;
        let with_bus: Vec<&str> = schemas().iter().filter(|s| s.bus).map(|s| s.name).collect();
        let said: Vec<String> =
            with_bus.iter().map(|s| format!("select id, unnest(hearers) as hearer from {s}.outbox")).collect();
        for hearer in &with_bus {
            let unheard = format!(
                "select count(*) from ({}) said where hearer = '{hearer}' and not exists (select from {hearer}.inbox i where i.id = said.id and i.state = 'done')",
                said.join(" union all ")
            );
            let unheard: i64 = sqlx::query_scalar(AssertSqlSafe(unheard)).fetch_one(&mut db).await.unwrap();
            assert_eq!(unheard, 0, "not heard by {hearer}");
        }
        let cases: i64 = sqlx::query_scalar("select count(*) from intake.cases").fetch_one(&mut db).await.unwrap();
        assert_eq!(cases, self.filed.len() as i64);
    }
}

/// A full disk stops JetStream for as long as its process lives, even after there is room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_under_jetstream_fills_up_and_nobody_restarts_it() {
    let folder = Folder::new("full-disk");
    let Some(disk) = SmallDisk::mount(&folder.0.join("data/nats/jetstream")) else {
        println!("not run: needs root to mount a small file system");
        return;
    };
    let mut up = start(&folder);
    let mut running = Running::of(&folder, &up).await;
    for _ in 0..3 {
        running.file().await;
    }
    running.all_are_blocked().await;
    running.publish().await.unwrap();
    let nats = running.pid("nats");

    disk.fill();
    let mut why = String::new();
    while why.is_empty() {
        // What is filed meanwhile is what JetStream trips over; what is accepted is in PostgreSQL.
        running.file().await;
        assert!(running.filed.len() < 500, "JetStream goes on without a disk");
        why = readiness(running.ops()).await.err().unwrap_or_default();
    }
    let said: Value = serde_json::from_str(&why).unwrap();
    let checks = said["checks"].as_object().unwrap();
    assert!(
        checks.iter().any(|(name, said)| name.ends_with(": nats") && said.as_str().unwrap().contains("nats-server")),
        "readiness names NATS: {why}"
    );
    running.file().await;
    eventually("the keeper waits for room", || async {
        let output = up.output();
        if output.contains("JetStream stands still and the disk is full") { Ok(()) } else { Err(output) }
    })
    .await;
    assert!(running.publish().await.is_err(), "nothing can be stored");
    assert_eq!(running.pid("nats"), nats, "no restart while there is no room");
    assert!(!running.metrics().await.contains("madoguchi_keeper_restarts"), "and no try");
    running.file().await;

    disk.make_room();
    running.is_ready().await;
    assert_ne!(running.pid("nats"), nats, "another process");
    assert!(!lives(nats));
    let metrics = running.metrics().await;
    let counted =
        metrics.lines().any(|l| l.starts_with("madoguchi_keeper_restarts_total") && l.contains("nats-unhealthy"));
    assert!(counted, "{metrics}");
    running.file().await;
    running.all_are_blocked().await;
    running.is_whole().await;
    assert!(up.stop().await.success(), "{}", up.output());
}

/// Killed by whoever, started again by the keeper, at the same addresses and with the same credentials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_servers_that_die_are_started_again() {
    let folder = Folder::new("died");
    let mut up = start(&folder);
    let mut running = Running::of(&folder, &up).await;
    running.file().await;
    for server in ["nats", "postgres", "nats"] {
        let pid = running.pid(server);
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        eventually(&format!("{server} is started again"), || async {
            let now = running.pid(server);
            if now != pid && lives(now) { Ok(()) } else { Err(now) }
        })
        .await;
        running.file().await;
    }
    running.all_are_blocked().await;
    running.is_ready().await;
    let metrics = running.metrics().await;
    for what in ["nats-died", "postgres-died"] {
        assert!(metrics.contains(what), "{what}: {metrics}");
    }
    running.is_whole().await;
    // In order: nobody starts again what was stopped.
    let left: Vec<u32> = ["nats", "postgres"].map(|server| running.pid(server)).into();
    assert!(up.stop().await.success(), "{}", up.output());
    assert!(left.iter().all(|pid| !lives(*pid)));
}
