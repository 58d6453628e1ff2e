//! The gate's keys: all derived from the key file `optout.gate`, which lies with the master key and not with the backups.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use contracts::{RecipientId, RecipientKind, Uuid};
use ed25519_dalek::SigningKey;
use gate::{GateKey, MasterKey, snapshot::KeyFile};
use privacy_seal::{KeyFileError, keyfile};
use rand::TryRngCore;
use std::{fmt, path::Path};

const VERSION: u8 = 1;

/// What the core zone's snapshots are made for.
pub const CORE_ZONE: contracts::Code = contracts::Code::of("core-zone");

/// All of them.
#[derive(Clone)]
pub struct GateKeys {
    master: MasterKey,
    rows: Aes256Gcm,
    memory: GateKey,
}

impl GateKeys {
    /// Reads `optout.gate` of the key folder, or makes it.
    ///
    /// # Errors
    /// The file cannot be read or made, is damaged, or readable by others.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyFileError> {
        keyfile::load_or_create_secret(&folder.join("optout.gate")).map(|s| Self::new(MasterKey::new(s)))
    }

    /// From a secret at hand.
    pub fn new(master: MasterKey) -> Self {
        let rows = Aes256Gcm::new((&*master.of_rows()).into());
        let memory = GateKey::new(&master.of_memory());
        Self { master, rows, memory }
    }

    /// The key of the index in memory.
    pub const fn memory(&self) -> &GateKey {
        &self.memory
    }

    /// The key that signs snapshots.
    pub fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&self.master.of_signing())
    }

    /// One recipient's key.
    pub fn of_recipient(&self, recipient: RecipientId) -> GateKey {
        GateKey::new(&self.master.of_recipient(recipient.0))
    }

    /// The core zone's key.
    pub fn of_core_zone(&self) -> GateKey {
        GateKey::new(&self.master.of_core_zone())
    }

    /// The key by which a recipient of this kind asks the gate.
    pub fn of(&self, recipient: RecipientId, kind: RecipientKind) -> GateKey {
        if kind == RecipientKind::CoreZone { self.of_core_zone() } else { self.of_recipient(recipient) }
    }

    /// What a person hands to a user of the gate; none: the core zone.
    pub fn hand_over(&self, recipient: Option<RecipientId>) -> KeyFile {
        let signing = self.signing();
        match recipient {
            None => KeyFile::new(CORE_ZONE, &self.master.of_core_zone(), &signing),
            Some(id) => KeyFile::new(user(id), &self.master.of_recipient(id.0), &signing),
        }
    }

    /// Seals an entry's digests; bound to the entry.
    pub fn seal(&self, entry: Uuid, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; 12];
        rand::rngs::OsRng.try_fill_bytes(&mut nonce).ok()?;
        let payload = Payload { msg: plain, aad: entry.as_bytes() };
        let text = self.rows.encrypt(Nonce::from_slice(&nonce), payload).ok()?;
        Some([&[VERSION], nonce.as_slice(), &text].concat())
    }

    /// Opens them.
    pub fn open(&self, entry: Uuid, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = match sealed.split_first() {
            Some((&VERSION, rest)) if rest.len() > 12 => rest.split_at(12),
            _ => return None,
        };
        self.rows.decrypt(Nonce::from_slice(nonce), Payload { msg: text, aad: entry.as_bytes() }).ok()
    }
}

/// How a recipient is named in a snapshot.
pub fn user(recipient: RecipientId) -> contracts::Code {
    #[expect(clippy::expect_used, reason = "a uuid is lower-case hexadecimal and hyphens")]
    recipient.to_string().parse().expect("a uuid is a code")
}

impl fmt::Debug for GateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[gate keys]")
    }
}
