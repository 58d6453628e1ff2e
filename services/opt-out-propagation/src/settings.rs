//! `[optout]` of the configuration.

use crate::{delivery::Pace, propagation::Periods, retention::Retention};
use jiff::SignedDuration;
use serde::Deserialize;
use std::time::Duration;

/// The service's settings; defaults and what they mean stand in infra/config/default.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the partner API listens.
    pub partner_listen: String,
    /// 遅滞なく: days until a recipient's final report is due, unless its contract says another word.
    pub report_days: u32,
    /// 速やかに, in days.
    pub promptly_days: u32,
    /// 直ちに, in hours.
    pub immediately_hours: u32,
    /// Of a hundred reports that close by themselves, how many a person confirms.
    pub sample_percent: u32,
    /// Seconds without 受領 until an instruction is said again; doubles, at most six hours.
    pub remind_seconds: u32,
    /// Whether webhooks may go to private addresses and by plain http (demo, tests).
    pub allow_private_endpoints: bool,
    /// 試験通知: a webhook endpoint is used only after it answered a test event with a signed report.
    pub test_endpoints: bool,
    /// The longest that one webhook may take, connection and answer together, in milliseconds.
    pub send_ms: u64,
    /// First pause of a failed delivery, in milliseconds; doubles.
    pub retry_base_ms: u64,
    /// The longest such pause, in milliseconds.
    pub retry_cap_ms: u64,
    /// How long an endpoint is leased, in milliseconds; a delivering process that died is replaced after it.
    pub lease_ms: u64,
    /// 日次照合: days after which a recipient that did not compare its books is a task.
    pub reconcile_days: u32,
    /// Versions of the gate's key rules, a JSON file; empty: the built-in ones.
    pub gate_rules_file: String,
    /// Versions of what an erasure reaches and how long records are kept, a JSON file; empty: the built-in ones.
    #[serde(default)]
    pub retention_file: String,
    /// Hours until a snapshot of the gate expires.
    pub gate_snapshot_hours: u32,
    /// The largest file that the gate takes over HTTP, in bytes.
    pub gate_file_bytes: u64,
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
    /// What the statute's words are in time.
    pub fn periods(&self) -> Periods {
        let hours = |n: u32| SignedDuration::from_hours(n.into());
        Periods {
            immediately: hours(self.immediately_hours),
            promptly: hours(24 * self.promptly_days),
            without_delay: hours(24 * self.report_days),
        }
    }
    /// What an erasure reaches, and how long records are kept.
    ///
    /// # Errors
    /// The file cannot be read, or means nothing.
    pub fn retention(&self) -> anyhow::Result<Retention> {
        if self.retention_file.is_empty() {
            return Ok(Retention::built_in());
        }
        let path = &self.retention_file;
        let text =
            std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("`optout.retention_file`: {path}: {e}"))?;
        Retention::parse(&text).map_err(|e| anyhow::anyhow!("`optout.retention_file`: {e}"))
    }
    /// Limits that the parts rely on.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!((1..=365).contains(&self.report_days), "`optout.report_days`: 1 to 365");
        anyhow::ensure!((1..=365).contains(&self.promptly_days), "`optout.promptly_days`: 1 to 365");
        anyhow::ensure!((1..=8760).contains(&self.immediately_hours), "`optout.immediately_hours`: 1 to 8760");
        anyhow::ensure!(self.sample_percent <= 100, "`optout.sample_percent`: 0 to 100");
        anyhow::ensure!((1..=21_600).contains(&self.remind_seconds), "`optout.remind_seconds`: 1 to 21600");
        anyhow::ensure!((100..=60_000).contains(&self.send_ms), "`optout.send_ms`: 100 to 60000");
        anyhow::ensure!(self.lease_ms >= 400, "`optout.lease_ms`: at least 400");
        anyhow::ensure!(self.retry_base_ms >= 10, "`optout.retry_base_ms`: at least 10");
        anyhow::ensure!(self.poll_ms >= 10, "`optout.poll_ms`: at least 10");
        anyhow::ensure!((1..=365).contains(&self.reconcile_days), "`optout.reconcile_days`: 1 to 365");
        anyhow::ensure!((1..=168).contains(&self.gate_snapshot_hours), "`optout.gate_snapshot_hours`: 1 to 168");
        anyhow::ensure!(self.gate_file_bytes >= 1024, "`optout.gate_file_bytes`: at least 1024");
        Ok(())
    }
}
