//! PostgreSQL and nats-server really started, killed and started again.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use servers::{Binaries, DataDir, Error, Listen, Mode, Nats, NatsOptions, PgOptions, Postgres, quiet};
use sqlx::{Connection as _, PgConnection};
use support::{binaries, folder};

async fn connect(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(&postgres.superuser_url("postgres")).await.unwrap()
}

async fn count(connection: &mut PgConnection) -> i64 {
    sqlx::query_as::<_, (i64,)>("select count(*) from kept").fetch_one(connection).await.unwrap().0
}

/// As root the servers run as somebody else, else as we do.
fn runs_unprivileged(pid: u32) {
    use std::os::unix::fs::MetadataExt as _;
    let owner = fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    let me = rustix::process::geteuid().as_raw();
    assert!(owner != 0 && (me == 0 || owner == me), "runs as {owner}");
}

async fn show(connection: &mut PgConnection, setting: &'static str) -> String {
    sqlx::query_as::<_, (String,)>("select current_setting($1)").bind(setting).fetch_one(connection).await.unwrap().0
}

#[tokio::test]
async fn durable_postgres_keeps_data_and_port_over_kill_and_restart() {
    let home = folder();
    let binaries = binaries().await;
    let (port, url) = {
        let dir = DataDir::open(home.path(), &quiet).await.unwrap();
        let postgres = Postgres::start(&binaries, &dir, PgOptions::real(), &quiet).await.unwrap();
        let mut connection = connect(&postgres).await;
        for (setting, value) in [("fsync", "on"), ("synchronous_commit", "on"), ("server_encoding", "UTF8")] {
            assert_eq!(show(&mut connection, setting).await, value, "{setting}");
        }
        assert_eq!(show(&mut connection, "data_checksums").await, "on");
        sqlx::query("create table kept (n int)").execute(&mut connection).await.unwrap();
        sqlx::query("insert into kept values (1)").execute(&mut connection).await.unwrap();

        runs_unprivileged(postgres.pid().await.unwrap());
        postgres.kill().await.unwrap();
        assert_eq!(postgres.pid().await, None);
        assert!(sqlx::query("select 1").execute(&mut connection).await.is_err(), "the server is dead");
        postgres.start_again().await.unwrap();
        let mut connection = connect(&postgres).await;
        assert_eq!(count(&mut connection).await, 1);

        postgres.restart().await.unwrap();
        assert_eq!(count(&mut connect(&postgres).await).await, 1);
        let wrong = postgres.url("postgres", "postgres", "wrong");
        assert!(PgConnection::connect(&wrong).await.is_err(), "a password is needed");
        (postgres.port(), postgres.superuser_url("postgres"))
    };
    // Another instance: the same address, the same data.
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let postgres = Postgres::start(&binaries, &dir, PgOptions::real(), &quiet).await.unwrap();
    assert_eq!((postgres.port(), postgres.superuser_url("postgres")), (port, url));
    assert_eq!(count(&mut connect(&postgres).await).await, 1);
}

#[tokio::test]
async fn test_postgres_listens_on_a_socket_only_even_with_a_long_path() {
    let home = folder();
    let long = home.path().join("a-rather-long-folder-name-".repeat(5));
    let dir = DataDir::open(&long, &quiet).await.unwrap();
    let postgres = Postgres::start(&binaries().await, &dir, PgOptions::test(), &quiet).await.unwrap();
    let mut connection = connect(&postgres).await;
    assert_eq!(show(&mut connection, "listen_addresses").await, "");
    assert_eq!(show(&mut connection, "fsync").await, "off");
    assert_eq!(show(&mut connection, "max_connections").await, "200");
    sqlx::query("create table kept (n int)").execute(&mut connection).await.unwrap();
    postgres.restart().await.unwrap();
    assert_eq!(count(&mut connect(&postgres).await).await, 0);
    // A role without a password gets in: the socket is the protection.
    sqlx::query("create role one login").execute(&mut connect(&postgres).await).await.unwrap();
    PgConnection::connect(&postgres.url("postgres", "one", "ignored")).await.unwrap();
}

