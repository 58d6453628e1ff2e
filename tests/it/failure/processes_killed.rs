//! Every service is a process, the steward, the door and the console among them, and each is killed (SIGKILL) at random moments and started again.

use super::chaos::{Flow, seeds};
use crate::journey::desk::Desk;
use launcher::NAMES;
use rand::{Rng, seq::SliceRandom};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_killed_at_random_moments() {
    let mut flow = Flow::at(Desk::apart().await).await;
    for seed in seeds() {
        let mut left: Vec<&str> = vec![];
        flow.survives(seed, 10, async |desk, random| {
            if left.is_empty() {
                left = NAMES.to_vec();
                left.shuffle(random);
            }
            let name = left.pop().unwrap();
            println!("kill -9 {name}");
            desk.kill_and_start_again(name).await;
        })
        .await;
    }
    flow.is_whole().await;
}

/// Several at once, as when the machine under them dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_killed_at_once() {
    let mut flow = Flow::at(Desk::apart().await).await;
    for seed in seeds() {
        flow.survives(seed, 2, async |desk, random| {
            let mut children = desk.children.lock().await;
            let dying: Vec<usize> = (0..children.len()).filter(|_| random.random_bool(0.6)).collect();
            for n in &dying {
                children[*n].kill();
            }
            for n in &dying {
                children[*n].start_again();
            }
        })
        .await;
    }
    flow.is_whole().await;
}
