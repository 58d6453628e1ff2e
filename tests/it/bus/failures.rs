//! B3: what was committed is heard, whatever dies. Every test says while something is broken, and then waits until all
//! of it was heard exactly once.

use super::world::{Count, Hearer, Ledger, Speaker, house, jetstream_of, vandal};
use contracts::Uuid;
use testkit::{House, eventually};

/// Says in the background while `breaks` runs, and some more afterwards; all of it must arrive.
async fn survives<F: Future<Output = ()>>(house: &House, breaks: F) {
    let (speaker, hearer) = (Speaker::start(house).await, Hearer::start(house).await);
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 2, 10).await;
    let ((), ()) = tokio::join!(ledger.say(&speaker, 10, 20), breaks);
    ledger.say(&speaker, 2, 10).await;
    ledger.settled(house).await;
    hearer.stop().await;
    speaker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stream_deleted_while_messages_flow() {
    let house = house().await;
    let js = jetstream_of(&vandal(&house).await);
    survives(&house, async {
        for _ in 0..3 {
            js.delete_stream("BUS").await.unwrap();
            js.delete_stream("OPTOUT").await.unwrap();
            eventually("the steward makes them anew", || async {
                js.get_stream("OPTOUT").await.map_err(|e| e.to_string())?;
                js.get_stream("BUS").await.map(drop).map_err(|e| e.to_string())
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_purged_and_the_durable_deleted_while_messages_flow() {
    let house = house().await;
    let js = jetstream_of(&vandal(&house).await);
    survives(&house, async {
        for _ in 0..3 {
            let stream =
                eventually("the stream is there", || async { js.get_stream("BUS").await.map_err(|e| e.to_string()) })
                    .await;
            stream.purge().await.unwrap();
            eventually("the durable is there", || async {
                stream.delete_consumer("identity").await.map_err(|e| e.to_string())
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_server_killed_and_restarted() {
    let house = house().await;
    survives(&house, async {
        for _ in 0..2 {
            house.nats.kill().await.unwrap();
            house.nats.start_again().await.unwrap();
        }
    })
    .await;
}

/// Everything in the folder; a file that the server removes at the same moment is gone as well.
fn wipe(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        while let Ok(path) = entry.as_ref().map(|e| e.path())
            && path.exists()
        {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Removed under a running server it still says PubAck; everything is gone at the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_directory_wiped_under_a_running_server() {
    let house = house().await;
    survives(&house, async {
        wipe(&house.nats.store_dir());
        house.nats.kill().await.unwrap();
        // What the server wrote in between goes too.
        wipe(&house.nats.store_dir());
        house.nats.start_again().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hearer_away_gets_everything_later_and_little_of_it_twice() {
    let house = house().await;
    let count = Count::start(&house).await;
    // Pauses that are long beside the time of catching up, as they are outside of tests (2 to 30 seconds).
    let speaker =
        Speaker::start_with(house.runtime(&[("bus.repeat_base_ms", "300"), ("bus.repeat_cap_ms", "30000")])).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 40, 15).await;
    eventually("every message was due again several times, and nobody answered", || async {
        let least: i32 = sqlx::query_scalar("select min(tries) from intake.outbox")
            .fetch_one(&mut house.admin().await)
            .await
            .unwrap();
        if least >= 3 { Ok(()) } else { Err(least) }
    })
    .await;
    assert_eq!(count.so_far(), (600, 600), "said once each: the durable holds the backlog");
    let hearer = Hearer::start(&house).await;
    ledger.settled(&house).await;
    let (messages, publishes) = count.so_far();
    assert!(f64::from(publishes) < 1.2 * messages as f64, "{publishes} publishes for {messages} messages");
    drop(hearer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hearer_stopped_in_full_flow_and_started_again() {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        let hearer = Hearer::start(&house).await;
        ledger.say(&speaker, 3, 10).await;
        hearer.stop().await;
        ledger.say(&speaker, 1, 10).await;
    }
    let _hearer = Hearer::start(&house).await;
    ledger.settled(&house).await;
}

/// The speaker dies between commit and saying: another process of it says it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_and_never_said_is_said_by_the_next_process() {
    let house = house().await;
    let hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    {
        // No relay runs: the process "dies" right after its commits.
        let rt = house.runtime(&[]);
        let bus = rt.bus(contracts::Service::Intake).await.unwrap();
        let home = chassis::Home::<super::toy::Asker>::new(&bus);
        let id = Uuid::now_v7();
        for n in 0..20 {
            home.handle(id, chassis::Cause::Person(Uuid::now_v7()), super::toy::Say(contracts::Kind::Disclosure, n))
                .await
                .unwrap();
            ledger.0.entry(id).or_default().insert(n);
        }
        bus.db().close().await;
    }
    let _speaker = Speaker::start(&house).await;
    ledger.settled(&house).await;
    drop(hearer);
}

/// Private servers: the other tests' PostgreSQL must live on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_restarted_while_messages_flow() {
    use servers::{DataDir, PgOptions, Postgres, quiet};
    use steward::provision::{Databases, databases};
    let house = house().await;
    let dir = DataDir::open(&house.folder().join("own-postgres"), &quiet).await.unwrap();
    let postgres = Postgres::start(testkit::binaries().await, &dir, PgOptions::test(), &quiet).await.unwrap();
    let at = Databases { admin_url: postgres.superuser_url("postgres"), data: "data".into(), keys: "keys".into() };
    databases(&at, house.secrets(), &super::world::schemas(), &[], false, &|_| {}).await.unwrap();
    let urls = [("house.database_url", at.template("data").unwrap()), ("house.keys_url", at.template("keys").unwrap())];
    let urls: Vec<(&str, &str)> = urls.iter().map(|(k, v)| (*k, v.as_str())).collect();

    let (speaker, _hearer) =
        (Speaker::start_with(house.runtime(&urls)).await, Hearer::start_with(house.runtime(&urls)).await);
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 5, 10).await;
    for crash in [false, true] {
        if crash {
            postgres.kill().await.unwrap();
            postgres.start_again().await.unwrap();
        } else {
            postgres.restart().await.unwrap();
        }
        // What a person orders while it is away fails and is ordered again with the same token.
        let id = Uuid::now_v7();
        for n in 0..5 {
            let token = Uuid::now_v7();
            eventually("the database is back", || async {
                let said = speaker
                    .home
                    .handle(id, chassis::Cause::Person(token), super::toy::Say(contracts::Kind::Disclosure, n))
                    .await;
                said.map(drop).map_err(|e| e.to_string())
            })
            .await;
            ledger.0.entry(id).or_default().insert(n);
        }
        ledger.say(&speaker, 5, 10).await;
    }
    let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(&at.admin("data").unwrap()).await.unwrap();
    ledger.settled_in(&mut admin).await;
    assert!(!speaker.rt.stopping().is_asked(), "the process lives on");
}
