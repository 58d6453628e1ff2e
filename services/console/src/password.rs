//! Passwords: argon2id (RFC 9106) with 19 MiB and two passes (OWASP's first choice for small machines), a few at a time.

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use privacy_seal::Zeroizing;
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long somebody waits for a turn.
const TURN: Duration = Duration::from_secs(5);

/// The hasher has no turn free: too many sign in at once.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins at once; try again in a few seconds")]
pub struct Busy;

/// Hashes passwords off the async threads, at most a few at a time: each takes 19 MiB and tens of milliseconds.
#[derive(Clone)]
pub struct Hasher(Arc<Semaphore>);

impl Hasher {
    /// With so many turns.
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once.max(1))))
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Busy> {
        match tokio::time::timeout(TURN, self.0.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Busy),
        }
    }

    /// The PHC text of a password.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Busy> {
        let permit = self.turn().await?;
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            hash(&password)
        });
        // Only a panic in argon2 (out of memory) ends here.
        work.await.map_err(|_| Busy)
    }

    /// Whether the password is the one of `stored`. With nobody's hash (an unknown login) the same work is done and the
    /// answer is no, so that the time does not tell which logins exist.
    pub async fn verify(&self, password: Zeroizing<String>, stored: Option<String>) -> Result<bool, Busy> {
        let permit = self.turn().await?;
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            match stored {
                Some(stored) => PasswordHash::new(&stored)
                    .is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok()),
                None => {
                    hash(&password);
                    false
                }
            }
        });
        work.await.map_err(|_| Busy)
    }
}

fn hash(password: &str) -> String {
    let salt: [u8; 16] = rand::random();
    // 16 bytes are a valid salt, and the default parameters are valid: neither call can fail.
    let Ok(salt) = SaltString::encode_b64(&salt) else { return String::new() };
    Argon2::default().hash_password(password.as_bytes(), &salt).map(|h| h.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let hasher = Hasher::new(2);
        let stored = hasher.hash("correct horse battery".to_owned().into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(hasher.verify("correct horse battery".to_owned().into(), Some(stored.clone())).await, Ok(true));
        assert_eq!(hasher.verify("correct horse batterz".to_owned().into(), Some(stored)).await, Ok(false));
        assert_eq!(hasher.verify("correct horse battery".to_owned().into(), None).await, Ok(false));
        assert_eq!(hasher.verify("x".to_owned().into(), Some(String::new())).await, Ok(false));
    }
}
