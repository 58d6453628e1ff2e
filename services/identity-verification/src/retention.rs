//! Keys that nobody needs: cached ones are forgotten, unused ones are removed from the key database.

use crate::store::Store;
use chassis::{Clock, DbError, Stop};
use privacy::{RecordClass, Vault, vault::KeyName};
use std::{collections::HashSet, time::Duration};

/// How often cached keys are looked through.
const ROUND: Duration = Duration::from_secs(30);
/// Every how many rounds unused keys are swept: an hour.
const SWEEP_EVERY: u32 = 120;

/// Until the process stops.
pub async fn run(vault: Vault, store: Store, clock: Clock, stop: Stop) {
    let mut round = 0u32;
    while !stop.pause(ROUND).await {
        vault.expire_cache();
        round = round.wrapping_add(1);
        if round.is_multiple_of(SWEEP_EVERY)
            && let Err(error) = sweep(&vault, &store, &clock).await
        {
            tracing::warn!(%error, "unused evidence keys were not swept; the next round tries again");
        }
    }
}

/// Removes keys that seal nothing: those of orders that were refused.
///
/// # Errors
/// One of the databases did not answer; nothing was removed.
pub async fn sweep(vault: &Vault, store: &Store, clock: &Clock) -> Result<u64, privacy::VaultError> {
    let mut removed = 0;
    loop {
        let swept = vault
            .sweep_unused(clock.now(), |names| async move {
                let units: Vec<_> = names.iter().map(|n| n.unit).collect();
                let used = store.sealed_cases(&units).await?;
                let named = used.into_iter().map(|unit| KeyName { unit, class: RecordClass::Evidence });
                Ok::<HashSet<KeyName>, DbError>(named.collect())
            })
            .await?;
        removed += swept.removed;
        if !swept.more {
            return Ok(removed);
        }
    }
}
