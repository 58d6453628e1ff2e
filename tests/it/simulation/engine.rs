//! Time, faults, and the loops of the chassis: consumer, worker, relay (bus.md 2.2 and 2.3), as the real ones do it.

use super::{
    house::Db,
    mail::{In, Ms, Said},
    net::{CALM, Net, Weather},
    people::{self, Filed, Plan},
    relay::Relay,
};
use contracts::{CaseId, Service, Uuid};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, sync::Arc};

/// One step of time.
const TICK: Ms = 250;
/// How often people look.
const LOOK: Ms = 2_000;
/// The most that a run may take after the last fault.
const PATIENCE: Ms = 20 * 60_000;

/// What goes wrong in a run, and which rule is left out (the controls).
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    pub requests: usize,
    pub weather: Weather,
    /// For how long it is bad; requests are filed during that time.
    pub storm: Ms,
    /// Each in a thousand ticks.
    pub wipes: u32,
    pub forgets: u32,
    pub outages: u32,
    /// The longest outage.
    pub outage: Ms,
    pub restores: u32,
    /// Control: an outbox row is closed by its PubAck.
    pub closed_at_puback: bool,
    /// Control: what is missing is said again although a backlog waits.
    pub no_idle_rule: bool,
    /// Control: a restored hearer does not say that it is another life, and is not probed.
    pub no_epoch: bool,
}

/// A run's end.
pub struct End {
    pub findings: Vec<String>,
    pub messages: u64,
    pub publishes: u64,
    pub restores: u32,
    /// Until everything was as it should be, after the storm.
    pub healed_after: Ms,
}

pub struct Run {
    pub plot: Plot,
    pub rng: StdRng,
    pub now: Ms,
    pub net: Net,
    pub dbs: BTreeMap<Service, Db>,
    pub epochs: BTreeMap<Service, i32>,
    pub relays: BTreeMap<Service, Relay>,
    pub down_until: BTreeMap<Service, Ms>,
    pub snapshots: BTreeMap<Service, Db>,
    pub filed: Vec<Filed>,
    pub open: Vec<Filed>,
    pub restores: u32,
}

/// Services that can be restored by themselves. Intake is not among them: a request is accepted when its case stands, so
/// losing cases is losing acceptances; the whole house is restored as one, with a new epoch, by other means.
const RESTORED: [Service; 5] =
    [Service::Identity, Service::Payment, Service::Fulfilment, Service::Notification, Service::OptOut];

/// Plays a plot to its end.
pub fn play(plot: Plot, seed: u64) -> End {
    let services = Service::ALL.iter().copied();
    let mut run = Run {
        plot,
        rng: StdRng::seed_from_u64(seed),
        now: 0,
        net: Net::default(),
        dbs: services.clone().map(|s| (s, Db::default())).collect(),
        epochs: services.clone().map(|s| (s, 1)).collect(),
        relays: services.map(|s| (s, Relay::default())).collect(),
        down_until: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        filed: vec![],
        open: vec![],
        restores: 0,
    };
    run.run_to_the_end()
}

impl Run {
    pub fn is_up(&self, service: Service) -> bool {
        self.down_until.get(&service).is_none_or(|until| *until <= self.now)
    }

    pub fn weather(&self) -> Weather {
        if self.now < self.plot.storm { self.plot.weather } else { CALM }
    }

    fn run_to_the_end(&mut self) -> End {
        let interval = (self.plot.storm / self.plot.requests.max(1) as u64).max(1);
        let mut quiet_since = None;
        while self.now < self.plot.storm + PATIENCE {
            self.now += TICK;
            while self.filed.len() < self.plot.requests
                && self.filed.len() as u64 * interval <= self.now
                && self.is_up(Service::Intake)
            {
                self.file();
            }
            if self.now < self.plot.storm {
                self.go_wrong();
            }
            self.deliver();
            for service in Service::ALL {
                if self.is_up(*service) {
                    self.work(*service);
                }
            }
            if self.now.is_multiple_of(LOOK) {
                self.people();
            }
            if self.now >= self.plot.storm && self.now.is_multiple_of(LOOK) && self.settled() {
                // Quiet for a while: what would still be said again would be said now.
                let since = *quiet_since.get_or_insert(self.now);
                if self.now > since + 60_000 {
                    break;
                }
            } else if self.now.is_multiple_of(LOOK) {
                quiet_since = None;
            }
        }
        self.end(quiet_since.unwrap_or(self.now))
    }

    fn file(&mut self) {
        let case = CaseId(uuid::Builder::from_random_bytes(self.rng.random()).into_uuid());
        let filed = Filed { case, plan: Plan::ALL[self.filed.len() % Plan::ALL.len()] };
        let intake = self.dbs.get_mut(&Service::Intake).unwrap();
        assert!(people::file(intake, &mut self.rng, self.now, filed));
        self.filed.push(filed);
        self.open.push(filed);
    }

