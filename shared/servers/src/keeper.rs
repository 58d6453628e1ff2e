//! Keeps private servers going without a person: one that died is started again, and a nats-server whose JetStream a full
//! disk has stopped is restarted once there is room.
//!
//! JetStream that once could not write stays off until its process is restarted, although space is free again; plain
//! `/healthz` says 503 for as long (with `js-enabled-only=true` it would say 200). Nothing is lost by a restart: what was
//! not acknowledged is said again by whoever remembers it.
//!
//! Never in a tight loop: after each try comes a pause, twice as long each time, up to a cap; only a server that was well
//! for as long as the cap begins anew. A server that was stopped on purpose is left alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::{Error, Nats, Postgres};

/// When a server is started again, and how often at most.
#[derive(Debug, Clone)]
pub struct KeepRules {
    /// Pause between two looks.
    pub look_every: Duration,
    /// Looks in a row at which a living nats-server is not healthy before it is restarted.
    pub unhealthy_looks: u32,
    /// Bytes that must be free on the file system of JetStream's store before that.
    pub room_bytes: u64,
    /// Pause after the first try.
    pub pause: Duration,
    /// The longest pause.
    pub pause_cap: Duration,
}

/// Why a server was started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its process had ended by itself.
    Died,
    /// It lived, and said that it is not healthy.
    Unhealthy,
}

/// One try to start a server again.
#[derive(Debug)]
pub struct Restart<'a> {
    /// `postgres` or `nats`.
    pub server: &'static str,
    /// Why.
    pub why: Why,
    /// Why it did not work; it is tried again after a pause.
    pub error: Option<&'a Error>,
}

/// What a look at a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Stopped on purpose.
    Stopped,
    /// It should run, and its process has ended.
    Ended,
    /// It runs and is not healthy.
    Unwell,
    /// It runs.
    Well,
}

/// What to do after a look.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    WaitForRoom,
    Restart(Why),
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
struct Memory {
    unwell: u32,
    tries: u32,
    not_before: Option<Instant>,
    well_since: Option<Instant>,
}

impl Memory {
    /// `room`: bytes free in the store; `None` when it cannot be told, which is no reason to wait.
    fn next(&mut self, look: Look, room: Option<u64>, rules: &KeepRules, now: Instant) -> Next {
        if look != Look::Well {
            self.well_since = None;
        }
        match look {
            Look::Stopped => *self = Self::default(),
            Look::Well => {
                self.unwell = 0;
                if now.duration_since(*self.well_since.get_or_insert(now)) >= rules.pause_cap {
                    (self.tries, self.not_before) = (0, None);
                }
            }
            Look::Ended | Look::Unwell if self.not_before.is_some_and(|then| now < then) => {}
            Look::Ended => return Next::Restart(Why::Died),
            Look::Unwell => {
                self.unwell = self.unwell.saturating_add(1);
                if self.unwell >= rules.unhealthy_looks {
                    let full = room.is_some_and(|free| free < rules.room_bytes);
                    return if full { Next::WaitForRoom } else { Next::Restart(Why::Unhealthy) };
                }
            }
        }
        Next::Nothing
    }

    /// A try was made; the next one comes after a pause.
    fn tried(&mut self, rules: &KeepRules, now: Instant) {
        let pause = rules.pause.saturating_mul(1 << self.tries.min(16)).min(rules.pause_cap);
        self.tries = self.tries.saturating_add(1);
        self.unwell = 0;
        self.not_before = Some(now + pause);
    }
}

enum Server {
    Nats(Arc<Nats>),
    Postgres(Arc<Postgres>),
}

impl Server {
    fn name(&self) -> &'static str {
        match self {
            Self::Nats(_) => "nats",
            Self::Postgres(_) => "postgres",
        }
    }
    async fn look(&self) -> Look {
        match self {
            Self::Nats(nats) => nats.look().await,
            Self::Postgres(postgres) => postgres.look().await,
        }
    }
    fn room(&self) -> Option<u64> {
        match self {
            Self::Nats(nats) => nats.room(),
            Self::Postgres(_) => None,
        }
    }
    async fn mend(&self) -> Result<(), Error> {
        match self {
            Self::Nats(nats) => nats.mend().await,
            Self::Postgres(postgres) => postgres.mend().await,
        }
    }
}

/// Watches servers in the background until it is stopped or dropped.
pub struct Keeper {
    tasks: Vec<JoinHandle<()>>,
}

