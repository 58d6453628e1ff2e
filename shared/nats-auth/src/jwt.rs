//! Encoding, decoding and comparing of NATS JWTs (ADR-14).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use nkeys::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::Error;

/// The only header of JWT version 2.
const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

/// Longest JWT we decode, in bytes. Ours are below 4 KiB; the server's own limit for a CONNECT line is 4 KiB to 1 MiB.
const MAX_JWT: usize = 256 * 1024;

/// The fields outside of `nats`.
#[derive(Serialize)]
struct Outer<'a, N: Serialize> {
    jti: &'a str,
    iat: i64,
    iss: &'a str,
    name: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    nats: &'a N,
}

/// What goes into one JWT besides the `nats` object.
pub(crate) struct About<'a> {
    pub name: &'a str,
    pub subject: &'a str,
    pub issued_at: Timestamp,
    pub expires: Option<Timestamp>,
}

/// Makes and signs a JWT. `signer` must hold a seed: every caller in this crate makes it from one.
pub(crate) fn encode<N: Serialize>(about: &About<'_>, nats: &N, signer: &KeyPair) -> String {
    let issuer = signer.public_key();
    let mut outer = Outer {
        jti: "",
        iat: about.issued_at.as_second(),
        iss: &issuer,
        name: about.name,
        sub: about.subject,
        exp: about.expires.map(|at| at.as_second()),
        nats,
    };
    // The id is a digest of the claims, so equal claims give equal JWTs and the server's resolver sees a repeat as one.
    let without_id = serde_json::to_vec(&outer).expect("plain structs with string keys always serialize");
    let id = URL_SAFE_NO_PAD.encode(Sha256::digest(&without_id));
    outer.jti = &id;
    let claims = serde_json::to_vec(&outer).expect("plain structs with string keys always serialize");
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = signer.sign(signed.as_bytes()).expect("a key pair made from a seed always signs");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The kind of a JWT, from `nats.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Self-signed, names the system account.
    Operator,
    /// Signed by an operator key.
    Account,
    /// Signed by an account key.
    User,
}

/// A JWT whose signature by its own issuer holds. Whether that issuer may be trusted is the caller's question.
#[derive(Debug, Clone, Deserialize)]
pub struct Decoded {
    /// `jti`, a digest of the other claims.
    #[serde(rename = "jti")]
    pub id: String,
    /// `iss`, public key of the signer (`O…` or `A…`).
    #[serde(rename = "iss")]
    pub issuer: String,
    /// `sub`, the public key that this JWT is about (`O…`, `A…` or `U…`).
    #[serde(rename = "sub")]
    pub subject: String,
    /// A label for people.
    #[serde(default)]
    pub name: String,
    /// `iat`, seconds since 1970. A revocation names users issued at or before a time.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// `exp`, seconds since 1970.
    #[serde(rename = "exp", default)]
    pub expires: Option<i64>,
    /// The `nats` object as it stands: limits, exports, permissions …
    pub nats: Value,
}

impl Decoded {
    /// Operator, account or user; `None` for a kind we do not make.
    pub fn kind(&self) -> Option<Kind> {
        serde_json::from_value(self.nats.get("type")?.clone()).ok()
    }
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
}

/// Reads a JWT and verifies its signature with the issuer it names.
///
/// # Errors
/// Too long, not three base64url parts, another algorithm than `ed25519-nkey`, unreadable claims, wrong signature.
pub fn decode(jwt: &str) -> Result<Decoded, Error> {
    let bad = |what: &str| Error::Jwt(what.to_owned());
    if jwt.len() > MAX_JWT {
        return Err(bad("longer than 256 KiB"));
    }
    let (signed, signature) = jwt.trim().rsplit_once('.').ok_or_else(|| bad("not three parts separated by dots"))?;
    let (header, claims) = signed.split_once('.').ok_or_else(|| bad("not three parts separated by dots"))?;
    let part = |text: &str, name: &str| {
        URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Jwt(format!("the {name} is not base64url without padding")))
    };
    let header: Header =
        serde_json::from_slice(&part(header, "header")?).map_err(|_| bad("the header is not a JWT header"))?;
    if !header.typ.eq_ignore_ascii_case("jwt") || header.alg != "ed25519-nkey" {
        return Err(bad("the algorithm is not ed25519-nkey"));
    }
    let decoded: Decoded =
        serde_json::from_slice(&part(claims, "body")?).map_err(|_| bad("the claims lack a required field"))?;
    let issuer = KeyPair::from_public_key(&decoded.issuer).map_err(|_| bad("the issuer is not a public key"))?;
    issuer.verify(signed.as_bytes(), &part(signature, "signature")?).map_err(|_| bad("the signature does not hold"))?;
    Ok(decoded)
}

/// True when two JWTs say the same apart from the time of issue (and the id, which follows from it).
/// So a loop that compares the desired account with the server's pushes only real changes.
pub fn same_claims(one: &str, other: &str) -> bool {
    let plain = |jwt: &str| decode(jwt).ok().map(|d| (d.issuer, d.subject, d.name, d.expires, d.nats));
    matches!((plain(one), plain(other)), (Some(one), Some(other)) if one == other)
}
