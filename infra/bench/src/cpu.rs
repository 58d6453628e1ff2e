//! How much processor time this process and its PostgreSQL have used.

use anyhow::Context;
use launcher::Up;

/// Seconds of processor time so far.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    pub service: f64,
    pub postgres: f64,
}

impl Spent {
    pub async fn now(up: &Up) -> anyhow::Result<Self> {
        let postmaster = up.place.postgres_pid().await.context("no private PostgreSQL")?;
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let me = std::process::id();
        let (mut service, mut postgres) = (0, 0);
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            let Some(stat) = Stat::of(pid) else { continue };
            if pid == me {
                service += stat.own;
            } else if pid == postmaster {
                // Backends that ended are counted by the postmaster, which waits for them.
                postgres += stat.own + stat.children;
            } else if stat.parent == postmaster {
                postgres += stat.own;
            }
        }
        Ok(Self { service: service as f64 / ticks, postgres: postgres as f64 / ticks })
    }
    pub fn since(&self, before: &Self) -> Self {
        Self { service: self.service - before.service, postgres: self.postgres - before.postgres }
    }
}

/// The part of `/proc/<pid>/stat` that is needed, in ticks.
struct Stat {
    parent: u32,
    own: u64,
    children: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name in parentheses and may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
        Some(Self {
            parent: number(1)?.try_into().ok()?,
            own: number(11)? + number(12)?,
            children: number(13)? + number(14)?,
        })
    }
}
