//! A private nats-server.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::account::make_folder;
use crate::data_dir::{DataDir, Gentle};
use crate::keeper::Look;
use crate::pg_setup::server_command;
use crate::process::LOOK_EVERY;
use crate::running::{Running, Steps};
use crate::{Binaries, Error, NatsOptions, Progress, ports};

/// Reading back a large stream store takes its time.
const READY_LIMIT: Duration = Duration::from_secs(120);
const BUSY_LIMIT: Duration = Duration::from_secs(15);
const TRY_LIMIT: Duration = Duration::from_secs(2);
/// The server's greeting is one line of about half a KiB.
const LONGEST_GREETING: u64 = 64 * 1024;

const STOP: Steps = &[(Signal::TERM, Duration::from_secs(20)), (Signal::KILL, Duration::from_secs(5))];

/// A private nats-server. Dropping it stops it.
pub struct Nats {
    running: Mutex<Option<Running>>,
    /// False when it was stopped on purpose. Changed only by who holds `running`.
    wanted: AtomicBool,
    program: PathBuf,
    options: NatsOptions,
    /// Unique to this folder: shows that it is our server that answers on the port.
    name: String,
    port: u16,
    monitor_port: u16,
    dir: Arc<DataDir>,
}

enum Attempt {
    Ready(Running),
    Busy(Error),
}

impl Nats {
    /// Starts the server and returns when it greets clients and says that it is healthy.
    ///
    /// # Errors
    /// It does not start (with the end of its log).
    pub async fn start(
        binaries: &Binaries,
        dir: &Arc<DataDir>,
        options: NatsOptions,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        let (major, minor, patch) = binaries.nats_version;
        progress(&format!("starting nats-server {major}.{minor}.{patch}"));
        let folder = dir.server_folder("nats")?;
        for part in ["jetstream", "accounts"] {
            make_folder(&folder.join(part), 0o700, dir.account())?;
        }
        let mut nats = Self {
            running: Mutex::new(None),
            wanted: AtomicBool::new(true),
            program: binaries.nats_server.clone(),
            options,
            name: server_name(dir),
            port: 0,
            monitor_port: 0,
            dir: Arc::clone(dir),
        };
        nats.first_start().await?;
        Ok(nats)
    }