    fn go_wrong(&mut self) {
        let happens = |rng: &mut StdRng, in_a_thousand: u32| rng.random_ratio(in_a_thousand.min(1000), 1000);
        if happens(&mut self.rng, self.plot.wipes) {
            self.net.wipe();
        }
        if happens(&mut self.rng, self.plot.forgets) {
            let service = Service::ALL[self.rng.random_range(0..Service::ALL.len())];
            self.net.forget(service);
        }
        if happens(&mut self.rng, self.plot.outages) {
            let service = Service::ALL[self.rng.random_range(0..Service::ALL.len())];
            let length = self.rng.random_range(1_000..=self.plot.outage.max(1_001));
            self.down_until.insert(service, self.now + length);
            self.restart(service);
        }
        if happens(&mut self.rng, 4 * self.plot.restores) {
            let service = RESTORED[self.rng.random_range(0..RESTORED.len())];
            self.snapshots.insert(service, self.dbs[&service].clone());
        }
        if happens(&mut self.rng, self.plot.restores) {
            let service = RESTORED[self.rng.random_range(0..RESTORED.len())];
            if let Some(old) = self.snapshots.remove(&service) {
                self.restore(service, old);
            }
        }
    }

    /// A new process: it remembers nothing, and says hello.
    fn restart(&mut self, service: Service) {
        let hearers =
            contracts::flow::said_by(service).flat_map(|e| e.hearers).copied().filter(|h| *h != service).collect();
        self.relays.insert(service, Relay { probes: BTreeMap::new(), unchecked: hearers, check_at: 0 });
        if !self.plot.no_epoch {
            for (other, relay) in &mut self.relays {
                if *other != service && contracts::flow::said_by(*other).any(|e| e.hearers.contains(&service)) {
                    relay.unchecked.insert(service);
                    relay.check_at = 0;
                }
            }
        }
    }

    fn restore(&mut self, service: Service, old: Db) {
        self.restores += 1;
        self.dbs.insert(service, old);
        *self.epochs.get_mut(&service).unwrap() += 1;
        // The steward replaces the streams of the lost life: what is still in flight from it would be heard after the
        // hearers were asked what they know, and nobody would notice (a random seed found it).
        if !self.plot.no_epoch {
            self.net.wipe();
        }
        self.restart(service);
    }

    fn deliver(&mut self) {
        let (now, down) = (self.now, &self.down_until);
        for (hearer, said) in self.net.arrived(now, |s| down.get(&s).is_none_or(|until| *until <= now)) {
            self.dbs.get_mut(&hearer).unwrap().hear(hearer, now, &said);
        }
    }

    /// One turn of a service's loops.
    fn work(&mut self, service: Service) {
        let now = self.now;
        let db = self.dbs.get_mut(&service).unwrap();
        let due: Vec<(Uuid, Arc<Said>)> = db
            .mail
            .waiting
            .values()
            .flatten()
            .filter_map(|id| {
                db.mail
                    .inbox
                    .get(id)
                    .filter(|r| r.state == In::Later && r.due_at <= now)
                    .and_then(|r| Some((*id, r.said.clone()?)))
            })
            .take(20)
            .collect();
        for (id, said) in due {
            if let Some(row) = db.mail.inbox.get_mut(&id) {
                row.tries += 1;
                row.due_at = now + (1_000u64 << row.tries.min(6)).min(60_000);
            }
            db.hear(service, now, &said);
        }
        db.wake_due(now);
        if service == Service::OptOut {
            db.fan_out(now);
        }
        self.relay(service);
    }

    fn people(&mut self) {
        let (now, down) = (self.now, self.down_until.clone());
        let up = |s: Service| down.get(&s).is_none_or(|until| *until <= now);
        for filed in self.open.clone() {
            if self.rng.random_bool(0.3) {
                people::look(&mut self.dbs, up, &mut self.rng, now, filed);
            }
        }
        for service in Service::ALL {
            people::clear_lost_rows(self.dbs.get_mut(service).unwrap(), now);
        }
        if up(Service::Notification) {
            let db = self.dbs.get_mut(&Service::Notification).unwrap();
            let sending: Vec<Uuid> = db
                .notices
                .rows
                .iter()
                .filter(|(_, r)| matches!(r.1, notification::message::State::Sending { .. }))
                .map(|(id, _)| *id)
                .collect();
            // A map's order differs from run to run; a seed must not.
            let mut sending = sending;
            sending.sort_unstable();
            people::post(db, &mut self.rng, now, &sending);
        }
    }

    fn settled(&self) -> bool {
        let sent = |s: &notification::message::State| {
            !matches!(s, notification::message::State::Sending { .. } | notification::message::State::Due { .. })
        };
        self.filed.len() == self.plot.requests
            && self.dbs.values().all(|db| db.mail.open.is_empty() && db.mail.waiting.is_empty())
            && self.dbs[&Service::Notification].notices.rows.values().all(|r| sent(&r.1))
            && self.relays.values().all(|r| r.unchecked.is_empty())
            && self
                .filed
                .iter()
                .all(|f| super::judge::ended_as(&self.dbs[&Service::Intake], f.case) == Some(f.plan.ends_as()))
    }

    fn end(&self, settled_at: Ms) -> End {
        let mut findings = super::judge::findings(&self.dbs, &self.filed, self.restores > 0);
        findings.sort();
        let messages = self.dbs.values().map(|db| db.mail.outbox.len() as u64).sum();
        End {
            findings,
            messages,
            publishes: self.net.publishes,
            restores: self.restores,
            healed_after: settled_at.saturating_sub(self.plot.storm),
        }
    }
}
