//! 決定: which outcome, on which ground, may answer a request of which kind. Pure.
//!
//! The grounds are dated configuration (`grounds.toml`). Refusing without one of them is not possible, and neither is
//! disclosing to somebody who has no right (relatives of the dead on the APPI track: Act art. 28(1), APPI art. 2(1)).

use contracts::{Capacity, Code, DecisionOutcome, Kind, Language, Track};
use jiff::civil::Date;
use serde::Deserialize;
use std::{collections::BTreeSet, sync::LazyLock};

/// The grounds that the program carries.
const EMBEDDED: &str = include_str!("grounds.toml");

/// What is added to the words of every answer that must not tell whether a record exists (存否応答拒否).
const NEUTRAL_JA: &str = "なお、この通知は、該当する記録の有無を示すものではありません。";
const NEUTRAL_EN: &str = "This notice does not say whether or not any record exists.";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    edition: Code,
    ground: Vec<Ground>,
}

/// 根拠: one ground.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ground {
    /// What messages carry (`appi-33-2-1`).
    pub code: Code,
    /// What a lawyer checks.
    pub article: String,
    /// The kinds of request it may answer.
    pub kinds: Vec<Kind>,
    /// The outcomes that may stand on it.
    pub outcomes: Vec<DecisionOutcome>,
    /// First day.
    pub from: Date,
    /// Last day.
    #[serde(default)]
    pub until: Option<Date>,
    ja: String,
    en: String,
}

/// Why a decision is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAllowed {
    /// The ground is not in the configuration, not for this kind, not for this outcome, or not on this day.
    UnknownGround,
    /// Nobody in this capacity has this right.
    NoRight,
    /// A refusal, in whole or in part, says why in words (理由の説明, APPI art. 36).
    NoReasons,
    /// A complaint is not closed without its record: content, cause, measures (苦情処理記録, Rules art. 25).
    NoRecord,
    /// Such a record belongs to a complaint.
    NoComplaint,
}

/// Why a list of grounds cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GroundsError {
    /// Not the shape that this program reads.
    #[error("grounds: {0}")]
    Form(#[from] toml::de::Error),
    /// The same code twice.
    #[error("grounds: the code {0} stands there twice; keep one of them")]
    Twice(Code),
    /// A kind that no decision can end.
    #[error("grounds: no ground answers a request of kind {0}; add one")]
    NoAnswer(Kind),
    /// Stops are never refused.
    #[error("grounds: {0} refuses a {1}; a stop needs no reason and is never refused")]
    RefusesAStop(Code, Kind),
}

/// The grounds of one edition.
#[derive(Debug)]
pub struct Grounds(File);

impl Grounds {
    /// Reads and checks a list.
    ///
    /// # Errors
    /// Unknown keys, a code that stands twice, a kind that cannot be answered, a ground that refuses a stop.
    pub fn parse(text: &str) -> Result<Self, GroundsError> {
        let file: File = toml::from_str(text)?;
        let mut seen = BTreeSet::new();
        for ground in &file.ground {
            if !seen.insert(&ground.code) {
                return Err(GroundsError::Twice(ground.code.clone()));
            }
            let stop = ground.kinds.iter().find(|k| k.propagates());
            if let Some(kind) = stop
                && ground.outcomes.contains(&DecisionOutcome::Refused)
            {
                return Err(GroundsError::RefusesAStop(ground.code.clone(), *kind));
            }
        }
        match Kind::ALL.iter().find(|k| !file.ground.iter().any(|g| g.kinds.contains(k))) {
            Some(kind) => Err(GroundsError::NoAnswer(*kind)),
            None => Ok(Self(file)),
        }
    }

    /// The ones in the program. Checked by a test, so reading them cannot fail at run time.
    pub fn embedded() -> &'static Self {
        static GROUNDS: LazyLock<Grounds> =
            LazyLock::new(|| Grounds::parse(EMBEDDED).unwrap_or_else(|e| panic!("the embedded grounds: {e}")));
        &GROUNDS
    }

    /// Which edition.
    pub fn edition(&self) -> &Code {
        &self.0.edition
    }

    /// Whether this decision may be made on the day `on`, and its ground.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn check(&self, decision: &Decision<'_>, on: Date) -> Result<&Ground, NotAllowed> {
        let ground = self.find(decision.ground).filter(|g| {
            g.kinds.contains(&decision.kind)
                && g.outcomes.contains(&decision.outcome)
                && g.from <= on
                && g.until.is_none_or(|u| on <= u)
        });
        let ground = ground.ok_or(NotAllowed::UnknownGround)?;
        let gives = matches!(decision.outcome, DecisionOutcome::Full | DecisionOutcome::Partial);
        if gives && decision.capacity == Capacity::Bereaved && decision.kind.track() == Track::Appi {
            return Err(NotAllowed::NoRight);
        }
        let denies = matches!(decision.outcome, DecisionOutcome::Refused | DecisionOutcome::Partial);
        if denies && !decision.with_reasons && decision.kind.track() == Track::Appi {
            return Err(NotAllowed::NoReasons);
        }
        match (decision.kind == Kind::Complaint, decision.with_record) {
            (true, false) => Err(NotAllowed::NoRecord),
            (false, true) => Err(NotAllowed::NoComplaint),
            _ => Ok(ground),
        }
    }

    /// The ground of this code, whatever its dates.
    pub fn find(&self, code: &Code) -> Option<&Ground> {
        self.0.ground.iter().find(|g| g.code == *code)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Ground> {
        self.0.ground.iter()
    }
}

impl Ground {
    /// What the person is told. Where nothing is given, the words say that they do not tell whether a record exists: that
    /// somebody is known at a hospital is itself special-care information (要配慮個人情報, APPI order art. 2(iii)).
    pub fn words(&self, outcome: DecisionOutcome, language: Language) -> String {
        let quiet = matches!(outcome, DecisionOutcome::Refused | DecisionOutcome::DoesNotExist);
        let (words, space, neutral) = match language {
            Language::Ja => (&self.ja, "", NEUTRAL_JA),
            Language::En => (&self.en, " ", NEUTRAL_EN),
        };
        if quiet { format!("{words}{space}{neutral}") } else { words.clone() }
    }
}

/// What is to be decided.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// What was asked.
    pub kind: Kind,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// The answer.
    pub outcome: DecisionOutcome,
    /// Its ground.
    pub ground: &'a Code,
    /// Reasons in words are given.
    pub with_reasons: bool,
    /// The complete record of a complaint is given.
    pub with_record: bool,
}

#[cfg(test)]
mod tests;
