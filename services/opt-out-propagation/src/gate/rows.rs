//! What the register keeps of an entry for the gate: sealed digests, one row per entry.

use super::keys::GateKeys;
use chassis::DbError;
use contracts::{
    Code, EntryId, Scope, Uuid,
    forms::{KeyedHashes, SUPPLIERS_MAX},
};
use gate::{GateKey, KeyDigest, Part, Person, Rules, index::Standing, key, keyed};
use recipient_kit::{Identifiers, Sex};
use sqlx::PgConnection;
use std::collections::HashSet;

/// Marks the digest of a hospital that the person named.
const SUPPLIER: u8 = 0xff;
/// Bytes of one digest with its number.
const ONE: usize = 33;

/// An entry's row before it is written.
#[derive(Clone, Debug)]
pub struct Made {
    rules: Code,
    sealed: Vec<u8>,
}

/// The identifiers as the gate reads them.
fn person_of(identifiers: &Identifiers) -> Person {
    let mut person = Person::new();
    let sex = identifiers.sex.map(|sex| match sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Other => "other",
    });
    let date = identifiers.birth_date.to_string();
    let values = [
        (Part::Name, identifiers.name.as_deref()),
        (Part::Kana, Some(identifiers.kana.as_str())),
        (Part::BirthDate, Some(&date)),
        (Part::Sex, sex),
    ];
    for (part, value) in values {
        // One that cannot be read makes no key; the others do.
        let _ = person.set(part, value.unwrap_or_default());
    }
    person
}

/// Makes an entry's row. `None`: nobody could be found by these identifiers.
pub fn make(keys: &GateKeys, rules: &Rules, entry: EntryId, identifiers: &Identifiers) -> Option<Made> {
    let digests = key::digests(rules, &person_of(identifiers), false);
    if digests.is_empty() {
        return None;
    }
    let hospitals = identifiers.hospitals.iter().filter_map(|h| gate::person::supplier(h));
    let hospitals = hospitals.map(|h| (SUPPLIER, key::supplier_digest(&h)));
    let mut plain = Vec::with_capacity(ONE * (digests.len() + identifiers.hospitals.len()));
    for (n, digest) in digests.into_iter().chain(hospitals) {
        plain.push(n);
        plain.extend_from_slice(&digest.0);
    }
    Some(Made { rules: rules.version.clone(), sealed: keys.seal(entry.0, &plain)? })
}

impl Made {
    /// Writes it, in the transaction of the identifiers.
    ///
    /// # Errors
    /// The database's.
    pub async fn write(&self, tx: &mut PgConnection, entry: EntryId) -> Result<(), DbError> {
        sqlx::query(
            "insert into gate_entry (entry, rules, sealed) values ($1, $2, $3)
             on conflict (entry) do update set rules = excluded.rules, sealed = excluded.sealed",
        )
        .bind(entry.0)
        .bind(self.rules.as_str())
        .bind(&self.sealed)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// All the ways in which the hospitals are called that an entry is held to; `None`: it stops rows from everybody.
fn held_to<'a>(named: &[KeyDigest], known: &'a [HashSet<KeyDigest>]) -> Option<Vec<&'a KeyDigest>> {
    let resolved: Option<Vec<&HashSet<KeyDigest>>> =
        named.iter().map(|digest| known.iter().find(|ways| ways.contains(digest))).collect();
    resolved.filter(|r| !r.is_empty()).map(|r| r.into_iter().flatten().collect())
}

/// 鍵付きハッシュ: an entry as an instruction tells it to one user of the gate. Hospitals as [`standing`] holds to them. `None`:
/// nobody could be found by it.
pub fn hashes(
    key: &GateKey,
    rules: &Rules,
    identifiers: &Identifiers,
    known: &[HashSet<KeyDigest>],
) -> Option<KeyedHashes> {
    let named = identifiers.hospitals.iter().map(|h| gate::person::supplier(h).map(|h| key::supplier_digest(&h)));
    // One that has no readable name is not known.
    let named: Option<Vec<KeyDigest>> = named.collect();
    let suppliers = named.as_deref().and_then(|named| held_to(named, known)).unwrap_or_default();
    let hashes = keyed::of_entry(key, rules, &person_of(identifiers), suppliers);
    // Held to more than fit: then to all.
    let suppliers = if hashes.suppliers.len() > SUPPLIERS_MAX { vec![] } else { hashes.suppliers };
    (!hashes.keys.is_empty()).then_some(KeyedHashes { suppliers, ..hashes })
}

/// Reads a row back. `known` are the digests of suppliers with a filing, each with all the ways in which it is called.
///
/// An entry is held to the hospitals that its person named only if every one of them is known here. One that is not could be
/// written otherwise in a file, and the row would pass: such an entry stops rows from everybody.
pub fn standing(
    keys: &GateKeys,
    entry: Uuid,
    scope: Scope,
    sealed: &[u8],
    known: &[HashSet<KeyDigest>],
) -> Option<Standing> {
    let plain = keys.open(entry, sealed)?;
    let (mut of, mut named) = (vec![], vec![]);
    for one in plain.as_chunks::<ONE>().0 {
        let mut digest = [0; 32];
        digest.copy_from_slice(&one[1..]);
        match one[0] {
            SUPPLIER => named.push(KeyDigest(digest)),
            n => of.push((n, KeyDigest(digest))),
        }
    }
    let suppliers = held_to(&named, known).map(|ways| ways.into_iter().copied().collect());
    Some(Standing { entry, scope, suppliers, keys: of })
}
