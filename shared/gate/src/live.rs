//! [`Live`]: an index that follows the register. A sorted base, and what has changed since on top of it.

use crate::{
    index::{Index, Look, Record},
    key::WIDTH,
};
use std::collections::{HashMap, HashSet};

/// Changed entries before base and changes become a new base.
const CHANGES_MAX: usize = 2_000;

/// An index in memory.
#[derive(Debug, Default)]
pub struct Live {
    base: Index,
    changed: HashSet<[u8; WIDTH]>,
    newer: HashMap<[u8; WIDTH], Vec<Record>>,
    decided: HashMap<([u8; WIDTH], [u8; WIDTH]), bool>,
}

impl Live {
    /// Entries whose records are these now; an entry with none no longer stops anybody.
    pub fn change(&mut self, entries: &[[u8; WIDTH]], records: Vec<Record>) {
        for entry in entries {
            if !self.changed.insert(*entry) {
                self.newer.retain(|_, list| {
                    list.retain(|r| r.entry != *entry);
                    !list.is_empty()
                });
            }
        }
        for record in records {
            self.newer.entry(record.key).or_default().push(record);
        }
        if self.changed.len() > CHANGES_MAX {
            self.settle();
        }
    }

    fn settle(&mut self) {
        let mut all: Vec<Record> =
            self.base.records().iter().filter(|r| !self.changed.contains(&r.entry)).copied().collect();
        all.extend(self.newer.values().flatten());
        self.base = Index::new(all);
        self.changed.clear();
        self.newer.clear();
    }

    /// What two people decided about a row and an entry.
    pub fn decide(&mut self, entry: [u8; WIDTH], row: [u8; WIDTH], same: bool) {
        self.decided.insert((entry, row), same);
    }

    /// How many records stop somebody.
    pub fn len(&self) -> usize {
        let old = self.base.records().iter().filter(|r| !self.changed.contains(&r.entry)).count();
        old + self.newer.values().map(Vec::len).sum::<usize>()
    }

    /// Whether nobody is stopped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Look for Live {
    fn each(&self, key: &[u8; WIDTH], found: &mut dyn FnMut(&Record)) {
        self.base.each(key, &mut |record| {
            if self.changed.is_empty() || !self.changed.contains(&record.entry) {
                found(record);
            }
        });
        for record in self.newer.get(key).into_iter().flatten() {
            found(record);
        }
    }
    fn decided(&self, entry: &[u8; WIDTH], row: &[u8; WIDTH]) -> Option<bool> {
        self.decided.get(&(*entry, *row)).copied()
    }
    fn any_decided(&self) -> bool {
        !self.decided.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// After any history it answers as an index made of what stands.
        #[test]
        fn it_follows_the_register(history in prop::collection::vec((0u8..20, prop::collection::vec(0u8..12, 0..3)), 0..60), settle in 0usize..60) {
            let mut live = Live::default();
            let mut model: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
            let record = |entry: u8, key: u8| Record { key: [key; 16], entry: [entry; 16], supplier: [0; 16], rule: 0, scope: 3 };
            for (n, (entry, keys)) in history.into_iter().enumerate() {
                live.change(&[[entry; 16]], keys.iter().map(|k| record(entry, *k)).collect());
                model.insert(entry, keys);
                if n == settle {
                    live.settle();
                }
            }
            for key in 0..12u8 {
                let mut found = vec![];
                live.each(&[key; 16], &mut |r| found.push(r.entry[0]));
                found.sort_unstable();
                found.dedup();
                let wanted: Vec<u8> = model.iter().filter(|(_, keys)| keys.contains(&key)).map(|(e, _)| *e).collect();
                prop_assert_eq!(found, wanted);
            }
        }
    }
}
