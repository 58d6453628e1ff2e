//! A private PostgreSQL.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::account::{self, Account};
use crate::data_dir::{DataDir, Gentle};
use crate::keeper::Look;
use crate::pg_setup::{self, Cluster, SUPERUSER};
use crate::process::LOOK_EVERY;
use crate::running::{Running, Steps};
use crate::{Binaries, Error, Listen, PgOptions, Progress, ports};

const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a start is tried again while the last one's port or shared memory is not yet given back.
const BUSY_LIMIT: Duration = Duration::from_secs(15);
const TRY_LIMIT: Duration = Duration::from_secs(2);
/// The longest path of a Unix socket is 107 bytes; the name of the socket itself takes 14 and a bit.
const LONGEST_SOCKET_FOLDER: usize = 107 - "/.s.PGSQL.5432.lock".len();
/// The number in the socket's name; no TCP port.
const SOCKET_PORT: u16 = 5432;

/// Fast shutdown (sessions end, checkpoint), then immediate, then hard.
const STOP: Steps = &[
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];
/// Data of a test are thrown away anyway: no checkpoint.
const STOP_TEST: Steps = &[(Signal::QUIT, Duration::from_secs(10)), (Signal::KILL, Duration::from_secs(5))];

/// A private PostgreSQL. Dropping it stops it.
pub struct Postgres {
    running: Mutex<Option<Running>>,
    /// False when it was stopped on purpose. Changed only by who holds `running`.
    wanted: AtomicBool,
    program: PathBuf,
    options: PgOptions,
    cluster: Cluster,
    major: u32,
    port: u16,
    socket: Option<Socket>,
    dir: Arc<DataDir>,
}

/// The folder of the Unix socket; a short one of our own when the data folder's path is too long.
struct Socket {
    folder: PathBuf,
    _short: Option<TempDir>,
}

enum Attempt {
    Ready(Running),
    /// The port or the shared memory of the last run is still taken.
    Busy(Error),
}

impl Postgres {
    /// Makes the database if there is none, starts the server, and returns when it answers.
    ///
    /// # Errors
    /// Another major made the data; it does not start (with the end of its log); a durable one is not durable.
    pub async fn start(
        binaries: &Binaries,
        dir: &Arc<DataDir>,
        options: PgOptions,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        let cluster = pg_setup::prepare(binaries, dir, &options, progress).await?;
        progress(&format!("starting PostgreSQL {}", binaries.pg_major));
        let socket = match options.listen {
            Listen::Socket => Some(Socket::new(dir)?),
            Listen::Loopback(_) => None,
        };
        let mut postgres = Self {
            running: Mutex::new(None),
            wanted: AtomicBool::new(true),
            program: binaries.pg_bin.join("postgres"),
            options,
            cluster,
            major: binaries.pg_major,
            port: SOCKET_PORT,
            socket,
            dir: Arc::clone(dir),
        };
        postgres.first_start().await?;
        Ok(postgres)
    }

