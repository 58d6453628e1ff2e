//! What is done once in a while: keys that never sealed anything, hatches that no filing needs, keys in memory.

use crate::{person::Persons, store, tray};
use chassis::{Bus, DbError, telemetry};
use privacy::KeyName;
use std::{collections::HashSet, sync::Arc, time::Duration};

/// How often.
const EVERY: Duration = Duration::from_secs(60);

/// Until the process stops.
pub async fn run(bus: Arc<Bus>, persons: Persons) {
    let stop = bus.stopping();
    while !stop.pause(EVERY).await {
        persons.vault().expire_cache();
        match tray::sweep_hatches(bus.db()).await {
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "old hatches could not be removed"),
        }
        match tray::parked(bus.db()).await {
            #[allow(clippy::cast_precision_loss)] // a handful
            Ok(n) => telemetry::level("madoguchi.filings.parked_now", n as f64, "filing"),
            Err(error) => tracing::warn!(%error, "parked filings could not be counted"),
        }
        let owner = bus.clone();
        let swept =
            persons.vault().sweep_unused(bus.clock().now(), |names| async move { in_use(&owner, names).await }).await;
        if let Err(error) = swept {
            tracing::warn!(%error, "unused keys could not be swept");
        }
    }
}

async fn in_use(bus: &Bus, names: Vec<KeyName>) -> Result<HashSet<KeyName>, DbError> {
    let units = names.iter().map(|name| name.unit).collect();
    let used: HashSet<_> = store::with_sealed_rows(bus.db(), units).await?.into_iter().collect();
    Ok(names.into_iter().filter(|name| used.contains(&name.unit)).collect())
}