#[tokio::test]
async fn a_violated_constraint_leaves_no_value_in_the_log() {
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let postgres = Postgres::start(&binaries().await, &dir, PgOptions::test(), &quiet).await.unwrap();
    let mut connection = connect(&postgres).await;
    sqlx::query("create table person (name text primary key)").execute(&mut connection).await.unwrap();
    let insert = "insert into person values ('標識太郎')";
    sqlx::query(insert).execute(&mut connection).await.unwrap();
    sqlx::query(insert).execute(&mut connection).await.unwrap_err();
    let log = fs::read_to_string(home.path().join("log/postgres.log")).unwrap();
    assert!(log.contains("person_pkey"), "the error itself is logged: {log}");
    assert!(!log.contains("標識"), "{log}");
}

#[tokio::test]
async fn data_of_another_major_are_refused_with_the_remedy() {
    let home = folder();
    let binaries = binaries().await;
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    drop(Postgres::start(&binaries, &dir, PgOptions::test(), &quiet).await.unwrap());
    fs::write(home.path().join("postgres/MAJOR"), "14").unwrap();
    let error = Postgres::start(&binaries, &dir, PgOptions::test(), &quiet).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, Error::Major { data: 14, .. }), "{text}");
    assert!(text.contains("pg_dumpall") && text.contains("MADOGUCHI_PG_BIN"), "{text}");
}

#[tokio::test]
async fn an_unfinished_database_is_made_anew() {
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    fs::create_dir_all(home.path().join("postgres/data.new/base")).unwrap();
    fs::write(home.path().join("postgres/data.new/PG_VERSION"), "18").unwrap();
    let postgres = Postgres::start(&binaries().await, &dir, PgOptions::test(), &quiet).await.unwrap();
    assert_eq!(show(&mut connect(&postgres).await, "fsync").await, "off");
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let mut options = PgOptions::test();
    options.extra.push(("shared_buffers".to_owned(), "much".to_owned()));
    let text = Postgres::start(&binaries().await, &dir, options, &quiet).await.err().unwrap().to_string();
    assert!(text.contains("PostgreSQL did not start") && text.contains("shared_buffers"), "{text}");
    let mut options = NatsOptions::open();
    options.extra = "no_such_field: 1\n".to_owned();
    let text = Nats::start(&binaries().await, &dir, options, &quiet).await.err().unwrap().to_string();
    assert!(text.contains("nats-server did not start") && text.contains("no_such_field"), "{text}");
}

