//! What a filing is called: ids, receipt number and access code, all derived from the `Idempotency-Key` and a secret of the
//! door (HMAC-SHA256).
//!
//! So a repeated POST gets the original answer, from any replica, after any restart, and the code is stored nowhere. The
//! code depends on the body as well: who guesses another's key but not the body is not shown the other's code.

use contracts::{CaseId, ReceiptNumber};
use privacy_seal::{AccessCode, CodeKey, DoorSecret, PublicKey};
use sha2::{Digest, Sha256};
use std::str::FromStr;
use uuid::Uuid;

/// 冪等キー: the header of the same name, 1 to 255 visible ASCII characters.
#[derive(Clone)]
pub struct IdempotencyKey(String);

/// Why a text is no [`IdempotencyKey`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Idempotency-Key: 1 to 255 visible ASCII characters, new for every request (a random UUID)")]
pub struct NotAKey;

impl FromStr for IdempotencyKey {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let visible = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if visible { Ok(Self(text.to_owned())) } else { Err(NotAKey) }
    }
}

impl IdempotencyKey {
    /// A new random one, for a form that is being shown.
    pub fn random() -> Self {
        Self(hex(&rand::random::<[u8; 16]>()))
    }
    /// Its text, for the hidden field of the form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Everything that a filing is called. The same input gives the same names.
pub struct Names {
    /// The filing.
    pub filing: Uuid,
    /// The case that intake opens for it.
    pub case: CaseId,
    /// 受付番号.
    pub receipt_number: ReceiptNumber,
    /// 照会用暗証.
    pub code: AccessCode,
    /// The public half of the code's key pair.
    pub code_key: PublicKey,
    /// Keyed digest of the body: tells a repeat from another request under the same key.
    pub body_mac: [u8; 32],
}

impl Names {
    /// The names of a request with this key and this body.
    pub fn of(secret: &DoorSecret, key: &IdempotencyKey, body: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(body).into();
        let key = key.as_str();
        let receipt_number = ReceiptNumber::from_random(half(secret, "receipt number", &[key.as_bytes()]));
        let receipt = receipt_number.to_string();
        let code = AccessCode::derive(secret, key, &digest, &receipt);
        Self {
            filing: id(secret, "filing", &[key.as_bytes()]),
            case: CaseId(id(secret, "case", &[key.as_bytes()])),
            receipt_number,
            code_key: CodeKey::derive(&code, &receipt).public(),
            code,
            body_mac: *secret.derive("request body", &[key.as_bytes(), &digest]),
        }
    }
}

/// The name of a withdrawal: the same until the case has moved on, so that pressing twice is one withdrawal, and another
/// one afterwards, so that a case that was revived can be withdrawn again.
pub fn withdrawal(secret: &DoorSecret, code_key: &PublicKey, letter_version: i64) -> (Uuid, [u8; 32]) {
    let parts: [&[u8]; 2] = [code_key.as_bytes(), &letter_version.to_be_bytes()];
    (id(secret, "withdrawal", &parts), *secret.derive("withdrawal body", &parts))
}

fn half(secret: &DoorSecret, what: &str, parts: &[&[u8]]) -> [u8; 16] {
    let full = secret.derive(what, parts);
    std::array::from_fn(|i| full[i])
}

/// A UUID of version 8 (RFC 9562, 5.8): ours by derivation.
pub(crate) fn id(secret: &DoorSecret, what: &str, parts: &[&[u8]]) -> Uuid {
    uuid::Builder::from_custom_bytes(half(secret, what, parts)).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_seal::Purpose;

    fn names(secret: u8, key: &str, body: &[u8]) -> Names {
        Names::of(&DoorSecret::from_bytes([secret; 32]), &key.parse().unwrap(), body)
    }

    fn code(names: &Names) -> String {
        names.code.show(Purpose::ShowToPerson).to_string()
    }

    #[test]
    fn a_repeat_has_the_same_names() {
        let (a, b) = (names(1, "k", b"body"), names(1, "k", b"body"));
        assert_eq!((a.filing, a.case, a.receipt_number, a.body_mac), (b.filing, b.case, b.receipt_number, b.body_mac));
        assert_eq!(code(&a), code(&b));
        assert_eq!(a.code_key, b.code_key);
        assert_ne!(a.filing, a.case.0);
        assert_eq!(a.filing.get_version_num(), 8);
    }

    #[test]
    fn another_body_under_the_same_key_shows_nobodys_code() {
        let (a, b) = (names(1, "k", b"body"), names(1, "k", b"other"));
        assert_eq!(a.filing, b.filing, "so that it is found and refused");
        assert_ne!(a.body_mac, b.body_mac);
        assert_ne!(code(&a), code(&b));
    }

    #[test]
    fn another_key_or_another_door_has_other_names() {
        let a = names(1, "k", b"body");
        for b in [names(1, "l", b"body"), names(2, "k", b"body")] {
            assert_ne!(a.filing, b.filing);
            assert_ne!(a.receipt_number, b.receipt_number);
            assert_ne!(code(&a), code(&b));
            assert_ne!(a.body_mac, b.body_mac);
        }
    }

    #[test]
    fn keys_are_visible_ascii() {
        for good in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", &"x".repeat(255)] {
            assert!(good.parse::<IdempotencyKey>().is_ok());
        }
        for bad in ["", " ", "a b", "鍵", "a\n", &"x".repeat(256)] {
            assert_eq!(bad.parse::<IdempotencyKey>().err(), Some(NotAKey), "{bad:?}");
        }
        assert_eq!(IdempotencyKey::random().as_str().len(), 32);
    }

    #[test]
    fn a_withdrawal_is_one_until_the_case_moves_on() {
        let secret = DoorSecret::from_bytes([1; 32]);
        let key = names(1, "k", b"").code_key;
        assert_eq!(withdrawal(&secret, &key, 3), withdrawal(&secret, &key, 3));
        assert_ne!(withdrawal(&secret, &key, 3).0, withdrawal(&secret, &key, 4).0);
    }
}
