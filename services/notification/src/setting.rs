//! `[notification]` of the configuration.

use crate::{message::Plan, transport::Transport};
use anyhow::{Context, ensure};
use lettre::message::Mailbox;
use serde::Deserialize;
use std::{path::PathBuf, time::Duration};

/// The options of this service. No `Debug`: `smtp_url` may hold a password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The status page, as people reach it: the link in every mail.
    pub status_url: String,
    /// The partner API's pages, as recipients reach them: the link in alerts to their contacts.
    pub partner_url: String,
    /// The console, as the officer reaches it: the link in alerts to the officer.
    pub console_url: String,
    /// The mailbox of the operator's officer (責任者), who is told of what is past due; empty: nobody is.
    pub officer: String,
    /// From whom: `desk@example.jp` or `窓口 <desk@example.jp>`. Its domain is also that of the Message-IDs.
    pub from: String,
    /// The mail host; empty: none, mails become files in `outbox_dir`.
    pub smtp_url: String,
    /// Folder of `.eml` files where no mail host is configured.
    pub outbox_dir: PathBuf,
    /// How long one mail may take at the mail host, in seconds.
    pub smtp_timeout_s: u32,
    /// Attempts before a notice is given up.
    pub attempts_max: u8,
    /// How long the shell is waited for, in seconds; longer than `smtp_timeout_s` by ten at least.
    pub lease_s: u32,
    /// First pause after a failure, in seconds; doubles each time.
    pub backoff_s: u32,
    /// The longest pause, in seconds.
    pub backoff_cap_s: u32,
    /// A notice that could not be sent for this long is given up, in seconds.
    pub give_up_s: u32,
    /// Mails under way at the same time.
    pub at_once: usize,
}

/// What the options come to.
#[derive(Debug)]
pub struct Checked {
    /// The link in every mail.
    pub status_url: String,
    /// The link in alerts to recipients' contacts.
    pub partner_url: String,
    /// The link in alerts to the officer.
    pub console_url: String,
    /// The officer's mailbox; empty: none.
    pub officer: String,
    /// From whom.
    pub from: Mailbox,
    /// How mails leave.
    pub transport: Transport,
    /// How long and how often.
    pub plan: Plan,
    /// Mails under way at the same time.
    pub at_once: usize,
}

