use super::*;
use proptest::prelude::*;

/// The leaves and roots with which the Certificate Transparency projects test their trees (RFC 6962 has the same tree).
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}
fn hash(text: &str) -> Hash {
    bytes(text).try_into().unwrap()
}
fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|t| hash(t)).collect()
}
fn leaves(count: usize) -> Vec<Vec<u8>> {
    LEAVES.iter().take(count).map(|l| bytes(l)).collect()
}

fn proofs(leaves: &[Vec<u8>], wanted: impl Fn(Collector) -> Collector) -> Proofs {
    let mut collector = wanted(Collector::new(leaves.len() as u64));
    leaves.iter().for_each(|l| collector.push(l));
    collector.finish().unwrap()
}

/// RFC 9162 2.1.1, word for word.
fn mth(leaves: &[Vec<u8>]) -> Hash {
    match leaves.len() {
        0 => empty(),
        1 => leaf(&leaves[0]),
        n => {
            let k = if n.is_power_of_two() { n / 2 } else { n.next_power_of_two() / 2 };
            node(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
    }
}

/// RFC 9162 2.1.3.1, word for word.
fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
    let n = leaves.len();
    if n == 1 {
        return vec![];
    }
    let k = if n.is_power_of_two() { n / 2 } else { n.next_power_of_two() / 2 };
    let (mut inner, beside) =
        if m < k { (path(m, &leaves[..k]), mth(&leaves[k..])) } else { (path(m - k, &leaves[k..]), mth(&leaves[..k])) };
    inner.push(beside);
    inner
}

#[test]
fn the_public_vectors_of_roots() {
    for (n, root) in (1..).zip(ROOTS) {
        assert_eq!(proofs(&leaves(n), |c| c).root, hash(root), "{n} leaves");
    }
    assert_eq!(
        hex::encode(proofs(&[], |c| c).root),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn the_public_vectors_of_inclusion_proofs() {
    let first = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ];
    let sixth = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    let made = proofs(&leaves(8), |c| c.including(0).including(5).including(8));
    assert_eq!(made.inclusions, [(0, hashes(&first)), (5, hashes(&sixth))], "and none for a leaf that is not there");
    let root = hash(ROOTS[7]);
    assert!(is_included(&leaf(&bytes(LEAVES[0])), 0, 8, &hashes(&first), &root));
    assert!(is_included(&leaf(&bytes(LEAVES[5])), 5, 8, &hashes(&sixth), &root));
    assert!(!is_included(&leaf(&bytes(LEAVES[5])), 4, 8, &hashes(&sixth), &root));
    assert!(!is_included(&leaf(&bytes(LEAVES[5])), 8, 8, &hashes(&sixth), &root));
}

#[test]
fn the_public_vectors_of_consistency_proofs() {
    let from_six = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    let made = proofs(&leaves(8), |c| c.extending(6).extending(0).extending(9));
    assert_eq!(made.consistencies, [(6, hashes(&from_six))]);
    assert!(is_consistent((6, &hash(ROOTS[5])), (8, &hash(ROOTS[7])), &hashes(&from_six)));
    let from_two = [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ];
    assert_eq!(proofs(&leaves(5), |c| c.extending(2)).consistencies, [(2, hashes(&from_two))]);
    assert!(is_consistent((2, &hash(ROOTS[1])), (5, &hash(ROOTS[4])), &hashes(&from_two)));
}

#[test]
fn too_few_leaves_give_no_proof() {
    let mut collector = Collector::new(3).including(0);
    collector.push(b"a");
    collector.push(b"b");
    assert_eq!(collector.finish(), None);
}

proptest! {
    /// Every proof of one pass is the one that the RFC's definitions give, verifies, and no changed one does.
    #[test]
    fn one_pass_gives_what_the_definitions_give(count in 1usize..70, pick in any::<u64>(), flip in any::<u8>()) {
        let leaves: Vec<Vec<u8>> = (0..count).map(|i| vec![i as u8; i % 5]).collect();
        let (size, index) = (count as u64, pick % count as u64);
        let made = proofs(&leaves, |c| (1..=size).fold(c.including(index), Collector::extending));
        prop_assert_eq!(made.root, mth(&leaves));
        let (_, proof) = &made.inclusions[0];
        prop_assert_eq!(proof, &path(index as usize, &leaves));
        let hash = leaf(&leaves[index as usize]);
        prop_assert!(is_included(&hash, index, size, proof, &made.root));
        prop_assert!(!is_included(&hash, index, size, &[proof.clone(), vec![hash]].concat(), &made.root));
        for at in 0..proof.len() {
            let mut bad = proof.clone();
            bad[at][usize::from(flip) % 32] ^= 1;
            prop_assert!(!is_included(&hash, index, size, &bad, &made.root));
            prop_assert!(!is_included(&hash, index, size, &proof[..at], &made.root));
        }
        for (first, proof) in &made.consistencies {
            let old = mth(&leaves[..*first as usize]);
            prop_assert!(is_consistent((*first, &old), (size, &made.root), proof), "{first} of {size}");
            let mut other = old;
            other[0] ^= 1;
            prop_assert!(!is_consistent((*first, &other), (size, &made.root), proof));
            if *first < size {
                prop_assert!(!is_consistent((*first, &old), (size, &other), proof));
                prop_assert!(!is_consistent((*first, &old), (size, &made.root), &proof[..proof.len() - 1]));
            }
        }
    }
}
