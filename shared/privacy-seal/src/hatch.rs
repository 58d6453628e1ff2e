//! The hatch: the door's short-lived key (bus.md 6.3).
//!
//! Sealing to a public key costs 0.1 ms, an AES block nothing. So the door makes a symmetric key, seals *it* to the desk
//! once (a row of `door.hatch`), seals filings with it, and forgets it after 1,000 filings or 10 seconds. What a door that
//! was broken into could open with a hatch, it has just seen in the clear anyway.
//!
//! Time is an input, so the decision is a plain function. The door calls [`HatchBox::forget_due`] from a timer as well:
//! a quiet door must not keep its key.

use crate::{PublicKey, SealError, keyfile::Secret, seal::seal_to};
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use rand::TryRngCore;
use std::time::{Duration, Instant};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A hatch seals this many filings and no more.
pub const FILINGS_MAX: u32 = 1_000;
/// A hatch lives this long and no longer.
pub const LIFE: Duration = Duration::from_secs(10);
/// The first byte of a filing sealed with a hatch.
pub const FILING_VERSION: u8 = 1;

/// One hatch key. Not `Clone`: forgetting must be possible.
pub struct Hatch {
    id: Uuid,
    key: Secret,
    made: Instant,
    sealed: u32,
}

/// The row of `door.hatch`: has to be committed with or before the first filing that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HatchRow {
    /// `id uuid`.
    pub id: Uuid,
    /// `sealed bytea`: the key, sealed to the desk with [`hatch_aad`].
    pub sealed: Vec<u8>,
}

/// A filing as `door.filing` holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFiling {
    /// Which hatch it was sealed with.
    pub hatch: Uuid,
    /// Version, nonce (12 bytes), ciphertext and tag.
    pub bytes: Vec<u8>,
}

/// The additional data of a hatch row.
pub fn hatch_aad(hatch: Uuid) -> Vec<u8> {
    [b"hatch ".as_slice(), hatch.as_bytes()].concat()
}

/// The additional data of a filing.
pub fn filing_aad(filing: Uuid) -> Vec<u8> {
    [b"filing ".as_slice(), filing.as_bytes()].concat()
}

impl Hatch {
    /// Its id, as the rows name it.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    fn good(&self, now: Instant) -> bool {
        self.sealed < FILINGS_MAX && now.saturating_duration_since(self.made) < LIFE
    }

    /// Seals one filing; `filing` is its id, without which it does not open.
    ///
    /// # Errors
    /// [`SealError::Spent`] after 1,000 filings; [`SealError::TooLong`].
    pub fn seal(&mut self, filing: Uuid, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        if self.sealed >= FILINGS_MAX {
            return Err(SealError::Spent);
        }
        if plain.len() > crate::seal::PLAIN_MAX {
            return Err(SealError::TooLong);
        }
        // The key is new in this process and never leaves it alive, so a counter is a nonce that cannot repeat.
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&self.sealed.to_be_bytes());
        self.sealed += 1;
        let cipher = Aes256Gcm::new((&*self.key).into());
        let text = cipher
            .encrypt(Nonce::from_slice(&nonce), Payload { msg: plain, aad: &filing_aad(filing) })
            .map_err(|_| SealError::TooLong)?;
        let mut bytes = Vec::with_capacity(13 + text.len());
        bytes.push(FILING_VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&text);
        Ok(bytes)
    }
}

/// The one hatch that a door has at a time. Put it behind a mutex; no call waits.
pub struct HatchBox {
    desk: PublicKey,
    current: Option<Hatch>,
}

impl HatchBox {
    /// An empty box that seals its hatches to the desk's key.
    pub const fn new(desk: PublicKey) -> Self {
        Self { desk, current: None }
    }

    /// The hatch to use now, or `None`: [`HatchBox::renew`] first. A hatch that is due is forgotten here.
    pub fn current(&mut self, now: Instant) -> Option<&mut Hatch> {
        self.forget_due(now);
        self.current.as_mut()
    }

