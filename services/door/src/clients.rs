//! 連携先: systems that may do more at the door than anybody, each with a key of its own: the organisation's mail host today.
//!
//! The file `door.clients.toml` in the key folder holds names, scopes and SHA-256 of the keys; `madoguchi client add` writes it
//! and shows the key once. It is read again when it changes, so that a key that was lost ends at once.

use crate::derive::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};
use subtle::ConstantTimeEq;

/// The file in the key folder.
pub const FILE: &str = "door.clients.toml";
/// Clients in one file.
pub const CLIENTS_MAX: usize = 100;
/// Bytes of the file.
const FILE_MAX: u64 = 64 * 1024;
/// What every key begins with, so that secret scanners find one that went astray.
const PREFIX: &str = "madoguchi_";

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientScope {
    /// Bring mails (`POST /api/v1/mail`).
    Mail,
}

impl std::str::FromStr for ClientScope {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "mail" => Ok(Self::Mail),
            _ => Err("a scope is: mail".to_owned()),
        }
    }
}

impl std::fmt::Display for ClientScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mail => "mail",
        })
    }
}

/// One system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What staff call it.
    pub name: contracts::Code,
    /// SHA-256 of its key, hexadecimal. The key has 256 random bits: nothing slower is needed.
    pub key_sha256: String,
    /// What it may do.
    pub scopes: Vec<ClientScope>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clients {
    #[serde(default)]
    client: Vec<Client>,
}

/// Why the file cannot be used. Names the file and never a key.
#[derive(Debug, thiserror::Error)]
pub enum BadClients {
    /// The operating system refused.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// Not what `madoguchi client` writes.
    #[error("{0}: {1}; mend the file, or remove it and add the clients anew")]
    Form(PathBuf, String),
    /// The name is taken.
    #[error("a client of this name is there; remove it first")]
    Taken,
    /// No such name.
    #[error("no client of this name")]
    Unknown,
    /// The file is full.
    #[error("{CLIENTS_MAX} clients are there; remove one first")]
    Full,
}

fn digest(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn read(path: &Path) -> Result<Clients, BadClients> {
    let io = |e| BadClients::Io(path.to_owned(), e);
    match std::fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Clients::default()),
        Err(e) => return Err(io(e)),
        Ok(meta) if meta.len() > FILE_MAX => return Err(BadClients::Form(path.to_owned(), "over 64 KiB".to_owned())),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let clients: Clients =
        toml::from_str(&text).map_err(|e| BadClients::Form(path.to_owned(), e.message().to_owned()))?;
    let whole = |c: &Client| c.key_sha256.len() == 64 && c.key_sha256.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(bad) = clients.client.iter().find(|c| !whole(c)) {
        let why = format!("client `{}`: `key_sha256` has 64 hexadecimal digits", bad.name);
        return Err(BadClients::Form(path.to_owned(), why));
    }
    Ok(clients)
}

fn write(path: &Path, clients: &Clients) -> Result<(), BadClients> {
    let io = |e| BadClients::Io(path.to_owned(), e);
    let text = toml::to_string(clients).map_err(|e| BadClients::Form(path.to_owned(), e.to_string()))?;
    let beside = path.with_extension("toml.new");
    std::fs::write(&beside, text).map_err(io)?;
    std::fs::rename(&beside, path).map_err(io)
}

/// Adds a client and gives its key, which is kept nowhere.
///
/// # Errors
/// As [`BadClients`].
pub fn add(folder: &Path, name: contracts::Code, scopes: Vec<ClientScope>) -> Result<String, BadClients> {
    let path = folder.join(FILE);
    let mut clients = read(&path)?;
    if clients.client.len() >= CLIENTS_MAX {
        return Err(BadClients::Full);
    }
    if clients.client.iter().any(|c| c.name == name) {
        return Err(BadClients::Taken);
    }
    let key = format!("{PREFIX}{}", hex(&rand::random::<[u8; 32]>()));
    clients.client.push(Client { name, key_sha256: digest(&key), scopes });
    write(&path, &clients)?;
    Ok(key)
}

/// Ends a client's key.
///
/// # Errors
/// As [`BadClients`].
pub fn remove(folder: &Path, name: &contracts::Code) -> Result<(), BadClients> {
    let path = folder.join(FILE);
    let mut clients = read(&path)?;
    let before = clients.client.len();
    clients.client.retain(|c| c.name != *name);
    if clients.client.len() == before {
        return Err(BadClients::Unknown);
    }
    write(&path, &clients)
}

/// All clients.
///
/// # Errors
/// As [`BadClients`].
pub fn list(folder: &Path) -> Result<Vec<Client>, BadClients> {
    read(&folder.join(FILE)).map(|clients| clients.client)
}

/// The clients as the door asks for them: the file is read again when it has changed.
pub struct KnownClients {
    path: PathBuf,
    read: Mutex<(Option<SystemTime>, Arc<Vec<Client>>)>,
}

impl KnownClients {
    /// Those of a key folder.
    ///
    /// # Errors
    /// As [`BadClients`]: a file that cannot be read is found at the start and not at the first request.
    pub fn of(folder: &Path) -> Result<Self, BadClients> {
        let path = folder.join(FILE);
        let clients = Arc::new(read(&path)?.client);
        Ok(Self { read: Mutex::new((changed(&path), clients)), path })
    }

    /// Whose key this is.
    ///
    /// A file that has become unreadable allows nobody: the keys in it may be the ones that were to end.
    pub fn who(&self, key: &str) -> Option<Client> {
        let clients = self.now();
        let digest = digest(key);
        clients.iter().find(|c| c.key_sha256.as_bytes().ct_eq(digest.as_bytes()).into()).cloned()
    }

    fn now(&self) -> Arc<Vec<Client>> {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = changed(&self.path);
        if known.0 != changed {
            let clients = read(&self.path).unwrap_or_else(|error| {
                tracing::error!(%error, "the list of clients cannot be read; none is allowed");
                Clients::default()
            });
            *known = (changed, Arc::new(clients.client));
        }
        known.1.clone()
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Code;

    #[test]
    fn a_key_is_shown_once_and_ends_when_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownClients::of(folder.path()).unwrap();
        assert_eq!(known.who(""), None);
        let key = add(folder.path(), Code::of("mail-host"), vec![ClientScope::Mail]).unwrap();
        assert!(matches!(add(folder.path(), Code::of("mail-host"), vec![]), Err(BadClients::Taken)));
        assert!(!std::fs::read_to_string(folder.path().join(FILE)).unwrap().contains(&key));
        let client = known.who(&key).unwrap();
        assert_eq!((client.name.as_str(), &client.scopes[..]), ("mail-host", &[ClientScope::Mail][..]));
        assert_eq!(known.who(&key[1..]), None);
        assert_eq!(list(folder.path()).unwrap(), [client]);
        remove(folder.path(), &Code::of("mail-host")).unwrap();
        // Two writes within one tick of the file system's clock would not be told apart.
        std::fs::File::open(folder.path().join(FILE)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(known.who(&key), None);
        assert!(matches!(remove(folder.path(), &Code::of("mail-host")), Err(BadClients::Unknown)));
    }

    #[test]
    fn a_file_that_says_something_else_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for bad in
            ["client = 1", "[[client]]\nname = \"x\"", "[[client]]\nname = \"x\"\nkey_sha256 = \"12\"\nscopes = []"]
        {
            std::fs::write(&path, bad).unwrap();
            let error = KnownClients::of(folder.path()).err().unwrap().to_string();
            assert!(error.contains(FILE), "{error}");
        }
    }
}
