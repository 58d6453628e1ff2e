//! Standard Webhooks 1.0.0: signing and verifying a POST, with HMAC-SHA256 (`v1`) and Ed25519 (`v1a`) side by side.
//!
//! The libraries of that project know `v1` only (looked at in all ten languages) and skip versions that they do not know,
//! so one header with both serves everybody: stock verifiers by the shared secret, careful ones by the public key, which
//! proves the sender to third parties too. What is signed is `id.timestamp.body`.
//!
//! | text form | what |
//! |---|---|
//! | `whsec_…` | a shared secret, 24 to 64 bytes |
//! | `whsk_…` | the desk's Ed25519 key pair (64 bytes: secret, public) |
//! | `whpk_…` | its public half (32 bytes) |

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{collections::BTreeMap, fmt};
use zeroize::Zeroizing;

/// Header: the message's id, the same for every attempt (here: the instruction's id).
pub const ID: &str = "webhook-id";
/// Header: Unix seconds of the attempt.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// Header: signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";
/// How far the clocks of both sides may differ, in seconds; what the specification's libraries use.
pub const TOLERANCE: u64 = 300;
/// The longest signature header that is looked at, in bytes, and the most signatures in it.
const HEADER_MAX: usize = 2048;
const SIGNATURES_MAX: usize = 8;
const ID_MAX: usize = 256;

/// Why a key's text form is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhook key: expected {0}")]
pub struct NotAKey(&'static str);

/// A shared secret.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// From raw bytes.
    ///
    /// # Errors
    /// Not 24 to 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAKey> {
        if (24..=64).contains(&bytes.len()) {
            Ok(Self(Zeroizing::new(bytes.to_vec())))
        } else {
            Err(NotAKey("a secret of 24 to 64 bytes"))
        }
    }
    /// From `whsec_…` (the prefix may be missing).
    ///
    /// # Errors
    /// Not base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map(Zeroizing::new);
        Self::from_bytes(&bytes.map_err(|_| NotAKey("whsec_ and base64 of 24 to 64 bytes"))?)
    }
    /// `whsec_…`, to hand it over to the recipient.
    pub fn show(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("whsec_{}", STANDARD.encode(&*self.0)))
    }
    fn mac(&self) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        <Hmac<Sha256> as Mac>::new_from_slice(&self.0).expect("HMAC takes keys of any length")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[webhook secret]")
    }
}

/// `whpk_…` of a public key.
pub fn show_public(key: &VerifyingKey) -> String {
    format!("whpk_{}", STANDARD.encode(key.as_bytes()))
}

/// A public key from `whpk_…`.
///
/// # Errors
/// Not base64 of an Ed25519 public key.
pub fn parse_public(text: &str) -> Result<VerifyingKey, NotAKey> {
    const WANT: NotAKey = NotAKey("whpk_ and base64 of an Ed25519 public key");
    let bytes = STANDARD.decode(text.strip_prefix("whpk_").ok_or(WANT)?).map_err(|_| WANT)?;
    let key = VerifyingKey::from_bytes(bytes.as_slice().try_into().map_err(|_| WANT)?).map_err(|_| WANT)?;
    if key.is_weak() { Err(WANT) } else { Ok(key) }
}

/// A signing key from `whsk_…`: 64 bytes (secret and public), or the 32 of the secret alone.
///
/// # Errors
/// Neither, or the halves do not belong together.
pub fn parse_private(text: &str) -> Result<SigningKey, NotAKey> {
    const WANT: NotAKey = NotAKey("whsk_ and base64 of an Ed25519 key pair");
    let bytes = STANDARD.decode(text.strip_prefix("whsk_").ok_or(WANT)?).map(Zeroizing::new).map_err(|_| WANT)?;
    match bytes.len() {
        32 => Ok(SigningKey::from_bytes(bytes.as_slice().try_into().map_err(|_| WANT)?)),
        64 => SigningKey::from_keypair_bytes(bytes.as_slice().try_into().map_err(|_| WANT)?).map_err(|_| WANT),
        _ => Err(WANT),
    }
}

/// The three headers of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// [`ID`].
    pub id: String,
    /// [`TIMESTAMP`].
    pub timestamp: String,
    /// [`SIGNATURE`].
    pub signature: String,
}

/// What signs for one endpoint: a secret of its own, and the desk's key where the contract has both.
pub struct Signer {
    secret: Secret,
    key: Option<Ed25519KeyPair>,
}

impl Signer {
    /// Both keys. Signing is aws-lc's (half the time); Ed25519 is deterministic, so the signatures are the same.
    pub fn new(secret: Secret, key: &SigningKey) -> Self {
        #[expect(clippy::expect_used, reason = "any 32 bytes are an Ed25519 seed")]
        let key = Ed25519KeyPair::from_seed_unchecked(key.as_bytes()).expect("any 32 bytes are an Ed25519 seed");
        Self { secret, key: Some(key) }
    }

    /// HMAC alone (`v1`), by contract.
    pub const fn hmac(secret: Secret) -> Self {
        Self { secret, key: None }
    }

