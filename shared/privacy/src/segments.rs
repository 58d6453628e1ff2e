//! [`SegmentOpener`]: the owner's side of a file that was sealed while it arrived (see `privacy_seal::segments`).

use crate::ServiceKey;
use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Payload, generic_array::GenericArray, stream::DecryptorBE32},
};
use privacy_seal::{
    OpenError, Personal, Purpose,
    segments::{HEADER, NONCE, SEALED_SEGMENT, VERSION, segments_aad},
};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Opens one file segment by segment.
pub struct SegmentOpener {
    decryptor: DecryptorBE32<Aes256Gcm>,
    aad: Vec<u8>,
}

impl SegmentOpener {
    /// From the first [`HEADER`] bytes of the file with this id.
    ///
    /// # Errors
    /// Another file's, another owner's, changed, or an unknown version.
    pub fn new(owner: &ServiceKey, file: Uuid, header: &[u8]) -> Result<Self, OpenError> {
        let sealed_key = match header.split_first() {
            Some((&VERSION, rest)) if header.len() == HEADER => rest,
            _ => return Err(OpenError::Form),
        };
        let aad = segments_aad(file);
        let key = owner.open(&aad, sealed_key)?;
        let cipher = Aes256Gcm::new_from_slice(key.disclose(Purpose::SealForOwner)).map_err(|_| OpenError::Form)?;
        Ok(Self { decryptor: DecryptorBE32::from_aead(cipher, GenericArray::from_slice(&NONCE)), aad })
    }

    /// The next of [`SEALED_SEGMENT`] bytes.
    ///
    /// # Errors
    /// Changed, out of its place, or the last one.
    pub fn next(&mut self, segment: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
        let payload = Payload { msg: segment, aad: &self.aad };
        self.decryptor.decrypt_next(payload).map(Personal::new).map_err(|_| OpenError::Refused)
    }

    /// The last one, which is shorter.
    ///
    /// # Errors
    /// Changed, or not the last: the file was cut.
    pub fn last(self, segment: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
        let payload = Payload { msg: segment, aad: &self.aad };
        self.decryptor.decrypt_last(payload).map(Personal::new).map_err(|_| OpenError::Refused)
    }
}

/// Opens a whole file that is in memory already.
///
/// # Errors
/// As [`SegmentOpener`].
pub fn open_file(owner: &ServiceKey, file: Uuid, sealed: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
    if sealed.len() < HEADER {
        return Err(OpenError::Form);
    }
    let (header, mut segments) = sealed.split_at(HEADER);
    let mut opener = SegmentOpener::new(owner, file, header)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(segments.len()));
    while segments.len() >= SEALED_SEGMENT {
        let (segment, rest) = segments.split_at(SEALED_SEGMENT);
        plain.extend_from_slice(opener.next(segment)?.disclose(Purpose::SealForOwner));
        segments = rest;
    }
    plain.extend_from_slice(opener.last(segments)?.disclose(Purpose::SealForOwner));
    Ok(Personal::new(std::mem::take(&mut *plain)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_seal::segments::{SEGMENT, SegmentSealer, sealed_length};
    use proptest::prelude::*;

    fn sealed(key: &ServiceKey, file: Uuid, plain: &[u8], chunk: usize) -> Vec<u8> {
        let (mut sealer, mut bytes) = SegmentSealer::new(&key.public(), file).unwrap();
        for piece in plain.chunks(chunk.max(1)) {
            sealer.push(piece, &mut bytes).unwrap();
        }
        sealer.finish(&mut bytes).unwrap();
        bytes
    }

    fn opened(key: &ServiceKey, file: Uuid, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
        open_file(key, file, bytes).map(|plain| plain.disclose(Purpose::ShowToStaff).clone())
    }

    #[test]
    fn every_length_around_a_segment_comes_back_whatever_it_arrived_in() {
        let (key, file) = (ServiceKey::ephemeral("intake").unwrap(), Uuid::from_u128(1));
        for length in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 7] {
            let plain: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            for chunk in [1000, SEGMENT, 10 * SEGMENT] {
                let bytes = sealed(&key, file, &plain, chunk);
                assert_eq!(bytes.len() as u64, sealed_length(length as u64));
                assert_eq!(opened(&key, file, &bytes), Ok(plain.clone()));
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_or_put_together_anew_does_not_open() {
        let (key, file) = (ServiceKey::ephemeral("intake").unwrap(), Uuid::from_u128(1));
        let plain: Vec<u8> = (0..3 * SEGMENT + 5).map(|n| (n % 13) as u8).collect();
        let bytes = sealed(&key, file, &plain, SEGMENT);
        let segment = |n: usize| HEADER + n * SEALED_SEGMENT;
        assert_eq!(opened(&key, file, &bytes[..segment(3)]), Err(OpenError::Refused), "without its last segment");
        assert_eq!(opened(&key, file, &bytes[..segment(2)]), Err(OpenError::Refused), "without its last two");
        let swapped =
            [&bytes[..HEADER], &bytes[segment(1)..segment(2)], &bytes[segment(0)..segment(1)], &bytes[segment(2)..]];
        assert_eq!(opened(&key, file, &swapped.concat()), Err(OpenError::Refused));
        assert_eq!(opened(&key, Uuid::from_u128(2), &bytes), Err(OpenError::Refused), "under another id");
        assert_eq!(opened(&ServiceKey::ephemeral("payment").unwrap(), file, &bytes), Err(OpenError::Refused));
        assert_eq!(opened(&key, file, &bytes[..HEADER - 1]), Err(OpenError::Form));
        let other = sealed(&key, file, &plain, SEGMENT);
        let mixed = [&bytes[..segment(1)], &other[segment(1)..]].concat();
        assert_eq!(opened(&key, file, &mixed), Err(OpenError::Refused), "two files of one id have two keys");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_changed_bit_is_refused(plain: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let (key, file) = (ServiceKey::ephemeral("intake").unwrap(), Uuid::from_u128(1));
            let mut bytes = sealed(&key, file, &plain, 7);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(open_file(&key, file, &bytes).is_err());
        }
    }
}
