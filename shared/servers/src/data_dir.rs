//! The data folder: one instance at a time, and nothing left over from the last one.
//!
//! ```text
//! <data>/instance.lock   flock, with the holder's process id in it
//! <data>/pids.json       the server processes this folder has started
//! <data>/ports.json      the ports they had, so that addresses stay the same from start to start if they can
//! <data>/log/            one log per server, and the one before
//! <data>/postgres/, nats/   the servers' folders
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::account::{self, Account};
use crate::process;
use crate::running::Running;
use crate::{Error, Progress};

/// A server process, so that the next start can recognise it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Started {
    pid: u32,
    /// Start time from `/proc`, against reuse of process ids.
    started: u64,
    /// An argument of its command line: a path in this folder.
    argument: String,
    /// The gentle signal for this kind of server.
    signal: Gentle,
}

/// How a server is asked to stop.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Gentle {
    /// PostgreSQL: fast shutdown.
    Interrupt,
    /// nats-server.
    Terminate,
}

/// An open data folder. The lock is held until the last clone of the `Arc` is dropped; servers hold one.
pub struct DataDir {
    path: PathBuf,
    account: Option<Account>,
    started: Mutex<BTreeMap<String, Started>>,
    ports: Mutex<BTreeMap<String, u16>>,
    _lock: File,
}

impl DataDir {
    /// Opens (or makes) the folder, locks it, and ends servers that an earlier instance left running.
    ///
    /// # Errors
    /// Another instance has it; it cannot be made; as root, the unprivileged user cannot reach it; a left-over server
    /// does not end.
    pub async fn open(path: &Path, progress: Progress<'_>) -> Result<Arc<Self>, Error> {
        let path = std::path::absolute(path).map_err(Error::io("cannot use the data folder", path))?;
        fs::create_dir_all(&path).map_err(Error::io("cannot make the data folder", &path))?;
        let account = account::unprivileged();
        if account.is_some() {
            let mode = fs::metadata(&path).map_err(Error::io("cannot look at", &path))?.mode() & 0o7777;
            account::set_mode(&path, mode | 0o011)?;
        }
        let path = path.canonicalize().map_err(Error::io("cannot use the data folder", &path))?;
        account::reachable(&path, account, "--data")?;
        let lock = lock(&path)?;
        let dir = Self {
            started: Mutex::new(read_json(&path.join("pids.json"))),
            ports: Mutex::new(read_json(&path.join("ports.json"))),
            account,
            path,
            _lock: lock,
        };
        account::make_folder(&dir.path.join("log"), 0o700, None)?;
        dir.end_leftovers(progress).await?;
        Ok(Arc::new(dir))
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn account(&self) -> Option<Account> {
        self.account
    }

    pub(crate) fn log(&self, server: &str) -> PathBuf {
        self.path.join("log").join(format!("{server}.log"))
    }

    /// Makes `<data>/<name>`. As root it stays ours, and only folders in it belong to the server's user: root must not
    /// write files where that user could put a link.
    pub(crate) fn server_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.path.join(name);
        account::make_folder(&folder, if self.account.is_some() { 0o711 } else { 0o700 }, None)?;
        Ok(folder)
    }

    /// Writes a file that only we (root, or the user we are) can read, atomically.
    pub(crate) fn write_private(&self, path: &Path, text: &str) -> Result<(), Error> {
        let draft = path.with_extension("draft");
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, path)
        };
        write().map_err(Error::io("cannot write", path))
    }

    /// Remembers a started server, for the next instance.
    pub(crate) fn remember(
        &self,
        server: &str,
        running: &Running,
        argument: &Path,
        signal: Gentle,
    ) -> Result<(), Error> {
        let argument = argument.display().to_string();
        let entry = Started { pid: running.pid(), started: running.started(), argument, signal };
        let text = {
            let mut all = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(server.to_owned(), entry);
            json(&*all)
        };
        self.write_private(&self.path.join("pids.json"), &text)
    }

    /// Forgets a server that has ended.
    pub(crate) fn forget(&self, server: &str) -> Result<(), Error> {
        let text = {
            let mut all = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            all.remove(server);
            json(&*all)
        };
        self.write_private(&self.path.join("pids.json"), &text)
    }

    /// The port a server had the last time, if it is free now.
    pub(crate) fn last_port(&self, name: &str) -> Option<u16> {
        let port = self.ports.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        port.filter(|port| crate::ports::is_free(*port))
    }

    /// Remembers the ports of a server.
    pub(crate) fn keep_ports(&self, ports: &[(&str, u16)]) -> Result<(), Error> {
        let text = {
            let mut all = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(ports.iter().map(|(name, port)| ((*name).to_owned(), *port)));
            json(&*all)
        };
        self.write_private(&self.path.join("ports.json"), &text)
    }

    async fn end_leftovers(&self, progress: Progress<'_>) -> Result<(), Error> {
        let all = self.started.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (server, left) in all {
            if self.is_ours(&left) {
                progress(&format!("ending {server} of an earlier run (process {})", left.pid));
                end(&server, &left).await?;
            }
            self.forget(&server)?;
        }
        Ok(())
    }

    /// The process id may have been given to somebody else since: the start time and a path of this folder on the command
    /// line must fit too.
    fn is_ours(&self, left: &Started) -> bool {
        Path::new(&left.argument).starts_with(&self.path)
            && process::look(left.pid)
                .is_some_and(|seen| seen.started == left.started && seen.arguments.contains(&left.argument))
    }
}

async fn end(server: &str, left: &Started) -> Result<(), Error> {
    let gentle = match left.signal {
        Gentle::Interrupt => Signal::INT,
        Gentle::Terminate => Signal::TERM,
    };
    // PostgreSQL writes a checkpoint first: give it time before the harder ways.
    for (signal, seconds) in [(gentle, 30), (Signal::QUIT, 5), (Signal::KILL, 5)] {
        process::signal(left.pid, signal)
            .map_err(|_| Error::Stop { server: format!("{server} of an earlier run"), pid: left.pid })?;
        if process::gone(left.pid, left.started, Duration::from_secs(seconds)).await {
            return Ok(());
        }
    }
    Err(Error::Stop { server: format!("{server} of an earlier run"), pid: left.pid })
}

fn lock(path: &Path) -> Result<File, Error> {
    let file = path.join("instance.lock");
    let problem = "cannot lock";
    let mut lock = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file)
        .map_err(Error::io(problem, &file))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            let holder = Some(holder.trim()).filter(|text| !text.is_empty()).unwrap_or("unknown").to_owned();
            return Err(Error::Busy { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(Error::io(problem, &file)(error)),
    }
    let write = |lock: &mut File| {
        lock.set_len(0)?;
        lock.write_all(std::process::id().to_string().as_bytes())
    };
    write(&mut lock).map_err(Error::io(problem, &file))?;
    Ok(lock)
}

/// A file that cannot be read counts as empty: it only ever speeds things up or names left-overs.
fn read_json<T: DeserializeOwned + Default>(path: &Path) -> T {
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("maps with string keys always serialize")
}
