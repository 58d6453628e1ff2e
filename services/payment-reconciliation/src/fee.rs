//! 手数料: what a request costs, from a dated table, and until when it is to be paid.
//!
//! APPI art. 38(1): a fee may be taken for disclosure, third-party records and notices of purpose, for nothing else; a
//! table that says otherwise is refused. Art. 38(2): reasonable in view of the actual cost, so a version names its basis.

use calendar::{Calendar, Schedule, jst_date};
use contracts::{Kind, payment::Yen};
use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::OnceLock};

/// What is wrong with the fee table, with the key to mend.
#[derive(Debug, thiserror::Error)]
pub enum FeeError {
    /// Not TOML, or a key is missing, unknown or of another type.
    #[error("fee table cannot be read: {0}")]
    Shape(String),
    /// A value that cannot be.
    #[error("fee table: {key}: {problem}")]
    Value {
        /// The key.
        key: String,
        /// What to write instead.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    due_bank_days: u32,
    version: Vec<RawVersion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVersion {
    valid_from: String,
    cost_basis: String,
    approved_by: Vec<String>,
    fees: BTreeMap<String, i64>,
}

struct Version {
    valid_from: Date,
    fees: BTreeMap<Kind, Yen>,
}

/// The dated fee table.
pub struct Fees {
    due_bank_days: u32,
    /// Oldest first.
    versions: Vec<Version>,
}

/// What a request owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// How much.
    pub amount: Yen,
    /// The last day, a bank business day.
    pub due_on: Date,
    /// The booking day that a statement must cover before the charge may expire: a transfer of the last evening is
    /// booked on the next business day with the earlier value day.
    pub settled_on: Date,
}

/// More than any fee could be; catches a slip of the pen.
const FEE_MAX: i64 = 100_000;

impl Fees {
    /// From a file of the shape of `infra/config/fees.toml`.
    pub fn parse(toml: &str) -> Result<Self, FeeError> {
        let file: File = toml::from_str(toml).map_err(|e| FeeError::Shape(e.to_string()))?;
        let wrong = |key: String, problem| Err(FeeError::Value { key, problem });
        if !(1..=250).contains(&file.due_bank_days) {
            return wrong("due_bank_days".into(), "1 to 250 bank business days");
        }
        if file.version.is_empty() || file.version.len() > 200 {
            return wrong("version".into(), "1 to 200 versions");
        }
        let mut versions = Vec::with_capacity(file.version.len());
        for (i, raw) in file.version.into_iter().enumerate() {
            versions.push(version(&format!("version[{i}]"), raw)?);
        }
        versions.sort_by_key(|v: &Version| v.valid_from);
        if versions.windows(2).any(|pair| pair[0].valid_from == pair[1].valid_from) {
            return wrong("version.valid_from".into(), "two versions begin on the same day");
        }
        Ok(Self { due_bank_days: file.due_bank_days, versions })
    }

    /// The table that is built into the program.
    pub fn embedded() -> &'static Self {
        static BUILT_IN: OnceLock<Fees> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            // A test parses this very file, so the program cannot be built with one that fails here.
            Self::parse(include_str!("../../../infra/config/fees.toml")).expect("the built-in fee table is valid")
        })
    }

    /// The fee of a request of this kind received at this instant and asked for at `asked_at`; `None` when it is free.
    pub fn due(&self, kind: Kind, received_at: Timestamp, asked_at: Timestamp, calendar: &Calendar) -> Option<Due> {
        let received = jst_date(received_at);
        let version = self.versions.iter().rev().find(|v| v.valid_from <= received)?;
        let amount = *version.fees.get(&kind)?;
        let due_on = calendar.add_open_days(Schedule::Bank, jst_date(asked_at), self.due_bank_days);
        Some(Due { amount, due_on, settled_on: calendar.add_open_days(Schedule::Bank, due_on, 1) })
    }
}

