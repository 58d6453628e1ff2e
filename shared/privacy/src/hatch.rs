//! [`HatchKey`]: the desk's side of the door's short-lived key (see `privacy_seal::hatch`).

use crate::ServiceKey;
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use privacy_seal::{
    OpenError, Personal, Purpose,
    hatch::{FILING_VERSION, filing_aad, hatch_aad},
    keyfile::Secret,
};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The key of one hatch, opened. Keep it for the batch at hand only.
pub struct HatchKey(Secret);

impl HatchKey {
    /// Opens a row of `door.hatch` with the desk's key.
    ///
    /// # Errors
    /// Sealed to another key, another row's bytes, or changed.
    pub fn open_row(desk: &ServiceKey, hatch: Uuid, sealed: &[u8]) -> Result<Self, OpenError> {
        let opened = desk.open(&hatch_aad(hatch), sealed)?;
        let key = opened.disclose(Purpose::SealForOwner).as_slice().try_into().map_err(|_| OpenError::Form)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Opens the bytes of a row of `door.filing`; `filing` is its id.
    ///
    /// # Errors
    /// Another hatch's filing, another filing's bytes, or changed.
    pub fn open_filing(&self, filing: Uuid, bytes: &[u8]) -> Result<Personal<Vec<u8>>, OpenError> {
        let (nonce, text) = match bytes.split_first() {
            Some((&FILING_VERSION, rest)) if rest.len() >= 12 => rest.split_at(12),
            _ => return Err(OpenError::Form),
        };
        Aes256Gcm::new((&*self.0).into())
            .decrypt(Nonce::from_slice(nonce), Payload { msg: text, aad: &filing_aad(filing) })
            .map(Personal::new)
            .map_err(|_| OpenError::Refused)
    }
}

impl fmt::Debug for HatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hatch key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_seal::HatchBox;
    use proptest::prelude::*;
    use std::time::Instant;

    #[test]
    fn the_desk_opens_what_the_door_sealed_through_its_hatch() {
        let desk = ServiceKey::ephemeral("intake").unwrap();
        let mut door = HatchBox::new(desk.public());
        let (hatch, now) = (Uuid::from_u128(7), Instant::now());
        let (first, row) = door.seal(now, || hatch, Uuid::from_u128(1), b"first").unwrap();
        let (second, none) = door.seal(now, || unreachable!(), Uuid::from_u128(2), b"second").unwrap();
        let row = row.unwrap();
        assert_eq!((row.id, first.hatch, second.hatch, none), (hatch, hatch, hatch, None));

        let key = HatchKey::open_row(&desk, hatch, &row.sealed).unwrap();
        assert_eq!(key.open_filing(Uuid::from_u128(1), &first.bytes).unwrap().disclose(Purpose::ShowToStaff), b"first");
        assert_eq!(
            key.open_filing(Uuid::from_u128(2), &second.bytes).unwrap().disclose(Purpose::ShowToStaff),
            b"second"
        );
        assert_eq!(key.open_filing(Uuid::from_u128(2), &first.bytes), Err(OpenError::Refused), "not under another id");
        assert_eq!(key.open_filing(Uuid::from_u128(1), &first.bytes[..12]), Err(OpenError::Form));

        let stranger = ServiceKey::ephemeral("payment").unwrap();
        assert_eq!(HatchKey::open_row(&stranger, hatch, &row.sealed).unwrap_err(), OpenError::Refused);
        assert_eq!(HatchKey::open_row(&desk, Uuid::from_u128(8), &row.sealed).unwrap_err(), OpenError::Refused);

        door.renew(now, Uuid::from_u128(9)).unwrap();
        let (third, _) = door.seal(now, || unreachable!(), Uuid::from_u128(1), b"third").unwrap();
        assert_eq!(
            key.open_filing(Uuid::from_u128(1), &third.bytes),
            Err(OpenError::Refused),
            "not with another hatch"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_changed_bit_is_refused(plain: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let desk = ServiceKey::ephemeral("intake").unwrap();
            let mut door = HatchBox::new(desk.public());
            let id = Uuid::from_u128(1);
            let (mut filing, row) = door.seal(Instant::now(), || id, id, &plain).unwrap();
            let key = HatchKey::open_row(&desk, id, &row.unwrap().sealed).unwrap();
            let opened = key.open_filing(id, &filing.bytes).unwrap();
            prop_assert_eq!(opened.disclose(Purpose::ShowToStaff), &plain);
            let at = at.index(filing.bytes.len());
            filing.bytes[at] ^= 1 << bit;
            prop_assert!(key.open_filing(id, &filing.bytes).is_err());
        }
    }
}
