//! A snapshot: the index as one signed file for places without a network. Exact format in the README.
//!
//! `MDGATE1\n` · u32 length of the manifest · manifest (JSON) · Ed25519 signature · records, sorted. Keys only, no values.

use crate::{
    filing::Filing,
    index::{Index, RECORD, RECORDS_MAX, Record},
    judge::AsOf,
    rules::{Rules, RulesError},
};
use contracts::{Code, Timestamp};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 8] = b"MDGATE1\n";
/// What stands before the manifest in what is signed.
const CONTEXT: &[u8] = b"madoguchi-gate-snapshot-v1\n";
/// The largest manifest: ten thousand filings.
const MANIFEST_MAX: u32 = 16 * 1024 * 1024;
/// Records read at a time.
const AT_A_TIME: usize = 4096;

/// What a snapshot says about itself; all of it is signed, and through `sha256` the records too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always 1.
    pub format: u32,
    /// Whose keys they are: a recipient's id, or `core-zone`.
    pub user: Code,
    /// As of which moment of the register.
    pub as_of: AsOf,
    /// When it was made.
    pub made_at: Timestamp,
    /// From here on the answer is "do not use".
    pub expires_at: Timestamp,
    /// The rules that rows must be asked by.
    pub rules: Rules,
    /// Whether keys of insurance numbers are in it, by that user's recorded permission.
    pub insurance: bool,
    /// The filings: the second block.
    pub filings: Vec<Filing>,
    /// How many records follow.
    pub records: u64,
    /// SHA-256 over the records' bytes, hexadecimal.
    pub sha256: String,
}

