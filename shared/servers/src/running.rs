//! A server process that runs: its log, its end.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::process::{self, LOOK_EVERY};
use crate::run::tail;
use crate::{Error, spawn};

/// Signals to send one after the other, each with the time to wait for the end.
pub(crate) type Steps = &'static [(Signal, Duration)];

/// A started process. Dropping it ends it (bounded by `on_drop`).
pub(crate) struct Running {
    child: Child,
    started: u64,
    server: &'static str,
    log: PathBuf,
    on_drop: Steps,
}

impl Running {
    /// Starts a server with its output in `log` (made anew; the log of the last start is kept as `<log>.old`).
    pub fn start(
        server: &'static str,
        mut command: Command,
        log: &Path,
        on_death: Signal,
        on_drop: Steps,
    ) -> Result<Self, Error> {
        let mut old = log.as_os_str().to_owned();
        old.push(".old");
        let _ = fs::rename(log, old);
        let file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(log)
            .map_err(Error::io("cannot write the log", log))?;
        let copy = file.try_clone().map_err(Error::io("cannot write the log", log))?;
        command.stdin(Stdio::null()).stdout(copy).stderr(file);
        let child = spawn::spawn(command, on_death).map_err(|e| Error::Start {
            server,
            reason: format!("cannot be executed: {e}"),
            log: String::new(),
        })?;
        // A child that has ended already cannot be seen; the caller notices by `ended`.
        let started = process::look(child.id()).map_or(0, |seen| seen.started);
        Ok(Self { child, started, server, log: log.to_owned(), on_drop })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn started(&self) -> u64 {
        self.started
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last lines of the log.
    pub fn log(&self) -> String {
        File::open(&self.log).map(|mut file| tail(&mut file)).unwrap_or_default()
    }

    /// The error for a start that failed.
    pub fn failed(&self, reason: impl Into<String>) -> Error {
        Error::Start { server: self.server, reason: reason.into(), log: self.log() }
    }

    /// Sends each signal in turn until the process has ended.
    pub async fn end(&mut self, steps: Steps) -> Result<(), Error> {
        for (signal, limit) in steps {
            if self.ended().is_some() {
                return Ok(());
            }
            let _ = process::signal(self.pid(), *signal);
            let until = Instant::now() + *limit;
            while Instant::now() < until {
                if self.ended().is_some() {
                    return Ok(());
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Err(Error::Stop { server: self.server.to_owned(), pid: self.pid() })
    }

    /// SIGKILL to the process and all its children at once, as a power cut would; returns when all are gone.
    pub async fn kill_all(&mut self) -> Result<(), Error> {
        // The parent first: it must not see a child die and begin to recover.
        let children = process::children(self.pid());
        self.end(KILL).await?;
        for (pid, started) in children {
            if process::lives(pid, started) {
                let _ = process::signal(pid, Signal::KILL);
            }
            if !process::gone(pid, started, KILL[0].1).await {
                return Err(Error::Stop { server: self.server.to_owned(), pid });
            }
        }
        Ok(())
    }
}

/// Nothing survives SIGKILL but a process that hangs in the kernel.
pub(crate) const KILL: Steps = &[(Signal::KILL, Duration::from_secs(10))];

impl Drop for Running {
    fn drop(&mut self) {
        for (signal, limit) in self.on_drop {
            if self.ended().is_some() {
                return;
            }
            let _ = process::signal(self.pid(), *signal);
            let until = std::time::Instant::now() + *limit;
            while std::time::Instant::now() < until {
                if self.ended().is_some() {
                    return;
                }
                #[allow(clippy::disallowed_methods)] // in `Drop`: there is no runtime to wait on
                std::thread::sleep(LOOK_EVERY);
            }
        }
        tracing::warn!(server = self.server, pid = self.pid(), "a server did not end; end that process by hand");
    }
}
