//! Programs on this machine: where they may be, and whether they are new enough.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Error;
use crate::run::run;

/// 2.10.22 and older lose streams when killed, even with `sync_interval: always` (nats-server#6888).
const OLDEST_NATS: (u32, u32, u32) = (2, 10, 23);
/// The oldest PostgreSQL we test with.
const OLDEST_PG: u32 = 15;
const VERSION_LIMIT: Duration = Duration::from_secs(20);

const NATS_REMEDY: &str = "install nats-server 2.10.23 or newer, name the program in NATS_SERVER, \
     or leave out `--servers path` to fetch a pinned one";
const PG_REMEDY: &str = "install PostgreSQL 15 or newer (server and initdb), name its bin folder in MADOGUCHI_PG_BIN, \
     or leave out `--servers path` to fetch a pinned one";

/// All files of this name on `PATH`.
pub(crate) fn on_path(name: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)).filter(|p| p.is_file()).collect()
}

/// Folders that hold a PostgreSQL: those on `PATH` (links followed, so that `initdb` is beside), then Debian's.
pub(crate) fn postgres_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = on_path("postgres")
        .into_iter()
        .filter_map(|program| Some(program.canonicalize().ok()?.parent()?.to_owned()))
        .collect();
    // Newest first.
    let mut debian: BTreeSet<(u32, PathBuf)> = BTreeSet::new();
    for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        if let Some(major) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            debian.insert((major, entry.path().join("bin")));
        }
    }
    folders.extend(debian.into_iter().rev().map(|(_, folder)| folder));
    folders
}

/// The first program of the list that runs and is new enough.
pub(crate) async fn nats_server(programs: Vec<PathBuf>, place: &str) -> Result<(PathBuf, (u32, u32, u32)), Error> {
    let mut reason = format!("not found in {place}");
    for program in programs {
        match version_of(&program).await.map(|text| (nats_version(&text), text)) {
            Ok((Some(version), _)) if version >= OLDEST_NATS => return Ok((absolute(&program)?, version)),
            Ok((Some((a, b, c)), _)) => reason = format!("{} is version {a}.{b}.{c}, too old", program.display()),
            Ok((None, text)) => reason = format!("{} does not tell its version but `{text}`", program.display()),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(Error::Program { what: "nats-server", reason, remedy: NATS_REMEDY })
}

/// The first folder of the list whose `postgres` runs, is new enough and has `initdb` beside it.
pub(crate) async fn postgres(folders: Vec<PathBuf>, place: &str) -> Result<(PathBuf, u32), Error> {
    let mut reason = format!("not found in {place}");
    for folder in folders {
        if !folder.join("initdb").is_file() || !folder.join("postgres").is_file() {
            reason = format!("{} lacks `postgres` or `initdb`", folder.display());
            continue;
        }
        match version_of(&folder.join("postgres")).await.map(|text| (pg_major(&text), text)) {
            Ok((Some(major), _)) if major >= OLDEST_PG => return Ok((absolute(&folder)?, major)),
            Ok((Some(major), _)) => reason = format!("{} is version {major}, too old", folder.display()),
            Ok((None, text)) => reason = format!("{} does not tell its version but `{text}`", folder.display()),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(Error::Program { what: "PostgreSQL", reason, remedy: PG_REMEDY })
}

async fn version_of(program: &Path) -> Result<String, Error> {
    let mut command = Command::new(program);
    command.arg("--version");
    run(&format!("{} --version", program.display()), command, VERSION_LIMIT).await
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(Error::io("cannot use", path))
}

/// `nats-server: v2.15.1` (also with a suffix like `-beta.1`).
fn nats_version(text: &str) -> Option<(u32, u32, u32)> {
    let numbers = text.rsplit_once(": v")?.1;
    let mut parts = numbers.split(['.', '-']).map(|part| part.trim().parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// `postgres (PostgreSQL) 15.17 (Debian 15.17-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`.
fn pg_major(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL) ")?.1;
    let digits = version.find(|c: char| !c.is_ascii_digit()).map_or(version, |end| &version[..end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn versions_are_read() {
        assert_eq!(nats_version("nats-server: v2.15.1"), Some((2, 15, 1)));
        assert_eq!(nats_version("nats-server: v2.12.0-RC.1"), Some((2, 12, 0)));
        assert_eq!(nats_version("something else"), None);
        assert_eq!(pg_major("postgres (PostgreSQL) 15.17 (Debian 15.17-0+deb12u1)"), Some(15));
        assert_eq!(pg_major("postgres (PostgreSQL) 18.6"), Some(18));
        assert_eq!(pg_major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(pg_major("psql 15"), None);
    }

    fn program(dir: &Path, name: &str, says: &str) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn an_old_nats_server_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let old = program(dir.path(), "old", "nats-server: v2.10.22");
        let new = program(dir.path(), "new", "nats-server: v2.10.23");
        let error = nats_server(vec![old.clone()], "PATH").await.unwrap_err().to_string();
        assert!(error.contains("2.10.22, too old") && error.contains("NATS_SERVER"), "{error}");
        assert_eq!(nats_server(vec![old, new], "PATH").await.unwrap().1, (2, 10, 23));
        let error = nats_server(Vec::new(), "PATH").await.unwrap_err().to_string();
        assert!(error.contains("not found in PATH"), "{error}");
    }

    #[tokio::test]
    async fn an_old_postgresql_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        program(dir.path(), "postgres", "postgres (PostgreSQL) 14.9");
        let error = postgres(vec![dir.path().to_owned()], "PATH").await.unwrap_err().to_string();
        assert!(error.contains("lacks"), "{error}");
        program(dir.path(), "initdb", "");
        let error = postgres(vec![dir.path().to_owned()], "PATH").await.unwrap_err().to_string();
        assert!(error.contains("version 14, too old") && error.contains("MADOGUCHI_PG_BIN"), "{error}");
    }
}
