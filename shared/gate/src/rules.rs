//! Key rules as dated configuration: which parts make a key together, and what it means when one is found.

use crate::{part::Part, person::Person};
use contracts::{Code, Date};
use serde::{Deserialize, Serialize};

/// The most keys of one version of the rules: a byte numbers them.
pub const KEYS_MAX: usize = 32;

/// What it means that a row and an entry have this key in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// It may be the same person: two people look.
    Possible,
    /// It is the same person.
    Exact,
}

/// One composite key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRule {
    /// Names the key for ever: it is hashed with the values, so a rule with other parts needs another word.
    pub word: Code,
    /// The values, in this order.
    pub parts: Vec<Part>,
    /// What finding it means.
    pub means: Means,
    /// Made of an entry only if it has none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry_without: Vec<Part>,
    /// Asked of a row only if it has none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub row_without: Vec<Part>,
    /// Made of insurance numbers: off without a permission (Health Insurance Act art. 194-2(4)).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insurance: bool,
}

impl KeyRule {
    fn made_of(&self, person: &Person, without: &[Part]) -> bool {
        // Late-stage elderly insurance (後期高齢者医療) has no symbol: its absence is a value.
        self.parts.iter().all(|p| person.has(*p) || *p == Part::Symbol) && !without.iter().any(|p| person.has(*p))
    }
    /// Whether an entry with these values has this key.
    pub fn of_entry(&self, person: &Person) -> bool {
        self.made_of(person, &self.entry_without)
    }
    /// Whether a row with these values is asked by this key.
    pub fn of_row(&self, person: &Person) -> bool {
        self.made_of(person, &self.row_without)
    }
}

/// One version of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Names the version in every answer.
    pub version: Code,
    /// From this day on.
    pub in_force_from: Date,
    /// The keys; their order numbers them.
    pub keys: Vec<KeyRule>,
}

/// Why rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// No JSON of this shape.
    #[error("gate rules: {0}; compare with the README of shared/gate")]
    Form(String),
    /// A rule that means nothing.
    #[error("gate rules, version {version}, key {word}: {why}")]
    Key {
        /// The version.
        version: Code,
        /// The key.
        word: Code,
        /// What is wrong and what to do.
        why: &'static str,
    },
    /// Nothing is in force.
    #[error("gate rules: no version is in force on {0}; add one with an earlier `in_force_from`")]
    NoneInForce(Date),
}

impl Rules {
    /// The built-in rules: Rules art. 28 (kana, birth date, sex), the hospital's own number, and what only may match.
    pub fn built_in() -> Self {
        #[expect(clippy::expect_used, reason = "the file is built in and a test reads it")]
        Self::parse(include_str!("../rules/2026-04-01.json")).expect("the built-in rules are rules")
    }

    /// Reads one version.
    ///
    /// # Errors
    /// See [`RulesError`].
    pub fn parse(json: &str) -> Result<Self, RulesError> {
        serde_json::from_str::<Self>(json).map_err(|e| RulesError::Form(e.to_string()))?.checked()
    }

    /// The same, if they mean something.
    ///
    /// # Errors
    /// See [`RulesError`].
    pub fn checked(self) -> Result<Self, RulesError> {
        if self.keys.is_empty() || self.keys.len() > KEYS_MAX {
            return Err(RulesError::Form(format!("version {} needs 1 to {KEYS_MAX} keys", self.version)));
        }
        for (n, rule) in self.keys.iter().enumerate() {
            let wrong = if rule.parts.is_empty() || rule.parts.len() > Part::COUNT {
                "needs at least one part"
            } else if rule.parts.contains(&Part::NotifiedOn) {
                "`notified-on` says nothing about who it is"
            } else if rule
                .parts
                .iter()
                .all(|p| matches!(p, Part::Sex | Part::BirthDate | Part::Supplier | Part::Branch))
            {
                "names nobody: add kana, name or a number"
            } else if rule.insurance != rule.parts.iter().any(|p| p.is_insurance()) {
                "say `\"insurance\": true` of keys with insurance numbers, and of no others"
            } else if self.keys[..n].iter().any(|k| k.word == rule.word) {
                "is there twice"
            } else if rule.parts.iter().any(|p| rule.row_without.contains(p) || rule.entry_without.contains(p)) {
                "cannot be made of a part and without it"
            } else {
                continue;
            };
            return Err(RulesError::Key { version: self.version.clone(), word: rule.word.clone(), why: wrong });
        }
        Ok(self)
    }
}

/// All versions, of which one is in force on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleBook(Vec<Rules>);

impl RuleBook {
    /// The built-in version alone.
    pub fn built_in() -> Self {
        Self(vec![Rules::built_in()])
    }

    /// Reads a JSON array of versions.
    ///
    /// # Errors
    /// See [`RulesError`].
    pub fn parse(json: &str) -> Result<Self, RulesError> {
        let all: Vec<Rules> = serde_json::from_str(json).map_err(|e| RulesError::Form(e.to_string()))?;
        let all = all.into_iter().map(Rules::checked).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(all))
    }

    /// The version in force on this day: the one that began last.
    ///
    /// # Errors
    /// None has begun.
    pub fn on(&self, day: Date) -> Result<&Rules, RulesError> {
        let begun = self.0.iter().filter(|r| r.in_force_from <= day);
        begun.max_by_key(|r| r.in_force_from).ok_or(RulesError::NoneInForce(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_are_rules_and_insurance_stands_apart() {
        let rules = Rules::built_in();
        let insured: Vec<&str> = rules.keys.iter().filter(|k| k.insurance).map(|k| k.word.as_str()).collect();
        assert_eq!(insured, ["insurance", "household"]);
    }

    #[test]
    fn rules_that_mean_nothing_are_refused_with_the_remedy() {
        let with = |change: &dyn Fn(&mut Rules)| {
            let mut rules = Rules::built_in();
            change(&mut rules);
            rules.checked().unwrap_err().to_string()
        };
        assert!(with(&|r| r.keys.clear()).contains("1 to 32"));
        assert!(with(&|r| r.keys[0].parts = vec![Part::BirthDate, Part::Sex]).contains("names nobody"));
        assert!(with(&|r| r.keys[0].parts.push(Part::Number)).contains("insurance"));
        assert!(with(&|r| r.keys[1].word = r.keys[0].word.clone()).contains("twice"));
        assert!(with(&|r| r.keys[0].parts.push(Part::NotifiedOn)).contains("who it is"));
        assert!(with(&|r| r.keys[0].row_without.push(Part::Kana)).contains("without it"));
        assert!(Rules::parse("{}").is_err());
    }

    #[test]
    fn the_version_of_the_day_is_taken() {
        let (mut old, mut new) = (Rules::built_in(), Rules::built_in());
        (old.version, old.in_force_from) = ("v1".parse().unwrap(), "2024-04-01".parse().unwrap());
        (new.version, new.in_force_from) = ("v2".parse().unwrap(), "2026-06-01".parse().unwrap());
        let book = RuleBook::parse(&serde_json::to_string(&[new, old]).unwrap()).unwrap();
        let on = |day: &str| book.on(day.parse().unwrap()).map(|r| r.version.to_string());
        assert_eq!((on("2026-05-31"), on("2026-06-01")), (Ok("v1".into()), Ok("v2".into())));
        assert!(on("2024-03-31").unwrap_err().to_string().contains("no version"));
    }
}
