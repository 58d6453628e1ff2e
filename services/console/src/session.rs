//! Sessions, one-time tokens and limits, as pure functions of what is stored and the time.
//!
//! A token is 256 random bits; the database holds its SHA-256 only. The CSRF token of a session is derived from the
//! session's token, so nothing more has to be kept, and who does not have the cookie cannot make it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::Timestamp;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// A random token: in a cookie or a link. Shows nothing in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[token]")
    }
}

impl Token {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }
    /// From its text; `None` unless it is 43 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
    /// As it stands in a cookie or link.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
    /// As it stands in the database.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
    /// The token that every form of this session carries.
    pub fn csrf(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(b"madoguchi csrf v1").chain_update(self.0).finalize())
    }
    /// Whether a form carries it; in constant time.
    pub fn signed(&self, given: &str) -> bool {
        bool::from(self.csrf().as_bytes().ct_eq(given.as_bytes()))
    }
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Without a request.
    pub idle: SignedDuration,
    /// At all.
    pub absolute: SignedDuration,
}

/// Whether a session is good at `now`.
pub fn is_good(last_seen: Timestamp, expires_at: Timestamp, now: Timestamp, idle: SignedDuration) -> bool {
    now < expires_at && now.duration_since(last_seen) < idle
}

/// Whether `last_seen` should be written again: at most once a minute, so that reading pages does not mean writing rows.
pub fn is_stale(last_seen: Timestamp, now: Timestamp) -> bool {
    now.duration_since(last_seen) >= SignedDuration::from_secs(60)
}

/// Attempts within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Beginning of the window.
    pub since: Timestamp,
    /// Attempts in it.
    pub count: i32,
}

/// At most so many attempts within a window.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Attempts.
    pub most: i32,
    /// The window.
    pub window: SignedDuration,
}

impl Limit {
    /// Counts an attempt *before* it is tried, so that many at once are counted too. The error is when to come again; a
    /// refused attempt does not lengthen the wait.
    pub fn attempt(&self, before: Option<Tally>, now: Timestamp) -> Result<Tally, Timestamp> {
        match before {
            Some(t) if now.duration_since(t.since) < self.window => {
                if t.count >= self.most {
                    return Err(t.since.checked_add(self.window).unwrap_or(Timestamp::MAX));
                }
                Ok(Tally { since: t.since, count: t.count + 1 })
            }
            _ => Ok(Tally { since: now, count: 1 }),
        }
    }
}

/// The limit's key of a login as typed (people type passwords into the wrong field: only a hash is kept).
pub fn login_key(login: &str) -> Vec<u8> {
    Sha256::new().chain_update(b"login\0").chain_update(login.trim().to_lowercase()).finalize().to_vec()
}

/// The limit's key of a client's address: an IPv6 network of 64 bits counts as one client.
pub fn address_key(address: IpAddr) -> Vec<u8> {
    let hash = Sha256::new().chain_update(b"address\0");
    match address.to_canonical() {
        IpAddr::V4(a) => hash.chain_update(a.octets()),
        IpAddr::V6(a) => hash.chain_update(&a.octets()[..8]),
    }
    .finalize()
    .to_vec()
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPassword {
    /// Under 12 characters.
    Short,
    /// Over 256 bytes.
    Long,
    /// It is the login, or one character over and over.
    Simple,
}

impl BadPassword {
    /// The word of its text.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Short => "password-short",
            Self::Long => "password-long",
            Self::Simple => "password-simple",
        }
    }
}

/// Whether a new password is taken: 12 characters or more, no rule about their kinds (NIST SP 800-63B section 3.1.1.2).
pub fn check_password(login: &str, password: &str) -> Result<(), BadPassword> {
    let mut chars = password.chars();
    let first = chars.next();
    if password.chars().count() < 12 {
        Err(BadPassword::Short)
    } else if password.len() > 256 {
        Err(BadPassword::Long)
    } else if chars.all(|c| Some(c) == first) || (login.len() >= 4 && password.to_lowercase().contains(login)) {
        Err(BadPassword::Simple)
    } else {
        Ok(())
    }
}

/// A login: lower-case letters, digits, `.`, `_`, `-`; at most 64, starting with a letter or digit.
pub fn is_login(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=64).contains(&text.len())
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
