//! The section `[door]` of the configuration.

use crate::limit::Rate;
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// 公開窓口. Every key has a default; an unknown key is an error that names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DoorConfig {
    /// Where the public desk listens; port 0 = a free one.
    pub listen: SocketAddr,
    /// What people type, without a slash at the end (`https://madoguchi.example.jp`); empty = `http://` and the address.
    pub public_url: String,
    /// How many proxies of ours stand in front, each adding one address to `X-Forwarded-For`; 0 = none, the header is ignored.
    pub trusted_proxies: usize,
    /// The file with the door's secret, absolute or in the key folder; made at the first start.
    pub secret_file: PathBuf,
    /// Filings that may wait for a commit; more get 503 with `Retry-After`.
    pub queue: usize,
    /// Days for which a repeated POST is recognised.
    pub idempotency_days: u32,
    /// Wrong codes that one address may try at once.
    pub misses_each: u32,
    /// Seconds after which it may try one more.
    pub misses_each_every_s: u64,
    /// Wrong codes that all together may try at once.
    pub misses_all: u32,
    /// Milliseconds after which they may try one more.
    pub misses_all_every_ms: u64,
    /// Filings a minute that one address may make; as many at once.
    pub filings_per_minute: u32,
    /// Mails that one client with a key may bring in a minute; as many at once.
    pub mails_per_minute: u32,
    /// Mails that may be on their way in at the same time; more get 503 with `Retry-After`.
    pub mails_at_once: usize,
    /// A folder with `ja.toml`, `ja-easy.toml` and `en.toml` in place of the built-in texts; empty = built-in.
    pub texts: PathBuf,
    /// The file with what is always posted (常時掲載), read again when it changes; empty = the built-in example.
    pub published: PathBuf,
}

impl Default for DoorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8300)),
            public_url: String::new(),
            trusted_proxies: 0,
            secret_file: PathBuf::from("door.secret"),
            queue: 1024,
            idempotency_days: 90,
            misses_each: 10,
            misses_each_every_s: 30,
            misses_all: 200,
            misses_all_every_ms: 200,
            filings_per_minute: 600,
            mails_per_minute: 600,
            mails_at_once: 16,
            texts: PathBuf::new(),
            published: PathBuf::new(),
        }
    }
}

impl DoorConfig {
    /// Looks at what no type can say.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub fn check(&self) -> Result<(), String> {
        let whole =
            |ok: bool, key: &str, remedy: &str| if ok { Ok(()) } else { Err(format!("[door] {key}: {remedy}")) };
        whole((1..=100_000).contains(&self.queue), "queue", "use 1 to 100000")?;
        whole((1..=3650).contains(&self.idempotency_days), "idempotency_days", "use 1 to 3650")?;
        whole((1..=10_000).contains(&self.misses_each), "misses_each", "use 1 to 10000")?;
        whole((1..=86_400).contains(&self.misses_each_every_s), "misses_each_every_s", "use 1 to 86400")?;
        whole((1..=1_000_000).contains(&self.misses_all), "misses_all", "use 1 to 1000000")?;
        whole((1..=3_600_000).contains(&self.misses_all_every_ms), "misses_all_every_ms", "use 1 to 3600000")?;
        whole((1..=1_000_000_000).contains(&self.filings_per_minute), "filings_per_minute", "use 1 to 1000000000")?;
        whole((1..=1_000_000).contains(&self.mails_per_minute), "mails_per_minute", "use 1 to 1000000")?;
        whole((1..=1_000).contains(&self.mails_at_once), "mails_at_once", "use 1 to 1000")?;
        whole(self.trusted_proxies <= 10, "trusted_proxies", "use 0 to 10")?;
        let url = self.public_url.is_empty()
            || (self.public_url.starts_with("https://") || self.public_url.starts_with("http://"))
                && !self.public_url.ends_with('/');
        whole(url, "public_url", "use https://name without a slash at the end, or leave it empty")
    }

    /// Wrong codes per address.
    pub const fn each(&self) -> Rate {
        Rate { most: self.misses_each, every: Duration::from_secs(self.misses_each_every_s) }
    }
    /// Filings per address.
    pub fn filings(&self) -> Rate {
        Rate::a_minute(self.filings_per_minute)
    }
    /// Mails per client.
    pub fn mails(&self) -> Rate {
        Rate::a_minute(self.mails_per_minute)
    }
    /// Wrong codes in all.
    pub const fn all(&self) -> Rate {
        Rate { most: self.misses_all, every: Duration::from_millis(self.misses_all_every_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_whole_and_errors_name_the_key() {
        assert_eq!(DoorConfig::default().check(), Ok(()));
        let bad = DoorConfig { queue: 0, ..DoorConfig::default() };
        assert_eq!(bad.check().unwrap_err(), "[door] queue: use 1 to 100000");
        let bad = DoorConfig { public_url: "madoguchi.example.jp".to_owned(), ..DoorConfig::default() };
        assert!(bad.check().unwrap_err().starts_with("[door] public_url"));
        assert!(toml::from_str::<DoorConfig>("quue = 1").unwrap_err().to_string().contains("quue"));
    }
}
