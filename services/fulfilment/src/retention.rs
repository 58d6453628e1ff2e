//! The end of records: when their time is over, the key is destroyed and then the rows go. And keys that nobody needs.

use crate::store::Store;
use chassis::{Clock, DbError, Stop};
use privacy::{RecordClass, Vault, VaultError, vault::KeyName};
use std::{collections::HashSet, time::Duration};

/// How often cached keys are looked through.
const ROUND: Duration = Duration::from_secs(30);
/// Every how many rounds records are ended and unused keys swept: an hour.
const SWEEP_EVERY: u32 = 120;

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The key database.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The service's own.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Until the process stops. The first sweep is right at the start: a desk that was away ends what became due meanwhile.
pub async fn run(vault: Vault, store: Store, clock: Clock, stop: Stop) {
    let mut round = 0u32;
    loop {
        if round.is_multiple_of(SWEEP_EVERY)
            && let Err(error) = sweep(&vault, &store, &clock).await
        {
            tracing::warn!(%error, "records were not ended; the next round tries again");
        }
        if stop.pause(ROUND).await {
            return;
        }
        vault.expire_cache();
        round = round.wrapping_add(1);
    }
}

/// Ends the records whose time is over and removes keys that seal nothing; how many cases it ended.
///
/// # Errors
/// One of the databases did not answer; what was begun is taken up again by the next call.
pub async fn sweep(vault: &Vault, store: &Store, clock: &Clock) -> Result<usize, RetentionError> {
    let mut ended = 0;
    loop {
        let over = store.over(clock.now()).await?;
        for case in &over {
            // The key first: rows without a key are unreadable, also in every backup.
            vault.erase(*case, RecordClass::StatutoryRecord).await?;
            store.drop_case(*case).await?;
        }
        ended += over.len();
        if over.is_empty() {
            break;
        }
    }
    loop {
        let swept = vault
            .sweep_unused(clock.now(), |names| async move {
                let units: Vec<_> = names.iter().map(|n| n.unit).collect();
                let used = store.sealed_cases(&units).await?;
                let named = used.into_iter().map(|unit| KeyName { unit, class: RecordClass::StatutoryRecord });
                Ok::<HashSet<KeyName>, DbError>(named.collect())
            })
            .await?;
        if !swept.more {
            return Ok(ended);
        }
    }
}
