//! One endpoint's task: its window of fresh deliveries, its few repeats, its circuit. Nothing is shared with the others but
//! the database and the recorder.

use super::{
    Fresh, Lease, Place, Record, Shared,
    recorder::Again,
    store::{self, Load},
};
use crate::{
    delivery::{Circuit, FRESH, Outcome, REPEATED, Why, Window, backoff},
    propagation,
    transport::{Parcel, Sent, Transport},
};
use chassis::telemetry;
use contracts::Service;
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};
use tracing::Instrument;

/// Bodies read at once: up to 4 MiB in memory per endpoint.
const READ: usize = 64;

/// What came back.
struct Landed {
    position: i64,
    tries: u32,
    again: bool,
    sent: Sent,
    took: Duration,
    place: Place,
}

struct Task {
    shared: Arc<Shared>,
    lease: Arc<Lease>,
    transport: Arc<dyn Transport>,
    window: Window,
    circuit: Circuit,
    waiting: VecDeque<Load>,
    flying: JoinSet<Landed>,
    fresh_flying: usize,
    again_flying: HashSet<i64>,
    /// There may be something to read.
    look_fresh: bool,
    look_again: bool,
    /// Something waits until outcomes are recorded.
    full: bool,
}

/// Until the lease is lost or the process stops.
pub(super) async fn run(
    shared: Arc<Shared>,
    lease: Arc<Lease>,
    transport: Arc<dyn Transport>,
    cursor: i64,
    mut handed: mpsc::Receiver<Vec<Fresh>>,
) {
    let done = loop {
        match store::done_beyond(&shared.db, lease.endpoint, cursor).await {
            Ok(done) => break done,
            Err(error) => tracing::warn!(%error, "an endpoint's outcomes cannot be read"),
        }
        if shared.stop.pause(shared.settings.poll()).await || lease.is_lost() {
            return;
        }
    };
    let mut news = shared.news.clone();
    let stop = shared.stop.clone();
    // Its own clock: however much goes on, what is due again is looked for in its time.
    let mut look = tokio::time::interval(shared.settings.poll());
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut task = Task {
        shared,
        lease: lease.clone(),
        transport,
        window: Window::new(cursor, done),
        circuit: Circuit::default(),
        waiting: VecDeque::new(),
        flying: JoinSet::new(),
        fresh_flying: 0,
        again_flying: HashSet::new(),
        look_fresh: true,
        look_again: true,
        full: false,
    };
    while !stop.is_asked() {
        task.fill().await;
        tokio::select! {
            // What is in flight may arrive and is sent again by the next holder: known, and counted by the recipient.
            () = lease.lost() => return,
            () = stop.asked() => break,
            Some(Ok(landed)) = task.flying.join_next() => task.landed(landed).await,
            () = lease.has_place(), if task.full => {}
            Some(batch) = handed.recv() => task.handed(batch),
            changed = news.changed() => {
                // What is to be repeated is due by the clock, not by what is new.
                task.look_fresh = true;
                if changed.is_err() { return }
            }
            _ = look.tick() => {
                task.look_fresh = true;
                task.look_again = true;
            }
        }
    }
    while let Some(landed) = task.flying.join_next().await {
        if let Ok(landed) = landed {
            task.landed(landed).await;
        }
    }
}

impl Task {
    /// Sends as much as lease, circuit and window allow.
    async fn fill(&mut self) {
        self.full = false;
        let now = Instant::now();
        let mut allowed = match self.circuit.allows(now) {
            usize::MAX => usize::MAX,
            // A probe goes alone.
            probes => probes.saturating_sub(self.flying.len()),
        };
        if allowed == 0 || !self.lease.is_good(now) {
            return;
        }
        self.read().await;
        while let Some(at) = self.next() {
            if allowed == 0 || !self.lease.is_good(Instant::now()) {
                return;
            }
            let Some(place) = self.lease.place() else {
                self.full = true;
                return;
            };
            let Some(load) = self.waiting.remove(at) else { return };
            allowed = allowed.saturating_sub(1);
            self.circuit.sent();
            self.send(load, place);
        }
    }

    /// The next waiting load that has a free place.
    fn next(&self) -> Option<usize> {
        let (fresh, again) = (self.fresh_flying < FRESH, self.again_flying.len() < REPEATED);
        self.waiting.iter().position(|load| if load.again { again } else { fresh })
    }