impl Setting {
    /// Checks the values and prepares the transport; nothing is connected.
    ///
    /// # Errors
    /// Names the key and what may stand there; never quotes `smtp_url`.
    pub fn checked(self) -> anyhow::Result<Checked> {
        let link = self.status_url;
        let links = [("status_url", &link), ("partner_url", &self.partner_url), ("console_url", &self.console_url)];
        for (key, link) in links {
            ensure!(
                (link.starts_with("https://") || link.starts_with("http://"))
                    && link.len() <= 200
                    && !link.chars().any(|c| c.is_whitespace() || c.is_control()),
                "`notification.{key}`: use the https:// address of the page, at most 200 characters"
            );
        }
        ensure!(
            self.officer.is_empty() || self.officer.parse::<lettre::Address>().is_ok(),
            "`notification.officer`: use officer@example.jp, or leave it empty"
        );
        ensure!(!self.from.chars().any(char::is_control), "`notification.from`: one line");
        let from = self.from.parse::<Mailbox>();
        let from =
            from.map_err(|_| anyhow::anyhow!("`notification.from`: use desk@example.jp or 窓口 <desk@example.jp>"))?;
        ensure!(
            (1..=600).contains(&self.smtp_timeout_s),
            "`notification.smtp_timeout_s` is {}: use 1 to 600",
            self.smtp_timeout_s
        );
        ensure!(
            self.lease_s >= self.smtp_timeout_s + 10 && self.lease_s <= 3_600,
            "`notification.lease_s` is {}: use at least `smtp_timeout_s` + 10, at most 3600",
            self.lease_s
        );
        ensure!(
            (1..=50).contains(&self.attempts_max),
            "`notification.attempts_max` is {}: use 1 to 50",
            self.attempts_max
        );
        ensure!(self.backoff_s >= 1, "`notification.backoff_s`: use at least 1");
        ensure!(self.backoff_cap_s >= self.backoff_s, "`notification.backoff_cap_s`: use at least `backoff_s`");
        ensure!(
            self.give_up_s >= self.lease_s && self.give_up_s <= 30 * 86_400,
            "`notification.give_up_s` is {}: use at least `lease_s`, at most 30 days",
            self.give_up_s
        );
        ensure!((1..=64).contains(&self.at_once), "`notification.at_once` is {}: use 1 to 64", self.at_once);
        let transport = if !self.smtp_url.is_empty() {
            let timeout = Duration::from_secs(self.smtp_timeout_s.into());
            Transport::smtp(&self.smtp_url, timeout).context("`notification.smtp_url`")?
        } else {
            ensure!(
                !self.outbox_dir.as_os_str().is_empty(),
                "neither `notification.smtp_url` nor `notification.outbox_dir` is set: give the mail host or a folder for .eml files"
            );
            Transport::folder(&self.outbox_dir).context("`notification.outbox_dir`")?
        };
        let plan = Plan {
            attempts_max: self.attempts_max,
            lease_s: self.lease_s,
            backoff_s: self.backoff_s,
            backoff_cap_s: self.backoff_cap_s,
            give_up_s: self.give_up_s,
        };
        Ok(Checked {
            status_url: link,
            partner_url: self.partner_url,
            console_url: self.console_url,
            officer: self.officer,
            from,
            transport,
            plan,
            at_once: self.at_once,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_has_the_section() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = ("notification.outbox_dir".to_owned(), dir.path().join("outbox").display().to_string());
        let settings = chassis::config::Settings::load(None, &[outbox]).unwrap();
        let checked = settings.section::<Setting>("notification").unwrap().checked();
        assert!(checked.is_ok(), "{:#}", checked.unwrap_err());
    }

    fn setting() -> Setting {
        Setting {
            status_url: "https://desk.example/status".into(),
            partner_url: "https://partner.example/".into(),
            console_url: "https://console.example/".into(),
            officer: String::new(),
            from: "窓口 <desk@example.jp>".into(),
            smtp_url: "smtp://mail.example:25".into(),
            outbox_dir: PathBuf::new(),
            smtp_timeout_s: 30,
            attempts_max: 8,
            lease_s: 60,
            backoff_s: 60,
            backoff_cap_s: 3600,
            give_up_s: 259_200,
            at_once: 4,
        }
    }

    #[test]
    fn every_bad_value_is_refused_by_the_name_of_its_key() {
        assert!(setting().checked().is_ok());
        type Spoil = Box<dyn Fn(&mut Setting)>;
        let bad: Vec<(&str, Spoil)> = vec![
            ("status_url", Box::new(|s| s.status_url = "javascript:alert(1)".into())),
            ("status_url", Box::new(|s| s.status_url = "https://desk.example/\r\nX: y".into())),
            ("partner_url", Box::new(|s| s.partner_url = "partner".into())),
            ("console_url", Box::new(|s| s.console_url = String::new())),
            ("officer", Box::new(|s| s.officer = "the officer".into())),
            ("from", Box::new(|s| s.from = "desk@example.jp\r\nBcc: all@example.jp".into())),
            ("from", Box::new(|s| s.from = "nobody".into())),
            ("smtp_url", Box::new(|s| s.smtp_url = "mail.example:25:geheim".into())),
            ("smtp_timeout_s", Box::new(|s| s.smtp_timeout_s = 0)),
            ("lease_s", Box::new(|s| s.lease_s = 39)),
            ("attempts_max", Box::new(|s| s.attempts_max = 0)),
            ("backoff_s", Box::new(|s| s.backoff_s = 0)),
            ("backoff_cap_s", Box::new(|s| s.backoff_cap_s = 1)),
            ("give_up_s", Box::new(|s| s.give_up_s = 1)),
            ("at_once", Box::new(|s| s.at_once = 0)),
            ("outbox_dir", Box::new(|s| s.smtp_url = String::new())),
        ];
        for (key, spoil) in bad {
            let mut setting = setting();
            spoil(&mut setting);
            let error = format!("{:#}", setting.checked().unwrap_err());
            assert!(error.contains(&format!("`notification.{key}`")), "{key}: {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