    /// Makes a new hatch, forgets the old one, and gives the row that has to be committed with the first filing.
    /// `id` is a new id made by the caller.
    ///
    /// # Errors
    /// The desk's key cannot be used.
    ///
    /// # Panics
    /// If the operating system has no random bytes, as [`seal_to`].
    pub fn renew(&mut self, now: Instant, id: Uuid) -> Result<HatchRow, SealError> {
        self.current = None;
        let mut key = Zeroizing::new([0; 32]);
        #[expect(
            clippy::expect_used,
            reason = "without random bytes nothing can be sealed, and going on would be worse"
        )]
        rand::rngs::OsRng.try_fill_bytes(&mut *key).expect("the operating system gives random bytes");
        let sealed = seal_to(&self.desk, &hatch_aad(id), &*key)?.0;
        self.current = Some(Hatch { id, key, made: now, sealed: 0 });
        Ok(HatchRow { id, sealed })
    }

    /// Seals with the current hatch, renewing it if it is due: the row, if there is one, goes into the same statement as
    /// the filing. `new_hatch` is used for a new hatch only.
    ///
    /// # Errors
    /// As [`HatchBox::renew`] and [`Hatch::seal`].
    pub fn seal(
        &mut self,
        now: Instant,
        new_hatch: impl FnOnce() -> Uuid,
        filing: Uuid,
        plain: &[u8],
    ) -> Result<(SealedFiling, Option<HatchRow>), SealError> {
        let row = if self.current(now).is_none() { Some(self.renew(now, new_hatch())?) } else { None };
        let hatch = self.current.as_mut().ok_or(SealError::Spent)?;
        let bytes = hatch.seal(filing, plain)?;
        Ok((SealedFiling { hatch: hatch.id, bytes }, row))
    }

    /// Forgets the hatch if it is due; says whether it did. For the door's timer.
    pub fn forget_due(&mut self, now: Instant) -> bool {
        let due = self.current.as_ref().is_some_and(|hatch| !hatch.good(now));
        if due {
            self.current = None;
        }
        due
    }

    /// Forgets the hatch at once: at shutdown, or when its row could not be committed (the desk could not open
    /// what follows).
    pub fn forget(&mut self) {
        self.current = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_box() -> HatchBox {
        HatchBox::new(PublicKey::from_bytes(&[9; 32]).unwrap())
    }

    #[test]
    fn lives_ten_seconds_and_not_a_moment_longer() {
        let (mut hatches, start) = (a_box(), Instant::now());
        assert!(hatches.current(start).is_none());
        let row = hatches.renew(start, Uuid::from_u128(1)).unwrap();
        assert_eq!(row.id, hatches.current(start + LIFE - Duration::from_nanos(1)).unwrap().id());
        assert!(hatches.current(start + LIFE).is_none());
        assert!(hatches.current(start).is_none(), "forgotten is forgotten, also if time stood still");
    }

    #[test]
    fn is_forgotten_by_the_timer_without_traffic() {
        let (mut hatches, start) = (a_box(), Instant::now());
        assert!(!hatches.forget_due(start));
        hatches.renew(start, Uuid::from_u128(1)).unwrap();
        assert!(!hatches.forget_due(start));
        assert!(hatches.forget_due(start + LIFE));
        assert!(hatches.current.is_none());
    }

    #[test]
    fn seals_a_thousand_and_then_renews() {
        let (mut hatches, start) = (a_box(), Instant::now());
        let mut rows = 0;
        let mut nonces = std::collections::BTreeSet::new();
        for n in 0..=u128::from(FILINGS_MAX) {
            let (filing, row) = hatches.seal(start, || Uuid::from_u128(n), Uuid::from_u128(n), b"x").unwrap();
            rows += usize::from(row.is_some());
            assert!(nonces.insert((filing.hatch, filing.bytes[1..13].to_vec())), "no nonce twice under one key");
        }
        assert_eq!(rows, 2);
        let mut spent = a_box();
        spent.renew(start, Uuid::nil()).unwrap();
        let hatch = spent.current(start).unwrap();
        hatch.sealed = FILINGS_MAX;
        assert_eq!(hatch.seal(Uuid::nil(), b""), Err(SealError::Spent));
    }

    #[test]
    fn two_hatches_have_two_keys() {
        let (mut hatches, start) = (a_box(), Instant::now());
        hatches.renew(start, Uuid::nil()).unwrap();
        let first = hatches.current(start).unwrap().seal(Uuid::nil(), b"same").unwrap();
        hatches.renew(start, Uuid::nil()).unwrap();
        assert_ne!(first, hatches.current(start).unwrap().seal(Uuid::nil(), b"same").unwrap());
    }
}
