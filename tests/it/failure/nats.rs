//! NATS dies, loses its streams, its disk, its durables: PostgreSQL remembers.

use super::chaos::{Flow, seeds};
use crate::journey::desk::Desk;
use async_nats::{ConnectOptions, jetstream};
use contracts::{Service, Timestamp, flow::Queue};
use nats_auth::{House as Accounts, Permissions, RootSecret};
use rand::{Rng, rngs::StdRng};
use testkit::{House, eventually};

/// JetStream as a user of the house's account who may do anything.
pub(super) async fn vandal(house: &House) -> jetstream::Context {
    let accounts = Accounts::new(RootSecret::load_or_create(&house.secrets().root()).unwrap());
    let anything = Permissions::new().publish([">"]).subscribe([">"]);
    let creds = accounts.service_creds("vandal", anything, Timestamp::from_second(1_700_000_000).unwrap()).unwrap();
    let client = ConnectOptions::with_credentials(&creds)
        .unwrap()
        .custom_inbox_prefix("_INBOX_vandal")
        .max_reconnects(None)
        .connect(house.nats.url())
        .await
        .unwrap();
    jetstream::new(client)
}

async fn survives<F>(times: usize, breaks: F)
where
    F: AsyncFn(&Desk, &mut StdRng),
{
    let mut flow = Flow::at(Desk::open().await).await;
    for seed in seeds() {
        flow.survives(seed, times, async |desk, random| breaks(desk, random).await).await;
    }
    flow.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_server_killed_and_started_again() {
    survives(2, async |desk, _| {
        desk.house.nats.kill().await.unwrap();
        desk.house.nats.start_again().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stream_deleted_while_requests_flow() {
    survives(3, async |desk, random| {
        let js = vandal(&desk.house).await;
        let mut streams = ["BUS", "OPTOUT"];
        if random.random_bool(0.5) {
            streams.reverse();
        }
        for stream in streams {
            eventually("the stream is there, and is deleted", || async {
                js.delete_stream(stream).await.map_err(|e| e.to_string())
            })
            .await;
        }
        for stream in streams {
            eventually("the steward makes it anew", || async {
                js.get_stream(stream).await.map(drop).map_err(|e| e.to_string())
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durables_deleted_and_streams_purged_while_requests_flow() {
    survives(4, async |desk, random| {
        let js = vandal(&desk.house).await;
        let stream =
            eventually("the stream is there", || async { js.get_stream("BUS").await.map_err(|e| e.to_string()) }).await;
        if random.random_bool(0.3) {
            stream.purge().await.unwrap();
        }
        let durables: Vec<String> = Service::ALL
            .iter()
            .flat_map(|service| Queue::of(*service).map(|queue| queue.durable(*service)))
            .filter(|_| random.random_bool(0.5))
            .collect();
        for durable in durables {
            // One that was deleted a moment ago cannot be deleted again.
            let _ = stream.delete_consumer(&durable).await;
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
async fn the_store_directory_wiped_while_requests_flow() {
    survives(1, async |desk, _| {
        wipe(&desk.house.nats.store_dir());
        desk.house.nats.kill().await.unwrap();
        // What the server wrote in between goes too.
        wipe(&desk.house.nats.store_dir());
        desk.house.nats.start_again().await.unwrap();
    })
    .await;
}
