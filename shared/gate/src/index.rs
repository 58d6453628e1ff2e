//! [`Index`]: the standing entries' keys, sorted, fixed width. HMACs are uniform, so a table over their first bits leads to
//! the place in one step.

use crate::{
    key::{GateKey, KeyDigest, WIDTH},
    rules::Rules,
};
use contracts::Scope;
use uuid::Uuid;

/// Bytes of a record in a snapshot.
pub const RECORD: usize = WIDTH * 3 + 2;
/// The most records: 1,000,000 entries, and snapshots below 2 GiB.
pub const RECORDS_MAX: usize = 32_000_000;
/// The supplier of an entry for all suppliers.
const ALL: [u8; WIDTH] = [0; WIDTH];

/// One key of one entry for one supplier or all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The key.
    pub key: [u8; WIDTH],
    /// The entry as the user of the gate knows it.
    pub entry: [u8; WIDTH],
    /// Only rows from this supplier (its tag); noughts: from all.
    pub supplier: [u8; WIDTH],
    /// The number of the key in the rules.
    pub rule: u8,
    /// 1 anonymised, 2 pseudonymised, 3 both.
    pub scope: u8,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[key {} of {}]", self.rule, Uuid::from_bytes(self.entry))
    }
}

/// The tracks as bits.
pub const fn bits(scope: Scope) -> u8 {
    match scope {
        Scope::Anonymised => 1,
        Scope::Pseudonymised => 2,
        Scope::Both => 3,
    }
}

impl Record {
    /// As it stands in a snapshot.
    pub fn to_bytes(&self) -> [u8; RECORD] {
        let mut out = [0; RECORD];
        out[..16].copy_from_slice(&self.key);
        out[16..32].copy_from_slice(&self.entry);
        out[32..48].copy_from_slice(&self.supplier);
        (out[48], out[49]) = (self.rule, self.scope);
        out
    }

    /// From a snapshot.
    pub fn from_bytes(bytes: &[u8; RECORD]) -> Self {
        let sixteen = |from: usize| {
            let mut out = [0; WIDTH];
            out.copy_from_slice(&bytes[from..from + WIDTH]);
            out
        };
        Self { key: sixteen(0), entry: sixteen(16), supplier: sixteen(32), rule: bytes[48], scope: bytes[49] }
    }

    /// Whether it stops rows from every supplier.
    pub fn of_all_suppliers(&self) -> bool {
        self.supplier == ALL
    }
}

/// One standing entry, as the register keeps it: digests, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The entry as the user of the gate knows it.
    pub entry: Uuid,
    /// Which tracks it stops.
    pub scope: Scope,
    /// Which suppliers; `None`: all. An empty list would stop nobody and is taken for all.
    pub suppliers: Option<Vec<KeyDigest>>,
    /// Number of the key in the rules, and digest.
    pub keys: Vec<(u8, KeyDigest)>,
}

impl Standing {
    /// Its records under a user's key. Keys of insurance numbers only with that user's permission (duty 68).
    pub fn records(&self, key: &GateKey, rules: &Rules, insurance: bool, out: &mut Vec<Record>) {
        let suppliers: Vec<[u8; WIDTH]> = match &self.suppliers {
            Some(list) if !list.is_empty() => list.iter().map(|d| key.tag(d)).collect(),
            _ => vec![ALL],
        };
        for (rule, digest) in &self.keys {
            let Some(known) = rules.keys.get(usize::from(*rule)) else { continue };
            if known.insurance && !insurance {
                continue;
            }
            let tag = key.tag(digest);
            out.extend(suppliers.iter().map(|supplier| Record {
                key: tag,
                entry: *self.entry.as_bytes(),
                supplier: *supplier,
                rule: *rule,
                scope: bits(self.scope),
            }));
        }
    }
}

/// Where records are found, and what two people decided about a possible match.
pub trait Look: Send + Sync {
    /// Every record with this key.
    fn each(&self, key: &[u8; WIDTH], found: &mut dyn FnMut(&Record));
    /// `Some(true)`: the row (by its tag) is this entry's person; `Some(false)`: it is not; `None`: nobody has said.
    fn decided(&self, _entry: &[u8; WIDTH], _row: &[u8; WIDTH]) -> Option<bool> {
        None
    }
    /// Whether anything was decided at all.
    fn any_decided(&self) -> bool {
        false
    }
}

/// A sorted index.
#[derive(Debug, Default)]
pub struct Index {
    records: Vec<Record>,
    /// Where the records of each prefix begin; one more than there are prefixes.
    starts: Vec<u32>,
    shift: u32,
}

fn prefix(key: &[u8; WIDTH], shift: u32) -> usize {
    let head = u32::from_be_bytes([key[0], key[1], key[2], key[3]]);
    (u64::from(head) >> shift) as usize
}

impl Index {
    /// Sorts them.
    pub fn new(mut records: Vec<Record>) -> Self {
        records.sort_unstable();
        records.dedup();
        Self::sorted(records)
    }

    /// Of records in order.
    pub(crate) fn sorted(records: Vec<Record>) -> Self {
        // About one record per prefix: 2^20 prefixes are 4 MiB.
        let width = (usize::BITS - records.len().leading_zeros()).clamp(1, 20);
        let shift = 32 - width;
        let mut starts = vec![0u32; (1 << width) + 1];
        for record in &records {
            starts[prefix(&record.key, shift) + 1] += 1;
        }
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        Self { records, starts, shift }
    }

    /// The records in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl Look for Index {
    fn each(&self, key: &[u8; WIDTH], found: &mut dyn FnMut(&Record)) {
        if self.records.is_empty() {
            return;
        }
        let at = prefix(key, self.shift);
        let (from, to) = (self.starts[at] as usize, self.starts[at + 1] as usize);
        for record in &self.records[from..to] {
            match record.key.cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => found(record),
                std::cmp::Ordering::Greater => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(key: u128, entry: u128) -> Record {
        Record { key: key.to_be_bytes(), entry: entry.to_be_bytes(), supplier: ALL, rule: 1, scope: 3 }
    }

    proptest! {
        #[test]
        fn an_index_finds_what_a_scan_finds(
            keys in prop::collection::vec((any::<u128>(), 0u128..4), 0..200),
            few in prop::collection::vec(0u128..8, 0..40),
            ask in any::<u128>(),
        ) {
            let mut all: Vec<Record> = keys.iter().map(|(k, e)| record(*k, *e)).collect();
            all.extend(few.iter().map(|k| record(k << 100, *k)));
            let index = Index::new(all.clone());
            for key in keys.iter().map(|k| k.0).chain((0..8).map(|k| k << 100)).chain([ask, 0, u128::MAX]) {
                let key = key.to_be_bytes();
                let mut found = vec![];
                index.each(&key, &mut |r| found.push(*r));
                let mut scan: Vec<Record> = all.iter().filter(|r| r.key == key).copied().collect();
                scan.sort_unstable();
                scan.dedup();
                prop_assert_eq!(found, scan);
            }
        }
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let one = Record { supplier: [9; 16], ..record(5, 6) };
        assert_eq!(Record::from_bytes(&one.to_bytes()), one);
        assert_eq!(format!("{one:?}"), "[key 1 of 00000000-0000-0000-0000-000000000006]");
    }
}
