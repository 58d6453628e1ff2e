//! What can run without a container engine runs: nats-server reads its configuration, the collector's queries meet the real
//! schemas.

use super::{members, read, yaml};
use clap::Parser;
use nats_auth::{House as Accounts, RootSecret};
use servers::NatsJwt;
use sqlx::{AssertSqlSafe, Column, Connection, PgConnection, Row};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
};
use testkit::House;

/// The part that `madoguchi provision secrets` writes, as this test writes it.
fn house_conf() -> String {
    let house = Accounts::new(RootSecret::from_bytes([7; 32]));
    let jwt = NatsJwt::of(&house, jiff::Timestamp::UNIX_EPOCH);
    let preload: String = jwt.preload.iter().map(|(account, jwt)| format!("    {account}: \"{jwt}\"\n")).collect();
    format!(
        "operator: \"{}\"\nsystem_account: {}\nresolver_preload {{\n{preload}}}\n",
        jwt.operator, jwt.system_account
    )
}

/// nats-server's own opinion of infra/nats/nats-server.conf with this generated part.
async fn nats_takes(house_conf: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats-server.conf");
    std::fs::write(&file, read("infra/nats/nats-server.conf")).unwrap();
    std::fs::create_dir(folder.path().join("house")).unwrap();
    if !house_conf.is_empty() {
        std::fs::write(folder.path().join("house/house.conf"), house_conf).unwrap();
    }
    let server = &testkit::binaries().await.nats_server;
    Command::new(server).arg("-t").arg("-c").arg(file).output().unwrap()
}

#[tokio::test]
async fn nats_server_takes_its_configuration() {
    let answer = nats_takes(&house_conf()).await;
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    assert!(
        read("infra/nats/nats-server.conf").contains("sync_interval: always"),
        "readiness would refuse this server"
    );
    // Without the generated part it must not start at all: an open server would let anybody say anything.
    assert!(!nats_takes("").await.status.success());
}

/// What the container `secrets` does.
async fn provision(secrets: &Path, keys: &Path) {
    let (secrets, keys) = (secrets.to_str().unwrap(), keys.to_str().unwrap());
    let line = ["madoguchi", "provision", "secrets", "--secrets", secrets, "--keys", keys];
    launcher::run(launcher::Cli::try_parse_from(line).unwrap()).await.unwrap();
}

/// Every file below a folder, by its path in it, with its content.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = super::files(folder.to_str().unwrap(), "");
    files
        .into_iter()
        .map(|f| (f.strip_prefix(folder).unwrap().to_string_lossy().into_owned(), std::fs::read(&f).unwrap()))
        .collect()
}