#[tokio::test]
async fn settings_that_lose_data_are_refused() {
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let mut options = PgOptions::real();
    options.extra.push(("synchronous_commit".to_owned(), "off".to_owned()));
    let error = Postgres::start(&binaries().await, &dir, options, &quiet).await.err().unwrap();
    assert!(matches!(&error, Error::Setting { setting, .. } if setting == "synchronous_commit"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_told_when_fixed_and_avoided_when_free() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port();
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    fs::write(home.path().join("ports.json"), format!("{{\"postgres\": {taken}, \"nats\": {taken}}}")).unwrap();
    drop(dir);
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let postgres = Postgres::start(&binaries().await, &dir, PgOptions::real(), &quiet).await.unwrap();
    assert_ne!(postgres.port(), taken);
    drop(postgres);
    let options = PgOptions { listen: Listen::Loopback(Some(taken)), ..PgOptions::real() };
    let text = Postgres::start(&binaries().await, &dir, options, &quiet).await.err().unwrap().to_string();
    assert!(text.contains(&format!("port {taken} of 127.0.0.1 is taken")), "{text}");
    let options = NatsOptions { port: Some(taken), ..NatsOptions::open() };
    let text = Nats::start(&binaries().await, &dir, options, &quiet).await.err().unwrap().to_string();
    assert!(text.contains(&format!("port {taken} of 127.0.0.1 is taken")), "{text}");
}

#[tokio::test]
async fn nats_keeps_messages_and_ports_over_kill_and_restart() {
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let nats = Nats::start(&binaries().await, &dir, NatsOptions::open(), &quiet).await.unwrap();
    let url = nats.url();
    let client = async_nats::connect(&url).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config {
        name: "KEPT".to_owned(),
        subjects: vec!["kept".to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    jetstream.publish("kept", "1".into()).await.unwrap().await.unwrap();
    runs_unprivileged(nats.pid().await.unwrap());
    nats.kill().await.unwrap();
    nats.start_again().await.unwrap();
    assert_eq!(nats.url(), url);
    let jetstream = async_nats::jetstream::new(async_nats::connect(&url).await.unwrap());
    jetstream.publish("kept", "2".into()).await.unwrap().await.unwrap();
    nats.restart().await.unwrap();
    let jetstream = async_nats::jetstream::new(async_nats::connect(&url).await.unwrap());
    let stream = jetstream.get_stream("KEPT").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 2);
    assert!(support::get(&nats.monitor_url(), "/varz").await.contains("\"sync_always\": true"));
    nats.stop().await.unwrap();
    assert_eq!(nats.pid().await, None);
    drop((nats, dir));
    // Another instance: the same address, the same data.
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let nats = Nats::start(&binaries().await, &dir, NatsOptions::open(), &quiet).await.unwrap();
    assert_eq!(nats.url(), url);
    let jetstream = async_nats::jetstream::new(async_nats::connect(&url).await.unwrap());
    assert_eq!(jetstream.get_stream("KEPT").await.unwrap().cached_info().state.messages, 2);
}

#[tokio::test]
async fn a_server_that_dies_is_noticed() {
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let nats = Nats::start(&binaries().await, &dir, NatsOptions::open(), &quiet).await.unwrap();
    let pid = i32::try_from(nats.pid().await.unwrap()).unwrap();
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), rustix::process::Signal::TERM).unwrap();
    assert!(nats.ended().await.contains("Server Exiting"));
    nats.start_again().await.unwrap();
    assert!(nats.pid().await.is_some());
}

#[tokio::test]
async fn a_second_instance_on_the_same_folder_is_refused() {
    let home = folder();
    let first = DataDir::open(home.path(), &quiet).await.unwrap();
    let error = DataDir::open(home.path(), &quiet).await.err().unwrap();
    let me = std::process::id().to_string();
    assert!(matches!(&error, Error::Busy { holder, .. } if *holder == me), "{error}");
    drop(first);
    // A server that another test starts at this very moment may hold the lock's descriptor between its fork and its exec.
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = DataDir::open(home.path(), &quiet).await {
        assert!(matches!(error, Error::Busy { .. }) && Instant::now() < until, "{error}");
        tokio::task::yield_now().await;
    }
}

/// Waits for the end of a process that is not our child.
fn ends(pid: u32) -> bool {
    let Ok(handle) = pidfd_open(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), PidfdFlags::empty()) else {
        return true;
    };
    let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
    poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&limit)).unwrap() == 1
}