    async fn first_start(&mut self) -> Result<(), Error> {
        let (mut last, mut last_monitor) = (self.dir.last_port("nats"), self.dir.last_port("nats-monitor"));
        for port in [self.options.port, self.options.monitor_port].into_iter().flatten() {
            ports::require_free(port)?;
        }
        let end = Instant::now() + BUSY_LIMIT;
        loop {
            self.port = choose(self.options.port, &mut last)?;
            self.monitor_port = choose(self.options.monitor_port, &mut last_monitor)?;
            match self.attempt().await? {
                Attempt::Ready(running) => {
                    *self.running.lock().await = Some(running);
                    return self.dir.keep_ports(&[("nats", self.port), ("nats-monitor", self.monitor_port)]);
                }
                Attempt::Busy(error) if Instant::now() >= end => return Err(error),
                Attempt::Busy(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Starts it again after [`Nats::stop`] or [`Nats::kill`]: same data, same ports. Does nothing when it runs.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub async fn start_again(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if let Some(process) = running.as_mut()
            && process.ended().is_none()
        {
            return Ok(());
        }
        self.start_process(&mut running).await
    }

    async fn start_process(&self, running: &mut Option<Running>) -> Result<(), Error> {
        self.wanted.store(true, Ordering::SeqCst);
        *running = None;
        let end = Instant::now() + BUSY_LIMIT;
        loop {
            match self.attempt().await? {
                Attempt::Ready(process) => {
                    *running = Some(process);
                    return Ok(());
                }
                Attempt::Busy(error) if Instant::now() >= end => return Err(error),
                Attempt::Busy(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn attempt(&self) -> Result<Attempt, Error> {
        let folder = self.dir.path().join("nats");
        let file = self.write_configuration(&folder)?;
        let mut command = server_command(&self.program, &self.dir, &folder);
        command.arg("-c").arg(&file);
        let log = self.dir.log("nats");
        let mut process = Running::start("nats-server", command, &log, Signal::TERM, STOP)?;
        self.dir.remember("nats", &process, &file, Gentle::Terminate)?;
        match self.wait_ready(&mut process).await {
            Ok(()) => Ok(Attempt::Ready(process)),
            Err(Error::Start { server, reason, log }) if log.contains("address already in use") => {
                Ok(Attempt::Busy(Error::Start { server, reason, log }))
            }
            Err(error) => Err(error),
        }
    }

    fn write_configuration(&self, folder: &Path) -> Result<PathBuf, Error> {
        let file = folder.join("nats.conf");
        let text = self.options.configuration(&self.name, folder, self.port, self.monitor_port);
        fs::write(&file, text).map_err(Error::io("cannot write", &file))?;
        Ok(file)
    }

    async fn wait_ready(&self, process: &mut Running) -> Result<(), Error> {
        let end = Instant::now() + READY_LIMIT;
        loop {
            let greeted = matches!(timeout(TRY_LIMIT, greeting(self.port)).await, Ok(Ok(name)) if name == self.name);
            if greeted && matches!(timeout(TRY_LIMIT, healthy(self.monitor_port)).await, Ok(Ok(true))) {
                return Ok(());
            }
            if let Some(status) = process.ended() {
                return Err(process.failed(format!("it ended with {status}")));
            }
            if Instant::now() >= end {
                return Err(process.failed(format!("not ready after {} seconds", READY_LIMIT.as_secs())));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// `nats://127.0.0.1:<port>`; the same over every restart.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// `http://127.0.0.1:<port>`: `/varz`, `/jsz`, `/healthz`.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    /// The folder with JetStream's files, for tests that search or damage them.
    pub fn store_dir(&self) -> PathBuf {
        self.dir.path().join("nats/jetstream")
    }

    /// The process id, while it runs.
    pub async fn pid(&self) -> Option<u32> {
        let mut running = self.running.lock().await;
        let process = running.as_mut()?;
        process.ended().is_none().then(|| process.pid())
    }

    /// Waits until it ends without having been asked to; gives the last lines of its log. Never returns while it runs or
    /// is stopped on purpose.
    pub async fn ended(&self) -> String {
        loop {
            if let Some(process) = self.running.lock().await.as_mut()
                && process.ended().is_some()
            {
                return process.log();
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// It does not end, not even by SIGKILL.
    pub async fn stop(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        self.wanted.store(false, Ordering::SeqCst);
        if let Some(process) = running.as_mut() {
            process.end(STOP).await?;
            *running = None;
            self.dir.forget("nats")?;
        }
        Ok(())
    }

    /// Ends it with SIGKILL, as a power cut would. For failure tests.
    ///
    /// # Errors
    /// It does not end.
    pub async fn kill(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        self.wanted.store(false, Ordering::SeqCst);
        if let Some(process) = running.as_mut() {
            process.kill_all().await?;
            *running = None;
        }
        Ok(())
    }

    /// [`Nats::stop`] and [`Nats::start_again`].
    ///
    /// # Errors
    /// Of the two.
    pub async fn restart(&self) -> Result<(), Error> {
        self.stop().await?;
        self.start_again().await
    }

    /// What the keeper sees: lives it, and is plain `/healthz` well?
    pub(crate) async fn look(&self) -> Look {
        let mut running = self.running.lock().await;
        if !self.wanted.load(Ordering::SeqCst) {
            return Look::Stopped;
        }
        match running.as_mut().map(Running::ended) {
            None | Some(Some(_)) => Look::Ended,
            Some(None) => match timeout(TRY_LIMIT, healthy(self.monitor_port)).await {
                Ok(Ok(true)) => Look::Well,
                _ => Look::Unwell,
            },
        }
    }

    /// Bytes that are free for the server on the file system of its store; `None` when that cannot be told.
    pub(crate) fn room(&self) -> Option<u64> {
        let seen = rustix::fs::statvfs(self.store_dir()).ok()?;
        Some(seen.f_bavail.saturating_mul(seen.f_frsize))
    }

    /// Ends the process, if there is one, and starts it again, unless it was stopped on purpose since.
    pub(crate) async fn mend(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if !self.wanted.load(Ordering::SeqCst) {
            return Ok(());
        }
        if let Some(process) = running.as_mut() {
            process.end(STOP).await?;
        }
        self.start_process(&mut running).await
    }
}

fn choose(fixed: Option<u16>, last: &mut Option<u16>) -> Result<u16, Error> {
    match fixed.or_else(|| last.take()) {
        Some(port) => Ok(port),
        None => ports::free_port(),
    }
}

/// Reads the greeting `INFO {…}` and returns the server's name.
async fn greeting(port: u16) -> io::Result<String> {
    #[derive(Deserialize)]
    struct Info {
        server_name: String,
    }
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_GREETING)).read_line(&mut line).await?;
    let json = line.strip_prefix("INFO ").ok_or(io::ErrorKind::InvalidData)?;
    Ok(serde_json::from_str::<Info>(json)?.server_name)
}

/// Asks `/healthz`: true when JetStream too has read back its streams.
async fn healthy(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_GREETING)).read_line(&mut line).await?;
    Ok(line.split_whitespace().nth(1) == Some("200"))
}

/// `madoguchi-<hash of the data folder>`: the same at every start, another for every folder.
fn server_name(dir: &DataDir) -> String {
    let digest = Sha256::digest(dir.path().as_os_str().as_bytes());
    format!("madoguchi-{}", hex::encode(&digest[..8]))
}