    /// The headers of an attempt at `now` (Unix seconds). `id` must not contain a dot or a space (ours are UUIDs).
    pub fn sign(&self, id: &str, now: u64, body: &[u8]) -> Headers {
        let mut content = format!("{id}.{now}.").into_bytes();
        content.extend_from_slice(body);
        let mut mac = self.secret.mac();
        mac.update(&content);
        let v1 = STANDARD.encode(mac.finalize().into_bytes());
        let signature = match &self.key {
            Some(key) => format!("v1a,{} v1,{v1}", STANDARD.encode(key.sign(&content))),
            None => format!("v1,{v1}"),
        };
        Headers { id: id.to_owned(), timestamp: now.to_string(), signature }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[webhook signer]")
    }
}

/// Why a POST was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    /// A header is missing, too long or has no sense.
    #[error("webhook: headers webhook-id, webhook-timestamp (Unix seconds) and webhook-signature are needed")]
    Headers,
    /// Too old or from the future.
    #[error("webhook: the timestamp is outside the tolerance; set the clock, or it is a replay")]
    Time,
    /// No signature verifies.
    #[error("webhook: no signature verifies with the keys at hand; was a key changed?")]
    Signature,
}

/// What a recipient verifies with: the shared secret, the desk's public key, or both; several while a key is changed.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    /// Shared secrets (`v1`).
    pub secrets: Vec<Secret>,
    /// Public keys of the desk (`v1a`).
    pub keys: Vec<VerifyingKey>,
}

impl Verifier {
    /// Any one signature of a known version that verifies is enough (the specification's rule).
    ///
    /// `now` is Unix seconds, `tolerance` seconds to both sides. Comparison is constant in time. Returns the timestamp.
    ///
    /// # Errors
    /// See [`NotBelieved`].
    pub fn verify(&self, headers: &Headers, body: &[u8], now: u64, tolerance: u64) -> Result<u64, NotBelieved> {
        let Headers { id, timestamp, signature } = headers;
        let fits = !id.is_empty()
            && id.len() <= ID_MAX
            && !id.contains(['.', ' '])
            && timestamp.len() <= 20
            && timestamp.bytes().all(|b| b.is_ascii_digit())
            && signature.len() <= HEADER_MAX;
        let at: u64 = timestamp.parse().map_err(|_| NotBelieved::Headers)?;
        if !fits {
            return Err(NotBelieved::Headers);
        }
        if at.abs_diff(now) > tolerance {
            return Err(NotBelieved::Time);
        }
        // The text form is signed: `007` and `7` are different contents.
        let mut content = format!("{id}.{timestamp}.").into_bytes();
        content.extend_from_slice(body);
        let good = signature.split(' ').take(SIGNATURES_MAX).any(|part| match part.split_once(',') {
            Some(("v1", text)) => STANDARD.decode(text).is_ok_and(|bytes| {
                self.secrets.iter().any(|secret| {
                    let mut mac = secret.mac();
                    mac.update(&content);
                    mac.verify_slice(&bytes).is_ok()
                })
            }),
            Some(("v1a", text)) => STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| Signature::from_slice(&bytes).ok())
                .is_some_and(|signature| self.keys.iter().any(|k| k.verify_strict(&content, &signature).is_ok())),
            _ => false,
        });
        if good { Ok(at) } else { Err(NotBelieved::Signature) }
    }
}

/// Attempts seen within the tolerance: the same id and timestamp twice is a replay on the wire.
///
/// It saves work and alarms; correctness does not hang on it, because an instruction that comes twice is a repeat for
/// [`crate::apply`] anyway. A retry by the desk has a new timestamp and passes.
#[derive(Clone, Debug, Default)]
pub struct Replays(BTreeMap<(u64, String), ()>);

/// The most attempts that are remembered; beyond it the oldest is forgotten.
const REPLAYS_MAX: usize = 10_000;