    async fn read(&mut self) {
        let (db, endpoint) = (&self.shared.db, self.lease.endpoint);
        if self.look_again {
            let busy: Vec<i64> = self
                .again_flying
                .iter()
                .copied()
                .chain(self.waiting.iter().filter(|l| l.again).map(|l| l.position))
                .collect();
            if busy.len() < REPEATED {
                match store::due_again(db, endpoint, &busy, REPEATED - busy.len()).await {
                    Ok(loads) => {
                        self.look_again = !loads.is_empty();
                        self.waiting.extend(loads);
                    }
                    Err(error) => tracing::warn!(%error, "repeated deliveries cannot be read"),
                }
            }
        }
        let fresh = self.waiting.iter().filter(|l| !l.again).count();
        let room = READ.saturating_sub(fresh).min(self.window.room());
        if self.look_fresh && fresh < FRESH && room > 0 {
            match store::fresh(db, endpoint, self.window.read(), room).await {
                Ok(loads) => {
                    self.look_fresh = loads.len() == room;
                    for load in loads {
                        if self.window.reads(load.position) {
                            self.waiting.push_back(load);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "fresh deliveries cannot be read"),
            }
        }
    }

    /// What the fan-out of this process just issued. Positions have no gap, so what follows what was read last is the next; the
    /// rest is read in its order, as is what is too much to be held.
    fn handed(&mut self, batch: Vec<Fresh>) {
        for fresh in batch {
            let Fresh { position, instruction, body, trace, .. } = fresh;
            if position <= self.window.read() {
                continue;
            }
            let fits = self.waiting.len() < READ && self.window.room() > 0;
            if position > self.window.read() + 1 || !fits {
                telemetry::count("madoguchi.delivery.read_back", if fits { "gap" } else { "behind" });
                self.look_fresh = true;
                return;
            }
            if self.window.reads(position) {
                self.waiting.push_back(Load { position, instruction, body, trace, tries: 0, again: false });
            }
        }
    }

    fn send(&mut self, load: Load, place: Place) {
        if load.again {
            self.again_flying.insert(load.position);
        } else {
            self.fresh_flying += 1;
        }
        let (transport, recipient) = (self.transport.clone(), self.lease.recipient);
        // A trace of its own, linked to the one in which the stop was made final: retries come days later.
        let span = telemetry::linked_root_span("send optout.c.{recipient}", Service::OptOut, load.trace.as_deref());
        let Load { position, instruction, body, tries, again, .. } = load;
        let flight = async move {
            let begun = Instant::now();
            let sent = if propagation::is_for(&body, recipient) {
                transport.send(&Parcel { instruction, recipient, body }).await
            } else {
                tracing::error!(%recipient, position, "a body that is not for this recipient was kept back");
                Sent::from(Outcome::Parked(Why::NotTheirs))
            };
            Landed { position, tries, again, sent, took: begun.elapsed(), place }
        };
        self.flying.spawn(flight.instrument(span));
    }

    async fn landed(&mut self, landed: Landed) {
        let Landed { position, tries, again, sent, took, place } = landed;
        let pace = self.shared.settings.pace();
        self.circuit.came(sent.outcome, pace, Instant::now());
        telemetry::count("madoguchi.delivery.attempts", sent.outcome.word());
        telemetry::seconds("messaging.client.operation.duration", took.as_secs_f64(), "send");
        let low = if again {
            self.again_flying.remove(&position);
            self.window.low()
        } else {
            self.fresh_flying -= 1;
            self.window.finish(position)
        };
        self.look_again |= again;
        let again = match sent.outcome {
            Outcome::Ok => None,
            Outcome::Parked(why) => {
                tracing::error!(recipient = %self.lease.recipient, position, ?why, "a delivery is parked; a person must look, the deadline runs on");
                Some(Again { tries: tries + 1, after: Duration::ZERO, parked: true })
            }
            outcome => {
                let after = backoff(pace, tries + 1, outcome, rand::random());
                Some(Again { tries: tries + 1, after, parked: false })
            }
        };
        let record = Record {
            lease: self.lease.clone(),
            position,
            low,
            outcome: sent.outcome.word(),
            status: sent.status,
            ms: took.as_millis().try_into().unwrap_or(i32::MAX),
            again,
            place: Some(place),
        };
        // Waits when the database is slow: then nothing more is sent either.
        if self.shared.records.send(record).await.is_err() {
            self.lease.lose();
        }
    }
}
