//! The calendar's configuration file: its shape, and errors that name the key to mend.

use crate::{
    holidays::Equinoxes,
    open::{Closed, Hours, Stretch},
};
use jiff::civil::{Date, Time, date};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is wrong with the calendar's configuration, with the key to mend.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// Not TOML, or a key is missing, unknown or of another type; the text names the line and the key.
    #[error("calendar configuration cannot be read: {0}")]
    Shape(String),
    /// A value that cannot be.
    #[error("calendar configuration: {key}: {problem}")]
    Value {
        /// The key, with its place in a list from 0.
        key: String,
        /// What to write instead.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    equinoxes_gazetted_through: i16,
    equinoxes: BTreeMap<String, [i8; 2]>,
    office: Office,
    bank: Days,
    authority: Days,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Office {
    hours: Vec<RawHours>,
    #[serde(default)]
    closed: Vec<RawClosed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Days {
    #[serde(default)]
    closed: Vec<RawClosed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHours {
    valid_from: String,
    opens: String,
    closes: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClosed {
    from: String,
    to: Option<String>,
    valid_from: Option<String>,
    valid_to: Option<String>,
    /// For whoever reads the file; the program does not use it.
    #[allow(dead_code)]
    reason: String,
}

/// The parsed file.
pub(crate) struct Setting {
    pub equinoxes: Equinoxes,
    pub gazetted_through: i16,
    pub hours: Vec<Hours>,
    pub office: Vec<Closed>,
    pub bank: Vec<Closed>,
    pub authority: Vec<Closed>,
}

const MAX_ENTRIES: usize = 500;
const MAX_STRETCH_DAYS: i32 = 31;

pub(crate) fn parse(text: &str) -> Result<Setting, CalendarError> {
    let file: File = toml::from_str(text).map_err(|e| CalendarError::Shape(e.to_string()))?;
    Ok(Setting {
        equinoxes: equinoxes(file.equinoxes)?,
        gazetted_through: file.equinoxes_gazetted_through,
        hours: hours(file.office.hours)?,
        office: closed("office.closed", file.office.closed)?,
        bank: closed("bank.closed", file.bank.closed)?,
        authority: closed("authority.closed", file.authority.closed)?,
    })
}

fn wrong<T>(key: impl Into<String>, problem: &'static str) -> Result<T, CalendarError> {
    Err(CalendarError::Value { key: key.into(), problem })
}

fn equinoxes(raw: BTreeMap<String, [i8; 2]>) -> Result<Equinoxes, CalendarError> {
    raw.into_iter()
        .map(|(year, days)| {
            let key = format!("equinoxes.{year}");
            match year.parse::<i16>() {
                Ok(y) if (2000..=2150).contains(&y) => match days {
                    [19..=22, 21..=24] => Ok((y, days)),
                    _ => wrong(key, "write [day in March 19 to 22, day in September 21 to 24]"),
                },
                _ => wrong(key, "the key is a year, 2000 to 2150"),
            }
        })
        .collect()
}

fn hours(raw: Vec<RawHours>) -> Result<Vec<Hours>, CalendarError> {
    if raw.is_empty() || raw.len() > MAX_ENTRIES {
        return wrong("office.hours", "give at least one and at most 500 entries");
    }
    let mut all = Vec::with_capacity(raw.len());
    for (i, h) in raw.into_iter().enumerate() {
        let key = |name: &str| format!("office.hours[{i}].{name}");
        let (opens, closes) = (time(key("opens"), &h.opens)?, time(key("closes"), &h.closes)?);
        if opens >= closes {
            return wrong(key("closes"), "must be later than `opens`");
        }
        all.push(Hours { valid_from: full_date(key("valid_from"), &h.valid_from)?, opens, closes });
    }
    all.sort_by_key(|h| h.valid_from);
    Ok(all)
}

fn closed(list: &str, raw: Vec<RawClosed>) -> Result<Vec<Closed>, CalendarError> {
    if raw.len() > MAX_ENTRIES {
        return wrong(list, "at most 500 entries");
    }
    raw.into_iter()
        .enumerate()
        .map(|(i, c)| {
            let key = |name: &str| format!("{list}[{i}].{name}");
            let to = c.to.as_deref().unwrap_or(&c.from);
            let stretch = match (month_day(&c.from), month_day(to)) {
                (Some(from), Some(to)) => {
                    // 2001 is no leap year: a yearly stretch may not begin or end on 02-29.
                    let begin = date(2001, from.0, from.1);
                    let end = date(if to < from { 2002 } else { 2001 }, to.0, to.1);
                    limited(key("to"), begin, end)?;
                    Stretch::Yearly { from, to }
                }
                (None, None) => {
                    let (from, to) = (full_date(key("from"), &c.from)?, full_date(key("to"), to)?);
                    limited(key("to"), from, to)?;
                    Stretch::Once { from, to }
                }
                _ => return wrong(key("to"), "write both ends as MM-DD or both as YYYY-MM-DD"),
            };
            let valid_from = c.valid_from.map(|d| full_date(key("valid_from"), &d)).transpose()?.unwrap_or(Date::MIN);
            let valid_to = c.valid_to.map(|d| full_date(key("valid_to"), &d)).transpose()?.unwrap_or(Date::MAX);
            if valid_to < valid_from {
                return wrong(key("valid_to"), "must not be before `valid_from`");
            }
            Ok(Closed { stretch, valid_from, valid_to })
        })
        .collect()
}

/// A stretch longer than a month is a slip of the pen, and would make every deadline jump.
fn limited(key: String, from: Date, to: Date) -> Result<(), CalendarError> {
    let days = from.until(to).map(|s| s.get_days()).unwrap_or(-1);
    if (0..MAX_STRETCH_DAYS).contains(&days) { Ok(()) } else { wrong(key, "0 to 30 days after `from`") }
}

fn time(key: String, text: &str) -> Result<Time, CalendarError> {
    text.parse().or_else(|_| wrong(key, "write a time as HH:MM"))
}

fn full_date(key: String, text: &str) -> Result<Date, CalendarError> {
    text.parse().or_else(|_| wrong(key, "write a day as YYYY-MM-DD (or, for every year, MM-DD in `from` and `to`)"))
}

fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    if month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    Date::new(2001, month, day).ok().map(|d| (d.month(), d.day()))
}
