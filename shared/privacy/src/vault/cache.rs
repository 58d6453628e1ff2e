//! The unwrapped keys at hand: few, for a short time, gone when one is erased. Time is an input.
//!
//! Erasing in *this* process takes effect at once. Another process may go on reading for as long as its own entry lives
//! ([`super::Limits::cached_for`], 30 seconds): that is the bound to state when asked how fast an erasure works. After that
//! it asks the database again and meets the tombstone.

use super::{DataKey, KeyName};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

pub(super) struct Cache {
    keys: HashMap<KeyName, (DataKey, Instant, u64)>,
    /// In the order of arrival, with the arrival's number: an entry that was replaced since is skipped.
    order: VecDeque<(KeyName, u64)>,
    arrivals: u64,
    erasures: u64,
    most: usize,
    life: Duration,
}

impl Cache {
    pub(super) fn new(most: usize, life: Duration) -> Self {
        Self { keys: HashMap::new(), order: VecDeque::new(), arrivals: 0, erasures: 0, most, life }
    }

    pub(super) fn get(&mut self, name: KeyName, now: Instant) -> Option<DataKey> {
        match self.keys.get(&name) {
            Some((key, since, _)) if now.saturating_duration_since(*since) < self.life => Some(key.clone()),
            Some(_) => {
                self.keys.remove(&name);
                None
            }
            None => None,
        }
    }

    /// To be taken before the database is asked, and given to [`Cache::put`].
    pub(super) const fn ticket(&self) -> u64 {
        self.erasures
    }

    /// Keeps a key, unless something was erased since the ticket: what the database said may be out of date then.
    /// `asked` is when the database was asked: an entry's life counts from there.
    pub(super) fn put(&mut self, name: KeyName, key: DataKey, asked: Instant, ticket: u64) {
        if ticket != self.erasures || self.most == 0 {
            return;
        }
        self.arrivals += 1;
        self.keys.insert(name, (key, asked, self.arrivals));
        self.order.push_back((name, self.arrivals));
        while self.keys.len() > self.most || self.order.len() > self.most.saturating_mul(2) {
            let Some((oldest, arrival)) = self.order.pop_front() else { break };
            if self.keys.get(&oldest).is_some_and(|(_, _, a)| *a == arrival) {
                self.keys.remove(&oldest);
            }
        }
    }

    /// Drops every entry that an erasure touches and makes outstanding tickets worthless.
    pub(super) fn erased(&mut self, touched: impl Fn(&KeyName) -> bool) {
        self.erasures += 1;
        self.keys.retain(|name, _| !touched(name));
    }

    /// Drops what has outlived its time, so that a quiet process keeps no keys.
    pub(super) fn expire(&mut self, now: Instant) {
        let life = self.life;
        self.keys.retain(|_, (_, since, _)| now.saturating_duration_since(*since) < life);
        if self.keys.is_empty() {
            self.order.clear();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordClass;
    use uuid::Uuid;
    use zeroize::Zeroizing;

    fn name(n: u128) -> KeyName {
        KeyName { unit: Uuid::from_u128(n), class: RecordClass::Case }
    }
    fn key(n: u128) -> DataKey {
        DataKey::new(name(n), Zeroizing::new([n as u8; 32]))
    }

    #[test]
    fn an_entry_lives_its_time_counted_from_the_question() {
        let (mut cache, start) = (Cache::new(10, Duration::from_secs(30)), Instant::now());
        cache.put(name(1), key(1), start, cache.ticket());
        assert!(cache.get(name(1), start + Duration::from_secs(29)).is_some());
        assert!(cache.get(name(1), start + Duration::from_secs(30)).is_none());
        assert_eq!(cache.len(), 0);
        cache.put(name(1), key(1), start, cache.ticket());
        cache.expire(start + Duration::from_secs(30));
        assert_eq!((cache.len(), cache.order.len()), (0, 0));
    }

    #[test]
    fn holds_the_newest_and_never_more_than_it_may() {
        let (mut cache, start) = (Cache::new(10, Duration::from_secs(30)), Instant::now());
        for n in 0..1000 {
            cache.put(name(n % 37), key(n % 37), start, cache.ticket());
            assert!(cache.len() <= 10 && cache.order.len() <= 20);
            assert!(cache.get(name(n % 37), start).is_some(), "the newest stays");
        }
    }

    #[test]
    fn an_erasure_wins_over_an_answer_that_was_on_its_way() {
        let (mut cache, start) = (Cache::new(10, Duration::from_secs(30)), Instant::now());
        cache.put(name(1), key(1), start, cache.ticket());
        cache.put(name(2), key(2), start, cache.ticket());
        let ticket = cache.ticket();
        cache.erased(|n| *n == name(1));
        cache.put(name(1), key(1), start, ticket);
        assert!(cache.get(name(1), start).is_none());
        assert!(cache.get(name(2), start).is_some(), "others stay");
    }
}
