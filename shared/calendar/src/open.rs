//! Open days and office hours of those whose doors matter: the counter, the banks, the authorities.

use crate::{
    holidays::{self, Equinoxes, Holiday},
    jst, jst_date,
    setting::{self, CalendarError, Setting},
};
use jiff::{
    Timestamp,
    civil::{Date, Time, Weekday},
};
use std::sync::OnceLock;

/// Whose open days are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// 営業日: the counter of the operator.
    Office,
    /// 銀行営業日: 銀行法施行令5条.
    Bank,
    /// 行政機関の開庁日: 行政機関の休日に関する法律1条 (363AC0000000091).
    Authority,
}

pub(crate) struct Hours {
    pub valid_from: Date,
    pub opens: Time,
    pub closes: Time,
}

pub(crate) enum Stretch {
    Yearly { from: (i8, i8), to: (i8, i8) },
    Once { from: Date, to: Date },
}

pub(crate) struct Closed {
    pub stretch: Stretch,
    pub valid_from: Date,
    pub valid_to: Date,
}

impl Closed {
    fn covers(&self, day: Date) -> bool {
        if day < self.valid_from || day > self.valid_to {
            return false;
        }
        match &self.stretch {
            Stretch::Once { from, to } => (*from..=*to).contains(&day),
            Stretch::Yearly { from, to } => {
                let this = (day.month(), day.day());
                if from <= to { (*from..=*to).contains(&this) } else { this >= *from || this <= *to }
            }
        }
    }
}

/// Holidays, closed days and office hours together. Built once; every answer is a pure function of the day.
pub struct Calendar(Setting);

impl Calendar {
    /// From a file of the shape of `infra/config/calendar.toml`.
    pub fn parse(toml: &str) -> Result<Self, CalendarError> {
        setting::parse(toml).map(Self)
    }

    /// The calendar that is built into the program.
    pub fn embedded() -> &'static Self {
        static BUILT_IN: OnceLock<Calendar> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            // A test parses this very file, so the program cannot be built with one that fails here.
            Self::parse(include_str!("../../../infra/config/calendar.toml")).expect("the built-in calendar is valid")
        })
    }

    /// The last year whose equinox days are announced; later holidays are computed and may move by a day.
    pub fn gazetted_through(&self) -> i16 {
        self.0.gazetted_through
    }

    /// The national holiday on this day, if it is one.
    pub fn holiday(&self, day: Date) -> Option<Holiday> {
        holidays::holiday(day, self.equinoxes())
    }

    fn equinoxes(&self) -> &Equinoxes {
        &self.0.equinoxes
    }

    /// Whether they are open on this day.
    pub fn is_open(&self, who: Schedule, day: Date) -> bool {
        let closed = match who {
            Schedule::Office => &self.0.office,
            Schedule::Bank => &self.0.bank,
            Schedule::Authority => &self.0.authority,
        };
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
            && !closed.iter().any(|c| c.covers(day))
            && self.holiday(day).is_none()
    }

    /// This day if they are open on it, else the next on which they are (Civil Code art. 142).
    pub fn open_on_or_after(&self, who: Schedule, day: Date) -> Date {
        let mut day = day;
        while !self.is_open(who, day) {
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => return day,
            }
        }
        day
    }

    /// The `n`th open day after this day; the day itself is not counted (初日不算入). 0 gives the day itself.
    pub fn add_open_days(&self, who: Schedule, day: Date, n: u32) -> Date {
        let mut day = day;
        for _ in 0..n {
            match day.tomorrow() {
                Ok(next) => day = self.open_on_or_after(who, next),
                Err(_) => return day,
            }
        }
        day
    }

    /// How many open days lie after `from` up to and including `to`; 0 if `to` is not later.
    pub fn open_days_between(&self, who: Schedule, from: Date, to: Date) -> u32 {
        let mut n = 0;
        let mut day = from;
        while day < to {
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
            n += u32::from(self.is_open(who, day));
        }
        n
    }

    /// Opening and closing instants of the counter on this day; nothing when it is closed.
    pub fn office_hours(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.is_open(Schedule::Office, day) {
            return None;
        }
        let hours = self.0.hours.iter().rev().find(|h| h.valid_from <= day)?;
        let at = |time: Time| jst().to_timestamp(day.to_datetime(time)).ok();
        Some((at(hours.opens)?, at(hours.closes)?))
    }

    /// The open day to which the counter's own clock assigns an arrival: the same day until closing time, else the next.
    ///
    /// House policy only. In law a declaration works from its arrival, whatever the hour (Civil Code art. 97(1), 到達).
    pub fn service_day(&self, arrival: Timestamp) -> Date {
        let day = jst_date(arrival);
        match self.office_hours(day) {
            Some((_, closes)) if arrival < closes => day,
            _ => self.add_open_days(Schedule::Office, day, 1),
        }
    }
}
