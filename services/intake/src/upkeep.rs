//! What is done once in a while: hatches that no filing needs are removed, filings that wait for a person are counted.

use crate::tray;
use chassis::{Bus, telemetry};
use std::{sync::Arc, time::Duration};

/// How often.
const EVERY: Duration = Duration::from_secs(60);

/// Until the process stops.
pub async fn run(bus: Arc<Bus>) {
    let stop = bus.stopping();
    while !stop.pause(EVERY).await {
        match tray::sweep_hatches(bus.db()).await {
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "old hatches could not be removed"),
        }
        match tray::parked(bus.db()).await {
            #[allow(clippy::cast_precision_loss)] // a handful
            Ok(n) => telemetry::level("madoguchi.filings.parked_now", n as f64, "filing"),
            Err(error) => tracing::warn!(%error, "parked filings could not be counted"),
        }
    }
}
