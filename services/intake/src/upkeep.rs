//! What is done once in a while: hatches that no filing needs are removed, filings, arrivals and mails that wait for a person are counted.

use crate::{arrival, mail, tray};
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
        match arrival::store::waiting(bus.db()).await {
            #[allow(clippy::cast_precision_loss)] // a handful, and seconds
            Ok((n, oldest)) => {
                telemetry::level("madoguchi.arrivals.waiting", n as f64, "arrival");
                telemetry::level("madoguchi.arrivals.age", oldest, "arrival");
            }
            Err(error) => tracing::warn!(%error, "open arrivals could not be counted"),
        }
        match mail::store::waiting(bus.db()).await {
            #[allow(clippy::cast_precision_loss)] // a handful, and seconds
            Ok(rows) => {
                for row in rows {
                    telemetry::level("madoguchi.mails.waiting", row.mails as f64, row.state);
                    telemetry::level("madoguchi.mails.age", row.oldest_seconds, row.state);
                }
            }
            Err(error) => tracing::warn!(%error, "waiting mails could not be counted"),
        }
    }
}
