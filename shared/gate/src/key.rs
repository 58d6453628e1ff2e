//! Keys: HMAC-SHA-256 under a key of the user's own, over a digest of the folded values. Exact definition in the README.

use crate::{
    part::Part,
    person::Person,
    rules::{KeyRule, Rules},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of a key in an index.
pub const WIDTH: usize = 16;

/// Begins what is digested: another format gets another one.
const DIGEST_V1: &[u8] = b"madoguchi-gate-key-v1";
/// Begins what names a supplier.
const SUPPLIER_V1: &[u8] = b"madoguchi-gate-supplier-v1";
/// Begins what names a whole row for the two people who look at it.
const ROW_V1: &[u8] = b"madoguchi-gate-row-v1";

/// SHA-256 over folded values: not secret enough to be shown, so it is kept sealed and leaves only inside an HMAC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 32]);

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

fn absorb(hash: &mut Sha256, text: &str) {
    // Folded values have at most 200 characters of a row; a length before each keeps two pairs from being one text.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    hash.update(length.to_be_bytes());
    hash.update(text.as_bytes());
}

fn digest(rule: &KeyRule, person: &Person) -> KeyDigest {
    let mut hash = Sha256::new();
    hash.update(DIGEST_V1);
    absorb(&mut hash, rule.word.as_str());
    for part in &rule.parts {
        absorb(&mut hash, person.get(*part).unwrap_or_default());
    }
    KeyDigest(hash.finalize().into())
}

/// The digests of an entry: number of the key in the rules, and digest. `insurance`: with those of insurance numbers.
pub fn digests(rules: &Rules, person: &Person, insurance: bool) -> Vec<(u8, KeyDigest)> {
    let keys = rules.keys.iter().zip(0u8..).filter(|(rule, _)| rule.of_entry(person) && (insurance || !rule.insurance));
    keys.map(|(rule, n)| (n, digest(rule, person))).collect()
}

/// The digests that a row is asked by, one after the other.
pub fn asked<'a>(rules: &'a Rules, person: &'a Person) -> impl Iterator<Item = (u8, KeyDigest)> + 'a {
    rules.keys.iter().zip(0u8..).filter(|(rule, _)| rule.of_row(person)).map(|(rule, n)| (n, digest(rule, person)))
}

/// The digest of a supplier, by its code or its name ([`crate::person::supplier`] folds them).
pub fn supplier_digest(folded: &str) -> KeyDigest {
    let mut hash = Sha256::new();
    hash.update(SUPPLIER_V1);
    absorb(&mut hash, folded);
    KeyDigest(hash.finalize().into())
}

/// The digest of everything that a row says about who it is: the same row again is the same question.
pub fn row_digest(person: &Person) -> KeyDigest {
    let mut hash = Sha256::new();
    hash.update(ROW_V1);
    for part in Part::ALL.iter().filter(|p| **p != Part::NotifiedOn) {
        absorb(&mut hash, person.get(*part).unwrap_or_default());
    }
    KeyDigest(hash.finalize().into())
}

/// The key of one user of the gate. What it makes cannot be compared with what another user's key makes.
#[derive(Clone)]
pub struct GateKey(Hmac<Sha256>);

impl GateKey {
    /// From 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Self(<Hmac<Sha256> as Mac>::new_from_slice(bytes).expect("HMAC takes keys of any length"))
    }

    /// The first 16 bytes of HMAC-SHA-256 over the digest.
    pub fn tag(&self, digest: &KeyDigest) -> [u8; WIDTH] {
        let mut mac = self.0.clone();
        mac.update(&digest.0);
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tag = [0; WIDTH];
        tag.copy_from_slice(&full[..WIDTH]);
        tag
    }
}

impl fmt::Debug for GateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[gate key]")
    }
}

/// The secret from which every user's key is derived (HKDF-SHA-256, RFC 5869).
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// From the key file.
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        #[expect(clippy::expect_used, reason = "32 bytes are less than 255 blocks")]
        Hkdf::<Sha256>::new(None, &*self.0).expand_multi_info(info, &mut *out).expect("32 bytes can be derived");
        out
    }

    /// The key of one recipient, to be handed to it by a person.
    pub fn of_recipient(&self, recipient: Uuid) -> Zeroizing<[u8; 32]> {
        self.derive(&[b"madoguchi gate key v1", recipient.as_bytes()])
    }

    /// The key of the operator's own closed core zone.
    pub fn of_core_zone(&self) -> Zeroizing<[u8; 32]> {
        self.derive(&[b"madoguchi gate key v1 core zone"])
    }

    /// The key of the service's own index in memory.
    pub fn of_memory(&self) -> Zeroizing<[u8; 32]> {
        self.derive(&[b"madoguchi gate key v1 memory"])
    }

    /// The key under which digests lie in the database.
    pub fn of_rows(&self) -> Zeroizing<[u8; 32]> {
        self.derive(&[b"madoguchi gate rows v1"])
    }

    /// The Ed25519 seed that signs snapshots.
    pub fn of_signing(&self) -> Zeroizing<[u8; 32]> {
        self.derive(&[b"madoguchi gate signing v1"])
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[gate master key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_the_gate_cannot_be_joined() {
        let master = MasterKey::new(Zeroizing::new([7; 32]));
        let mut keys = vec![*master.of_core_zone(), *master.of_memory(), *master.of_rows(), *master.of_signing()];
        keys.extend((1..4).map(|n| *master.of_recipient(Uuid::from_u128(n))));
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        let digest = supplier_digest("x");
        assert_ne!(GateKey::new(&keys[4]).tag(&digest), GateKey::new(&keys[5]).tag(&digest));
        assert!(!format!("{master:?} {digest:?} {:?}", GateKey::new(&keys[0])).contains('7'));
    }

    #[test]
    fn values_cannot_be_moved_between_parts() {
        let rules = Rules::built_in();
        let row = |insurer: &str, symbol: &str, number: &str| {
            let mut p = Person::new();
            for (part, v) in [(Part::Insurer, insurer), (Part::Symbol, symbol), (Part::Number, number)] {
                p.set(part, v).unwrap();
            }
            digests(&rules, &p, true)
        };
        assert_ne!(row("33120015", "12", "3"), row("33120015", "1", "23"));
        assert_eq!(row("33120015", "", "23").len(), 1, "no symbol is a value");
        assert!(asked(&rules, &Person::new()).next().is_none());
    }
}
