//! The bus in memory: one stream and a durable per service, that lose, repeat, reorder, delay, and are wiped.

use super::mail::{Ms, Said};
use contracts::Service;
use rand::{Rng, rngs::StdRng};
use std::{collections::BTreeMap, sync::Arc};

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// A published message never arrives at one of its hearers.
    pub loss: f64,
    /// It arrives once more.
    pub repeat: f64,
    /// The longest delay in milliseconds; delays differ, so order is lost.
    pub delay: Ms,
    /// The speaker gets no PubAck, or the hearer's answer is lost.
    pub deaf: f64,
}

/// Fair weather.
pub const CALM: Weather = Weather { loss: 0.0, repeat: 0.0, delay: 20, deaf: 0.0 };

/// What is in flight.
#[derive(Default)]
pub struct Net {
    flying: BTreeMap<(Ms, u64), (Service, Arc<Said>)>,
    pending: BTreeMap<Service, u64>,
    count: u64,
    /// Everything that was ever published.
    pub publishes: u64,
}

impl Net {
    /// Publishes; whether the PubAck came back.
    pub fn publish(&mut self, rng: &mut StdRng, weather: Weather, now: Ms, said: &Arc<Said>) -> bool {
        self.publishes += 1;
        for hearer in said.message.entry().hearers {
            let copies = 1 + u32::from(rng.random_bool(weather.repeat));
            for _ in 0..copies {
                if !rng.random_bool(weather.loss) {
                    // Mostly soon, sometimes very late.
                    let most = if rng.random_bool(0.9) { weather.delay / 10 } else { weather.delay };
                    self.put(now + rng.random_range(1..=most.max(1)), *hearer, said.clone());
                }
            }
        }
        !rng.random_bool(weather.deaf)
    }

    fn put(&mut self, at: Ms, hearer: Service, said: Arc<Said>) {
        self.count += 1;
        *self.pending.entry(hearer).or_default() += 1;
        self.flying.insert((at, self.count), (hearer, said));
    }

    /// What has arrived; what is for a service that is away stays where it is.
    pub fn arrived(&mut self, now: Ms, is_up: impl Fn(Service) -> bool) -> Vec<(Service, Arc<Said>)> {
        let mut rest = self.flying.split_off(&(now + 1, 0));
        let due = std::mem::take(&mut self.flying);
        let mut arrived = vec![];
        for (key, (hearer, said)) in due {
            if is_up(hearer) {
                *self.pending.entry(hearer).or_default() -= 1;
                arrived.push((hearer, said));
            } else {
                rest.insert(key, (hearer, said));
            }
        }
        self.flying = rest;
        arrived
    }

    /// `num_pending = 0` of its durable.
    pub fn idle(&self, hearer: Service) -> bool {
        self.pending.get(&hearer).is_none_or(|n| *n == 0)
    }

    /// The stream is deleted and made anew.
    pub fn wipe(&mut self) {
        self.flying.clear();
        self.pending.clear();
    }

    /// One durable is deleted and made anew.
    pub fn forget(&mut self, hearer: Service) {
        self.flying.retain(|_, (h, _)| *h != hearer);
        self.pending.remove(&hearer);
    }
}
