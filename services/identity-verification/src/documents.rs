//! 確認書類一覧: do these papers prove the person, and the capacity of whoever acts? Pure.
//!
//! The matrix is dated configuration (`matrix.toml`). A set of papers suffices when one rule for the person and one rule
//! for the capacity are both satisfied, each needed thing by a paper of its own: a family register cannot be at once the
//! proof of the parent's right and one of the parent's two identity papers.

use contracts::{Capacity, Code, Track};
use jiff::civil::Date;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// The matrix that the program carries.
const EMBEDDED: &str = include_str!("matrix.toml");

/// What the papers come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// They suffice.
    Sufficient {
        /// `<capacity rule>-by-<person rule>`: what the evidence ledger (確認記録) keeps.
        rule: Code,
    },
    /// They do not.
    Missing {
        /// What is missing, at least one, by the words of the matrix.
        codes: Vec<Code>,
        /// Papers that were shown but are not accepted on that day (a health insurance card after 2025-12-01).
        not_accepted: Vec<Code>,
    },
    /// A code that is not in the matrix.
    UnknownPaper(Code),
    /// Nobody can act in this capacity on this track (施行令13条, APPI 2条1項).
    NoRule,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    edition: Code,
    paper: Vec<Paper>,
    person: Vec<PersonRule>,
    capacity: Vec<CapacityRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Paper {
    code: Code,
    counts_as: Vec<Code>,
    #[serde(default)]
    from: Option<Date>,
    #[serde(default)]
    until: Option<Date>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PersonRule {
    code: Code,
    needs: Vec<Code>,
    /// Empty: every capacity.
    #[serde(default)]
    capacities: Vec<Capacity>,
    from: Date,
    #[serde(default)]
    until: Option<Date>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CapacityRule {
    code: Code,
    capacity: Capacity,
    tracks: Vec<Track>,
    needs: Vec<Code>,
    from: Date,
    #[serde(default)]
    until: Option<Date>,
}

/// Why a matrix cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// Not the shape that this program reads.
    #[error("document matrix: {0}")]
    Form(#[from] toml::de::Error),
    /// The same code twice.
    #[error("document matrix: the code {0} stands there twice; keep one of them")]
    Twice(Code),
    /// A rule needs what no paper counts as.
    #[error("document matrix: rule {rule} needs {need}, which no paper counts as; add the paper or mend the rule")]
    Unmet {
        /// The rule.
        rule: Code,
        /// What it needs.
        need: Code,
    },
    /// The two codes together are longer than a code may be.
    #[error("document matrix: {0} and {1} together are longer than 64 characters; shorten one")]
    TooLong(Code, Code),
}

/// 確認書類一覧 of one edition.
#[derive(Debug)]
pub struct Matrix(File);

impl Matrix {
    /// Reads and checks a matrix.
    ///
    /// # Errors
    /// Unknown keys, codes that stand twice, rules that no papers can satisfy.
    pub fn parse(text: &str) -> Result<Self, MatrixError> {
        let file: File = toml::from_str(text)?;
        let mut seen = BTreeSet::new();
        let codes = file.paper.iter().map(|p| ("paper", &p.code));
        let rules =
            file.person.iter().map(|r| ("person", &r.code)).chain(file.capacity.iter().map(|r| ("capacity", &r.code)));
        for (list, code) in codes.chain(rules) {
            if !seen.insert((list, code)) {
                return Err(MatrixError::Twice(code.clone()));
            }
        }
        let needs =
            file.person.iter().map(|r| (&r.code, &r.needs)).chain(file.capacity.iter().map(|r| (&r.code, &r.needs)));
        for (rule, needs) in needs {
            if let Some(need) = needs.iter().find(|n| !file.paper.iter().any(|p| p.counts_as.contains(n))) {
                return Err(MatrixError::Unmet { rule: rule.clone(), need: need.clone() });
            }
        }
        for (capacity, person) in file.capacity.iter().flat_map(|c| file.person.iter().map(move |p| (c, p))) {
            joined(&capacity.code, &person.code)?;
        }
        Ok(Self(file))
    }

    /// The one in the program. It is checked by a test, so reading it cannot fail at run time.
    pub fn embedded() -> &'static Self {
        static MATRIX: LazyLock<Matrix> =
            LazyLock::new(|| Matrix::parse(EMBEDDED).unwrap_or_else(|e| panic!("the embedded matrix: {e}")));
        &MATRIX
    }

    /// Which edition: written into the evidence ledger with each confirmation.
    pub fn edition(&self) -> &Code {
        &self.0.edition
    }

    /// Whether `papers` suffice for somebody acting in `capacity` on `track`, by the rules of the day `on`.
    ///
    /// The same code twice counts once: two copies of one paper are one paper.
    pub fn suffices(&self, papers: &[Code], capacity: Capacity, track: Track, on: Date) -> Judgement {
        let known: BTreeMap<&Code, &Paper> = self.0.paper.iter().map(|p| (&p.code, p)).collect();
        if let Some(unknown) = papers.iter().find(|p| !known.contains_key(p)) {
            return Judgement::UnknownPaper(unknown.clone());
        }
        let shown: BTreeSet<&Code> = papers.iter().collect();
        let shown = shown.into_iter().filter_map(|code| known.get(code).copied());
        let (accepted, not_accepted): (Vec<&Paper>, Vec<&Paper>) = shown.partition(|p| within(on, p.from, p.until));
        let capacities = self
            .0
            .capacity
            .iter()
            .filter(|r| r.capacity == capacity && r.tracks.contains(&track) && within(on, Some(r.from), r.until));
        let persons = || {
            self.0.person.iter().filter(|r| {
                (r.capacities.is_empty() || r.capacities.contains(&capacity)) && within(on, Some(r.from), r.until)
            })
        };
        let mut nearest: Option<Vec<&Code>> = None;
        for (c, p) in capacities.flat_map(|c| persons().map(move |p| (c, p))) {
            let needs: Vec<&Code> = c.needs.iter().chain(&p.needs).collect();
            let missing = unmet(&needs, &accepted);
            if missing.is_empty()
                && let Ok(rule) = joined(&c.code, &p.code)
            {
                return Judgement::Sufficient { rule };
            }
            if nearest.as_ref().is_none_or(|n| missing.len() < n.len()) {
                nearest = Some(missing);
            }
        }
        match nearest {
            Some(codes) => Judgement::Missing {
                codes: codes.into_iter().cloned().collect(),
                not_accepted: not_accepted.into_iter().map(|p| p.code.clone()).collect(),
            },
            None => Judgement::NoRule,
        }
    }

    /// Every paper's code, for the console's list.
    pub fn papers(&self) -> impl Iterator<Item = &Code> {
        self.0.paper.iter().map(|p| &p.code)
    }
}

fn within(on: Date, from: Option<Date>, until: Option<Date>) -> bool {
    from.is_none_or(|f| f <= on) && until.is_none_or(|u| on <= u)
}

fn joined(capacity: &Code, person: &Code) -> Result<Code, MatrixError> {
    format!("{capacity}-by-{person}").parse().map_err(|_| MatrixError::TooLong(capacity.clone(), person.clone()))
}

/// The needs that stay without a paper when as many as possible get one of their own (bipartite matching by augmenting
/// paths; at most a handful of needs and ten papers).
fn unmet<'m>(needs: &[&'m Code], papers: &[&Paper]) -> Vec<&'m Code> {
    let mut taken: Vec<Option<usize>> = vec![None; papers.len()];
    let mut missing = Vec::new();
    for need in 0..needs.len() {
        if !place(need, needs, papers, &mut taken, &mut vec![false; papers.len()]) {
            missing.push(needs[need]);
        }
    }
    missing
}

fn place(need: usize, needs: &[&Code], papers: &[&Paper], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for paper in 0..papers.len() {
        if tried[paper] || !papers[paper].counts_as.contains(needs[need]) {
            continue;
        }
        tried[paper] = true;
        let free = match taken[paper] {
            None => true,
            Some(other) => place(other, needs, papers, taken, tried),
        };
        if free {
            taken[paper] = Some(need);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
