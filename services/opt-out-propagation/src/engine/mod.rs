//! Delivering: endpoints are leased, not rows (bus.md 2.5).
//!
//! Each process leases its share of the endpoints, renews the leases, and runs one task per endpoint: a sick one takes its
//! own window and nothing else. A lease has a fence; outcomes are recorded only under the fence in force, so a process that
//! was paused beyond its lease changes nothing.

mod endpoint;
mod lease;
mod news;
mod recorder;
mod store;

pub use lease::{Lease, Place, UNRECORDED_MAX};
use news::Issued;
pub use news::{Fresh, News};
pub use recorder::{Again, Record, record};
pub use store::{Taken, release, renew, take};

use crate::{
    settings::Settings,
    transport::{Address, Opens},
};
use chassis::{Db, Stop, telemetry};
use contracts::Uuid;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Outcomes that wait to be recorded; beyond it senders wait.
const RECORDS_MAX: usize = 4096;
/// How soon after something was issued the leases are looked after: many are looked after together.
const LEASES_AFTER: Duration = Duration::from_millis(200);
/// Batches of the fan-out that wait for one endpoint; those beyond it are read from the database.
const HANDED: usize = 16;
/// How long what is in flight may go on when the process stops.
const LAST_FLIGHTS: Duration = Duration::from_secs(5);

/// What every endpoint's task needs.
pub(crate) struct Shared {
    pub db: Db,
    pub settings: Settings,
    pub records: mpsc::Sender<Record>,
    pub news: watch::Receiver<u64>,
    pub stop: Stop,
}

/// The delivering part of one process.
pub struct Engine {
    /// The database.
    pub db: Db,
    /// Times.
    pub settings: Settings,
    /// Makes transports.
    pub opens: Arc<dyn Opens>,
    /// Rung when there is something new to deliver.
    pub wake: Arc<News>,
    /// Ends it.
    pub stop: Stop,
}

struct Held {
    lease: Arc<Lease>,
    task: JoinHandle<()>,
    fresh: mpsc::Sender<Vec<Fresh>>,
}

impl Engine {
    /// Until the process stops; then what is in flight ends, is recorded, and the leases are given back.
    pub async fn run(self) {
        // New at each start: a process that comes back does not take its old leases for its own.
        let me = Uuid::now_v7();
        let (records, inbox) = mpsc::channel(RECORDS_MAX);
        let (news, listening) = watch::channel(0u64);
        let recorder = tokio::spawn(recorder::run(self.db.clone(), inbox, self.settings.poll()));
        let shared = Arc::new(Shared {
            db: self.db.clone(),
            settings: self.settings.clone(),
            records,
            news: listening,
            stop: self.stop.clone(),
        });
        let mut held: HashMap<Uuid, Held> = HashMap::new();
        while !self.stop.is_asked() {
            held.retain(|_, h| !h.task.is_finished());
            self.keep(me, &held).await;
            self.take_more(me, &shared, &mut held).await;
            telemetry::level("madoguchi.delivery.endpoints", held.len() as f64, "held");
            self.tell_news(&news, &held).await;
        }
        for Held { mut task, .. } in held.into_values() {
            if tokio::time::timeout(LAST_FLIGHTS, &mut task).await.is_err() {
                task.abort();
            }
        }
        drop(shared);
        let _ = tokio::time::timeout(LAST_FLIGHTS, recorder).await;
        if let Err(error) = release(&self.db, me).await {
            tracing::warn!(%error, "leases could not be given back; they end by themselves");
        }
    }

    /// Until the leases are to be looked after again: in their time, at once when an endpoint changed, and a moment after something
    /// was issued. What is issued goes out at once under the leases that are good already, and does not wait for those writes.
    async fn tell_news(&self, news: &watch::Sender<u64>, held: &HashMap<Uuid, Held>) {
        let mut until = Instant::now() + self.settings.renew();
        while !self.stop.is_asked() {
            let pause = until.saturating_duration_since(Instant::now());
            tokio::select! {
                _ = self.stop.pause(pause) => return,
                () = self.wake.heard() => {
                    let Issued { fresh, more, changed } = self.wake.take();
                    if !hand_over(fresh, held) || more || changed {
                        news.send_modify(|n| *n += 1);
                    }
                    // What an endpoint is sent with may be another from now on: its lease was taken away.
                    if changed {
                        return;
                    }
                    until = until.min(Instant::now() + LEASES_AFTER);
                }
            }
        }
    }

    async fn keep(&self, me: Uuid, held: &HashMap<Uuid, Held>) {
        if held.is_empty() {
            return;
        }
        // Counted from before the question: the database's clock began later than that.
        let begun = Instant::now();
        let ids: Vec<Uuid> = held.keys().copied().collect();
        match renew(&self.db, me, ids, self.settings.lease()).await {
            Ok(kept) => {
                for (id, h) in held {
                    if kept.contains(id) {
                        h.lease.extend(begun + self.settings.good_for());
                    } else {
                        telemetry::count("madoguchi.delivery.leases", "lost");
                        h.lease.lose();
                    }
                }
            }
            // Nothing is sent once the last good renewal is too long ago.
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
    }

    async fn take_more(&self, me: Uuid, shared: &Arc<Shared>, held: &mut HashMap<Uuid, Held>) {
        let begun = Instant::now();
        let taken = match take(&self.db, me, held.len(), self.settings.lease()).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, "no leases could be taken");
                return;
            }
        };
        for row in taken {
            if let Some(old) = held.remove(&row.id) {
                // Our own, lost and taken again: the old task has the old fence.
                old.lease.lose();
            }
            let (transport, url) = (row.transport.clone(), row.url.clone());
            let address = Address { recipient: row.carrier, transport, url, signatures: row.signatures };
            match self.opens.open(&address) {
                Ok(transport) => {
                    let lease = Arc::new(Lease::new(&row, begun + self.settings.good_for()));
                    let (fresh, handed) = mpsc::channel(HANDED);
                    let run = endpoint::run(shared.clone(), lease.clone(), transport, row.cursor, handed);
                    held.insert(row.id, Held { lease, task: tokio::spawn(run), fresh });
                }
                // It is not renewed, so it is tried again after the lease: alarmed each time.
                Err(reason) => {
                    telemetry::count("madoguchi.delivery.unusable", "endpoint");
                    tracing::error!(endpoint = %row.id, recipient = %row.recipient, reason, "an endpoint cannot be used");
                }
            }
        }
    }
}

/// Gives what was issued to the endpoints that are held here. `false`: some of it is to be read from the database.
fn hand_over(issued: Vec<Fresh>, held: &HashMap<Uuid, Held>) -> bool {
    let mut by_endpoint: HashMap<Uuid, Vec<Fresh>> = HashMap::new();
    for fresh in issued {
        by_endpoint.entry(fresh.endpoint).or_default().push(fresh);
    }
    let mut all = true;
    for (endpoint, batch) in by_endpoint {
        // Another process' endpoint is that process' business.
        let Some(to) = held.get(&endpoint) else { continue };
        if let Err(error) = to.fresh.try_send(batch) {
            let batch = error.into_inner();
            telemetry::add("madoguchi.delivery.read_back", batch.len() as u64, "behind");
            all = false;
        }
    }
    all
}
