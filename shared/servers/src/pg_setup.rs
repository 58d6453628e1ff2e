//! Making a PostgreSQL data folder, and refusing one that another major has made.
//!
//! ```text
//! <data>/postgres/data/         the cluster; as root, only this and run/ belong to the server's user
//! <data>/postgres/run/          the Unix socket
//! <data>/postgres/MAJOR         which major made the cluster
//! <data>/postgres/pg_hba.conf   who may connect; written at every start
//! <data>/postgres.secret        the superuser's password (0600)
//! ```

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::{give, make_folder, set_mode};
use crate::data_dir::DataDir;
use crate::run::run;
use crate::{Binaries, Error, Listen, PgOptions, Progress};

const INITDB_LIMIT: Duration = Duration::from_secs(180);

/// The superuser.
pub(crate) const SUPERUSER: &str = "postgres";

/// A cluster that is ready to be started.
pub(crate) struct Cluster {
    /// The cluster's folder (`-D`).
    pub data: PathBuf,
    /// The file that says who may connect.
    pub access: PathBuf,
    /// The superuser's password.
    pub password: String,
}

/// A command that runs as the servers' user with a clean environment.
pub(crate) fn server_command(program: &Path, dir: &DataDir, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir(folder);
    for kept in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    if let Some(account) = dir.account() {
        // std drops the supplementary groups too when it changes the uid as root.
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Makes the cluster if there is none.
pub(crate) async fn prepare(
    binaries: &Binaries,
    dir: &DataDir,
    options: &PgOptions,
    progress: Progress<'_>,
) -> Result<Cluster, Error> {
    let folder = dir.server_folder("postgres")?;
    let data = folder.join("data");
    let secret = dir.path().join("postgres.secret");
    if data.exists() {
        check_major(&folder, binaries.pg_major)?;
    } else {
        progress(&format!("making the database with PostgreSQL {} (once)", binaries.pg_major));
        dir.write_private(&secret, &random_password()?)?;
        let password = read(&secret)?;
        initdb(binaries, dir, &folder, options, &password).await?;
    }
    let password = read(&secret).map_err(|_| {
        let path = secret.display();
        Error::Environment(format!(
            "{path} is missing, but the database has been made with it; restore it from a backup"
        ))
    })?;
    let access = folder.join("pg_hba.conf");
    fs::write(&access, access_rules(options.listen)).map_err(Error::io("cannot write", &access))?;
    set_mode(&access, 0o644)?;
    Ok(Cluster { data, access, password })
}

fn access_rules(listen: Listen) -> &'static str {
    match listen {
        Listen::Socket => "local all all trust\n",
        Listen::Loopback(_) => "host all all 127.0.0.1/32 scram-sha-256\n",
    }
}

/// initdb into a folder of another name, then rename: a cluster folder that is there is complete.
async fn initdb(
    binaries: &Binaries,
    dir: &DataDir,
    folder: &Path,
    options: &PgOptions,
    password: &str,
) -> Result<(), Error> {
    let draft = folder.join("data.new");
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(Error::io("cannot remove the unfinished folder", &draft))?;
    }
    // As root the server's user may not make it itself; initdb takes an empty folder.
    make_folder(&draft, 0o700, dir.account())?;
    let password_file = folder.join("password.new");
    dir.write_private(&password_file, password)?;
    give(&password_file, dir.account())?;
    let mut command = server_command(&binaries.pg_bin.join("initdb"), dir, folder);
    command.args(["--no-locale", "-E", "UTF8", "-k", "--no-instructions", "--auth=scram-sha-256", "-U", SUPERUSER]);
    command.arg("--pwfile").arg(&password_file).arg("-D").arg(&draft);
    if !options.durable {
        command.arg("--no-sync");
    }
    let made = run("initdb", command, INITDB_LIMIT).await;
    fs::remove_file(&password_file).map_err(Error::io("cannot remove", &password_file))?;
    made.map_err(|error| Error::Start {
        server: "PostgreSQL",
        reason: "the database could not be made".to_owned(),
        log: error.to_string(),
    })?;
    let major = folder.join("MAJOR");
    dir.write_private(&major, &binaries.pg_major.to_string())?;
    set_mode(&major, 0o644)?;
    fs::rename(&draft, folder.join("data")).map_err(Error::io("cannot make", &draft))
}

fn check_major(folder: &Path, program: u32) -> Result<(), Error> {
    // PG_VERSION is PostgreSQL's own record, for a folder that lost ours.
    let record = read(&folder.join("MAJOR")).or_else(|_| read(&folder.join("data/PG_VERSION")))?;
    let data = record.parse().map_err(|_| {
        Error::Environment(format!("{} does not name a PostgreSQL major; restore it", folder.join("MAJOR").display()))
    })?;
    if data != program {
        return Err(Error::Major { path: folder.to_owned(), data, program });
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Error> {
    Ok(fs::read_to_string(path).map_err(Error::io("cannot read", path))?.trim().to_owned())
}

fn random_password() -> Result<String, Error> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::Environment(format!("the operating system gives no random bytes: {e}")))?;
    Ok(hex::encode(bytes))
}
