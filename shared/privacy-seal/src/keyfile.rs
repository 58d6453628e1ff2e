//! Files of 32 secret bytes: read one, or make it once and for good.
//!
//! A file is written under another name, synced, and given its name by a hard link, which fails if somebody was faster:
//! two processes that start together end with the same key, and a crash leaves either no key or a whole one.

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::TryRngCore;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};
use zeroize::{Zeroize, Zeroizing};

/// 32 secret bytes; overwritten when dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// More than any key file has.
const FILE_MAX: u64 = 4096;

/// Why a key file could not be used. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The operating system refused.
    #[error("key file {path}: {error}; check that the folder exists and belongs to the account that runs the service")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The content is not a key.
    #[error("key file {path}: not 32 bytes in base64 on one line; put back the file from its backup")]
    Form {
        /// The file.
        path: String,
    },
    /// Others may read a secret.
    #[error(
        "key file {path}: readable by others (mode {mode:o}); run chmod 600 on it, and replace the key if somebody may have read it"
    )]
    Open {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// No public key of that name.
    #[error(
        "no public key of service {service}: put {service}.pub into the key folder (the service makes it at its first start)"
    )]
    NoSuchKey {
        /// The service.
        service: String,
    },
    /// The folder is not a key folder.
    #[error("key folder {folder}: more than 256 public keys; is this the key folder?")]
    TooMany {
        /// The folder.
        folder: String,
    },
    /// A name that would leave the folder.
    #[error("service name for a key file: lower-case letters, digits and hyphens only")]
    Name,
}

impl KeyFileError {
    /// The operating system refused something about `path`.
    pub fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), error }
    }
    /// The content of `path` is not a key.
    pub fn form(path: &Path) -> Self {
        Self::Form { path: path.display().to_string() }
    }
}

/// 32 bytes from the operating system's generator.
///
/// # Errors
/// The generator failed; no key may be made then.
pub fn random() -> Result<Secret, io::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::rngs::OsRng.try_fill_bytes(&mut *bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Reads a file of at most 4 KiB.
///
/// # Errors
/// The file cannot be read or is larger.
pub fn read_small(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_MAX as usize));
    let file = File::open(path).map_err(|e| KeyFileError::io(path, e))?;
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(|e| KeyFileError::io(path, e))?;
    if bytes.len() as u64 == FILE_MAX { Err(KeyFileError::form(path)) } else { Ok(bytes) }
}

/// Reads 32 secret bytes.
///
/// # Errors
/// The file is absent, no key, or readable by others.
pub fn load_secret(path: &Path) -> Result<Secret, KeyFileError> {
    let text = read_small(path)?;
    let mode = fs::metadata(path).map_err(|e| KeyFileError::io(path, e))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.display().to_string(), mode });
    }
    let mut bytes = Zeroizing::new([0; 32]);
    let trimmed = text.trim_ascii_end();
    // `decode_slice` wants room for a rounded-up estimate.
    let mut room = Zeroizing::new([0u8; 48]);
    match STANDARD.decode_slice(trimmed, &mut *room) {
        Ok(32) => bytes.copy_from_slice(&room[..32]),
        _ => return Err(KeyFileError::form(path)),
    }
    Ok(bytes)
}

/// Reads 32 secret bytes, or makes the file (mode 0600, synced with its folder) if it is absent.
///
/// # Errors
/// As [`load_secret`]; or the file cannot be made.
pub fn load_or_create_secret(path: &Path) -> Result<Secret, KeyFileError> {
    if !path.try_exists().map_err(|e| KeyFileError::io(path, e))? {
        let secret = random().map_err(|e| KeyFileError::io(path, e))?;
        let mut text = Zeroizing::new(STANDARD.encode(*secret));
        text.push('\n');
        publish(path, text.as_bytes(), 0o600)?;
        text.zeroize();
    }
    // Read back even what was just made: if another process was faster, its key is the key.
    load_secret(path)
}

/// Gives `path` this content if it does not exist yet; all or nothing, synced.
///
/// # Errors
/// The folder cannot be written.
pub fn publish(path: &Path, content: &[u8], mode: u32) -> Result<(), KeyFileError> {
    let fail = |e| KeyFileError::io(path, e);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let draft = folder.join(format!(".draft-{}", uuid::Uuid::new_v4()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => Ok(()),
        }
    };
    let done = write();
    // The draft goes either way; if it cannot, it is a stray file of the same rights and no more.
    let _ = fs::remove_file(&draft);
    done.map_err(fail)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_then_the_same_for_ever_and_for_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let made: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..8).map(|_| s.spawn(|| *load_or_create_secret(&path).unwrap())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(made.iter().all(|key| key == &made[0]));
        assert_ne!(made[0], [0; 32]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn damaged_and_open_files_are_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        load_or_create_secret(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load_or_create_secret(&path), Err(KeyFileError::Open { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for damage in ["", "short\n", &"A".repeat(43), &"A".repeat(64)] {
            fs::write(&path, damage).unwrap();
            assert!(matches!(load_or_create_secret(&path), Err(KeyFileError::Form { .. })), "{damage}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damage);
        }
        assert!(matches!(load_secret(&folder.path().join("none")), Err(KeyFileError::Io { .. })));
    }
}
