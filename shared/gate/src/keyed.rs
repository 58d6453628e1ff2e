//! 鍵付きハッシュ: the keys of this crate as an instruction carries them, for recipients that hold keyed hashes and no names.
//!
//! What the desk makes of an entry ([`of_entry`]) and what a recipient makes of a row of its own ([`of_row`]) are the same bytes
//! where both are the same person. A rule says what it means that one is found: `exact`, or `possible`, which two people decide.

use crate::{
    key::{self, GateKey, KeyDigest},
    person::Person,
    rules::{Means, Rules},
};
use contracts::{
    Code,
    forms::{KeyHash, KeyedHash, KeyedHashes},
};
use std::collections::BTreeSet;

fn hashed(key: &GateKey, rules: &Rules, digests: impl Iterator<Item = (u8, KeyDigest)>) -> Vec<KeyedHash> {
    let one = |(n, digest): (u8, KeyDigest)| {
        let rule = rules.keys.get(usize::from(n))?.word.clone();
        Some(KeyedHash { rule, hash: KeyHash(key.tag(&digest)) })
    };
    digests.filter_map(one).collect()
}

/// What an instruction about this person carries (the desk). `suppliers`: digests of the hospitals that it is about; none: all.
pub fn of_entry<'a>(
    key: &GateKey,
    rules: &Rules,
    person: &Person,
    suppliers: impl IntoIterator<Item = &'a KeyDigest>,
) -> KeyedHashes {
    let keys = hashed(key, rules, key::digests(rules, person, false).into_iter());
    // In the order of the tags: the order of a set would say nothing, and differ from time to time.
    let suppliers: BTreeSet<KeyHash> = suppliers.into_iter().map(|digest| KeyHash(key.tag(digest))).collect();
    KeyedHashes { rules: rules.version.clone(), keys, suppliers: suppliers.into_iter().collect() }
}

/// What a row is asked by (the recipient), in the order of the rules.
pub fn of_row(key: &GateKey, rules: &Rules, person: &Person) -> Vec<KeyedHash> {
    hashed(key, rules, key::asked(rules, person))
}

/// The tag of a hospital, by its code or its name. `None`: there is nothing to be named by.
pub fn of_supplier(key: &GateKey, called: &str) -> Option<KeyHash> {
    Some(KeyHash(key.tag(&key::supplier_digest(&crate::person::supplier(called)?))))
}

/// What it means that a row has the key of this rule in common with an instruction. `None`: the rules do not know the word.
pub fn means(rules: &Rules, rule: &Code) -> Option<Means> {
    rules.keys.iter().find(|r| r.word == *rule).map(|r| r.means)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::Part;

    fn person(kana: &str, sex: &str) -> Person {
        let mut person = Person::new();
        for (part, value) in [(Part::Kana, kana), (Part::BirthDate, "1980-02-29"), (Part::Sex, sex)] {
            person.set(part, value).unwrap();
        }
        person
    }

    #[test]
    fn entry_and_row_of_one_person_meet_under_one_key_only() {
        let (rules, mine, other) = (Rules::built_in(), GateKey::new(&[1; 32]), GateKey::new(&[2; 32]));
        let said = of_entry(&mine, &rules, &person("ミホン　ハナコ", "female"), []);
        assert_eq!(said.rules, rules.version);
        let row = person("みほんはなこ", "女");
        let found: Vec<&KeyedHash> = said.keys.iter().filter(|k| of_row(&mine, &rules, &row).contains(k)).collect();
        assert_eq!(means(&rules, &found[0].rule), Some(Means::Exact));
        assert!(of_row(&other, &rules, &row).iter().all(|k| !said.keys.contains(k)), "another recipient's hashes");
        let another = person("ミホン タロウ", "female");
        assert!(of_row(&mine, &rules, &another).iter().all(|k| !said.keys.contains(k)), "another person");
        assert_eq!(means(&rules, &Code::of("no-such-rule")), None);
    }

    #[test]
    fn a_hospital_is_tagged_by_each_way_in_which_it_is_called() {
        let (rules, key) = (Rules::built_in(), GateKey::new(&[1; 32]));
        let ways = ["みどり病院", "0110113719"].map(|w| key::supplier_digest(&crate::person::supplier(w).unwrap()));
        let said = of_entry(&key, &rules, &person("ミホン", "female"), &ways);
        for called in ["みどり 病院", "０１１０１１３７１９"] {
            assert!(said.suppliers.contains(&of_supplier(&key, called).unwrap()), "{called}");
        }
        assert!(!said.suppliers.contains(&of_supplier(&key, "あおば病院").unwrap()));
    }
}