#[tokio::test]
async fn what_is_provisioned_is_what_the_containers_mount() {
    let (secrets, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    provision(secrets.path(), keys.path()).await;
    let compose = yaml("docker-compose.yml");
    for (name, container) in members(&compose["services"]) {
        for mount in container["volumes"].as_array().into_iter().flatten() {
            let folder = match mount["source"].as_str() {
                Some("secrets") => secrets.path(),
                Some("keys") => keys.path(),
                _ => continue,
            };
            let part = mount["volume"]["subpath"].as_str().unwrap_or_default();
            assert!(folder.join(part).is_dir(), "{name} mounts {part}, which nobody made");
        }
    }
    for (user, _) in steward::permissions::all() {
        let own = contents(&secrets.path().join(user));
        let others = if user == "steward" { 2 } else { 0 };
        assert!(
            own.contains_key(&format!("creds/{user}.creds")) && own.contains_key(&format!("postgres/{user}")),
            "{user}"
        );
        assert_eq!(own.len(), 2 + others, "{user} is given more than is its own: {:?}", own.keys());
    }
    for service in contracts::Service::ALL {
        let token = service.token();
        let own = contents(&keys.path().join(token));
        let secret: Vec<&String> = own.keys().filter(|f| !f.ends_with(".pub")).collect();
        assert_eq!(secret, [&format!("{token}.key")], "{token}");
    }
    let door = contents(&keys.path().join("door"));
    assert!(door.contains_key("intake.pub") && door.keys().all(|f| f.ends_with(".pub")), "{:?}", door.keys());
    // Again, as at every `docker compose up`: nothing that servers or services rely on becomes another.
    let (before, pairs) = (contents(secrets.path()), contents(keys.path()));
    provision(secrets.path(), keys.path()).await;
    assert_eq!(contents(keys.path()), pairs);
    let after = contents(secrets.path());
    for (file, old) in before.iter().filter(|(f, _)| !f.ends_with(".creds") && !f.ends_with("house.conf")) {
        assert!(after.get(file) == Some(old), "{file} has become another");
    }
    // And the server takes what was made for it.
    let conf = secrets.path().join("nats/house.conf");
    let answer = nats_takes(&std::fs::read_to_string(conf).unwrap()).await;
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
}

/// A house with the role `monitor` and what infra/postgres/monitor.sql gives it.
async fn watched() -> (House, PgConnection) {
    let house = House::start(&launcher::schemas(), launcher::KEY_SCHEMAS).await;
    let mut admin = house.admin().await;
    // Roles belong to the cluster, which all tests of this process share.
    let role = "do $$ begin perform pg_advisory_xact_lock(hashtext('the role monitor')); if not exists (select from pg_roles where rolname = 'monitor') then create role monitor login password 'counts-only'; end if; end $$";
    sqlx::raw_sql(role).execute(&mut admin).await.unwrap();
    let database: String = sqlx::query_scalar("select current_database()").fetch_one(&mut admin).await.unwrap();
    let grant = format!("grant connect on database {database} to monitor");
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut admin).await.unwrap();
    for _ in 0..2 {
        // Twice: it runs after every migration.
        sqlx::raw_sql(AssertSqlSafe(read("infra/postgres/monitor.sql"))).execute(&mut admin).await.unwrap();
    }
    let options = house
        .admin_url()
        .parse::<sqlx::postgres::PgConnectOptions>()
        .unwrap()
        .username("monitor")
        .password("counts-only");
    let monitor = PgConnection::connect_with(&options).await.unwrap();
    (house, monitor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collectors_queries_run_and_the_role_behind_them_reads_no_row() {
    let (house, mut monitor) = watched().await;
    let collector = yaml("infra/otel/collector.yaml");
    let queries = collector["receivers"]["sqlquery"]["queries"].as_array().unwrap();
    assert!(queries.len() >= 5);
    for query in queries {
        let sql = query["sql"].as_str().unwrap().to_owned();
        let rows = sqlx::query(AssertSqlSafe(sql.clone()))
            .fetch_all(&mut monitor)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
        let columns: Vec<&str> = rows
            .first()
            .unwrap_or_else(|| panic!("{sql}: nothing, where 0 should be said"))
            .columns()
            .iter()
            .map(|c| c.name())
            .collect();
        for metric in query["metrics"].as_array().unwrap() {
            let wanted = super::words(&metric["attribute_columns"]).into_iter().chain(metric["value_column"].as_str());
            for column in wanted {
                assert!(columns.contains(&column), "{sql}: no column {column}");
            }
        }
    }
    let tables: Vec<String> = sqlx::query_scalar("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")
        .fetch_all(&mut house.admin().await)
        .await
        .unwrap();
    assert!(tables.len() > 40);
    for table in tables {
        let row =
            sqlx::query(AssertSqlSafe(format!("select * from {table} limit 1"))).fetch_optional(&mut monitor).await;
        let refused = row.err().and_then(|e| e.as_database_error().and_then(|d| d.code().map(|c| c.into_owned())));
        assert_eq!(refused.as_deref(), Some("42501"), "monitor can read {table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_counted_with_its_age() {
    let (house, mut monitor) = watched().await;
    let mut admin = house.admin().await;
    // A version 7 id of an hour ago (its first 48 bits are milliseconds), and a parked message of two hours ago.
    let outbox = "insert into intake.outbox (id, machine, seq, subject, body, hearers, unheard, tries)
        select (substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-000000000001')::uuid, gen_random_uuid(), 16, 'evt.x', '', '{console}', '{console}', 3
          from (select lpad(to_hex((extract(epoch from now() - interval '1 hour') * 1000)::bigint), 12, '0') as h) t";
    let inbox = "insert into payment.inbox (id, lane, source, seq, state, heard_at) values (gen_random_uuid(), gen_random_uuid(), 'intake', 1, 'parked', now() - interval '2 hours')";
    for sql in [outbox, inbox] {
        sqlx::query(sql).execute(&mut admin).await.unwrap();
    }
    let row = sqlx::query("select pending, repeated, age_seconds from monitor.outbox() where service = 'intake'")
        .fetch_one(&mut monitor)
        .await
        .unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (1, 1));
    assert!((3_590.0..80_000.0).contains(&row.get::<f64, _>(2)), "{}", row.get::<f64, _>(2));
    let quiet: (i64, f64) =
        sqlx::query_as("select pending, age_seconds from monitor.outbox() where service = 'optout'")
            .fetch_one(&mut monitor)
            .await
            .unwrap();
    assert_eq!(quiet, (0, 0.0), "nothing pending is said as 0");
    let (parked, age): (i64, f64) = sqlx::query_as(
        "select messages, age_seconds from monitor.inbox() where service = 'payment' and state = 'parked'",
    )
    .fetch_one(&mut monitor)
    .await
    .unwrap();
    assert!(parked == 1 && (7_190.0..80_000.0).contains(&age), "{parked} {age}");
}
