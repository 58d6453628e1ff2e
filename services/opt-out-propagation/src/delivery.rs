//! 送達: how one endpoint is delivered to. Pure: what an answer means, when to try again, how far the cursor may go, when
//! to leave a sick endpoint alone. Time is an input, in seconds or as an instant that the shell gives.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Fresh deliveries in flight per endpoint.
pub const FRESH: usize = 8;
/// Repeated deliveries in flight per endpoint: a storm of retries cannot starve what is fresh.
pub const REPEATED: usize = 2;
/// How far the window may run ahead of the cursor.
pub const AHEAD_MAX: usize = 1024;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The transport has it. Proves nothing about the recipient: only its signed report does.
    Ok,
    /// Not now; wait at least as long as it asked.
    Busy {
        /// `Retry-After`, in seconds.
        after: Option<u64>,
    },
    /// It did not work; try again.
    Failed(Why),
    /// It will not work by itself: a person must look (410, 404, wrong address). Parked; the deadline runs on.
    Parked(Why),
}

/// Why it did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No connection, or it broke.
    Connection,
    /// Total time over.
    Timeout,
    /// A redirect: never followed.
    Redirect,
    /// The token endpoint refused the client, or gave no bearer token.
    NoToken,
    /// A status that is none of the others.
    Status,
    /// 404 or 410.
    Gone,
    /// The name resolves to an address that may not be reached.
    ForbiddenAddress,
    /// The stream did not confirm.
    NotStored,
    /// The body is not for this recipient: the last look before the wire.
    NotTheirs,
}

impl Outcome {
    /// The word in the attempt row.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Busy { .. } => "busy",
            Self::Failed(why) | Self::Parked(why) => match why {
                Why::Connection => "connection",
                Why::Timeout => "timeout",
                Why::Redirect => "redirect",
                Why::NoToken => "no-token",
                Why::Status => "status",
                Why::Gone => "gone",
                Why::ForbiddenAddress => "forbidden-address",
                Why::NotStored => "not-stored",
                Why::NotTheirs => "not-theirs",
            },
        }
    }
}

/// What an HTTP status means (Standard Webhooks 1.0.0: 2xx only is success). 410 and 404 park instead of disabling:
/// a stop may never be dropped because somebody moved a page.
pub const fn of_status(status: u16, retry_after: Option<u64>) -> Outcome {
    match status {
        200..=299 => Outcome::Ok,
        300..=399 => Outcome::Failed(Why::Redirect),
        404 | 410 => Outcome::Parked(Why::Gone),
        429 | 502 | 503 | 504 => Outcome::Busy { after: retry_after },
        _ => Outcome::Failed(Why::Status),
    }
}

/// `Retry-After` in seconds; the date form is not worth a parser here and counts as absent.
pub fn retry_after(header: Option<&str>) -> Option<u64> {
    header?.trim().parse().ok()
}

/// First and longest pause between tries.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// First.
    pub base: Duration,
    /// Longest.
    pub cap: Duration,
}

/// The pause before the next try after `tries` failed ones. `chance` is from 0 to 1: jitter is only added, up to a quarter.
/// What the recipient asked for is kept, up to a day.
pub fn backoff(pace: Pace, tries: u32, outcome: Outcome, chance: f64) -> Duration {
    let doubled = pace.base.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(pace.cap);
    let jittered = doubled.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 4.0);
    match outcome {
        Outcome::Busy { after: Some(seconds) } => jittered.max(Duration::from_secs(seconds.min(86_400))),
        _ => jittered,
    }
}

/// The part of the ledger that one endpoint is working on.
///
/// `low`: every position up to it has an outcome. Beyond it positions may be finished in any order, at most
/// [`AHEAD_MAX`] of them.
#[derive(Clone, Debug)]
pub struct Window {
    low: i64,
    read: i64,
    beyond: BTreeSet<i64>,
    /// Read and not finished: positions of an endpoint are not dense (a recipient may have had another endpoint).
    waiting: BTreeSet<i64>,
}

impl Window {
    /// From the cursor, and positions beyond it that already have an outcome.
    pub fn new(cursor: i64, done: impl IntoIterator<Item = i64>) -> Self {
        Self { low: cursor, read: cursor, beyond: done.into_iter().collect(), waiting: BTreeSet::new() }
    }
    /// After which position to read on.
    pub const fn read(&self) -> i64 {
        self.read
    }
    /// How many more may be read.
    pub fn room(&self) -> usize {
        AHEAD_MAX.saturating_sub(self.beyond.len() + self.waiting.len())
    }
    /// A position was read from the ledger, in order; true when it has to be sent.
    pub fn reads(&mut self, position: i64) -> bool {
        self.read = self.read.max(position);
        if self.beyond.contains(&position) || position <= self.low {
            return false;
        }
        self.waiting.insert(position)
    }
    /// A position has its outcome (or a retry row); gives the new low.
    pub fn finish(&mut self, position: i64) -> i64 {
        self.waiting.remove(&position);
        if position > self.low {
            self.beyond.insert(position);
        }
        // Everything below the first waiting one is finished, as far as it was read.
        let limit = self.waiting.first().map_or(self.read, |first| first - 1);
        if let Some(last) = self.beyond.range(..=limit).next_back().copied() {
            self.low = self.low.max(last);
            self.beyond = self.beyond.split_off(&(last + 1));
        }
        self.low
    }
    /// Every position up to here is finished.
    pub const fn low(&self) -> i64 {
        self.low
    }
}

/// Leaves a sick endpoint alone for a while: after a few failures in a row one probe at a time, further and further apart.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

/// Failures in a row that open the circuit.
pub const FAILURES_MAX: u32 = 5;

impl Circuit {
    /// How many may be sent now: all, one, or none.
    pub fn allows(&self, now: Instant) -> usize {
        match self.open_until {
            None => usize::MAX,
            Some(until) if until <= now && !self.probing => 1,
            Some(_) => 0,
        }
    }
    /// One was sent.
    pub fn sent(&mut self) {
        self.probing = self.open_until.is_some();
    }
    /// An outcome came.
    pub fn came(&mut self, outcome: Outcome, pace: Pace, now: Instant) {
        self.probing = false;
        match outcome {
            Outcome::Ok => *self = Self::default(),
            // One wrong address is this delivery's trouble; the stream that does not store and the connection are not.
            Outcome::Parked(Why::NotTheirs) => {}
            Outcome::Busy { .. } | Outcome::Failed(_) | Outcome::Parked(_) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= FAILURES_MAX {
                    let pause = backoff(pace, self.failures - FAILURES_MAX + 1, outcome, 0.0);
                    self.open_until = Some(now + pause);
                }
            }
        }
    }
    /// When a probe may go, if the circuit is open.
    pub const fn probe_at(&self) -> Option<Instant> {
        self.open_until
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
