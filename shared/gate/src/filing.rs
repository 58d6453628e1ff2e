//! The second block (duty M1; Act art. 56(i), 57): what was never notified to the person or filed with the ministers may not
//! be received, nor before the time that the notice sets is over. Answers of its own, never mixed up with "stopped".

use crate::judge::Flow;
use contracts::{Code, Date, Scope};
use serde::{Deserialize, Serialize};

/// 届出: what one hospital has filed for one track. A later row of the same hospital and track replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filing {
    /// The hospital by its 医療機関コード or another code of the operator's.
    pub supplier: Code,
    /// What the hospital is called; an organisation's name, as entries may name it.
    pub called: String,
    /// The track; a filing is for one.
    pub track: Scope,
    /// The number of the filing.
    pub number: Code,
    /// When it was filed with the ministers (or its change: the newest counts).
    pub filed_on: Date,
    /// When the ministers published it (Act art. 52(3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_on: Option<Date>,
    /// The classes of data.
    #[serde(default)]
    pub items: Vec<Code>,
    /// Planned start (Rules art. 48(4)).
    pub starts_on: Date,
    /// 必要な期間: days that a person has after the notice (Rules art. 48(1)(i)).
    pub notice_days: u16,
    /// How stops are received: codes of the counter's list.
    #[serde(default)]
    pub stops_received_by: Vec<Code>,
    /// The last day of supply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_on: Option<Date>,
}

/// What the hospital states about one delivery: up to which day people were notified, and how the data were acquired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Everybody in the file was notified on this day or before.
    pub notified_through: Date,
    /// 取得の経緯 (Act art. 55(1)(ii)), as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquired: Option<Code>,
}

/// What is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How the data flow.
    pub flow: Flow,
    /// For which track.
    pub track: Scope,
    /// From whom.
    pub supplier: Option<Code>,
    /// What the supplier states.
    pub statement: Option<Statement>,
    /// The file says in a column of every row when that person was notified: then rows are refused and not the file.
    pub rows_say_when: bool,
}

/// Why what was never notified or filed is not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unfiled {
    /// It is not said who supplies.
    SupplierMissing,
    /// No published filing of this hospital for this track.
    NotFiled,
    /// The planned start has not come.
    NotStarted,
    /// The hospital has ended its supply.
    SupplyEnded,
    /// It is not stated that people were notified, or this person was not.
    NotNotified,
    /// Notified, but the time that the notice sets is not over.
    NoticePeriodRunning,
}

impl Unfiled {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SupplierMissing => "supplier-missing",
            Self::NotFiled => "not-filed",
            Self::NotStarted => "not-started",
            Self::SupplyEnded => "supply-ended",
            Self::NotNotified => "not-notified",
            Self::NoticePeriodRunning => "notice-period-running",
        }
    }
}

/// What the receipt record of Act art. 55 needs and nobody then has to look up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Who supplies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Code>,
    /// The filings: number, and the day of publication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filings: Vec<(Code, Option<Date>)>,
    /// The items filed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Code>,
    /// How acquired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquired: Option<Code>,
    /// Everybody was notified through this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_through: Option<Date>,
}

/// What every row is held against, where rows say when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Notified later than this: not covered by the hospital's statement.
    pub notified_through: Date,
    /// Notified later than this: the time is not over.
    pub over_if_by: Date,
}

impl Terms {
    /// One row.
    pub fn row(&self, notified_on: Option<Date>) -> Result<(), Unfiled> {
        match notified_on {
            None => Err(Unfiled::NotNotified),
            Some(day) if day > self.notified_through => Err(Unfiled::NotNotified),
            Some(day) if day > self.over_if_by => Err(Unfiled::NoticePeriodRunning),
            Some(_) => Ok(()),
        }
    }
}

/// The filing of a hospital for one track that counts on a day: the newest that was made by then.
fn in_force<'a>(filings: &'a [Filing], supplier: &Code, track: Scope, today: Date) -> Option<&'a Filing> {
    let of = filings.iter().filter(|f| f.supplier == *supplier && f.track == track && f.filed_on <= today);
    of.max_by_key(|f| f.filed_on)
}