#[tokio::test]
async fn servers_left_running_are_ended_at_the_next_start_and_strangers_are_not() {
    let home = folder();
    let binaries = binaries().await;
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    drop(Nats::start(&binaries, &dir, NatsOptions::open(), &quiet).await.unwrap());
    drop(dir);
    // A server without the kernel's "tell it when I die", as one left over by a crash would be.
    let file = home.path().canonicalize().unwrap().join("nats/nats.conf");
    let mut left = Command::new(&binaries.nats_server).arg("-c").arg(&file).stderr(Stdio::null()).spawn().unwrap();
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    // Same path on the command line, but another start time: the process id was used again.
    let mut reused = Command::new("tail").arg("-f").arg(&file).stdout(Stdio::null()).spawn().unwrap();
    let entry = |pid: u32, started: u64| serde_json::json!({"pid": pid, "started": started, "argument": file, "signal": "terminate"});
    let record = serde_json::json!({
        "nats": entry(left.id(), started(left.id())),
        "stranger": entry(stranger.id(), started(stranger.id())),
        "reused": entry(reused.id(), started(reused.id()) + 1),
    });
    fs::write(home.path().join("pids.json"), record.to_string()).unwrap();

    let told = std::sync::Mutex::new(Vec::new());
    let dir = DataDir::open(home.path(), &|text: &str| told.lock().unwrap().push(text.to_owned())).await.unwrap();
    assert!(left.try_wait().unwrap().is_some(), "the left-over server has ended");
    assert_eq!(stranger.try_wait().unwrap(), None, "a process that is not ours is left alone");
    assert_eq!(reused.try_wait().unwrap(), None, "nor one that only has the number of ours");
    let told = told.into_inner().unwrap();
    assert!(told.len() == 1 && told[0].contains("ending nats of an earlier run"), "{told:?}");
    drop(dir);
    for child in [&mut stranger, &mut reused] {
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert_eq!(fs::read_to_string(home.path().join("pids.json")).unwrap(), "{}");
}

fn started(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap()
}

const OTHER_PROCESS: &str = "MADOGUCHI_TEST_OTHER_PROCESS";

/// Not a test of its own: what the next test runs as another process.
#[tokio::test]
async fn other_process() {
    let Some(home) = std::env::var_os(OTHER_PROCESS) else { return };
    let dir = DataDir::open(Path::new(&home), &quiet).await.unwrap();
    let binaries = binaries().await;
    let postgres = Postgres::start(&binaries, &dir, PgOptions::real(), &quiet).await.unwrap();
    let nats = Nats::start(&binaries, &dir, NatsOptions::open(), &quiet).await.unwrap();
    let mut connection = connect(&postgres).await;
    sqlx::query("create table kept (n int)").execute(&mut connection).await.unwrap();
    sqlx::query("insert into kept values (1)").execute(&mut connection).await.unwrap();
    println!("\nready {} {}", postgres.pid().await.unwrap(), nats.pid().await.unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn kill_9_of_the_parent_leaves_no_server_and_no_loss() {
    let home = folder();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "other_process", "--nocapture"])
        .env(OTHER_PROCESS, home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).find(|line| line.starts_with("ready ")).expect("the other process started");
    let pids: Vec<u32> = ready.split(' ').skip(1).map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    other.kill().unwrap();
    other.wait().unwrap();
    for pid in pids {
        assert!(ends(pid), "process {pid} outlives its parent");
    }
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let postgres = Postgres::start(&binaries().await, &dir, PgOptions::real(), &quiet).await.unwrap();
    assert_eq!(count(&mut connect(&postgres).await).await, 1);
}

/// The futures can be given to `tokio::spawn`.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: T) {}
    let _ = |binaries: &'static Binaries, dir: &'static Arc<DataDir>, postgres: &'static Postgres| {
        send(Binaries::resolve(Mode::Fetch, &quiet));
        send(DataDir::open(Path::new("/"), &quiet));
        send(Postgres::start(binaries, dir, PgOptions::test(), &quiet));
        send(Nats::start(binaries, dir, NatsOptions::open(), &quiet));
        send(postgres.restart());
        send(postgres.ended());
    };
}

#[tokio::test]
async fn dropping_ends_everything_at_once() {
    let home = folder();
    let dir = DataDir::open(home.path(), &quiet).await.unwrap();
    let postgres = Postgres::start(&binaries().await, &dir, PgOptions::test(), &quiet).await.unwrap();
    let nats = Nats::start(&binaries().await, &dir, NatsOptions::open(), &quiet).await.unwrap();
    let pids = [postgres.pid().await.unwrap(), nats.pid().await.unwrap()];
    drop((postgres, nats));
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
    }
    // A start that is given up half way takes its server with it.
    let binaries = binaries().await;
    let start = Nats::start(&binaries, &dir, NatsOptions::open(), &quiet);
    assert!(tokio::time::timeout(Duration::ZERO, start).await.is_err());
    let record = fs::read_to_string(home.path().join("pids.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let pid = record["nats"]["pid"].as_u64().unwrap();
    assert_ne!(pid, u64::from(pids[1]), "it had begun");
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
}
