//! The pull feed's request: signed with the report key, so that no password has to be kept and turned.
//!
//! | header | what |
//! |---|---|
//! | `madoguchi-recipient` | the recipient's id |
//! | `madoguchi-timestamp` | Unix seconds |
//! | `madoguchi-signature` | `<key id>,<base64 of 64 bytes>` over the lines below (Ed25519, or ECDSA P-256 as r and s) |
//!
//! `madoguchi-request-v1\n<recipient>\n<timestamp>\n<method>\n<path and query>`. A caught request can be repeated within the
//! tolerance and shows its holder nothing that it could read: what is fed is sealed to the recipient.

use crate::{ReportKey, ReportSigner};
use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{Code, RecipientId};

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
/// Response header: the last position issued to the recipient, as a cursor.
pub const LAST: &str = "madoguchi-last";
/// Response header of a snapshot: path and query of its next page; absent on the last one.
pub const NEXT: &str = "madoguchi-next";
/// The content type of a page: a JSON array of the very bytes that the other transports carry.
pub const PAGE_TYPE: &str = "application/cloudevents-batch+json";

fn lines(recipient: RecipientId, at: u64, method: &str, path: &str) -> Vec<u8> {
    format!("madoguchi-request-v1\n{recipient}\n{at}\n{method}\n{path}").into_bytes()
}

/// The three header values of a request at `now` (Unix seconds). `path` is path and query as sent; there is no body.
pub fn sign(
    key: &ReportSigner,
    recipient: RecipientId,
    now: u64,
    method: &str,
    path: &str,
) -> [(&'static str, String); 3] {
    let signature = STANDARD.encode(key.sign(&lines(recipient, now, method, path)));
    [
        (RECIPIENT, recipient.to_string()),
        (TIMESTAMP, now.to_string()),
        (SIGNATURE, format!("{},{signature}", key.public().id())),
    ]
}

/// Verifies what [`sign`] made, with the keys registered for that recipient.
///
/// # Errors
/// `unknown-key`, `bad-signature`, `bad-time`, `malformed`.
pub fn verify(
    keys: &[ReportKey],
    recipient: RecipientId,
    timestamp: &str,
    signature: &str,
    now: u64,
    method: &str,
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
    let key = keys.iter().find(|k| k.id().as_str() == id).ok_or(Code::of("unknown-key"))?;
    let bad = Code::of("bad-signature");
    let bytes = STANDARD.decode(text).map_err(|_| bad.clone())?;
    if key.verifies(&lines(recipient, at, method, path), &bytes) { Ok(()) } else { Err(bad) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_request_is_bound_to_who_when_and_what() {
        let me = RecipientId(Uuid::from_u128(5));
        let path = "/partner/v1/instructions?after=1.7";
        for key in [ReportSigner::ed25519(&[3; 32]), ReportSigner::p256(&[3; 32]).unwrap()] {
            let [_, (_, at), (_, proof)] = sign(&key, me, 1000, "GET", path);
            let keys = [key.public()];
            let check = |me, at: &str, proof: &str, now, path: &str| verify(&keys, me, at, proof, now, "GET", path);
            assert_eq!(check(me, &at, &proof, 1300, path), Ok(()));
            assert_eq!(check(me, &at, &proof, 1301, path), Err(Code::of("bad-time")));
            assert_eq!(check(me, "1001", &proof, 1000, path), Err(Code::of("bad-signature")));
            assert_eq!(check(me, &at, &proof, 1000, "/other"), Err(Code::of("bad-signature")));
            assert_eq!(check(RecipientId(Uuid::nil()), &at, &proof, 1000, path), Err(Code::of("bad-signature")));
            assert_eq!(check(me, "+1000", &proof, 1000, path), Err(Code::of("malformed")));
            assert_eq!(check(me, &at, "nonsense", 1000, path), Err(Code::of("malformed")));
            assert_eq!(verify(&[], me, &at, &proof, 1000, "GET", path), Err(Code::of("unknown-key")));
            assert_eq!(verify(&keys, me, &at, &proof, 1000, "POST", path), Err(Code::of("bad-signature")));
        }
    }
}
