//! The one period function: when does a period of law end? (Civil Code 129AC0000000089, book 1 chapter 6)
//!
//! Two ways of counting look alike and differ by a day. A rule therefore names its counting and its article ([`Rule`]),
//! and nothing else in the product adds days to a date of law.

use crate::open::{Calendar, Schedule};
use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

/// Whether the day of the event is the first day of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// 「…の日から」 initial day left out (初日不算入, Civil Code art. 140).
    From,
    /// 「…の日から起算して」 that day is the first.
    Including,
}

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// Days (日).
    Days(u16),
    /// Weeks by the calendar (週, art. 143).
    Weeks(u16),
    /// Months by the calendar (月, art. 143).
    Months(u16),
    /// Years by the calendar (年, art. 143).
    Years(u16),
}

/// What happens when the last day is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastDay {
    /// Nothing: the period ends on it. Retentions, and periods that nobody has to meet.
    Stands,
    /// It moves to the next open day (art. 142; for authorities 行政機関の休日に関する法律2条).
    NextOpen(Schedule),
}

/// A period of law, with the article that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The article, in words a lawyer can check.
    pub article: &'static str,
    /// Whether the first day counts.
    pub counting: Counting,
    /// How long.
    pub span: Span,
    /// What a closed last day does.
    pub last_day: LastDay,
}

impl Rule {
    /// A rule whose last day stands.
    pub const fn new(article: &'static str, counting: Counting, span: Span) -> Self {
        Self { article, counting, span, last_day: LastDay::Stands }
    }
    /// The same rule, whose last day moves to the next open day of these.
    pub const fn or_next_open(self, who: Schedule) -> Self {
        Self { last_day: LastDay::NextOpen(who), ..self }
    }
}

/// The last day of the period that the event on `event` starts; it ends with that day (art. 141).
///
/// Months and years go by the calendar: the period ends on the day before the one that corresponds to its first day, or,
/// when the last month has no such day, on the last day of that month (art. 143(2)). Beyond the year 9999: the last day
/// there is.
pub fn last_day(event: Date, rule: &Rule, calendar: &Calendar) -> Date {
    let first = match rule.counting {
        Counting::Including => event,
        Counting::From => event.tomorrow().unwrap_or(Date::MAX),
    };
    let end = match rule.span {
        Span::Days(n) => before(first.saturating_add(i64::from(n).days())),
        Span::Weeks(n) => before(first.saturating_add(i64::from(n).weeks())),
        Span::Months(n) => by_calendar(first, i64::from(n)),
        Span::Years(n) => by_calendar(first, i64::from(n) * 12),
    };
    match rule.last_day {
        LastDay::Stands => end,
        LastDay::NextOpen(who) => calendar.open_on_or_after(who, end),
    }
}

/// The first day on which the period is over: the day after its last.
pub fn over_from(event: Date, rule: &Rule, calendar: &Calendar) -> Date {
    last_day(event, rule, calendar).tomorrow().unwrap_or(Date::MAX)
}

/// As many months as lie between the first and the last year there is; jiff panics beyond twice that.
const MONTHS_MAX: i64 = 9_999 * 12;

fn by_calendar(first: Date, months: i64) -> Date {
    // jiff clamps 31 January + 1 month to the end of February: then there was no corresponding day, and the clamped day
    // itself is the last.
    let corresponding = first.saturating_add(months.min(MONTHS_MAX).months());
    if corresponding.day() == first.day() { before(corresponding) } else { corresponding }
}

fn before(day: Date) -> Date {
    day.yesterday().unwrap_or(Date::MIN)
}

/// APPI art. 39: the first day on which a suit or a provisional order is open.
///
/// Two weeks pass after the day of arrival (二週間を経過した後, art. 39(1)), or the request is refused, whichever is first.
/// Nothing pauses it. A request arrives when it would normally arrive (art. 39(2)): that day is the input. It applies to
/// disclosure, third-party records, correction and suspension; not to purpose notices or stops under the Act.
pub fn suit_opens_on(arrival: Date, refused_on: Option<Date>, calendar: &Calendar) -> Date {
    let passed = over_from(arrival, &crate::rules::SUIT, calendar);
    refused_on.map_or(passed, |refused| refused.min(passed))
}
