//! PostgreSQL restarts and crashes under load. A server of its own: the other tests' must live on.

use super::chaos::{Flow, seeds};
use crate::journey::desk::{Desk, Plan};
use rand::Rng;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_restarted_and_crashed_while_requests_flow() {
    let mut flow = Flow::at(Desk::with(Plan { own_postgres: true, ..Plan::default() }).await).await;
    for seed in seeds() {
        flow.survives(seed, 2, async |desk, random| {
            let postgres = desk.postgres.as_ref().unwrap();
            if random.random_bool(0.5) {
                println!("restart");
                postgres.restart().await.unwrap();
            } else {
                println!("crash");
                postgres.kill().await.unwrap();
                postgres.start_again().await.unwrap();
            }
        })
        .await;
        assert!(!flow.desk.rt.stopping().is_asked(), "the services live on");
    }
    flow.is_whole().await;
}
