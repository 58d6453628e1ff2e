//! `[intake]` of infra/config/default.toml.

use crate::case::Terms;
use contracts::Kind;
use mail::{apart::Reader, kind::Ours};
use serde::Deserialize;
use std::{ffi::OsString, time::Duration};

/// What the operator may set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How often the in-tray is looked at without being woken, in milliseconds.
    pub poll_ms: u64,
    /// Filings taken at a time.
    pub batch: u16,
    /// Filings in work at the same time.
    pub at_once: u16,
    /// How long a filing that cannot be taken (a withdrawal without its request) is tried before it waits for a person.
    pub park_after_hours: u32,
    /// Open days after the due date of a completion before the case lapses.
    pub completion_grace_days: u16,
    /// How often a lapsed case can be revived.
    pub revivals_max: u8,
    /// 処理期間 in open days of the counter, per kind.
    pub service_days: ServiceDays,
    /// 来信.
    pub mail: MailSettings,
}

/// `[intake.mail]`: how mails are read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The command that reads one mail (words between spaces); empty: this program, with `read-mail`.
    pub reader: String,
    /// Seconds for one mail, by the clock on the wall.
    pub reader_seconds: u64,
    /// Mails in reading at the same time.
    pub reader_at_once: usize,
    /// The domain of the desk's own addresses and Message-IDs; empty: that of `notification.from`.
    pub domain: String,
}

impl MailSettings {
    /// Starts processes.
    ///
    /// # Errors
    /// The program's own path cannot be found.
    pub fn reader(&self) -> std::io::Result<Reader> {
        let mut words = self.reader.split_whitespace();
        let (program, arguments) = match words.next() {
            Some(program) => (program.into(), words.map(OsString::from).collect()),
            None => (std::env::current_exe()?, vec![OsString::from("read-mail")]),
        };
        Ok(Reader::new(program, arguments, Duration::from_secs(self.reader_seconds), self.reader_at_once))
    }

    /// How our own mails are told; `from` is the mailbox that they come from.
    pub fn ours(&self, from: &str) -> Ours {
        let of_from = || from.rsplit_once('@').map_or("", |(_, domain)| domain.trim_end_matches(['>', ' ']));
        let domain = if self.domain.is_empty() { of_from() } else { &self.domain };
        Ours { domain: domain.to_owned() }
    }
}

/// 処理期間 in open days of the counter. No statute sets any (遅滞なく); the operator publishes its own.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // the kinds, one to one
pub struct ServiceDays {
    pub disclosure: u16,
    pub third_party_records: u16,
    pub correction: u16,
    pub suspension: u16,
    pub purpose_notice: u16,
    pub provision_stop: u16,
    pub deletion: u16,
    pub complaint: u16,
    pub consultation: u16,
}

impl ServiceDays {
    /// Of one kind.
    pub const fn of(&self, kind: Kind) -> u16 {
        match kind {
            Kind::Disclosure => self.disclosure,
            Kind::ThirdPartyRecords => self.third_party_records,
            Kind::Correction => self.correction,
            Kind::Suspension => self.suspension,
            Kind::PurposeNotice => self.purpose_notice,
            Kind::ProvisionStop => self.provision_stop,
            Kind::Deletion => self.deletion,
            Kind::Complaint => self.complaint,
            Kind::Consultation => self.consultation,
        }
    }
}

/// More than this is a slip of the pen: a year of open days.
const DAYS_MAX: u16 = 250;

impl Settings {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the key and what may stand there.
    pub fn check(self) -> anyhow::Result<Self> {
        anyhow::ensure!((10..=60_000).contains(&self.poll_ms), "`intake.poll_ms`: 10 to 60000");
        anyhow::ensure!((1..=1_000).contains(&self.batch), "`intake.batch`: 1 to 1000");
        anyhow::ensure!((1..=64).contains(&self.at_once), "`intake.at_once`: 1 to 64");
        anyhow::ensure!((1..=720).contains(&self.park_after_hours), "`intake.park_after_hours`: 1 to 720");
        anyhow::ensure!(self.completion_grace_days <= DAYS_MAX, "`intake.completion_grace_days`: 0 to {DAYS_MAX}");
        anyhow::ensure!(self.revivals_max <= 20, "`intake.revivals_max`: 0 to 20");
        anyhow::ensure!((1..=300).contains(&self.mail.reader_seconds), "`intake.mail.reader_seconds`: 1 to 300");
        anyhow::ensure!((1..=16).contains(&self.mail.reader_at_once), "`intake.mail.reader_at_once`: 1 to 16");
        for kind in Kind::ALL {
            let key = kind.as_str().replace('-', "_");
            anyhow::ensure!(
                (1..=DAYS_MAX).contains(&self.service_days.of(*kind)),
                "`intake.service_days.{key}`: 1 to {DAYS_MAX}"
            );
        }
        Ok(self)
    }

    /// The terms of a case of this kind that arrives now.
    pub const fn terms(&self, kind: Kind) -> Terms {
        Terms {
            service_days: self.service_days.of(kind),
            completion_grace_days: self.completion_grace_days,
            revivals_max: self.revivals_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> serde_json::Value {
        let days: serde_json::Map<_, _> =
            Kind::ALL.iter().map(|k| (k.as_str().replace('-', "_"), serde_json::json!(20))).collect();
        serde_json::json!({
            "poll_ms": 1000, "batch": 64, "at_once": 4, "park_after_hours": 24,
            "completion_grace_days": 5, "revivals_max": 3, "service_days": days,
            "mail": { "reader": "", "reader_seconds": 20, "reader_at_once": 2, "domain": "" }
        })
    }

    #[test]
    fn our_own_mails_are_told_by_the_domain_that_they_come_from() {
        let mut mail = serde_json::from_value::<Settings>(settings()).unwrap().mail;
        assert_eq!(mail.ours("Desk <desk@desk.example>").domain, "desk.example");
        assert_eq!(mail.ours("desk@desk.example").domain, "desk.example");
        assert_eq!(mail.ours("").domain, "");
        mail.domain = "other.example".to_owned();
        assert_eq!(mail.ours("Desk <desk@desk.example>").domain, "other.example");
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key() {
        let read = |value| serde_json::from_value::<Settings>(value).unwrap();
        assert!(read(settings()).check().is_ok());
        for (key, bad) in [("poll_ms", 0), ("batch", 0), ("at_once", 65), ("park_after_hours", 0), ("revivals_max", 21)]
        {
            let mut value = settings();
            value[key] = bad.into();
            assert!(read(value).check().unwrap_err().to_string().contains(key), "{key}");
        }
        for kind in Kind::ALL {
            let key = kind.as_str().replace('-', "_");
            let mut value = settings();
            value["service_days"][&key] = 0.into();
            assert!(read(value).check().unwrap_err().to_string().contains(&key), "{key}");
        }
        let mut unknown = settings();
        unknown["service_day"] = 1.into();
        assert!(serde_json::from_value::<Settings>(unknown).is_err());
    }
}
