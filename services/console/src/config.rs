//! `[console]` of the configuration.

use crate::{
    access::Limits,
    session::{Lifetimes, Limit},
};
use anyhow::Context;
use jiff::{SignedDuration, tz::TimeZone};
use serde::Deserialize;

/// `[letters]`: who writes, on every letter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Letters {
    /// 差出人: the organisation. Empty: letters have no sender, and are printed on paper that has one.
    pub sender: String,
    /// Address, counter, telephone; a line each.
    pub lines: Vec<String>,
    /// Where people ask how a request stands (`https://madoguchi.example.jp/status`). Empty: letters do not say.
    pub status_url: String,
}

impl Letters {
    /// 差出人, where the paper does not say it already.
    pub fn from(&self) -> Option<letter::Sender> {
        let sender = || letter::Sender { name: self.sender.clone(), lines: self.lines.clone() };
        (!self.sender.is_empty()).then(sender)
    }

    /// Checks what types do not say.
    ///
    /// # Errors
    /// Names the key and what may stand there.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.sender.chars().count() <= 100, "`letters.sender`: 100 characters at most");
        let lines = self.lines.len() <= 6 && self.lines.iter().all(|line| line.chars().count() <= 100);
        anyhow::ensure!(lines, "`letters.lines`: 6 lines of 100 characters at most");
        let url = self.status_url.is_empty() || self.status_url.starts_with("https://");
        anyhow::ensure!(
            url && self.status_url.len() <= 200,
            "`letters.status_url`: an address that begins with https://, or nothing"
        );
        Ok(())
    }
}

/// `[console]`: the staff's pages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the pages listen; port 0 for a free one.
    pub listen: String,
    /// How staff reach the console (`https://console.example.jp`); with https, cookies are `Secure` and named `__Host-…`.
    /// Empty: `http://` and the address it listens on.
    pub base_url: String,
    /// A session ends after so long without a request, in minutes.
    pub idle_minutes: u32,
    /// A session ends after so long, in hours.
    pub session_hours: u32,
    /// Sign-ins whose passwords are checked at the same time; each takes 19 MiB for some tens of milliseconds.
    pub sign_ins_at_once: usize,
    /// Sign-in attempts per login within `attempt_minutes`.
    pub attempts_per_login: i32,
    /// Sign-in attempts per client address within `attempt_minutes`.
    pub attempts_per_address: i32,
    /// The window of the two limits above.
    pub attempt_minutes: u32,
    /// The largest form, in bytes (a bank file may have 10 MiB).
    pub body_max: usize,
    /// The longest a page may take, in seconds.
    pub timeout_seconds: u64,
    /// Times on pages are of this zone.
    pub time_zone: String,
}

impl Settings {
    /// Checks what types do not say.
    ///
    /// # Errors
    /// Names the key and what may stand there.
    pub fn check(&self) -> anyhow::Result<TimeZone> {
        let base = self.base_url.trim_end_matches('/');
        anyhow::ensure!(
            base.is_empty() || base.starts_with("https://") || base.starts_with("http://"),
            "`console.base_url`: give an address that begins with https:// (or http:// on this machine only), or leave it empty"
        );
        let whole = |key: &str, value: i64, most: i64| {
            anyhow::ensure!((1..=most).contains(&value), "`console.{key}`: give a number from 1 to {most}");
            Ok(())
        };
        whole("idle_minutes", self.idle_minutes.into(), 24 * 60)?;
        whole("session_hours", self.session_hours.into(), 24 * 7)?;
        whole("sign_ins_at_once", self.sign_ins_at_once as i64, 64)?;
        whole("attempts_per_login", self.attempts_per_login.into(), 1_000)?;
        whole("attempts_per_address", self.attempts_per_address.into(), 100_000)?;
        whole("attempt_minutes", self.attempt_minutes.into(), 24 * 60)?;
        whole("body_max", self.body_max as i64, 1024 * 1024)?;
        whole("timeout_seconds", self.timeout_seconds as i64, 600)?;
        TimeZone::get(&self.time_zone).with_context(|| {
            format!("`console.time_zone`: `{}` is no zone of the IANA list; give one like Asia/Tokyo", self.time_zone)
        })
    }

    /// How long sessions last.
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            idle: SignedDuration::from_mins(self.idle_minutes.into()),
            absolute: SignedDuration::from_hours(self.session_hours.into()),
        }
    }

    /// How often somebody may try.
    pub fn limits(&self) -> Limits {
        let window = SignedDuration::from_mins(self.attempt_minutes.into());
        Limits {
            login: Limit { most: self.attempts_per_login, window },
            address: Limit { most: self.attempts_per_address, window },
        }
    }
}
