//! Six digits without an era to a day.
//!
//! 06 is 2024 (令和6) and was 1994 (平成6): the bank does not say. Candidates are kept when they are valid inside their era
//! and lie in the window around the file's arrival; eras lie more than the window apart, so at most one is left.

use super::{
    Problem, ZenginError,
    field::{Field, Record},
};
use calendar::Era;
use jiff::{ToSpan, civil::Date};

/// What a file of this arrival may speak of.
pub(crate) struct Window {
    /// The day on which the file came.
    pub arrival: Date,
    /// How far back.
    pub oldest_days: u16,
    /// The bank writes western years.
    pub western_years: bool,
}

/// Banks announce at most this many days ahead (weekends and holidays before the booking day).
const NEWEST_DAYS: i32 = 7;

impl Window {
    fn holds(&self, day: Date) -> bool {
        let oldest = self.arrival.saturating_sub(i32::from(self.oldest_days).days());
        let newest = self.arrival.saturating_add(NEWEST_DAYS.days());
        (oldest..=newest).contains(&day)
    }

    /// A required day within the window.
    pub fn day(&self, record: &Record, f: Field) -> Result<Date, ZenginError> {
        let digits = record.digits(f)?;
        // Six digits were checked just now.
        let part = |range: std::ops::Range<usize>| digits[range].parse::<i8>().unwrap_or(0);
        let (year, month, day) = (part(0..2), part(2..4), part(4..6));
        let year = i16::from(year);
        let era = |era: Era| era.date(year, month, day).ok();
        let western = self.western_years.then(|| Date::new(2000 + year, month, day).ok()).flatten();
        let candidates = [era(Era::Reiwa), era(Era::Heisei), western];
        match candidates.iter().flatten().find(|day| self.holds(**day)) {
            Some(day) => Ok(*day),
            None if candidates.iter().all(Option::is_none) => Err(record.wrong(f, Problem::NoSuchDay)),
            None => Err(record.wrong(f, Problem::DayOutOfWindow)),
        }
    }
}
