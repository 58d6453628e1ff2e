//! What is done with keys once in a while, until the process stops.

use crate::{Custody, copy::Copier};
use chassis::{Bus, Clock, DbError, Stop};
use contracts::{Timestamp, Uuid};
use privacy::VaultError;
use std::{collections::HashSet, time::Duration};

/// How often tombstones are copied and keys in memory are looked through.
const ROUND: Duration = Duration::from_secs(30);
/// Every how many rounds keys that seal nothing are swept: an hour. The first sweep is at the start.
const SWEEP_EVERY: u32 = 120;

impl Custody {
    /// Starts the rounds. `sealed` says which of these units the service has rows of that their keys seal: a key without
    /// any, that nobody wanted for a day, is removed.
    pub fn tend<F, Fut>(&self, bus: &Bus, sealed: F)
    where
        F: Fn(Vec<Uuid>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Uuid>, DbError>> + Send + 'static,
    {
        bus.spawn("custody", self.clone().rounds(bus.clock().clone(), bus.stopping(), sealed));
    }

    async fn rounds<F, Fut>(self, clock: Clock, stop: Stop, sealed: F)
    where
        F: Fn(Vec<Uuid>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<Vec<Uuid>, DbError>> + Send,
    {
        let service = self.0.token;
        let mut copier = Copier::new(self.db().clone(), self.vault().clone());
        for round in 0u32.. {
            if let Err(error) = copier.pass().await {
                tracing::warn!(service, %error, "erasures were not copied; the next round tries again");
            }
            if round.is_multiple_of(SWEEP_EVERY)
                && let Err(error) = self.sweep(clock.now(), &sealed).await
            {
                tracing::warn!(service, %error, "unused keys were not swept; a later round tries again");
            }
            self.vault().expire_cache();
            if stop.pause(ROUND).await {
                return;
            }
        }
    }

    /// Removes keys that seal nothing (those of orders that were refused, of imports that broke off); how many.
    ///
    /// # Errors
    /// One of the databases did not answer; what was not yet looked at stays.
    pub async fn sweep<F, Fut>(&self, now: Timestamp, sealed: &F) -> Result<u64, VaultError>
    where
        F: Fn(Vec<Uuid>) -> Fut,
        Fut: Future<Output = Result<Vec<Uuid>, DbError>>,
    {
        let mut removed = 0;
        loop {
            let swept = self
                .vault()
                .sweep_unused(now, |names| async move {
                    let used: HashSet<Uuid> =
                        sealed(names.iter().map(|n| n.unit).collect()).await?.into_iter().collect();
                    Ok::<_, DbError>(names.into_iter().filter(|n| used.contains(&n.unit)).collect())
                })
                .await?;
            removed += swept.removed;
            if !swept.more {
                return Ok(removed);
            }
        }
    }
}
