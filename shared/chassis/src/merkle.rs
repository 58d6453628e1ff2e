//! The arithmetic of the log (RFC 9162, section 2.1): appending needs the roots of the perfect subtrees only. Pure.

use evidence::tree;
pub use evidence::tree::{Hash, leaf, node};

/// A tree as its size and the roots of its perfect subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// How many leaves.
    pub size: u64,
    /// One root per bit of `size`, largest first.
    pub peaks: Vec<Hash>,
}

impl Tree {
    /// Appends a leaf's hash.
    pub fn push(&mut self, mut h: Hash) {
        let mut n = self.size;
        while n & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                h = node(&left, &h);
            }
            n >>= 1;
        }
        self.peaks.push(h);
        self.size += 1;
    }

    /// The root; of the empty tree the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => tree::empty(),
            Some(last) => peaks.fold(*last, |right, left| node(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9162 2.1.1 word for word: split at the largest power of two below n.
    fn mth(leaves: &[Vec<u8>]) -> Hash {
        match leaves.len() {
            0 => tree::empty(),
            1 => leaf(&leaves[0]),
            n => {
                let k = (n / 2 + n % 2).next_power_of_two();
                let k = if k >= n { k / 2 } else { k };
                node(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_peaks_give_the_root_of_the_rfc() {
        let mut tree = Tree::default();
        let mut leaves = vec![];
        assert_eq!(tree.root(), mth(&leaves));
        for i in 0..130u32 {
            leaves.push(i.to_be_bytes().to_vec());
            tree.push(leaf(leaves.last().unwrap()));
            assert_eq!(tree.root(), mth(&leaves), "{} leaves", i + 1);
            assert_eq!(tree.peaks.len(), tree.size.count_ones() as usize);
        }
    }
}