    /// Finds a port by trying, unless it is given.
    async fn first_start(&mut self) -> Result<(), Error> {
        let Listen::Loopback(fixed) = self.options.listen else { return self.start_again().await };
        if let Some(port) = fixed {
            ports::require_free(port)?;
            self.port = port;
            self.start_again().await?;
            return self.dir.keep_ports(&[("postgres", port)]);
        }
        let mut last = self.dir.last_port("postgres");
        let end = Instant::now() + BUSY_LIMIT;
        loop {
            self.port = match last.take() {
                Some(port) => port,
                None => ports::free_port()?,
            };
            match self.attempt().await? {
                Attempt::Ready(running) => {
                    *self.running.lock().await = Some(running);
                    return self.dir.keep_ports(&[("postgres", self.port)]);
                }
                Attempt::Busy(error) if Instant::now() >= end => return Err(error),
                Attempt::Busy(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Starts it again after [`Postgres::stop`] or [`Postgres::kill`]: same data, same port or socket. Does nothing when
    /// it runs.
    ///
    /// # Errors
    /// As [`Postgres::start`].
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
        let (on_death, on_drop) = if self.options.durable { (Signal::INT, STOP) } else { (Signal::QUIT, STOP_TEST) };
        let log = self.dir.log("postgres");
        let mut process = Running::start("PostgreSQL", self.command(), &log, on_death, on_drop)?;
        self.dir.remember("postgres", &process, &self.cluster.data, Gentle::Interrupt)?;
        match self.wait_ready(&mut process).await {
            Ok(()) => Ok(Attempt::Ready(process)),
            Err(error @ Error::Start { .. }) if is_busy(&error) => Ok(Attempt::Busy(error)),
            Err(error) => Err(error),
        }
    }

    fn command(&self) -> Command {
        let folder = self.dir.path().join("postgres");
        let mut command = pg_setup::server_command(&self.program, &self.dir, &folder);
        command.arg("-D").arg(&self.cluster.data);
        let socket = self.socket.as_ref().map(|socket| socket.folder.to_string_lossy());
        command.arg("-c").arg(format!("hba_file={}", self.cluster.access.display()));
        for (name, value) in self.options.settings(self.port, socket.as_deref()) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
    }

    async fn wait_ready(&self, process: &mut Running) -> Result<(), Error> {
        let end = Instant::now() + READY_LIMIT;
        let mut last;
        loop {
            match timeout(TRY_LIMIT, self.connect_options().connect()).await {
                Ok(Ok(connection)) => return self.check(connection, process).await,
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = "no answer".to_owned(),
            }
            if let Some(status) = process.ended() {
                return Err(process.failed(format!("it ended with {status}")));
            }
            if Instant::now() >= end {
                return Err(process.failed(format!("not ready after {} seconds: {last}", READY_LIMIT.as_secs())));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// It is our data that answers, and what was committed is on the disk.
    async fn check(&self, mut connection: PgConnection, process: &Running) -> Result<(), Error> {
        let ask = sqlx::query_as::<_, (String, String)>(
            "select name, setting from pg_settings
             where name in ('data_directory', 'fsync', 'synchronous_commit', 'full_page_writes')",
        );
        let rows = timeout(READY_LIMIT, ask.fetch_all(&mut connection)).await;
        let _ = timeout(TRY_LIMIT, connection.close()).await;
        let rows = match rows {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => return Err(process.failed(format!("it does not tell its settings: {error}"))),
            Err(_) => return Err(process.failed("it does not tell its settings in time")),
        };
        for (setting, found) in rows {
            match setting.as_str() {
                "data_directory" if found != self.cluster.data.to_string_lossy() => {
                    return Err(process.failed(format!("another PostgreSQL answers there, with its data in {found}")));
                }
                "data_directory" => {}
                _ if self.options.durable && found != "on" => return Err(Error::Setting { setting, found }),
                _ => {}
            }
        }
        Ok(())
    }

    fn connect_options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .username(SUPERUSER)
            .password(&self.cluster.password)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
            .port(self.port);
        match &self.socket {
            Some(socket) => options.socket(&socket.folder),
            None => options.host("127.0.0.1"),
        }
    }

    /// A connection URL. `password` is not needed (and ignored) on the Unix socket.
    pub fn url(&self, database: &str, user: &str, password: &str) -> String {
        let (user, password, database) = (encode(user), encode(password), encode(database));
        match &self.socket {
            None => format!("postgres://{user}:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.port),
            Some(socket) => format!(
                "postgres://{user}@localhost:{}/{database}?sslmode=disable&host={}",
                self.port,
                encode(&socket.folder.to_string_lossy())
            ),
        }
    }

    /// A connection URL of the superuser. Holds the password: never log it.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(database, SUPERUSER, &self.cluster.password)
    }

    /// PostgreSQL's major.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The TCP port, or the number in the socket's name.
    pub fn port(&self) -> u16 {
        self.port
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

    /// Stops it in order (fast shutdown: open sessions end).
    ///
    /// # Errors
    /// It does not end, not even by SIGKILL.
    pub async fn stop(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        self.wanted.store(false, Ordering::SeqCst);
        if let Some(process) = running.as_mut() {
            process.end(STOP).await?;
            *running = None;
            self.dir.forget("postgres")?;
        }
        Ok(())
    }

    /// Ends it and all its processes with SIGKILL, as a power cut would. For failure tests.
    ///
    /// # Errors
    /// A process does not end.
    pub async fn kill(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        self.wanted.store(false, Ordering::SeqCst);
        if let Some(process) = running.as_mut() {
            process.kill_all().await?;
            *running = None;
        }
        Ok(())
    }

    /// [`Postgres::stop`] and [`Postgres::start_again`].
    ///
    /// # Errors
    /// Of the two.
    pub async fn restart(&self) -> Result<(), Error> {
        self.stop().await?;
        self.start_again().await
    }

    /// What the keeper sees. PostgreSQL comes back from a full disk by itself; what counts is whether it lives.
    pub(crate) async fn look(&self) -> Look {
        let mut running = self.running.lock().await;
        if !self.wanted.load(Ordering::SeqCst) {
            return Look::Stopped;
        }
        match running.as_mut().map(Running::ended) {
            None | Some(Some(_)) => Look::Ended,
            Some(None) => Look::Well,
        }
    }

    /// Starts it again if it ended by itself. Its own interlocks (`postmaster.pid`, shared memory) keep two from the data.
    pub(crate) async fn mend(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        let lives = running.as_mut().is_some_and(|process| process.ended().is_none());
        if lives || !self.wanted.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.start_process(&mut running).await
    }
}

/// Both pass by themselves: another port is taken, or the last run's processes end.
fn is_busy(error: &Error) -> bool {
    let Error::Start { log, .. } = error else { return false };
    log.contains("Address already in use") || log.contains("shared memory block")
}

impl Socket {
    fn new(dir: &DataDir) -> Result<Self, Error> {
        let folder = dir.path().join("postgres/run");
        if folder.as_os_str().as_bytes().len() <= LONGEST_SOCKET_FOLDER {
            account::make_folder(&folder, 0o700, dir.account())?;
            return Ok(Self { folder, _short: None });
        }
        let short = short_folder(dir.account())?;
        Ok(Self { folder: short.path().to_owned(), _short: Some(short) })
    }
}

fn short_folder(owner: Option<Account>) -> Result<TempDir, Error> {
    let base = PathBuf::from("/tmp");
    let short = tempfile::Builder::new()
        .prefix("madoguchi-")
        .tempdir_in(&base)
        .map_err(Error::io("cannot make a folder in", &base))?;
    // Who may enter may connect: there is no password on the socket.
    account::set_mode(short.path(), 0o700)?;
    account::give(short.path(), owner)?;
    Ok(short)
}

/// Percent encoding of everything but letters, digits and `-_.~`.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
