//! Requests that flow, and moments to break something at: not times but amounts of work done, so that a slow machine is
//! hit at the same places as a fast one.

use crate::journey::{
    contractors::{Joined, by_webhook, over_nats},
    desk::Desk,
    people::{Person, deposits, disclosure, opt_out},
    reckoning::{self, Told},
};
use futures::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::eventually;

/// Runs every night the same, and one that nobody has seen before.
pub fn seeds() -> Vec<u64> {
    match std::env::var("MADOGUCHI_SEED") {
        Ok(seed) => vec![seed.parse().expect("`MADOGUCHI_SEED` is a number")],
        Err(_) => vec![42, rand::random::<u32>().into()],
    }
}

/// Opt-outs and as many disclosures per seed.
pub fn amount() -> usize {
    if std::env::var_os("MADOGUCHI_HEAVY").is_some() { 30 } else { 3 }
}

/// History rows that one opt-out (with two recipients) and one disclosure leave at least; a little below what they are.
const ROWS: i64 = 50;

/// A desk with two contractors, and what has flowed so far.
pub struct Flow {
    /// The desk.
    pub desk: Desk,
    /// Who is told.
    pub contractors: Vec<Joined>,
    done: i64,
}

impl Flow {
    /// With a contractor over NATS and one behind a webhook.
    pub async fn at(desk: Desk) -> Self {
        let contractors = vec![over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
        Self { desk, contractors, done: 0 }
    }

    /// Files opt-outs and disclosures side by side, does what staff do, and calls `breaks` at random moments meanwhile,
    /// `times` times. Returns when every one of them is through.
    pub async fn survives<F>(&mut self, seed: u64, times: usize, mut breaks: F)
    where
        F: AsyncFnMut(&Desk, &mut StdRng),
    {
        println!("seed {seed}: MADOGUCHI_SEED={seed} repeats it");
        let mut random = StdRng::seed_from_u64(seed);
        let first = usize::try_from(self.done).unwrap() * 2;
        let people: Vec<Person> = (first..first + 2 * amount()).map(Person::number).collect();
        let flowing = AtomicBool::new(true);
        let desk = &self.desk;
        let before = rows(desk).await;
        let requests = async {
            let (stops, disclosures) = people.split_at(amount());
            let bank = deposits();
            let stops = join_all(stops.iter().map(|p| opt_out(desk, p)));
            let disclosures = join_all(disclosures.iter().map(|p| disclosure(desk, p, &bank)));
            tokio::join!(stops, disclosures);
            flowing.store(false, Ordering::SeqCst);
        };
        let breaking = async {
            let most = ROWS * amount() as i64;
            let mut moments: Vec<i64> = (0..times).map(|_| before + random.random_range(1..most)).collect();
            moments.sort_unstable();
            let mut broken = 0;
            for moment in moments {
                eventually("the moment to break something", || async {
                    // A request that is quicker than expected must not keep the test waiting.
                    if !flowing.load(Ordering::SeqCst) {
                        return Ok(());
                    }
                    let done = rows(desk).await;
                    if done >= moment { Ok(()) } else { Err(done) }
                })
                .await;
                broken += usize::from(flowing.load(Ordering::SeqCst));
                breaks(desk, &mut random).await;
            }
            assert!(2 * broken >= times, "{broken} of {times} breaks were while requests flowed");
        };
        tokio::join!(requests, breaking);
        self.done += amount() as i64;
    }

    /// All of it is through, once.
    pub async fn is_whole(&self) {
        for contractor in &self.contractors {
            contractor.has_applied(self.done as u64).await;
        }
        reckoning::holds(&self.desk, Told::of(self.done, self.done)).await;
    }
}

/// How much was done so far. While PostgreSQL is away: as much as before.
async fn rows(desk: &Desk) -> i64 {
    let look = async {
        let mut db = desk.reach().await?;
        let rows: Result<i64, sqlx::Error> = sqlx::query_scalar(
            "select (select count(*) from intake.history) + (select count(*) from identity.history) + (select count(*) from payment.history)
                  + (select count(*) from fulfilment.history) + (select count(*) from optout.history) + (select count(*) from notification.history)",
        )
        .fetch_one(&mut db)
        .await;
        rows
    };
    look.await.unwrap_or(0)
}