fn version(key: &str, raw: RawVersion) -> Result<Version, FeeError> {
    let wrong = |name: &str, problem| Err(FeeError::Value { key: format!("{key}.{name}"), problem });
    let Ok(valid_from) = raw.valid_from.parse() else {
        return wrong("valid_from", "write a day as YYYY-MM-DD");
    };
    if raw.cost_basis.trim().is_empty() {
        return wrong("cost_basis", "say what the amount is built from (APPI art. 38(2))");
    }
    let approvers: std::collections::BTreeSet<_> =
        raw.approved_by.iter().map(|who| who.trim()).filter(|who| !who.is_empty()).collect();
    if approvers.len() < 2 {
        return wrong("approved_by", "two different people approve a version of the fee table");
    }
    let mut fees = BTreeMap::new();
    for (kind, amount) in raw.fees {
        let name = format!("fees.{kind}");
        let Ok(kind) = kind.parse::<Kind>() else {
            return wrong(&name, "no kind of request");
        };
        if !kind.may_cost_a_fee() {
            return wrong(&name, "no fee may be taken for this kind (APPI art. 38(1))");
        }
        if !(1..=FEE_MAX).contains(&amount) {
            return wrong(&name, "1 to 100,000 yen; leave the kind out if it is free");
        }
        fees.insert(kind, Yen(amount));
    }
    Ok(Version { valid_from, fees })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const GOOD: &str = include_str!("../../../infra/config/fees.toml");

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Duty 75: of the nine kinds only three raise a charge.
    #[test]
    fn three_kinds_cost_four_thousand_yen_and_the_others_nothing() {
        let when = at("2026-11-20T10:00:00+09:00");
        for kind in Kind::ALL {
            let due = Fees::embedded().due(*kind, when, when, Calendar::embedded());
            assert_eq!(due.map(|d| d.amount), kind.may_cost_a_fee().then_some(Yen(4_000)), "{kind}");
        }
    }

    #[test]
    fn the_last_day_is_counted_in_bank_business_days() {
        let table = GOOD.replace("due_bank_days = 20", "due_bank_days = 5");
        let asked = at("2026-12-25T10:00:00+09:00");
        let due = Fees::parse(&table).unwrap().due(Kind::Disclosure, asked, asked, Calendar::embedded()).unwrap();
        // 28, 29, 30 December, then 4 and 5 January.
        assert_eq!((due.due_on, due.settled_on), (date(2027, 1, 5), date(2027, 1, 6)));
    }

    #[test]
    fn the_version_of_the_day_of_receipt_holds() {
        let table = format!(
            "{GOOD}\n[[version]]\nvalid_from = \"2027-04-01\"\ncost_basis = \"hours\"\napproved_by = [\"a\", \"b\"]\nfees = {{ disclosure = 5000 }}\n"
        );
        let fees = Fees::parse(&table).unwrap();
        let due = |kind, received: &str| {
            fees.due(kind, at(received), at("2027-06-01T10:00:00+09:00"), Calendar::embedded()).map(|d| d.amount.0)
        };
        assert_eq!(due(Kind::Disclosure, "2027-03-31T23:59:59+09:00"), Some(4_000));
        assert_eq!(due(Kind::Disclosure, "2027-04-01T00:00:00+09:00"), Some(5_000));
        assert_eq!(due(Kind::PurposeNotice, "2027-04-01T00:00:00+09:00"), None);
        assert_eq!(due(Kind::Disclosure, "2001-01-01T00:00:00+09:00"), None);
    }

    /// Duties 75 and 76.
    #[test]
    fn a_table_that_the_law_forbids_is_refused_by_its_key() {
        for (find, replace, key) in [
            ("disclosure = 4000", "correction = 4000", "version[0].fees.correction"),
            ("disclosure = 4000", "provision-stop = 1", "version[0].fees.provision-stop"),
            ("disclosure = 4000", "tea = 4000", "version[0].fees.tea"),
            ("disclosure = 4000", "disclosure = 0", "version[0].fees.disclosure"),
            ("disclosure = 4000", "disclosure = 4000.5", "disclosure"),
            ("due_bank_days = 20", "due_bank_days = 0", "due_bank_days"),
            ("due_bank_days = 20", "due_days = 20", "due_days"),
            ("valid_from = \"2016-01-01\"", "valid_from = \"soon\"", "version[0].valid_from"),
            ("cost_basis = \"", "cost_basis = \"\" # \"", "version[0].cost_basis"),
            ("approved_by = [", "approved_by = [] # [", "version[0].approved_by"),
        ] {
            assert!(GOOD.contains(find), "{find}");
            let error =
                Fees::parse(&GOOD.replacen(find, replace, 1)).err().unwrap_or_else(|| panic!("{replace} was accepted"));
            assert!(error.to_string().contains(key), "{key} is not in: {error}");
        }
    }
}
