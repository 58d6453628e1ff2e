//! What day it is for the desk: Japanese holidays, open days, office hours, periods of law, era dates.
//!
//! Pure: no clock, no I/O, no randomness. The date or instant is always an input, and civil days are those of Japan
//! (UTC+9 all year). Days that somebody announces are data (`infra/config/calendar.toml`), dated; the rest is rules.
//!
//! - [`Calendar`]: is a day open for the office, the banks, the authorities? Adding open days, office hours.
//! - [`holidays`]: 国民の祝日に関する法律 by rule.
//! - [`period`]: the one function by which every deadline and every retention ends; [`rules`] names them all.
//! - [`era`]: 和暦, with the days on which two eras overlap.

pub mod era;
pub mod holidays;
mod open;
pub mod period;
pub mod rules;
mod setting;

pub use era::{Era, EraDate, EraError, parse_date};
pub use holidays::{Holiday, HolidayKind};
pub use open::{Calendar, Schedule};
pub use period::{Counting, LastDay, Rule, Span, last_day, over_from, suit_opens_on};
pub use setting::CalendarError;

use jiff::{
    Timestamp,
    civil::Date,
    tz::{TimeZone, offset},
};

/// Japan Standard Time, UTC+9, without summer time (明治二十八年勅令第百六十七号).
pub fn jst() -> TimeZone {
    TimeZone::fixed(offset(9))
}

/// The civil day in Japan at this instant.
pub fn jst_date(at: Timestamp) -> Date {
    at.to_zoned(jst()).date()
}

/// The instant at which a civil day begins in Japan. At the far ends of time, the nearest instant there is.
pub fn start_of(day: Date) -> Timestamp {
    match jst().to_timestamp(day.at(0, 0, 0, 0)) {
        Ok(at) => at,
        Err(_) if day.year() > 0 => Timestamp::MAX,
        Err(_) => Timestamp::MIN,
    }
}

/// The first instant after a civil day in Japan: "the last day ends" (Civil Code art. 141, 期間の満了).
pub fn end_of(day: Date) -> Timestamp {
    match day.tomorrow() {
        Ok(next) => start_of(next),
        Err(_) => Timestamp::MAX,
    }
}

#[cfg(test)]
mod tests;