/// Why a snapshot answers "do not use" to everything.
#[derive(Debug, thiserror::Error)]
pub enum DoNotUse {
    /// It cannot be read.
    #[error("the snapshot cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Not a snapshot, cut off, or with bytes after its end.
    #[error("not a whole snapshot ({0}); fetch it again")]
    Form(&'static str),
    /// Not signed by the key that was handed over.
    #[error("the signature is not by the operator's key; do not use this file, and telephone the desk")]
    Signature,
    /// The records are not those that were signed.
    #[error("the records are not those that were signed; do not use this file, and telephone the desk")]
    Digest,
    /// Made for another user of the gate: its keys would find nobody.
    #[error("made for {0}; use the snapshot that was made for this key")]
    OtherUser(Code),
    /// Too old.
    #[error("expired at {0}; fetch a newer one")]
    Expired(Timestamp),
    /// From the future: a clock is wrong.
    #[error("made at {0}, which is later than this machine's clock; set the clock")]
    NotYet(Timestamp),
    /// Behind what the asker knows to be needed.
    #[error("as of {}.{}, behind the required {}.{}; fetch a newer one", .have.epoch, .have.position, .need.epoch, .need.position)]
    Behind {
        /// What it has.
        have: AsOf,
        /// What is needed.
        need: AsOf,
    },
    /// Its rules mean nothing here.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

/// How far the clocks may differ before a snapshot is from the future, in seconds.
const SKEW: i64 = 300;

impl Manifest {
    /// Whether it may be used now.
    ///
    /// # Errors
    /// Expired, from the future, or behind the required position (another epoch is behind, too: positions do not mix).
    pub fn usable(&self, now: Timestamp, need: Option<AsOf>) -> Result<(), DoNotUse> {
        if now >= self.expires_at {
            return Err(DoNotUse::Expired(self.expires_at));
        }
        if self.made_at.as_second() > now.as_second() + SKEW {
            return Err(DoNotUse::NotYet(self.made_at));
        }
        match need {
            Some(need) if self.as_of.epoch != need.epoch || self.as_of.position < need.position => {
                Err(DoNotUse::Behind { have: self.as_of, need })
            }
            _ => Ok(()),
        }
    }
}

/// Writes one. `records` are sorted here; `sha256` and `records` of the manifest are set.
///
/// # Errors
/// The writer's.
pub fn write(
    out: &mut dyn Write,
    mut manifest: Manifest,
    records: Vec<Record>,
    key: &SigningKey,
) -> io::Result<Manifest> {
    let index = Index::new(records);
    let mut hash = Sha256::new();
    for record in index.records() {
        hash.update(record.to_bytes());
    }
    manifest.records = index.records().len() as u64;
    manifest.sha256 = hex::encode(hash.finalize());
    let json = serde_json::to_vec(&manifest)?;
    let length = u32::try_from(json.len()).ok().filter(|n| *n <= MANIFEST_MAX);
    let length = length.ok_or_else(|| io::Error::other("the manifest is over 16 MiB: fewer filings"))?;
    out.write_all(MAGIC)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&json)?;
    out.write_all(&key.sign(&[CONTEXT, &json].concat()).to_bytes())?;
    for record in index.records() {
        out.write_all(&record.to_bytes())?;
    }
    out.flush()?;
    Ok(manifest)
}

/// Reads and verifies one: form, signature, digest, order, user, rules. Not its age: see [`Manifest::usable`].
///
/// # Errors
/// See [`DoNotUse`].
pub fn read(from: &mut dyn Read, key: &VerifyingKey, user: &Code) -> Result<(Manifest, Index), DoNotUse> {
    let mut head = [0; 12];
    from.read_exact(&mut head).map_err(|_| DoNotUse::Form("its first line"))?;
    if &head[..8] != MAGIC {
        return Err(DoNotUse::Form("its first line"));
    }
    let length = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    if length > MANIFEST_MAX {
        return Err(DoNotUse::Form("its manifest's length"));
    }
    let mut json = vec![0; length as usize];
    from.read_exact(&mut json).map_err(|_| DoNotUse::Form("its manifest"))?;
    let mut signature = [0; 64];
    from.read_exact(&mut signature).map_err(|_| DoNotUse::Form("its signature"))?;
    key.verify_strict(&[CONTEXT, &json].concat(), &Signature::from_bytes(&signature))
        .map_err(|_| DoNotUse::Signature)?;
    let manifest: Manifest = serde_json::from_slice(&json).map_err(|_| DoNotUse::Form("its manifest"))?;
    if manifest.format != 1 || manifest.records > RECORDS_MAX as u64 {
        return Err(DoNotUse::Form("its version"));
    }
    if manifest.user != *user {
        return Err(DoNotUse::OtherUser(manifest.user));
    }
    manifest.rules.clone().checked()?;
    let index = records(from, &manifest)?;
    Ok((manifest, index))
}

fn records(from: &mut dyn Read, manifest: &Manifest) -> Result<Index, DoNotUse> {
    let (mut hash, mut left) = (Sha256::new(), manifest.records as usize);
    let mut records: Vec<Record> = Vec::with_capacity(left);
    let mut buffer = vec![0; AT_A_TIME * RECORD];
    while left > 0 {
        let take = left.min(AT_A_TIME);
        let bytes = &mut buffer[..take * RECORD];
        from.read_exact(bytes).map_err(|_| DoNotUse::Form("its records"))?;
        hash.update(&*bytes);
        for record in bytes.as_chunks::<RECORD>().0 {
            let record = Record::from_bytes(record);
            if records.last().is_some_and(|last| *last >= record) {
                return Err(DoNotUse::Digest);
            }
            records.push(record);
        }
        left -= take;
    }
    if from.read(&mut [0; 1])? != 0 {
        return Err(DoNotUse::Form("bytes after its end"));
    }
    if hex::encode(hash.finalize()) != manifest.sha256 {
        return Err(DoNotUse::Digest);
    }
    Ok(Index::sorted(records))
}

/// The file that a person hands to a user of the gate: its own key, and the key that verifies snapshots.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// Whose: a recipient's id, or `core-zone`.
    pub user: Code,
    /// 32 bytes, base64: secret.
    pub gate_key: String,
    /// Ed25519 public key of snapshots, base64.
    pub verify_key: String,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[gate keys of {}]", self.user)
    }
}

impl KeyFile {
    /// For a user.
    pub fn new(user: Code, gate_key: &[u8; 32], signing: &SigningKey) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        Self {
            user,
            gate_key: STANDARD.encode(gate_key),
            verify_key: STANDARD.encode(signing.verifying_key().as_bytes()),
        }
    }

    /// The two keys; `None`: the file is damaged.
    pub fn keys(&self) -> Option<(crate::GateKey, VerifyingKey)> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let bytes = |text: &str| STANDARD.decode(text).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
        let gate = zeroize::Zeroizing::new(bytes(&self.gate_key)?);
        Some((crate::GateKey::new(&gate), VerifyingKey::from_bytes(&bytes(&self.verify_key)?).ok()?))
    }
}
