//! The form of an evidence file, version 1. See the README.
//!
//! Whatever was signed or hashed is carried as bytes in base64 and never written anew. The outer document is a DSSE envelope
//! around the payload; beside it, unsigned, stand the sealed parts: the payload has their digests only, so that they can be
//! taken out without anything else losing its proof.

use crate::note::Signer;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::BTreeMap, fmt};
use uuid::Uuid;

/// The form's version, inside what is signed.
pub const FORMAT: &str = "madoguchi-evidence/1";
/// The DSSE payload type.
pub const PAYLOAD_TYPE: &str = "application/vnd.madoguchi.evidence.v1+json";
/// The largest file, in bytes.
pub const FILE_MAX: usize = 256 * 1024 * 1024;
/// The name of the key that signs files.
pub const HOUSE_KEY: &str = "madoguchi/evidence";

/// Bytes, base64 in the file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct B64(pub Vec<u8>);

/// A SHA-256, hexadecimal in the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub [u8; 32]);

impl Hex {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for B64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}
impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl Serialize for B64 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for B64 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(d)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(|_| serde::de::Error::custom("not base64"))
    }
}
impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(d)?;
        let bytes = hex::decode(text.as_bytes()).ok().filter(|_| !text.contains(|c: char| c.is_ascii_uppercase()));
        let bytes = bytes.and_then(|b| b.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not a SHA-256 in hexadecimal"))
    }
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Always [`PAYLOAD_TYPE`].
    pub payload_type: String,
    /// [`Evidence`] as JSON.
    pub payload: B64,
    /// By the house's key.
    pub signatures: Vec<Signed>,
    /// What is sealed, by its digest. May be deleted, whole or in part.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sealed: BTreeMap<Hex, B64>,
}

/// One signature of the envelope.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The key's id as its verifier key has it: eight hexadecimal digits.
    pub keyid: String,
    /// Ed25519 over the pre-authentication encoding.
    pub sig: B64,
}

/// Whose copy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Copy {
    /// Everything.
    Full,
    /// The person's: what others may not be told about is left out.
    Person,
}

/// What is signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Always [`FORMAT`].
    pub format: String,
    /// Whose copy.
    pub copy: Copy,
    /// The case.
    pub case: Uuid,
    /// When it was made.
    pub made_at: Timestamp,
    /// By which program: `madoguchi 0.1.0`.
    pub made_by: String,
    /// The key that signs the file, as a verifier key.
    pub house_key: String,
    /// The logs that events are proved in.
    pub logs: Vec<Log>,
    /// What happened, in the order of time; within a log in the log's order.
    pub events: Vec<Event>,
    /// What is kept sealed about the case.
    pub documents: Vec<Document>,
    /// Who was told.
    pub recipients: Vec<Recipient>,
    /// What each was told, and what became of it.
    pub instructions: Vec<Instruction>,
}

/// The log of one service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Whose: `intake`, `optout` …
    pub service: String,
    /// The verifier key of its checkpoints; its name is the log's origin.
    pub key: String,
    /// The checkpoint that everything is proved against: a signed note.
    pub checkpoint: String,
    /// An earlier one, and the proof that the log was only appended to since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
}

/// An earlier checkpoint of the same log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// A signed note by the same key.
    pub checkpoint: String,
    /// The consistency proof from it (RFC 9162, 2.1.4).
    pub proof: Vec<B64>,
}

/// One event of one machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// In whose log.
    pub service: String,
    /// The kind of machine: `case`, `entry`, `instruction` …
    pub machine: String,
    /// Which machine; in a person's copy an instruction has a name of the file's own.
    pub id: String,
    /// 1, 2, 3 … within its machine.
    pub version: i64,
    /// When it was written down.
    pub at: Timestamp,
    /// The salt of its commitment.
    pub salt: B64,
    /// Its JSON, the very bytes.
    pub event: B64,
    /// Its number in the log, from 0.
    pub leaf: u64,
    /// The inclusion proof (RFC 9162, 2.1.3).
    pub proof: Vec<B64>,
}

/// A sealed document: its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// `request` (what the person filed), `register-entry` (the identifiers in the register), `answer` (reasons in words).
    pub what: String,
    /// Who keeps it, and alone can open it.
    pub service: String,
    /// SHA-256 of the sealed bytes.
    pub digest: Hex,
}

/// A recipient (通知先).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Its id; in a person's copy a name of the file's own.
    pub id: String,
    /// Its short name.
    pub label: String,
    /// Its kind: `contractor`, `hospital` …
    pub kind: String,
    /// The public keys that its reports verify with; not in a person's copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub report_keys: Vec<B64>,
}

/// An instruction (指示).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instruction {
    /// Its id: that of its machine among the events.
    pub id: String,
    /// To whom: one of `recipients`.
    pub recipient: String,
    /// What it ended with, as its events say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What was sent; not in a person's copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Signed reports as they came, in that order; not in a person's copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<Report>,
}

/// What was sent to one recipient, and every try.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The position in the recipient's own order.
    pub position: i64,
    /// When it was issued.
    pub at: Timestamp,
    /// SHA-256 of the whole body.
    pub digest: Hex,
    /// The body's bytes before the sealed identifiers.
    pub head: B64,
    /// The digest of the sealed identifiers as they stand in the body: a sealed part.
    pub identifiers: Hex,
    /// The body's bytes after them.
    pub tail: B64,
    /// Tries to deliver it.
    pub attempts: Vec<Attempt>,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// By which transport.
    pub transport: String,
    /// What came of it.
    pub outcome: String,
    /// The HTTP status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
}

/// A signed report.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// When it came.
    pub at: Timestamp,
    /// Its bytes.
    pub bytes: B64,
}

/// DSSE's pre-authentication encoding: `DSSEv1 <len> <type> <len> <payload>`.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// A body cut at its sealed identifiers: the value of `data.person` if that is a text of base64, else all of `data`, else
/// the whole body. What is left may be shown to anybody.
pub fn cut(body: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let sealed = json["data"]["person"].as_str().filter(|s| !s.is_empty() && STANDARD.decode(s).is_ok());
    let found = sealed.and_then(|text| {
        let at = body.windows(text.len()).position(|w| w == text.as_bytes())?;
        Some((at, at + text.len()))
    });
    let (from, to) = found.unwrap_or((0, body.len()));
    (&body[..from], &body[from..to], &body[to..])
}

impl Evidence {
    /// Signs it and puts the sealed parts beside it.
    pub fn sign(&self, signer: &Signer, sealed: impl IntoIterator<Item = Vec<u8>>) -> File {
        // Structs with text keys always have a JSON form.
        let payload = serde_json::to_vec(self).unwrap_or_default();
        let sig = signer.sign_bytes(&pae(PAYLOAD_TYPE, &payload)).to_vec();
        File {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: B64(payload),
            signatures: vec![Signed { keyid: hex::encode(signer.verifier().id()), sig: B64(sig) }],
            sealed: sealed.into_iter().map(|bytes| (Hex::of(&bytes), B64(bytes))).collect(),
        }
    }
}

impl File {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
