//! The answer about one row.

use crate::{
    index::{Look, Record, bits},
    key::{self, GateKey, WIDTH, supplier_digest},
    part::{Bad, Part},
    person::Person,
    rules::{Means, Rules},
};
use contracts::{Code, Scope};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How data flow where the gate stands (duty 8): one gate for every inflow, outflow and build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// 医療情報取扱事業者からの提供: from a hospital (Act art. 52, 57). Here the filings are checked too.
    HospitalSupply,
    /// From another certified creator (Act art. 27, 38).
    FromCreator,
    /// To another certified creator.
    ToCreator,
    /// A list for a new build (新たな加工).
    Build,
    /// Linking with public databases (連結, Act art. 31).
    Linking,
    /// Anything else before use.
    Use,
}

impl Flow {
    /// Every flow.
    pub const ALL: &[Self] =
        &[Self::HospitalSupply, Self::FromCreator, Self::ToCreator, Self::Build, Self::Linking, Self::Use];
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HospitalSupply => "hospital-supply",
            Self::FromCreator => "from-creator",
            Self::ToCreator => "to-creator",
            Self::Build => "build",
            Self::Linking => "linking",
            Self::Use => "use",
        }
    }
}

impl std::str::FromStr for Flow {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let known = || Self::ALL.iter().map(|f| f.as_str()).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .copied()
            .find(|f| f.as_str() == word)
            .ok_or_else(|| format!("not a flow: use one of {}", known()))
    }
}

/// As of which moment of the register an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AsOf {
    /// The life of the ledger; positions of two epochs never mix.
    pub epoch: i32,
    /// 通番 of the register: each change of what the gate says is the next one.
    pub position: i64,
}

/// What is asked about every row.
#[derive(Clone, Debug)]
pub struct Ask {
    /// For which track; both: a stop of either holds.
    pub track: Scope,
    /// The supplier's tags (its code, its name), where the rows have no column of their own. Empty: not said.
    pub supplier: Vec<[u8; WIDTH]>,
    /// 法令に基づく場合 (Act art. 56): entries whose rows two people let pass in this one file, each with its article.
    pub lawful: Vec<(Uuid, Code)>,
}

impl Ask {
    /// For a supplier by the ways in which it is called.
    pub fn new<'a>(track: Scope, key: &GateKey, called: impl IntoIterator<Item = &'a str>) -> Self {
        let folded = called.into_iter().filter_map(crate::person::supplier);
        Self { track, supplier: folded.map(|f| key.tag(&supplier_digest(&f))).collect(), lawful: vec![] }
    }
}

/// The answer. Exact, possible and no match are different answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody's stop was found.
    NoMatch,
    /// It may be the person of this entry: held back until two people have looked.
    Possible {
        /// The entry, as the asker knows it.
        entry: Uuid,
        /// The key that was found.
        rule: u8,
    },
    /// It is: stopped.
    Exact {
        /// The entry.
        entry: Uuid,
        /// The key.
        rule: u8,
    },
    /// It is, and passes all the same: based on law. Never the same as no match.
    BasedOnLaw {
        /// The entry.
        entry: Uuid,
        /// The key.
        rule: u8,
    },
}

impl Answer {
    /// Whether the row may be used.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::NoMatch | Self::BasedOnLaw { .. })
    }
}

/// Does the record stop a row from these suppliers? `None`: it is not said from whom the row comes.
fn supplier_fits(record: &Record, from: &[[u8; WIDTH]]) -> Option<bool> {
    if record.of_all_suppliers() {
        return Some(true);
    }
    if from.is_empty() {
        return None;
    }
    Some(from.contains(&record.supplier))
}

/// Judges one row.
///
/// # Errors
/// [`Bad::NoKey`]: there is nothing in it by which anybody could be found.
pub fn judge(rules: &Rules, key: &GateKey, index: &dyn Look, ask: &Ask, person: &Person) -> Result<Answer, Bad> {
    let of_row = person.get(Part::Supplier).map(|s| key.tag(&supplier_digest(s)));
    // A row's own supplier counts besides what was said of the whole file: the file's may be a group of hospitals.
    let mut from = ask.supplier.clone();
    from.extend(of_row);
    let row = index.any_decided().then(|| key.tag(&key::row_digest(person)));
    let (mut best, mut asked) = (Answer::NoMatch, false);
    for (rule, digest) in key::asked(rules, person) {
        asked = true;
        let means = rules.keys.get(usize::from(rule)).map_or(Means::Possible, |k| k.means);
        index.each(&key.tag(&digest), &mut |record| {
            if record.rule != rule || record.scope & bits(ask.track) == 0 {
                return;
            }
            let means = match supplier_fits(record, &from) {
                Some(true) => means,
                Some(false) => return,
                None => Means::Possible,
            };
            let entry = Uuid::from_bytes(record.entry);
            let decided = row.as_ref().and_then(|row| index.decided(&record.entry, row));
            let answer = match (means, decided) {
                (Means::Exact, _) | (Means::Possible, Some(true)) if ask.lawful.iter().any(|(e, _)| *e == entry) => {
                    Answer::BasedOnLaw { entry, rule }
                }
                (Means::Exact, _) | (Means::Possible, Some(true)) => Answer::Exact { entry, rule },
                (Means::Possible, Some(false)) => return,
                (Means::Possible, None) => Answer::Possible { entry, rule },
            };
            best = match (best, answer) {
                (Answer::NoMatch, _) | (Answer::Possible { .. }, Answer::Exact { .. }) => answer,
                // The same entry's other keys say no more than the one that is sure.
                (Answer::Possible { entry: a, .. }, Answer::BasedOnLaw { entry: b, .. }) if a == b => answer,
                (Answer::BasedOnLaw { entry: a, .. }, Answer::Possible { entry: b, .. }) if a == b => best,
                // Another's stop holds, whatever the law says of the one.
                (Answer::BasedOnLaw { .. }, Answer::Possible { .. } | Answer::Exact { .. }) => answer,
                (kept, _) => kept,
            };
        });
        if matches!(best, Answer::Exact { .. }) {
            break;
        }
    }
    if asked { Ok(best) } else { Err(Bad::NoKey) }
}
