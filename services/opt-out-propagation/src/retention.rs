//! 消去の範囲と保存期間: what an instruction to erase reaches and what must stay, and how long this service's own records are kept.
//! Dated: the version of a day is the newest that began by then. Pure.
//!
//! Every rule names its article and how it counts (duty 89): 「…の日から」 leaves the first day out, 「起算して」 includes it.

use calendar::{Calendar, Counting, Rule, Span, last_day};
use contracts::{
    Code, Date,
    recipient::{EraseTerms, Keep},
};
use serde::Deserialize;

/// A record of this service that is kept for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// 受領の記録 (Act art. 55): a run of the gate with its findings.
    Receipt,
    /// A record that arrived although it was blocked.
    GateIncident,
    /// 第三者提供の記録 (APPI art. 29).
    Provision,
    /// 取次ぎの記録 (APPI art. 30).
    Relay,
    /// 法53条書面の写し (Rules art. 52): from handing over.
    StopDocument,
}

/// How long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// What; its article; how it counts.
    pub record: Record,
    /// The article.
    pub article: Code,
    /// How it counts.
    pub counting: Counting,
    /// How long.
    pub period: Span,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MustStay {
    class: Code,
    article: Code,
    counting: Option<Counting>,
    period: Option<Span>,
}

/// Whether hospitals and other operators are told of a stop with the requester's consent only (APPI art. 27(1)), or because
/// telling them is "based on law": that reading is not settled, so it is configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TellOthers {
    WithConsent,
    BasedOnLaw,
}

/// 確報: when the full report of an incident is due, counted from the day of knowing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullReport {
    /// For whoever reads the file; the program counts by the other two.
    #[allow(dead_code)]
    article: Code,
    counting: Counting,
    period: Span,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    from: Date,
    tell_others: TellOthers,
    full_report: FullReport,
    erase: Vec<Code>,
    keep: Vec<MustStay>,
    own: Vec<Term>,
}

