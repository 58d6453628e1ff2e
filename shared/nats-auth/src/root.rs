//! The one secret that all keys of a house come from.
//!
//! HKDF-SHA256 (RFC 5869): input = 32 random bytes, no salt, info = `madoguchi/nats/v1/<purpose>`; the 32 bytes of
//! output are the ed25519 seed. So a lost machine is rebuilt from one small file, and there is no second list of keys
//! that could disagree with the first. The price: who has the file is the operator. It stays with the steward (and the
//! launcher's data folder), mode 0600.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use hkdf::Hkdf;
use nkeys::{KeyPair, KeyPairType};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Error;

/// The usual name of the key file.
pub const DEFAULT_ROOT_FILE: &str = "nats-root.secret";

/// 32 secret bytes, wiped when dropped.
#[derive(Clone)]
pub struct RootSecret(Zeroizing<[u8; 32]>);

impl RootSecret {
    /// From bytes; they must be random.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// New random bytes from the operating system.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut()).map_err(|error| Error::File {
            path: "(none)".to_owned(),
            reason: format!("the operating system gives no random bytes: {error}"),
        })?;
        Ok(Self(bytes))
    }

    /// Reads the key file, or makes it with mode 0600 if there is none. Two callers at once end up with the same secret.
    ///
    /// # Errors
    /// The file cannot be read or made, others may read it, or it is not 64 hexadecimal digits.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        match Self::load(path) {
            Err(LoadError::Missing) => {}
            Err(LoadError::Bad(error)) => return Err(error),
            Ok(secret) => return Ok(secret),
        }
        let fresh = Self::random()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = path.with_file_name(format!(".{name}.{}", Uuid::now_v7()));
        let made = write_private(&draft, &hex::encode(fresh.0.as_slice())).and_then(|()| fs::hard_link(&draft, path));
        // The draft has served in every case; a left-over would be a second copy of the secret.
        let removed = fs::remove_file(&draft);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // another was faster: take theirs
            Err(error) => return Err(file_error(path, format!("cannot be made: {error}; give a writable folder"))),
            Ok(()) => removed.map_err(|error| file_error(path, format!("its draft cannot be removed: {error}")))?,
        }
        Self::load(path).map_err(|error| match error {
            LoadError::Missing => file_error(path, "vanished while being made; start again".to_owned()),
            LoadError::Bad(error) => error,
        })
    }

    fn load(path: &Path) -> Result<Self, LoadError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LoadError::Missing),
            Err(error) => return Err(LoadError::Bad(file_error(path, format!("cannot be read: {error}")))),
        };
        let mode = fs::metadata(path).map(|meta| meta.permissions().mode()).unwrap_or(0);
        if mode & 0o077 != 0 {
            let reason = "others may read it; run `chmod 600` on it".to_owned();
            return Err(LoadError::Bad(file_error(path, reason)));
        }
        let mut bytes = Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut()).map_err(|_| {
            let reason = "is not 64 hexadecimal digits; restore it from the backup of the data folder".to_owned();
            LoadError::Bad(file_error(path, reason))
        })?;
        Ok(Self(bytes))
    }

    /// The operator's key.
    pub fn operator(&self) -> KeyPair {
        self.derive(KeyPairType::Operator, "operator")
    }

    /// The system account's key (SYS: server administration, no messages of ours).
    pub fn system_account(&self) -> KeyPair {
        self.derive(KeyPairType::Account, "account/system")
    }

    /// The key of the account that all services share (DESK).
    pub fn desk_account(&self) -> KeyPair {
        self.derive(KeyPairType::Account, "account/desk")
    }

    /// The account key of one recipient of opt-outs (提供停止の通知先).
    pub fn account_for(&self, recipient: Uuid) -> KeyPair {
        self.derive(KeyPairType::Account, &format!("account/recipient/{}", recipient.hyphenated()))
    }

    /// The user key of one service in DESK.
    pub fn user_for(&self, service: &str) -> KeyPair {
        self.derive(KeyPairType::User, &format!("user/service/{service}"))
    }

    /// The user key in SYS, for the steward.
    pub fn system_user(&self) -> KeyPair {
        self.derive(KeyPairType::User, "user/system")
    }

    fn derive(&self, kind: KeyPairType, purpose: &str) -> KeyPair {
        let mut seed = Zeroizing::new([0_u8; 32]);
        let info = format!("madoguchi/nats/v1/{purpose}");
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(info.as_bytes(), seed.as_mut())
            .expect("32 bytes are below HKDF's limit of 255 blocks");
        KeyPair::new_from_raw(kind, *seed).expect("any 32 bytes are an ed25519 seed")
    }
}

enum LoadError {
    Missing,
    Bad(Error),
}

fn file_error(path: &Path, reason: String) -> Error {
    Error::File { path: path.display().to_string(), reason }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
