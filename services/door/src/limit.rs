//! How often somebody may do something: look up with a wrong code, file a request. Pure: time is an input.
//!
//! The code has 80 bits, so guessing is hopeless without any limit; what the limits save is the work of answering it, and
//! what they give is an early sign. Only misses cost there: who has the right code is never
//! slowed down by others.
//!
//! Two budgets that refill steadily: one per client address (an IPv6 client is its /64), and one for all together. When the
//! common one is empty, addresses that have missed lately are refused, and a new address still has its first try: a flood
//! of wrong codes must not shut the counter for everybody.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Addresses remembered at a time, about 1 MB.
pub const ADDRESSES_MAX: usize = 10_000;

/// A budget that refills by one every `every` (zero: never empty), up to `most`.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub most: u32,
    /// Time for one more.
    pub every: Duration,
}

impl Rate {
    /// So many a minute, and as many at once.
    pub fn a_minute(most: u32) -> Self {
        Self { most, every: Duration::from_secs(60) / most.max(1) }
    }
    /// No limit.
    pub const ENDLESS: Self = Self { most: 1, every: Duration::ZERO };
}

/// A budget: the time at which it will be full again.
#[derive(Clone, Copy)]
struct Budget {
    full_at: Instant,
}

impl Budget {
    /// How long until one more is allowed; zero = now.
    fn wait(self, rate: Rate, now: Instant) -> Duration {
        if rate.every.is_zero() {
            // Another thread's clock may have been read a moment later: that is no debt.
            return Duration::ZERO;
        }
        let room = rate.every * rate.most.saturating_sub(1);
        self.full_at.saturating_duration_since(now).saturating_sub(room)
    }
    fn spend(&mut self, rate: Rate, now: Instant) {
        self.full_at = self.full_at.max(now) + rate.every;
    }
}

/// What a budget belongs to.
pub trait Who: Copy + Eq + Hash {
    /// Those who share one budget.
    fn counted(self) -> Self;
}

/// One kind of thing that a door process limits. No call waits; put it behind a mutex.
pub struct Budgets<W: Who = IpAddr> {
    each: Rate,
    all: Rate,
    addresses: HashMap<W, Budget>,
    /// Shared by those for whom there was no room in the map.
    crowd: Budget,
    common: Budget,
}

impl<W: Who> Budgets<W> {
    /// Full budgets.
    pub fn new(each: Rate, all: Rate, now: Instant) -> Self {
        let full = Budget { full_at: now };
        Self { each, all, addresses: HashMap::new(), crowd: full, common: full }
    }

    /// May it try now?
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn may_try(&self, address: W, now: Instant) -> Result<(), Duration> {
        let Some(budget) = self.budget(address.counted()) else { return Ok(()) };
        let own = budget.wait(self.each, now);
        let spent_lately = budget.full_at > now;
        let wait = if spent_lately { own.max(self.common.wait(self.all, now)) } else { own };
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// It did (missed, filed).
    pub fn spend(&mut self, address: W, now: Instant) {
        self.common.spend(self.all, now);
        let address = address.counted();
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address) {
            self.addresses.retain(|_, budget| budget.full_at > now);
        }
        let each = self.each;
        let budget = if self.addresses.len() < ADDRESSES_MAX || self.addresses.contains_key(&address) {
            self.addresses.entry(address).or_insert(Budget { full_at: now })
        } else {
            &mut self.crowd
        };
        budget.spend(each, now);
    }

    fn budget(&self, address: W) -> Option<Budget> {
        let full = self.addresses.len() >= ADDRESSES_MAX;
        self.addresses.get(&address).copied().or(full.then_some(self.crowd))
    }
}

/// A client with a key of its own, by a digest of its name.
impl Who for u64 {
    fn counted(self) -> Self {
        self
    }
}

impl Who for IpAddr {
    /// An IPv4 address, or the /64 that an IPv6 client has to itself.
    fn counted(self) -> Self {
        match self {
            Self::V4(_) => self,
            Self::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => Self::V4(v4),
                None => Self::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Rate = Rate { most: 3, every: Duration::from_secs(10) };
    const ALL: Rate = Rate { most: 5, every: Duration::from_secs(1) };

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn three_misses_and_then_one_every_ten_seconds() {
        let now = Instant::now();
        let mut misses = Budgets::new(EACH, Rate { most: 1000, ..ALL }, now);
        for _ in 0..3 {
            assert_eq!(misses.may_try(address(1), now), Ok(()));
            misses.spend(address(1), now);
        }
        assert_eq!(misses.may_try(address(1), now), Err(Duration::from_secs(10)));
        assert_eq!(misses.may_try(address(2), now), Ok(()), "others are not slowed down");
        let later = now + Duration::from_secs(10);
        assert_eq!(misses.may_try(address(1), later), Ok(()));
        misses.spend(address(1), later);
        assert!(misses.may_try(address(1), later).is_err());
        assert_eq!(misses.may_try(address(1), later + Duration::from_secs(3600)), Ok(()));
    }

    #[test]
    fn a_flood_stops_those_who_missed_and_nobody_else() {
        let now = Instant::now();
        let mut misses = Budgets::new(EACH, ALL, now);
        for n in 0..5 {
            misses.spend(address(n), now);
        }
        assert_eq!(misses.may_try(address(0), now), Err(Duration::from_secs(1)));
        assert_eq!(misses.may_try(address(99), now), Ok(()));
    }

    #[test]
    fn a_budget_without_a_pause_is_never_empty() {
        let now = Instant::now();
        let endless = Rate { most: 1, every: Duration::ZERO };
        let mut budgets = Budgets::new(endless, endless, now);
        for _ in 0..10 {
            budgets.spend(address(1), now);
        }
        assert_eq!(budgets.may_try(address(1), now), Ok(()));
        let earlier = now - Duration::from_micros(5);
        assert_eq!(budgets.may_try(address(1), earlier), Ok(()), "asked a moment before another thread spent");
    }

    #[test]
    fn the_map_is_bounded_and_the_rest_share_one_budget() {
        let now = Instant::now();
        let mut misses = Budgets::new(EACH, Rate { most: 1_000_000, ..ALL }, now);
        for n in 0..ADDRESSES_MAX as u32 + 3 {
            misses.spend(address(n), now);
        }
        assert_eq!(misses.addresses.len(), ADDRESSES_MAX);
        assert!(misses.may_try(address(u32::MAX), now).is_err(), "three strangers have used the crowd's budget");
        let later = now + Duration::from_secs(60);
        misses.spend(address(u32::MAX), later);
        assert_eq!(misses.addresses.len(), 1, "full budgets are forgotten");
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let now = Instant::now();
        let mut misses: Budgets = Budgets::new(Rate { most: 1, ..EACH }, Rate { most: 1000, ..ALL }, now);
        misses.spend("2001:db8:0:1::1".parse().unwrap(), now);
        assert!(misses.may_try("2001:db8:0:1:ffff::9".parse().unwrap(), now).is_err());
        assert!(misses.may_try("2001:db8:0:2::1".parse().unwrap(), now).is_ok());
        misses.spend("::ffff:10.0.0.1".parse().unwrap(), now);
        assert!(misses.may_try("10.0.0.1".parse().unwrap(), now).is_err());
    }
}
