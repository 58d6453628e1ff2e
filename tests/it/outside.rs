//! `madoguchi up` with servers that run already, given by nothing but the six variables of README, "Existing servers".

use crate::{
    journey::{child::Child, people::Person},
    processes::{Folder, lives, ready, up_with},
};
use launcher::story;
use nats_auth::{House as Accounts, Permissions, RootSecret};
use servers::{DataDir, Nats, NatsJwt, NatsOptions, PgOptions, Postgres, quiet};
use std::{path::PathBuf, sync::Arc};
use testkit::{binaries, eventually};

const NATS_VARIABLES: [&str; 5] = [
    "MADOGUCHI_NATS_URL",
    "MADOGUCHI_NATS_MONITOR_URL",
    "MADOGUCHI_NATS_OPERATOR_SEED_FILE",
    "MADOGUCHI_NATS_SYSTEM_ACCOUNT",
    "MADOGUCHI_NATS_SYSTEM_CREDS_FILE",
];

/// Somebody else's servers: a PostgreSQL, and a nats-server that knows its own operator and system account only.
struct Outside {
    postgres: Postgres,
    nats: Nats,
    accounts: Accounts,
    folder: PathBuf,
    _dir: Arc<DataDir>,
}

impl Outside {
    async fn start(folder: &Folder) -> Self {
        let dir = DataDir::open(&folder.0.join("outside"), &quiet).await.unwrap();
        let root = RootSecret::random().unwrap();
        let seed = root.operator().seed().unwrap();
        let accounts = Accounts::new(root);
        let now = chassis::Clock::system().now();
        let mut jwt = NatsJwt::of(&accounts, now);
        jwt.preload.retain(|(account, _)| *account == accounts.system_account());
        assert_eq!(jwt.preload.len(), 1, "it has never heard of the house");
        let nats = Nats::start(binaries().await, &dir, NatsOptions::operator_mode(jwt), &quiet).await.unwrap();
        let postgres = Postgres::start(binaries().await, &dir, PgOptions::real(), &quiet).await.unwrap();
        let outside = Self { postgres, nats, accounts, folder: folder.0.clone(), _dir: dir };
        outside.write("operator.seed", &seed);
        outside.write("system.creds", &outside.accounts.system_creds(now));
        outside
    }
    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }
    fn environment(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let values = [
            self.nats.url(),
            self.nats.monitor_url(),
            file("operator.seed"),
            self.accounts.system_account(),
            file("system.creds"),
        ];
        let nats = NATS_VARIABLES.into_iter().zip(values);
        nats.chain([("MADOGUCHI_POSTGRES_URL", self.postgres.superuser_url("postgres"))]).collect()
    }
    async fn pids(&self) -> [u32; 2] {
        [self.postgres.pid().await.unwrap(), self.nats.pid().await.unwrap()]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_runs_on_servers_that_are_there_already() {
    let folder = Folder::new("outside");
    let outside = Outside::start(&folder).await;
    let pids = outside.pids().await;
    // Twice: the second time everything is there.
    let mut receipts: Vec<story::Receipt> = vec![];
    for n in 0..2 {
        let mut up = up_with(&folder, &[], &outside.environment());
        let addresses = ready(&folder, &up).await;
        assert_eq!(addresses["nats"], outside.nats.url().as_str());
        let postgres = addresses["postgres"].as_str().unwrap();
        assert!(postgres.contains(&format!("127.0.0.1:{}/madoguchi", outside.postgres.port())), "{postgres}");
        assert!(!postgres.contains('@'), "no password in the file");
        let data = folder.0.join("data");
        for private in ["postgres", "nats"] {
            assert!(!data.join(private).exists(), "a private {private} was made");
        }
        let pids = std::fs::read_to_string(data.join("pids.json")).unwrap_or_default();
        assert!(["", "{}"].contains(&pids.trim()), "private servers were started: {pids}");
        let readyz = reqwest::get(format!("{}/readyz", addresses["ops"].as_str().unwrap())).await.unwrap();
        assert_eq!(readyz.status().as_u16(), 200, "{}", readyz.text().await.unwrap());

        let desk = story::Desk::new(addresses["desk"].as_str().unwrap()).unwrap();
        let body = story::opt_out_of(&Person::number(n).json());
        receipts.push(desk.file(&format!("filing-{n}"), &body).await.unwrap());
        for receipt in &receipts {
            desk.until(receipt, "the provisional block", |s| s.blocked_since.is_some()).await.unwrap();
        }
        assert!(up.stop().await.success(), "{}", up.output());
    }
    assert_eq!(outside.pids().await, pids);
    assert!(pids.iter().all(|pid| lives(*pid)), "they are not ours to stop");
}

/// One variable wrong at a time: it is named, with what to do, and nothing was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variable_that_does_not_fit_the_servers_is_named() {
    let folder = Folder::new("outside-wrong");
    let outside = Outside::start(&folder).await;
    let now = chassis::Clock::system().now();
    let stranger = RootSecret::random().unwrap();
    let foreign_seed = outside.write("foreign.seed", &stranger.operator().seed().unwrap());
    let foreign_creds = outside.write("foreign.creds", &Accounts::new(stranger).system_creds(now));
    // Of the right operator, but no user of the system account: its account is known once the house was there.
    let anything = Permissions::new().publish([">"]).subscribe([">"]);
    let powerless = outside.write("service.creds", &outside.accounts.service_creds("intake", anything, now).unwrap());
    let [url, monitor, seed, account, creds] = NATS_VARIABLES;
    let wrong_password = outside.postgres.url("postgres", "postgres", "wrong");
    let nobody = "postgres://postgres:x@127.0.0.1:1/postgres".to_owned();
    let table: [(&str, String, &str); 12] = [
        (url, "nats://127.0.0.1:1".into(), "start that server"),
        (url, "here".into(), "nats://host:4222"),
        (monitor, "http://127.0.0.1:1".into(), "monitoring address"),
        (monitor, String::new(), "must be set too"),
        (seed, foreign_seed, "that server's own operator"),
        (seed, folder.0.join("nothing").display().to_string(), "name a file"),
        (account, "Amadoguchi".into(), "public key (A…)"),
        (account, outside.accounts.desk_account(), "the server's system account is"),
        (creds, foreign_creds, "system account"),
        (creds, powerless, "system account"),
        ("MADOGUCHI_POSTGRES_URL", wrong_password, "administrator"),
        ("MADOGUCHI_POSTGRES_URL", nobody, "administrator"),
    ];
    for (n, (variable, value, remedy)) in table.into_iter().enumerate() {
        let mut environment = outside.environment();
        environment.iter_mut().find(|(name, _)| *name == variable).unwrap().1 = value.clone();
        let environment: Vec<(String, String)> = environment.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let data = folder.0.join(format!("data-{n}"));
        let log = folder.0.join(format!("wrong-{n}.log"));
        let mut child = Child::start(&["migrate", "--data", data.to_str().unwrap()], &environment, &log);
        let status = child.ended().await;
        let said = child.output();
        assert!(!status.success(), "{variable} = {value} was taken: {said}");
        assert!(said.contains(&format!("`{variable}`")) && said.contains(remedy), "{variable} = {value}: {said}");
        assert!(
            !data.join("postgres").exists() && !data.join("nats").exists(),
            "{variable}: a private server was made"
        );
    }
    eventually("both servers run", || async {
        let pids = outside.pids().await;
        if pids.iter().all(|pid| lives(*pid)) { Ok(()) } else { Err(pids) }
    })
    .await;
}
