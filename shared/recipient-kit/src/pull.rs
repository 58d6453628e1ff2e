//! The pull feed's request: signed with the report key, so that no password has to be kept and turned.
//!
//! | header | what |
//! |---|---|
//! | `madoguchi-recipient` | the recipient's id |
//! | `madoguchi-timestamp` | Unix seconds |
//! | `madoguchi-signature` | `<key id>,<base64 of Ed25519>` over the lines below |
//!
//! `madoguchi-request-v1\n<recipient>\n<timestamp>\nGET\n<path and query>`. A caught request can be repeated within the
//! tolerance and shows its holder nothing that it could read: what is fed is sealed to the recipient.

use crate::key_id;
use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{Code, RecipientId};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Header: who asks.
pub const RECIPIENT: &str = "madoguchi-recipient";
/// Header: when.
pub const TIMESTAMP: &str = "madoguchi-timestamp";
/// Header: proof.
pub const SIGNATURE: &str = "madoguchi-signature";
/// How far the clocks may differ, in seconds.
pub const TOLERANCE: u64 = 300;
/// Response header: the cursor after this page.
pub const CURSOR: &str = "madoguchi-cursor";
/// The content type of a page: a JSON array of the very bytes that the other transports carry.
pub const PAGE_TYPE: &str = "application/cloudevents-batch+json";

fn lines(recipient: RecipientId, at: u64, path: &str) -> Vec<u8> {
    format!("madoguchi-request-v1\n{recipient}\n{at}\nGET\n{path}").into_bytes()
}

/// The three header values of a GET at `now` (Unix seconds). `path` is path and query as sent.
pub fn sign(key: &SigningKey, recipient: RecipientId, now: u64, path: &str) -> [(&'static str, String); 3] {
    let signature = STANDARD.encode(key.sign(&lines(recipient, now, path)).to_bytes());
    [
        (RECIPIENT, recipient.to_string()),
        (TIMESTAMP, now.to_string()),
        (SIGNATURE, format!("{},{signature}", key_id(key.verifying_key().as_bytes()))),
    ]
}

/// Verifies what [`sign`] made, with the keys registered for that recipient.
///
/// # Errors
/// `unknown-key`, `bad-signature`, `bad-time`, `malformed`.
pub fn verify(
    keys: &[VerifyingKey],
    recipient: RecipientId,
    timestamp: &str,
    signature: &str,
    now: u64,
    path: &str,
) -> Result<(), Code> {
    let malformed = Code::of("malformed");
    let at: u64 = timestamp.parse().map_err(|_| malformed.clone())?;
    if at.to_string() != timestamp || signature.len() > 256 {
        return Err(malformed);
    }
    if at.abs_diff(now) > TOLERANCE {
        return Err(Code::of("bad-time"));
    }
    let (id, text) = signature.split_once(',').ok_or(malformed)?;
    let key = keys.iter().find(|k| key_id(k.as_bytes()).as_str() == id).ok_or(Code::of("unknown-key"))?;
    let bad = Code::of("bad-signature");
    let bytes = STANDARD.decode(text).map_err(|_| bad.clone())?;
    let signature = Signature::from_slice(&bytes).map_err(|_| bad.clone())?;
    key.verify_strict(&lines(recipient, at, path), &signature).map_err(|_| bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_request_is_bound_to_who_when_and_what() {
        let (key, me) = (SigningKey::from_bytes(&[3; 32]), RecipientId(Uuid::from_u128(5)));
        let path = "/partner/v1/instructions?after=1.7";
        let [_, (_, at), (_, proof)] = sign(&key, me, 1000, path);
        let keys = [key.verifying_key()];
        assert_eq!(verify(&keys, me, &at, &proof, 1300, path), Ok(()));
        assert_eq!(verify(&keys, me, &at, &proof, 1301, path), Err(Code::of("bad-time")));
        assert_eq!(verify(&keys, me, "1001", &proof, 1000, path), Err(Code::of("bad-signature")));
        assert_eq!(verify(&keys, me, &at, &proof, 1000, "/other"), Err(Code::of("bad-signature")));
        assert_eq!(verify(&keys, RecipientId(Uuid::nil()), &at, &proof, 1000, path), Err(Code::of("bad-signature")));
        assert_eq!(verify(&[], me, &at, &proof, 1000, path), Err(Code::of("unknown-key")));
        assert_eq!(verify(&keys, me, "+1000", &proof, 1000, path), Err(Code::of("malformed")));
        assert_eq!(verify(&keys, me, &at, "nonsense", 1000, path), Err(Code::of("malformed")));
    }
}