impl Replays {
    /// True the first time. `at` and `now` are Unix seconds.
    pub fn first_time(&mut self, id: &str, at: u64, now: u64, tolerance: u64) -> bool {
        self.0 = self.0.split_off(&(now.saturating_sub(tolerance), String::new()));
        if self.0.len() >= REPLAYS_MAX {
            self.0.pop_first();
        }
        self.0.insert((at, id.to_owned()), ()).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const V1: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signer() -> Signer {
        Signer::new(Secret::parse(SECRET).unwrap(), &SigningKey::from_bytes(&[7; 32]))
    }
    fn secret_only() -> Verifier {
        Verifier { secrets: vec![Secret::parse(SECRET).unwrap()], keys: vec![] }
    }
    fn key_only() -> Verifier {
        Verifier { secrets: vec![], keys: vec![SigningKey::from_bytes(&[7; 32]).verifying_key()] }
    }

    #[test]
    fn signs_like_the_reference_libraries() {
        let headers = signer().sign(MESSAGE, AT, BODY);
        assert!(headers.signature.split(' ').any(|s| s == V1), "{}", headers.signature);
        assert_eq!(headers.signature, include_str!("../fixtures/webhook_v1a_v1.txt").trim());
        let reference = Headers { signature: V1.to_owned(), ..headers };
        assert_eq!(secret_only().verify(&reference, BODY, AT, 0), Ok(AT));
    }

    #[test]
    fn either_signature_is_enough_and_none_is_not() {
        let headers = signer().sign(MESSAGE, AT, BODY);
        for verifier in [secret_only(), key_only()] {
            assert_eq!(verifier.verify(&headers, BODY, AT + 300, TOLERANCE), Ok(AT));
            assert_eq!(verifier.verify(&headers, BODY, AT - 300, TOLERANCE), Ok(AT));
            assert_eq!(verifier.verify(&headers, BODY, AT + 301, TOLERANCE), Err(NotBelieved::Time));
            assert_eq!(verifier.verify(&headers, BODY, AT - 301, TOLERANCE), Err(NotBelieved::Time));
            assert_eq!(verifier.verify(&headers, b"{}", AT, TOLERANCE), Err(NotBelieved::Signature));
            let other = Headers { id: "msg_other".into(), ..headers.clone() };
            assert_eq!(verifier.verify(&other, BODY, AT, TOLERANCE), Err(NotBelieved::Signature));
            let later = Headers { timestamp: (AT + 1).to_string(), ..headers.clone() };
            assert_eq!(verifier.verify(&later, BODY, AT, TOLERANCE), Err(NotBelieved::Signature));
            let padded = Headers { timestamp: format!("0{AT}"), ..headers.clone() };
            assert_eq!(verifier.verify(&padded, BODY, AT, TOLERANCE), Err(NotBelieved::Signature));
        }
        assert_eq!(Verifier::default().verify(&headers, BODY, AT, TOLERANCE), Err(NotBelieved::Signature));
        // The algorithms are not interchangeable: each signature under the other's label is no signature.
        let swapped = headers.signature.replace("v1a,", "v2,").replace("v1,", "v1a,").replace("v2,", "v1,");
        let swapped = Headers { signature: swapped, ..headers };
        let both = Verifier { keys: key_only().keys, ..secret_only() };
        assert_eq!(both.verify(&swapped, BODY, AT, TOLERANCE), Err(NotBelieved::Signature));
    }

    #[test]
    fn headers_without_sense_are_refused_before_any_cryptography() {
        let good = signer().sign(MESSAGE, AT, BODY);
        for bad in [
            Headers { id: String::new(), ..good.clone() },
            Headers { id: "a.b".into(), ..good.clone() },
            Headers { id: "a".repeat(257), ..good.clone() },
            Headers { timestamp: "-1".into(), ..good.clone() },
            Headers { timestamp: "1e9".into(), ..good.clone() },
            Headers { timestamp: String::new(), ..good.clone() },
            Headers { timestamp: "9".repeat(21), ..good.clone() },
            Headers { signature: "v1,".repeat(1000), ..good.clone() },
        ] {
            assert_eq!(secret_only().verify(&bad, BODY, AT, TOLERANCE), Err(NotBelieved::Headers), "{bad:?}");
        }
        for bad in ["", "v1", "v1,", "v1,!!!", "v2,g0hM9SsE", "v1a,AAAA", "v1 v1a ,"] {
            let bad = Headers { signature: bad.into(), ..good.clone() };
            assert_eq!(secret_only().verify(&bad, BODY, AT, TOLERANCE), Err(NotBelieved::Signature));
        }
    }

    #[test]
    fn keys_have_text_forms() {
        let key = SigningKey::from_bytes(&[7; 32]);
        assert_eq!(parse_public(&show_public(&key.verifying_key())), Ok(key.verifying_key()));
        let pair = format!("whsk_{}", STANDARD.encode(key.to_keypair_bytes()));
        assert_eq!(parse_private(&pair).unwrap().to_bytes(), [7; 32]);
        assert_eq!(parse_private(&format!("whsk_{}", STANDARD.encode([7; 32]))).unwrap().to_bytes(), [7; 32]);
        assert!(parse_public("whpk_").is_err());
        assert!(parse_public(&format!("whpk_{}", STANDARD.encode([0; 32]))).is_err(), "a weak key");
        assert_eq!(*Secret::parse(SECRET).unwrap().show(), SECRET);
        assert!(Secret::parse("whsec_AAAA").is_err());
        assert_eq!(format!("{:?} {:?}", Secret::parse(SECRET).unwrap(), signer()), "[webhook secret] [webhook signer]");
    }

    #[test]
    fn the_same_attempt_twice_is_a_replay_and_a_retry_is_not() {
        let mut seen = Replays::default();
        assert!(seen.first_time("a", 100, 100, 300));
        assert!(!seen.first_time("a", 100, 101, 300));
        assert!(seen.first_time("a", 105, 105, 300), "a retry has its own timestamp");
        assert!(seen.first_time("b", 100, 105, 300));
        assert!(seen.first_time("c", 500, 500, 300));
        assert_eq!(seen.0.len(), 1, "what is older than the tolerance is forgotten: {seen:?}");
        for n in 0..20_000u64 {
            seen.first_time(&n.to_string(), 500, 500, 300);
        }
        assert!(seen.0.len() <= REPLAYS_MAX);
    }
}
