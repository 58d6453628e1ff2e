//! The Merkle tree of RFC 9162, section 2.1: proofs made in one pass over the leaves, and verified.
//!
//! A proof is a list of the roots of spans of leaves. Which spans is known from the numbers alone, so [`Collector`] is told
//! first what will be asked, then sees every leaf once and remembers those roots only: a log of millions of leaves is never
//! held in memory.

use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// A node of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash of an inner node.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the empty tree: the hash of nothing.
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// What is committed for one event: SHA-256 of its salt and its bytes. This is the data of its leaf.
pub fn commitment(salt: &[u8], event: &[u8]) -> Hash {
    Sha256::new().chain_update(salt).chain_update(event).finalize().into()
}

/// Leaves `start` to `end`, `end` not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// The largest power of two below its length, which is at least 2.
    fn split(self) -> u64 {
        let len = self.end - self.start;
        1 << (u64::BITS - 1 - (len - 1).leading_zeros())
    }
    /// Its perfect subtrees, the largest first: (first leaf, level).
    fn peaks(self) -> impl Iterator<Item = (u64, u32)> {
        let mut at = self.start;
        (0..u64::BITS).rev().filter(move |bit| (self.end - self.start) >> bit & 1 == 1).map(move |bit| {
            let start = at;
            at += 1 << bit;
            (start, bit)
        })
    }
}

/// PATH(m, D[n]): the spans whose roots prove that leaf `index` is in the tree of `size`, in the order of the proof.
fn inclusion(index: u64, size: u64) -> Option<Vec<Span>> {
    if index >= size {
        return None;
    }
    let (mut all, mut spans) = (Span { start: 0, end: size }, vec![]);
    while all.end - all.start > 1 {
        let middle = all.start + all.split();
        let (left, right) = (Span { end: middle, ..all }, Span { start: middle, ..all });
        let (inside, beside) = if index < middle { (left, right) } else { (right, left) };
        spans.push(beside);
        all = inside;
    }
    spans.reverse();
    Some(spans)
}

/// PROOF(m, D[n]): the spans whose roots prove that the tree of `first` leaves is the beginning of the one of `second`.
fn consistency(first: u64, second: u64) -> Option<Vec<Span>> {
    if first == 0 || first > second {
        return None;
    }
    let (mut all, mut whole, mut spans) = (Span { start: 0, end: second }, true, vec![]);
    while first != all.end {
        let middle = all.start + all.split();
        let (left, right) = (Span { end: middle, ..all }, Span { start: middle, ..all });
        if first <= middle {
            spans.push(right);
            all = left;
        } else {
            spans.push(left);
            all = right;
            whole = false;
        }
    }
    if !whole {
        spans.push(all);
    }
    spans.reverse();
    Some(spans)
}

/// Makes proofs in one pass. Say what is wanted, push every leaf of the tree in order, then [`Collector::finish`].
#[derive(Debug)]
pub struct Collector {
    size: u64,
    seen: u64,
    stack: Vec<(u32, Hash)>,
    wanted: HashMap<(u64, u32), Option<Hash>>,
    inclusions: Vec<(u64, Vec<Span>)>,
    consistencies: Vec<(u64, Vec<Span>)>,
}

/// What one pass gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proofs {
    /// The root.
    pub root: Hash,
    /// Per wanted leaf, its proof.
    pub inclusions: Vec<(u64, Vec<Hash>)>,
    /// Per wanted earlier size, its proof.
    pub consistencies: Vec<(u64, Vec<Hash>)>,
}

impl Collector {
    /// Proofs in the tree of `size` leaves.
    pub fn new(size: u64) -> Self {
        let mut this =
            Self { size, seen: 0, stack: vec![], wanted: HashMap::new(), inclusions: vec![], consistencies: vec![] };
        this.want(&[Span { start: 0, end: size }]);
        this
    }

    fn want(&mut self, spans: &[Span]) {
        self.wanted.extend(spans.iter().flat_map(|span| span.peaks()).map(|peak| (peak, None)));
    }

    /// That leaf `index` is in it. Nothing when it is not.
    #[must_use]
    pub fn including(mut self, index: u64) -> Self {
        if let Some(spans) = inclusion(index, self.size) {
            self.want(&spans);
            self.inclusions.push((index, spans));
        }
        self
    }

    /// That the tree of `first` leaves is its beginning. Nothing for an empty or a larger one.
    #[must_use]
    pub fn extending(mut self, first: u64) -> Self {
        if let Some(spans) = consistency(first, self.size) {
            self.want(&spans);
            self.consistencies.push((first, spans));
        }
        self
    }

    /// The next leaf's data. More than `size` are ignored.
    pub fn push(&mut self, data: &[u8]) {
        if self.seen == self.size {
            return;
        }
        let (mut start, mut level, mut hash) = (self.seen, 0, leaf(data));
        loop {
            if let Some(place) = self.wanted.get_mut(&(start, level)) {
                *place = Some(hash);
            }
            match self.stack.last() {
                Some((l, left)) if *l == level => {
                    hash = node(left, &hash);
                    self.stack.pop();
                    start -= 1 << level;
                    level += 1;
                }
                _ => break,
            }
        }
        self.stack.push((level, hash));
        self.seen += 1;
    }

    fn root_of(&self, span: Span) -> Option<Hash> {
        let peaks = span.peaks().map(|peak| self.wanted.get(&peak).copied().flatten()).collect::<Option<Vec<_>>>()?;
        let mut peaks = peaks.into_iter().rev();
        match peaks.next() {
            None => Some(empty()),
            Some(last) => Some(peaks.fold(last, |right, left| node(&left, &right))),
        }
    }

    /// The proofs; `None` when fewer leaves came than the tree has.
    pub fn finish(self) -> Option<Proofs> {
        let roots = |all: &[(u64, Vec<Span>)]| {
            let of = |spans: &[Span]| spans.iter().map(|s| self.root_of(*s)).collect::<Option<Vec<_>>>();
            all.iter().map(|(n, spans)| Some((*n, of(spans)?))).collect::<Option<Vec<_>>>()
        };
        Some(Proofs {
            root: self.root_of(Span { start: 0, end: self.size })?,
            inclusions: roots(&self.inclusions)?,
            consistencies: roots(&self.consistencies)?,
        })
    }
}

/// Whether `proof` shows that the leaf with this hash has number `index` in the tree of `size` leaves with this root
/// (RFC 9162, 2.1.3.2).
pub fn is_included(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(beside, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `first` leaves is the beginning of the one of `second` (RFC 9162, 2.1.4.2).
pub fn is_consistent(first: (u64, &Hash), second: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((first, first_root), (second, second_root)) = (first, second);
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    if first == 0 {
        return proof.is_empty() && *first_root == empty();
    }
    if first > second {
        return false;
    }
    let begin = first.is_power_of_two().then_some(first_root);
    let mut nodes = begin.into_iter().chain(proof);
    let Some(start) = nodes.next() else { return false };
    let (mut at, mut last) = (first - 1, second - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*start, *start);
    for beside in nodes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node(beside, &old);
            new = node(beside, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node(&new, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old == *first_root && new == *second_root
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
