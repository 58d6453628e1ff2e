//! `[optout]` of the configuration.

use crate::delivery::Pace;
use serde::Deserialize;
use std::time::Duration;

/// The service's settings; defaults and what they mean stand in infra/config/default.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the partner API listens.
    pub partner_listen: String,
    /// Days until a recipient's final report is due.
    pub report_days: u32,
    /// Seconds without 受領 until an instruction is said again; doubles, at most six hours.
    pub remind_seconds: u32,
    /// Whether webhooks may go to private addresses and by plain http (demo, tests).
    pub allow_private_endpoints: bool,
    /// The longest that one webhook may take, connection and answer together, in milliseconds.
    pub send_ms: u64,
    /// First pause of a failed delivery, in milliseconds; doubles.
    pub retry_base_ms: u64,
    /// The longest such pause, in milliseconds.
    pub retry_cap_ms: u64,
    /// How long an endpoint is leased, in milliseconds; a delivering process that died is replaced after it.
    pub lease_ms: u64,
    /// How often loops look without being woken, in milliseconds.
    pub poll_ms: u64,
}

impl Settings {
    /// The pauses between tries.
    pub const fn pace(&self) -> Pace {
        Pace { base: Duration::from_millis(self.retry_base_ms), cap: Duration::from_millis(self.retry_cap_ms) }
    }
    /// The longest that a send may take.
    pub const fn send(&self) -> Duration {
        Duration::from_millis(self.send_ms)
    }
    /// How long a lease lasts.
    pub const fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
    /// How often a lease is renewed: a quarter of it.
    pub const fn renew(&self) -> Duration {
        Duration::from_millis(self.lease_ms / 4)
    }
    /// How long after a good renewal sending may begin: three quarters, so that what is sent ends within the lease's time.
    pub const fn good_for(&self) -> Duration {
        Duration::from_millis(self.lease_ms / 4 * 3)
    }
    /// How often loops look.
    pub const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
    /// Limits that the parts rely on.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!((1..=365).contains(&self.report_days), "`optout.report_days`: 1 to 365");
        anyhow::ensure!((1..=21_600).contains(&self.remind_seconds), "`optout.remind_seconds`: 1 to 21600");
        anyhow::ensure!((100..=60_000).contains(&self.send_ms), "`optout.send_ms`: 100 to 60000");
        anyhow::ensure!(self.lease_ms >= 400, "`optout.lease_ms`: at least 400");
        anyhow::ensure!(self.retry_base_ms >= 10, "`optout.retry_base_ms`: at least 10");
        anyhow::ensure!(self.poll_ms >= 10, "`optout.poll_ms`: at least 10");
        Ok(())
    }
}
