//! Sealing what is too large to hold at once: uploads and mails are sealed while they arrive, segment by segment.
//!
//! | byte | what |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 to 81 | the file's key, sealed to its owner's public key ([`seal_to`]) |
//! | 82 … | segments of 64 KiB with a 16-byte tag each; the last one is shorter, perhaps empty |
//!
//! The segments are the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over AES-256-GCM: each is bound to its
//! place and the last one is marked, so a file that was cut, or whose segments changed places, does not open. The key seals
//! one file and is forgotten with it.

use crate::{
    PublicKey,
    keyfile::Secret,
    seal::{OVERHEAD, SealError, seal_to},
};
use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Payload, generic_array::GenericArray, stream::EncryptorBE32},
};
use rand::TryRngCore;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

/// The first byte of a file.
pub const VERSION: u8 = 1;
/// Plain bytes of every segment but the last.
pub const SEGMENT: usize = 64 * 1024;
/// A segment as it lies in the file.
pub const SEALED_SEGMENT: usize = SEGMENT + TAG;
/// Bytes before the first segment.
pub const HEADER: usize = 1 + OVERHEAD + KEY;
/// Of AES-GCM.
pub const TAG: usize = 16;
const KEY: usize = 32;
/// The nonce but for counter and mark: the key is new for each file.
pub const NONCE: [u8; 7] = [0; 7];

/// What a file's key and its segments are bound to.
pub fn segments_aad(file: Uuid) -> Vec<u8> {
    [b"segments ".as_slice(), file.as_bytes()].concat()
}

/// The length of the file that so many plain bytes become.
pub const fn sealed_length(plain: u64) -> u64 {
    HEADER as u64 + plain + (plain / SEGMENT as u64 + 1) * TAG as u64
}

/// Seals one file while it arrives. Holds one segment.
pub struct SegmentSealer {
    encryptor: EncryptorBE32<Aes256Gcm>,
    aad: Vec<u8>,
    /// What has not filled a segment yet; overwritten after sealing.
    open: Zeroizing<Vec<u8>>,
}

impl SegmentSealer {
    /// For a file with this id, to be opened by its owner alone. Also gives the first bytes of the file.
    ///
    /// # Errors
    /// [`SealError::BadKey`].
    ///
    /// # Panics
    /// If the operating system has no random bytes, as [`seal_to`].
    pub fn new(owner: &PublicKey, file: Uuid) -> Result<(Self, Vec<u8>), SealError> {
        let mut key = Secret::new([0; KEY]);
        #[expect(
            clippy::expect_used,
            reason = "without random bytes nothing can be sealed, and going on would be worse"
        )]
        rand::rngs::OsRng.try_fill_bytes(&mut *key).expect("the operating system gives random bytes");
        let aad = segments_aad(file);
        let mut header = vec![VERSION];
        header.extend_from_slice(&seal_to(owner, &aad, &*key)?.0);
        let cipher = Aes256Gcm::new(GenericArray::from_slice(&*key));
        let encryptor = EncryptorBE32::from_aead(cipher, GenericArray::from_slice(&NONCE));
        Ok((Self { encryptor, aad, open: Zeroizing::new(Vec::with_capacity(SEGMENT)) }, header))
    }

    /// Takes what arrived; every segment that it fills is appended to `sealed`.
    ///
    /// # Errors
    /// [`SealError::TooLong`] after 2³² segments.
    pub fn push(&mut self, mut plain: &[u8], sealed: &mut Vec<u8>) -> Result<(), SealError> {
        while !plain.is_empty() {
            let (now, rest) = plain.split_at(plain.len().min(SEGMENT - self.open.len()));
            self.open.extend_from_slice(now);
            plain = rest;
            if self.open.len() == SEGMENT {
                let payload = Payload { msg: &self.open, aad: &self.aad };
                sealed.extend(self.encryptor.encrypt_next(payload).map_err(|_| SealError::TooLong)?);
                self.open.as_mut_slice().zeroize();
                self.open.clear();
            }
        }
        Ok(())
    }

    /// The last segment: without it the file does not open.
    ///
    /// # Errors
    /// As [`SegmentSealer::push`].
    pub fn finish(self, sealed: &mut Vec<u8>) -> Result<(), SealError> {
        let payload = Payload { msg: &self.open, aad: &self.aad };
        sealed.extend(self.encryptor.encrypt_last(payload).map_err(|_| SealError::TooLong)?);
        Ok(())
    }
}
