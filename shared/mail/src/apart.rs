//! The process apart: the program starts itself again with a hidden command, gives it the mail, and takes the reading back. What
//! happens there, ends there.
//!
//! The child first takes away from itself what it does not need: memory, processor time, files to write, new privileges. It lives
//! for one mail.

use crate::{Mail, Unreadable, bytes::BYTES_MAX, read};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    io::{Read, Write},
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
};

/// Memory of the child, in bytes (1 GiB).
const MEMORY: u64 = 1024 * 1024 * 1024;
/// Processor time of the child, in seconds.
const SECONDS: u64 = 10;
/// The stack of the thread that reads: what is let through is far from using it up.
const STACK: usize = 64 * 1024 * 1024;
/// The most that the child says.
const REPLY_MAX: u64 = 64 * 1024 * 1024;
/// What the child says before its reading, so that nothing else is taken for one; then its length and a new line.
const FIRST: &[u8] = b"madoguchi mail 1 ";

/// What the child says.
#[derive(Serialize, Deserialize)]
enum Reply {
    Read(Box<Mail>),
    Unreadable(String),
}

/// Why there is no reading. The mail is kept for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crash {
    /// A limit, or no mail at all: the word for it.
    #[error("{0}")]
    Unreadable(String),
    /// It took too long.
    #[error("reading-too-long")]
    Late,
    /// It died.
    #[error("reading-died")]
    Died,
    /// It said something else, or too much.
    #[error("reading-garbled")]
    Garbled,
    /// It could not be started: the mail is not to blame, and it is tried again.
    #[error("reading-not-started")]
    NotStarted,
}

impl Crash {
    /// The word for it.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreadable(code) => code,
            Self::Late => "reading-too-long",
            Self::Died => "reading-died",
            Self::Garbled => "reading-garbled",
            Self::NotStarted => "reading-not-started",
        }
    }
}

/// Starts children.
#[derive(Debug)]
pub struct Reader {
    program: PathBuf,
    arguments: Vec<OsString>,
    wall: Duration,
    at_once: Semaphore,
}

impl Reader {
    /// `program arguments…` has to call [`child`]; at most so many at the same time, each for so long.
    pub fn new(program: PathBuf, arguments: Vec<OsString>, wall: Duration, at_once: usize) -> Self {
        Self { program, arguments, wall, at_once: Semaphore::new(at_once.max(1)) }
    }

    /// Reads a mail in a process of its own.
    ///
    /// # Errors
    /// As [`Crash`].
    pub async fn read(&self, raw: &[u8]) -> Result<Mail, Crash> {
        // Never closed.
        let _place = self.at_once.acquire().await;
        let mut child = self.start().map_err(|_| Crash::NotStarted)?;
        let Ok(done) = tokio::time::timeout(self.wall, talk(&mut child, raw)).await else {
            let _ = child.kill().await;
            return Err(Crash::Late);
        };
        let ended = child.wait().await.is_ok_and(|status| status.success());
        match done {
            Ok(reply) if ended => understood(&reply),
            Ok(_) | Err(_) => Err(Crash::Died),
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

async fn talk(child: &mut Child, raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A child that has died reads no more: its end says so.
            let _ = stdin.write_all(raw).await;
        }
    };
    let read = async {
        let mut reply = vec![];
        if let Some(stdout) = stdout {
            stdout.take(REPLY_MAX + 1).read_to_end(&mut reply).await?;
        }
        Ok(reply)
    };
    tokio::join!(write, read).1
}

fn understood(reply: &[u8]) -> Result<Mail, Crash> {
    match framed(reply).map(serde_json::from_slice).ok_or(Crash::Garbled)? {
        Ok(Reply::Read(mail)) => Ok(*mail),
        Ok(Reply::Unreadable(code)) => Err(Crash::Unreadable(code)),
        Err(_) => Err(Crash::Garbled),
    }
}

/// The reading: as many bytes as were announced.
fn framed(reply: &[u8]) -> Option<&[u8]> {
    let at = reply.windows(FIRST.len()).position(|part| part == FIRST)? + FIRST.len();
    let line = reply[at..].iter().position(|b| *b == b'\n')?;
    let length: usize = std::str::from_utf8(&reply[at..at + line]).ok()?.parse().ok()?;
    reply[at + line + 1..].get(..length)
}

/// What the hidden command does: one mail from standard input, one reading to standard output.
pub fn child() -> ExitCode {
    // Nobody reads what it would say of itself: its end says enough.
    if give_up_rights().is_err() {
        return ExitCode::FAILURE;
    }
    let mut raw = vec![];
    if std::io::stdin().take(BYTES_MAX as u64 + 1).read_to_end(&mut raw).is_err() {
        return ExitCode::FAILURE;
    }
    let reading = std::thread::Builder::new().stack_size(STACK).spawn(move || answer(&raw));
    match reading.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn answer(raw: &[u8]) -> std::io::Result<()> {
    let reply = match read(raw) {
        Ok(mail) => Reply::Read(Box::new(mail)),
        Err(error) => Reply::Unreadable(Unreadable::code(error).to_owned()),
    };
    let json = serde_json::to_vec(&reply)?;
    let mut out = std::io::stdout().lock();
    out.write_all(FIRST)?;
    writeln!(out, "{}", json.len())?;
    out.write_all(&json)?;
    out.flush()
}

fn give_up_rights() -> Result<(), rustix::io::Errno> {
    let most = |n| Rlimit { current: Some(n), maximum: Some(n) };
    setrlimit(Resource::As, most(MEMORY))?;
    setrlimit(Resource::Cpu, most(SECONDS))?;
    setrlimit(Resource::Core, most(0))?;
    setrlimit(Resource::Fsize, most(0))?;
    setrlimit(Resource::Nofile, most(16))?;
    rustix::thread::set_no_new_privs(true)
}