/// Checks a delivery. Other flows than a hospital's supply have no filing (Act art. 56 speaks of hospitals).
///
/// # Errors
/// Why the whole file is refused.
pub fn admit(filings: &[Filing], delivery: &Delivery, today: Date) -> Result<(Ground, Option<Terms>), Unfiled> {
    let acquired = delivery.statement.as_ref().and_then(|s| s.acquired.clone());
    if delivery.flow != Flow::HospitalSupply {
        return Ok((Ground { supplier: delivery.supplier.clone(), acquired, ..Ground::default() }, None));
    }
    let supplier = delivery.supplier.as_ref().ok_or(Unfiled::SupplierMissing)?;
    let tracks: &[Scope] = match delivery.track {
        Scope::Both => &[Scope::Anonymised, Scope::Pseudonymised],
        Scope::Anonymised => &[Scope::Anonymised],
        Scope::Pseudonymised => &[Scope::Pseudonymised],
    };
    let statement = delivery.statement.as_ref();
    let mut ground = Ground {
        supplier: Some(supplier.clone()),
        acquired,
        notified_through: statement.map(|s| s.notified_through),
        ..Ground::default()
    };
    let mut days = 0;
    for track in tracks {
        let filing = in_force(filings, supplier, *track, today).ok_or(Unfiled::NotFiled)?;
        if filing.published_on.is_none_or(|day| day > today) {
            return Err(Unfiled::NotFiled);
        }
        if filing.ended_on.is_some_and(|day| day < today) {
            return Err(Unfiled::SupplyEnded);
        }
        if filing.starts_on > today {
            return Err(Unfiled::NotStarted);
        }
        days = days.max(filing.notice_days);
        ground.filings.push((filing.number.clone(), filing.published_on));
        ground.items.extend(filing.items.iter().filter(|i| !ground.items.contains(i)).cloned().collect::<Vec<_>>());
    }
    let statement = statement.ok_or(Unfiled::NotNotified)?;
    // The day of the notice does not count (Civil Code art. 140); the last day must be over.
    let over_if_by = today.saturating_sub(jiff::Span::new().days(i64::from(days) + 1));
    if delivery.rows_say_when {
        return Ok((ground, Some(Terms { notified_through: statement.notified_through, over_if_by })));
    }
    if statement.notified_through > over_if_by {
        return Err(Unfiled::NoticePeriodRunning);
    }
    Ok((ground, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn filing(track: Scope) -> Filing {
        Filing {
            supplier: Code::of("0110113719"),
            called: "みどり病院".into(),
            track,
            number: Code::of("filing-17"),
            filed_on: day("2026-01-10"),
            published_on: Some(day("2026-02-01")),
            items: vec![Code::of("diagnoses")],
            starts_on: day("2026-04-01"),
            notice_days: 30,
            stops_received_by: vec![Code::of("post")],
            ended_on: None,
        }
    }

    fn delivery(track: Scope) -> Delivery {
        Delivery {
            flow: Flow::HospitalSupply,
            track,
            supplier: Some(Code::of("0110113719")),
            statement: Some(Statement { notified_through: day("2026-03-31"), acquired: Some(Code::of("treatment")) }),
            rows_say_when: false,
        }
    }

    fn refused(filings: &[Filing], delivery: &Delivery, today: &str) -> Option<Unfiled> {
        admit(filings, delivery, day(today)).err()
    }

    #[test]
    fn row_5_given_no_published_filing_for_the_track_when_a_file_comes_then_not_filed_and_not_stopped() {
        let filings = [filing(Scope::Anonymised)];
        assert_eq!(refused(&filings, &delivery(Scope::Anonymised), "2026-05-01"), None);
        assert_eq!(refused(&filings, &delivery(Scope::Pseudonymised), "2026-05-01"), Some(Unfiled::NotFiled));
        assert_eq!(refused(&filings, &delivery(Scope::Both), "2026-05-01"), Some(Unfiled::NotFiled));
        let unpublished = Filing { published_on: None, ..filing(Scope::Anonymised) };
        assert_eq!(refused(&[unpublished], &delivery(Scope::Anonymised), "2026-05-01"), Some(Unfiled::NotFiled));
        let other = Delivery { supplier: Some(Code::of("9999999999")), ..delivery(Scope::Anonymised) };
        assert_eq!(refused(&filings, &other, "2026-05-01"), Some(Unfiled::NotFiled));
        let nobody = Delivery { supplier: None, ..delivery(Scope::Anonymised) };
        assert_eq!(refused(&filings, &nobody, "2026-05-01"), Some(Unfiled::SupplierMissing));
    }

    #[test]
    fn row_5_given_a_notice_of_30_days_when_its_last_day_is_not_over_then_the_period_is_running() {
        let filings = [filing(Scope::Anonymised)];
        let file = delivery(Scope::Anonymised);
        // Notified on 31 March; the thirtieth day is 30 April.
        assert_eq!(refused(&filings, &file, "2026-04-30"), Some(Unfiled::NoticePeriodRunning));
        assert_eq!(refused(&filings, &file, "2026-05-01"), None);
        assert_eq!(refused(&filings, &Delivery { statement: None, ..file }, "2026-05-01"), Some(Unfiled::NotNotified));
    }

    #[test]
    fn given_a_start_an_end_or_a_changed_filing_when_a_file_comes_then_the_newest_filing_decides() {
        let mut ended = filing(Scope::Anonymised);
        ended.filed_on = day("2026-06-01");
        ended.published_on = Some(day("2026-06-02"));
        ended.ended_on = Some(day("2026-06-30"));
        let filings = [ended, filing(Scope::Anonymised)];
        let file = delivery(Scope::Anonymised);
        let at = |today: &str| refused(&filings, &file, today);
        assert_eq!(at("2026-03-31"), Some(Unfiled::NotStarted));
        assert_eq!((at("2026-05-31"), at("2026-06-30")), (None, None));
        assert_eq!(at("2026-07-01"), Some(Unfiled::SupplyEnded));
    }

    #[test]
    fn given_a_column_that_says_when_then_rows_are_refused_and_not_the_file() {
        let file = Delivery { rows_say_when: true, ..delivery(Scope::Anonymised) };
        let (_, terms) = admit(&[filing(Scope::Anonymised)], &file, day("2026-04-15")).unwrap();
        let row = |on: Option<&str>| terms.unwrap().row(on.map(day));
        assert_eq!(row(Some("2026-03-15")), Ok(()));
        assert_eq!(row(Some("2026-03-16")), Err(Unfiled::NoticePeriodRunning));
        assert_eq!(row(Some("2026-04-01")), Err(Unfiled::NotNotified), "after what the hospital states");
        assert_eq!(row(None), Err(Unfiled::NotNotified));
    }

    #[test]
    fn row_6_given_an_accepted_file_then_its_ground_has_what_the_receipt_record_needs() {
        let (ground, _) = admit(&[filing(Scope::Anonymised)], &delivery(Scope::Anonymised), day("2026-05-01")).unwrap();
        let json = serde_json::to_value(&ground).unwrap();
        assert_eq!(json["supplier"], "0110113719");
        assert_eq!(json["filings"], serde_json::json!([["filing-17", "2026-02-01"]]));
        assert_eq!(json["items"], serde_json::json!(["diagnoses"]));
        assert_eq!((&json["acquired"], &json["notified_through"]), (&"treatment".into(), &"2026-03-31".into()));
    }

    #[test]
    fn row_8_given_another_flow_then_no_filing_is_asked_for() {
        for flow in Flow::ALL.iter().filter(|f| **f != Flow::HospitalSupply) {
            let file = Delivery { flow: *flow, supplier: None, statement: None, ..delivery(Scope::Both) };
            assert!(admit(&[], &file, day("2026-05-01")).is_ok(), "{}", flow.as_str());
        }
    }
}