/// All versions, the oldest first.
#[derive(Clone, Debug)]
pub struct Retention(Vec<Version>);

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// Not of the shape.
    #[error("not a list of versions (from, erase, keep, own): {0}")]
    Shape(#[from] serde_json::Error),
    /// A version without what it needs.
    #[error("version {0}: {1}")]
    Version(Date, &'static str),
    /// None at all.
    #[error("there is no version")]
    Empty,
}

const ALL: [Record; 5] =
    [Record::Receipt, Record::GateIncident, Record::Provision, Record::Relay, Record::StopDocument];

impl Retention {
    /// What comes with the program.
    pub fn built_in() -> Self {
        Self::parse(include_str!("../retention/2026-04-01.json"))
            .unwrap_or_else(|_| unreachable!("a test reads the file that is built in"))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// See [`RetentionError`].
    pub fn parse(text: &str) -> Result<Self, RetentionError> {
        let mut versions: Vec<Version> = serde_json::from_str(text)?;
        versions.sort_by_key(|v| v.from);
        for v in &versions {
            let bad = |why| RetentionError::Version(v.from, why);
            if v.erase.is_empty() || v.erase.len() > 64 || v.keep.len() > 64 {
                return Err(bad("`erase` has 1 to 64 classes, `keep` at most 64"));
            }
            if v.keep.iter().any(|k| v.erase.contains(&k.class)) {
                return Err(bad("a class cannot be both in `erase` and in `keep`"));
            }
            if v.keep.iter().any(|k| k.counting.is_some() != k.period.is_some()) {
                return Err(bad("`counting` and `period` belong together"));
            }
            if ALL.iter().any(|r| v.own.iter().filter(|t| t.record == *r).count() != 1) {
                return Err(bad("`own` has each record once"));
            }
        }
        if versions.is_empty() { Err(RetentionError::Empty) } else { Ok(Self(versions)) }
    }

    /// The version of a day; before the first one, that one.
    fn on(&self, day: Date) -> &Version {
        self.0.iter().rev().find(|v| v.from <= day).unwrap_or(&self.0[0])
    }

    /// What an instruction of this day says. `until` is the last day of a record that is made on it: no record of the class that
    /// exists then has a later one.
    pub fn erase(&self, day: Date, everything: bool, calendar: &Calendar) -> EraseTerms {
        let version = self.on(day);
        let keep = version.keep.iter().map(|k| Keep {
            class: k.class.clone(),
            article: k.article.clone(),
            until: k.counting.zip(k.period).map(|(counting, period)| end(day, counting, period, calendar)),
        });
        EraseTerms { everything, classes: version.erase.clone(), keep: keep.collect() }
    }

    /// Whether others are told of a stop with consent only, on a day.
    pub fn needs_consent(&self, day: Date) -> bool {
        self.on(day).tell_others == TellOthers::WithConsent
    }

    /// The day on which the full report of an incident is due that was known on a day: the target, by the stricter counting.
    pub fn full_report_due(&self, known: Date, calendar: &Calendar) -> Date {
        let FullReport { counting, period, .. } = self.on(known).full_report;
        end(known, counting, period, calendar)
    }

    /// The last day on which a record of a day is kept, by the rule of that day.
    pub fn kept_until(&self, record: Record, day: Date, calendar: &Calendar) -> Date {
        let term = self.on(day).own.iter().find(|t| t.record == record);
        // Parsing saw to it that there is one; without any, nothing is ever dropped.
        term.map_or(Date::MAX, |t| end(day, t.counting, t.period, calendar))
    }

    /// Records of this day or earlier are over today: the newest day whose last day is before today.
    pub fn over(&self, record: Record, today: Date, calendar: &Calendar) -> Date {
        // Periods are whole days: at most a century back.
        let mut day = today;
        for _ in 0..36_600 {
            if self.kept_until(record, day, calendar) < today {
                return day;
            }
            day = day.yesterday().unwrap_or(Date::MIN);
        }
        Date::MIN
    }
}

fn end(day: Date, counting: Counting, period: Span, calendar: &Calendar) -> Date {
    last_day(day, &Rule::new("configured", counting, period), calendar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn row_89_given_a_single_record_and_a_last_batch_supply_of_one_day_then_their_ends_are_a_day_apart() {
        let (rules, calendar) = (Retention::built_in(), Calendar::embedded());
        let made = day("2026-06-10");
        assert_eq!(rules.kept_until(Record::Receipt, made, calendar), day("2029-06-10"));
        // One record for many receipts, as Rules art. 55(i) counts it: the day of the last one included.
        let text = include_str!("../retention/2026-04-01.json");
        let batch = r#""receipt", "article": "rules-55-1", "counting": "including""#;
        let text = text.replace(r#""receipt", "article": "act-55-4", "counting": "from""#, batch);
        let batch = Retention::parse(&text).unwrap();
        assert_eq!(batch.kept_until(Record::Receipt, made, calendar), day("2029-06-09"));
        assert_eq!(rules.over(Record::Receipt, day("2029-06-10"), calendar), day("2026-06-09"));
        assert_eq!(rules.over(Record::Receipt, day("2029-06-11"), calendar), made);
        assert_eq!(batch.over(Record::Receipt, day("2029-06-10"), calendar), made);
        assert_eq!(rules.full_report_due(made, calendar), day("2026-07-09"), "the day of knowing is the first");
        assert!(rules.needs_consent(made));
    }

    #[test]
    fn row_17_given_an_erasure_then_its_terms_name_what_stays_with_article_and_last_day() {
        let terms = Retention::built_in().erase(day("2026-06-10"), false, Calendar::embedded());
        let json = serde_json::to_value(&terms).unwrap();
        assert_eq!(
            json["keep"][0],
            serde_json::json!({ "class": "receipt-record", "article": "act-55-4", "until": "2029-06-10" })
        );
        assert_eq!(json["keep"][3], serde_json::json!({ "class": "stop-register", "article": "act-56" }));
        assert!(json.get("everything").is_none() && terms.classes.contains(&Code::of("claim")));
    }

    #[test]
    fn a_file_that_means_nothing_is_refused_and_the_version_of_the_day_counts() {
        let text = include_str!("../retention/2026-04-01.json");
        let with = |from: &str, to: &str| Retention::parse(&text.replacen(from, to, 1)).map(drop);
        assert!(matches!(Retention::parse("[]"), Err(RetentionError::Empty)));
        assert!(matches!(with("\"claim\"", "\"book\""), Err(RetentionError::Version(..))));
        assert!(matches!(with("\"record\": \"relay\"", "\"record\": \"receipt\""), Err(RetentionError::Version(..))));
        assert!(matches!(with("\"from\", \"period\"", "\"from\", \"perio\""), Err(RetentionError::Shape(_))));
        let newer = text.replace("2026-04-01", "2027-01-01").replace("\"years\": 3", "\"years\": 5");
        let both = format!("{},{}", text.trim().trim_end_matches(']'), newer.trim().trim_start_matches('['));
        let rules = Retention::parse(&both).unwrap();
        let until = |d: &str| rules.kept_until(Record::Provision, day(d), Calendar::embedded());
        assert_eq!((until("2026-12-31"), until("2027-01-01")), (day("2029-12-31"), day("2032-01-01")));
        assert_eq!(until("2020-01-01"), day("2023-01-01"), "before the first version, that one");
    }
}
