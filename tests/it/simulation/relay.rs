//! The relay (bus.md 2.3) as the chassis does it: say, ask, say again where it is missing, reopen, take back.

use super::{
    engine::Run,
    mail::{Heard, In, Ms},
};
use contracts::{Code, Service, Uuid};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// What a relay remembers.
#[derive(Default)]
pub struct Relay {
    pub probes: BTreeMap<Service, Vec<Uuid>>,
    pub unchecked: BTreeSet<Service>,
    pub check_at: Ms,
}

/// The inbox row under which a speaker keeps what it has lost.
pub fn lost_row(message: Uuid) -> Uuid {
    Uuid::new_v5(&message, b"lost row of mine")
}

impl Run {
    /// One turn of a service's relay.
    pub fn relay(&mut self, me: Service) {
        let now = self.now;
        let mail = &mut self.dbs.get_mut(&me).unwrap().mail;
        let due: Vec<Uuid> = mail.open.range(..=(now, Uuid::max())).map(|(_, id)| *id).take(256).collect();
        let mut repeated: BTreeMap<Service, Vec<Uuid>> = BTreeMap::new();
        for id in due {
            let jitter = self.rng.random_range(0.75..1.25);
            let mail = &mut self.dbs.get_mut(&me).unwrap().mail;
            mail.reschedule(id, |row| {
                row.tries += 1;
                row.next_at = now + (((1_000u64 << row.tries.min(12)).min(30_000)) as f64 * jitter) as Ms;
            });
            let row = &mail.outbox[&id];
            if row.tries == 1 {
                self.say(me, id);
            } else {
                for hearer in row.unheard.clone() {
                    repeated.entry(hearer).or_default().push(id);
                }
            }
        }
        for (hearer, ids) in repeated {
            self.ask(me, hearer, &ids);
        }
        let relay = self.relays.get_mut(&me).unwrap();
        if !relay.unchecked.is_empty() && relay.check_at <= now {
            relay.check_at = now + 2_000;
            for hearer in relay.unchecked.clone() {
                self.ask(me, hearer, &[]);
            }
        }
    }

    fn say(&mut self, me: Service, id: Uuid) {
        let (now, weather) = (self.now, self.weather());
        let said = self.dbs[&me].mail.outbox[&id].said.clone();
        let acknowledged = self.net.publish(&mut self.rng, weather, now, &said);
        if self.plot.closed_at_puback && acknowledged {
            self.dbs.get_mut(&me).unwrap().mail.reschedule(id, |row| row.unheard.clear());
        }
    }

    fn ask(&mut self, me: Service, hearer: Service, ids: &[Uuid]) {
        if !self.is_up(hearer) || self.rng.random_bool(self.weather().deaf) {
            return;
        }
        let probe: Vec<Uuid> = if self.plot.no_epoch { vec![] } else { self.probes_of(me, hearer) };
        let there = &self.dbs[&hearer].mail;
        let have: BTreeSet<Uuid> =
            ids.iter().chain(&probe).filter(|id| there.inbox.contains_key(id)).copied().collect();
        let newest = there.from.get(&me).and_then(|ids| ids.last()).copied();
        let (idle, epoch) = (self.net.idle(hearer), self.epochs[&hearer]);

        let mail = &mut self.dbs.get_mut(&me).unwrap().mail;
        let another_life = mail.peers.insert(hearer, epoch).is_some_and(|known| known != epoch) && !self.plot.no_epoch;
        if another_life || probe.iter().any(|p| !have.contains(p)) {
            self.reopen(me, hearer);
        }
        self.close(me, hearer, &have);
        let mail = &self.dbs[&me].mail;
        let missing: Vec<Uuid> = ids
            .iter()
            .filter(|id| !have.contains(id))
            .filter(|id| {
                idle || self.plot.no_idle_rule || mail.outbox[id].tries >= 8 && mail.outbox[id].tries.is_power_of_two()
            })
            .copied()
            .collect();
        for id in missing {
            self.say(me, id);
        }
        if self.relays.get_mut(&me).unwrap().unchecked.remove(&hearer) {
            self.take_back(me, hearer, self.dbs[&me].mail.checked.get(&hearer).copied());
        }
        if newest.is_some_and(|n| !self.dbs[&me].mail.outbox.contains_key(&n)) {
            self.take_back(me, hearer, None);
        }
        if let Some(newest) = newest {
            let checked = self.dbs.get_mut(&me).unwrap().mail.checked.entry(hearer).or_insert(newest);
            *checked = newest.max(*checked);
        }
    }

    fn probes_of(&mut self, me: Service, hearer: Service) -> Vec<Uuid> {
        let outbox = &self.dbs[&me].mail.outbox;
        let confirmed = || {
            let rows = outbox
                .iter()
                .rev()
                .filter(|(_, r)| r.said.message.entry().hearers.contains(&hearer) && !r.unheard.contains(&hearer));
            rows.take(8).map(|(id, _)| *id).collect()
        };
        self.relays.get_mut(&me).unwrap().probes.entry(hearer).or_insert_with(confirmed).clone()
    }

    fn reopen(&mut self, me: Service, hearer: Service) {
        self.relays.get_mut(&me).unwrap().probes.insert(hearer, vec![]);
        let mail = &mut self.dbs.get_mut(&me).unwrap().mail;
        let said: Vec<Uuid> = mail
            .outbox
            .iter()
            .filter(|(_, r)| r.said.message.entry().hearers.contains(&hearer) && !r.unheard.contains(&hearer))
            .map(|(id, _)| *id)
            .collect();
        for id in said {
            let now = self.now;
            mail.reschedule(id, |row| {
                row.unheard.insert(hearer);
                (row.tries, row.next_at) = (1, now);
            });
        }
    }

    fn close(&mut self, me: Service, hearer: Service, have: &BTreeSet<Uuid>) {
        let mail = &mut self.dbs.get_mut(&me).unwrap().mail;
        let mut closed = vec![];
        for id in have {
            if mail.outbox.get(id).is_some_and(|r| r.unheard.contains(&hearer)) {
                mail.reschedule(*id, |row| {
                    row.unheard.remove(&hearer);
                });
                closed.push(*id);
            }
        }
        let probes = self.relays.get_mut(&me).unwrap().probes.entry(hearer).or_default();
        probes.extend(closed);
        let surplus = probes.len().saturating_sub(8);
        probes.drain(..surplus);
    }

    /// What the hearer heard from me and I do not know becomes a parked row each.
    fn take_back(&mut self, me: Service, hearer: Service, after: Option<Uuid>) {
        let told: Vec<(Uuid, Uuid)> = {
            let there = &self.dbs[&hearer].mail;
            let ids = there.from.get(&me).into_iter().flatten().filter(|id| after.is_none_or(|a| **id > a));
            ids.filter(|id| !self.dbs[&me].mail.outbox.contains_key(id)).map(|id| (*id, there.inbox[id].lane)).collect()
        };
        let mail = &mut self.dbs.get_mut(&me).unwrap().mail;
        for (id, lane) in told {
            let row = lost_row(id);
            if !mail.inbox.contains_key(&row) {
                let lost = Heard {
                    lane,
                    source: Some(hearer),
                    seq: 0,
                    said: None,
                    state: In::Parked,
                    due_at: self.now,
                    tries: 0,
                    note: Code::of("lost-row-of-mine"),
                };
                mail.tell(row, lost);
            }
        }
    }
}
