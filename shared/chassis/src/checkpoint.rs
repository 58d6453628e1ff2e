//! Signed checkpoints of the log: what somebody outside keeps, to see later that nothing was changed or left out.
//!
//! The key is a file of the service, `<service>.log` in the key folder, made once. Its name is the log's origin,
//! `madoguchi/<service>/<epoch>`, so a restored database has another name and its log is not taken for the old one.

use crate::merkle::Hash;
use anyhow::Context;
use contracts::Service;
use evidence::{
    Signer,
    checkpoint::{self, Checkpoint},
};
use privacy_seal::keyfile;
use sqlx::{Connection, PgConnection, PgPool};
use std::path::{Path, PathBuf};

/// The least time between two checkpoints, in seconds: at most half a million a year and service.
const EVERY_SECONDS: f64 = 60.0;

/// The file of the key of a service's log.
pub fn key_file(folder: &Path, service: Service) -> PathBuf {
    folder.join(format!("{}.log", service.token()))
}

/// The key of a service's log, made at its first use.
///
/// # Errors
/// The key file cannot be read or made, or is readable by others.
pub fn key(folder: &Path, service: Service, epoch: i32) -> anyhow::Result<Signer> {
    let secret =
        keyfile::load_or_create_secret(&key_file(folder, service)).context("`house.keys_dir`: the key of the log")?;
    Ok(checkpoint::signer(service.token(), epoch, &secret)?)
}

/// Signs how the log stands, if that is news and the last time is a minute ago; `now`: however long ago that is.
///
/// # Errors
/// The database does not do it. (Two at once: one of them signs, the other finds it signed.)
pub async fn sign(db: &mut PgConnection, key: &Signer, epoch: i32, now: bool) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    let news: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "select l.size, l.root from log l
          where l.size > coalesce((select max(size) from checkpoint where epoch = $1), 0)
            and ($2 or not exists (select from checkpoint where epoch = $1 and at > now() - make_interval(secs => $3)))",
    )
    .bind(epoch)
    .bind(now)
    .bind(EVERY_SECONDS)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((size, root)) = news else { return Ok(()) };
    let bad = || sqlx::Error::Protocol("the log's size or root is damaged: restore this schema".into());
    let root = Hash::try_from(root).map_err(|_| bad())?;
    let origin = key.verifier().name().to_owned();
    let checkpoint = Checkpoint { origin, size: size.try_into().map_err(|_| bad())?, root };
    sqlx::query("insert into checkpoint (epoch, size, note, key) values ($1, $2, $3, $4) on conflict do nothing")
        .bind(epoch)
        .bind(size)
        .bind(checkpoint.sign(key))
        .bind(key.verifier().to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// The newest checkpoint of this life of the database: a signed note, to be handed to anybody.
///
/// # Errors
/// The database does not answer.
pub async fn newest(pool: &PgPool, epoch: i32) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("select note from checkpoint where epoch = $1 order by size desc limit 1")
        .bind(epoch)
        .fetch_optional(pool)
        .await
}