impl Keeper {
    /// Watches what is given; `told` hears of every try.
    pub fn start(
        rules: KeepRules,
        nats: Option<Arc<Nats>>,
        postgres: Option<Arc<Postgres>>,
        told: impl Fn(&Restart<'_>) + Send + Sync + 'static,
    ) -> Self {
        let told = Arc::new(told);
        let servers = nats.map(Server::Nats).into_iter().chain(postgres.map(Server::Postgres));
        let tasks = servers
            .map(|server| {
                let (rules, told) = (rules.clone(), Arc::clone(&told));
                tokio::spawn(async move { keep(&server, &rules, told.as_ref()).await })
            })
            .collect();
        Self { tasks }
    }

    /// Ends the watching; afterwards nobody starts a server again. A start that is under way is given up.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn keep(server: &Server, rules: &KeepRules, told: &(impl Fn(&Restart<'_>) + Send + Sync)) {
    let mut memory = Memory::default();
    let mut waits = false;
    loop {
        sleep(rules.look_every).await;
        let next = memory.next(server.look().await, server.room(), rules, Instant::now());
        let waited = std::mem::replace(&mut waits, next == Next::WaitForRoom);
        match next {
            Next::Nothing => {}
            Next::WaitForRoom if waited => {}
            Next::WaitForRoom => tracing::warn!(
                server = server.name(),
                room_bytes = rules.room_bytes,
                "JetStream stands still and the disk is full; make room, then it is restarted without a person"
            ),
            Next::Restart(why) => {
                tracing::warn!(server = server.name(), ?why, "starting a private server again");
                let result = server.mend().await;
                memory.tried(rules, Instant::now());
                match &result {
                    Ok(()) => tracing::info!(server = server.name(), ?why, "a private server runs again"),
                    Err(error) => {
                        tracing::error!(server = server.name(), ?why, %error, "a private server did not start; it is tried again");
                    }
                }
                told(&Restart { server: server.name(), why, error: result.as_ref().err() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules() -> KeepRules {
        KeepRules { look_every: SECOND, unhealthy_looks: 3, room_bytes: 100, pause: 5 * SECOND, pause_cap: 60 * SECOND }
    }

    #[test]
    fn only_several_looks_in_a_row_count_and_only_with_room() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let mut look = |look, room| memory.next(look, room, &rules(), now);
        for _ in 0..2 {
            assert_eq!(look(Look::Unwell, Some(500)), Next::Nothing);
            assert_eq!(look(Look::Unwell, Some(500)), Next::Nothing);
            assert_eq!(look(Look::Well, Some(500)), Next::Nothing);
        }
        for _ in 0..2 {
            assert_eq!(look(Look::Unwell, Some(0)), Next::Nothing);
        }
        assert_eq!(look(Look::Unwell, Some(99)), Next::WaitForRoom);
        assert_eq!(look(Look::Unwell, Some(99)), Next::WaitForRoom);
        assert_eq!(look(Look::Unwell, Some(100)), Next::Restart(Why::Unhealthy));
        assert_eq!(look(Look::Unwell, None), Next::Restart(Why::Unhealthy));
        assert_eq!(look(Look::Stopped, Some(500)), Next::Nothing);
        assert_eq!(look(Look::Unwell, Some(500)), Next::Nothing, "it counts anew");
    }

    #[test]
    fn a_server_that_dies_again_and_again_is_started_after_ever_longer_pauses() {
        let (mut memory, begun, rules) = (Memory::default(), Instant::now(), rules());
        let mut starts = vec![];
        for second in 0..400 {
            let now = begun + second * SECOND;
            if memory.next(Look::Ended, Some(0), &rules, now) == Next::Restart(Why::Died) {
                memory.tried(&rules, now);
                starts.push(second);
            }
        }
        assert_eq!(starts, [0, 5, 15, 35, 75, 135, 195, 255, 315, 375]);
        // Well for a moment is not enough, well for as long as the cap is.
        let at = |second: u32| begun + second * SECOND;
        assert_eq!(memory.next(Look::Well, None, &rules, at(400)), Next::Nothing);
        assert_eq!(memory.next(Look::Ended, None, &rules, at(401)), Next::Nothing);
        for second in 402..=462 {
            assert_eq!(memory.next(Look::Well, None, &rules, at(second)), Next::Nothing);
        }
        assert_eq!(memory.next(Look::Ended, None, &rules, at(463)), Next::Restart(Why::Died));
        memory.tried(&rules, at(463));
        assert_eq!(memory.next(Look::Ended, None, &rules, at(468)), Next::Restart(Why::Died));
    }

    #[test]
    fn what_was_stopped_on_purpose_stays_stopped() {
        let mut memory = Memory::default();
        for second in 0..100 {
            let now = Instant::now() + second * SECOND;
            assert_eq!(memory.next(Look::Stopped, Some(0), &rules(), now), Next::Nothing);
        }
    }
}
