//! [`Vault`]: the key database of one service. One data key per unit and record class; ending the key ends the data.
//!
//! It is a PostgreSQL database of its own (own URL; in production a cluster of its own with short backups), with a schema
//! per service. A key is committed there before the first row that it seals is written elsewhere, so a sealed row without
//! a key means *erased* or *damaged*, never *too early*.
//!
//! **After a restore.** The data database may be taken back at will: what was erased stays unreadable, because the key
//! database is not taken back with it. Only if the key database itself is restored do erasures have to be repeated, by
//! [`Vault::replay`], before the service serves; [`Vault::tombstones`] gives what to carry apart for that. The crate
//! `custody` does both.
//!
//! **Many processes.** An erasure is at once true in the database and in the process that did it. Another process of the
//! same service may read with a key from its cache for [`Limits::cached_for`] longer, not more.

mod cache;
mod data_key;
mod error;
mod name;
mod schema;
mod store;
mod sweep;

pub use data_key::DataKey;
pub use error::VaultError;
pub use name::{Erasure, KeyName, Tombstone};
pub use schema::migrate;
pub use sweep::Swept;

use crate::{MasterError, MasterKey, Personal, RecordClass, Wrapped};
use cache::Cache;
use contracts::Timestamp;
use sqlx::{
    Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// What a vault may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most unwrapped keys in memory.
    pub cached: usize,
    /// How long an unwrapped key may be used before the database is asked again: the bound on reading after an erasure by
    /// another process.
    pub cached_for: Duration,
    /// Connections to the key database.
    pub connections: u32,
    /// How long to wait for one.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cached: 1_000, cached_for: Duration::from_secs(30), connections: 4, wait: Duration::from_secs(5) }
    }
}

/// The key database of one service. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    pool: PgPool,
    master: Arc<dyn MasterKey>,
    cache: Mutex<Cache>,
}

impl Vault {
    /// Connects to the schema of one service and checks that its keys belong to this master key.
    ///
    /// # Errors
    /// The database cannot be reached, is not migrated, or [`VaultError::WrongMaster`].
    pub async fn connect(
        url: &str,
        schema: &str,
        master: Arc<dyn MasterKey>,
        limits: Limits,
    ) -> Result<Self, VaultError> {
        schema::check_name(schema)?;
        let options = PgConnectOptions::from_str(url)?
            .application_name("madoguchi-vault")
            // A key that a power cut takes away would make the rows it sealed unreadable: durable whatever the default.
            .options([("search_path", schema), ("synchronous_commit", "on")]);
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(limits.wait)
            // sqlx 0.9.0 can hand out a connection that is still in a transaction when a `begin` was dropped on the way;
            // what is then written through it is lost although it was acknowledged (transact-rs/sqlx #4385). BEGIN first: a
            // lone ROLLBACK writes a warning into the server's log each time there is nothing to roll back.
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.execute("BEGIN; ROLLBACK").await?;
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        let vault =
            Self(Arc::new(Inner { pool, master, cache: Mutex::new(Cache::new(limits.cached, limits.cached_for)) }));
        vault.check().await?;
        Ok(vault)
    }

    /// Readiness: the database answers, is migrated, and belongs to this master key.
    ///
    /// # Errors
    /// As [`Vault::connect`].
    pub async fn check(&self) -> Result<(), VaultError> {
        for found in store::masters(&self.0.pool).await? {
            if found != self.0.master.id() {
                return Err(VaultError::WrongMaster { found, at_hand: self.0.master.id().to_owned() });
            }
        }
        Ok(())
    }

    /// The key of a unit and class, made and committed if there is none yet. Two who ask at once get the same one.
    ///
    /// # Errors
    /// [`VaultError::Erased`] after [`Vault::erase`]: no new key is ever made there.
    pub async fn key(&self, unit: Uuid, class: RecordClass) -> Result<DataKey, VaultError> {
        let name = KeyName { unit, class };
        if let Some(key) = self.cached(name) {
            return Ok(key);
        }
        for _ in 0..3 {
            let (ticket, asked) = self.ticket();
            match store::look(&self.0.pool, name).await? {
                // An unused key nears its sweep: say that it is wanted, and look again if it went meanwhile.
                Some(row) if row.touch => {
                    self.write(move |pool| async move { store::touch(&pool, name).await }).await?;
                }
                Some(row) => return self.unwrap(name, row, ticket, asked).await,
                // Whoever is first makes it; the others look again.
                None => {
                    if let Some(key) = self.make(vec![name]).await?.pop() {
                        return Ok(key);
                    }
                }
            }
        }
        Err(VaultError::Contended(name))
    }

    /// Makes the missing ones of these keys with one commit, so that [`Vault::key`] finds them at hand: for whoever takes
    /// many filings at once. Says nothing about those that exist or are erased. At most 1,000 names.
    ///
    /// # Errors
    /// The key database or the master key did not answer; [`VaultError::TooMany`].
    pub async fn prepare(&self, names: impl IntoIterator<Item = KeyName>) -> Result<(), VaultError> {
        let names: BTreeSet<KeyName> = names.into_iter().filter(|name| self.cached(*name).is_none()).collect();
        if names.len() > store::BATCH {
            return Err(VaultError::TooMany);
        }
        if !names.is_empty() {
            self.make(names.into_iter().collect()).await?;
        }
        Ok(())
    }

    /// Makes those keys that are neither there nor erased, commits, and gives the ones it made.
    async fn make(&self, names: Vec<KeyName>) -> Result<Vec<DataKey>, VaultError> {
        let (ticket, asked) = self.ticket();
        let mut fresh = HashMap::with_capacity(names.len());
        let mut rows = Vec::with_capacity(names.len());
        for name in names {
            let key = privacy_seal::keyfile::random().map_err(|_| VaultError::NoRandomness)?;
            rows.push((name, self.0.master.wrap(&name.aad(b"wrapped"), &key).await.map_err(VaultError::Master)?));
            fresh.insert(name, DataKey::new(name, key));
        }
        let made = self.write(move |pool| async move { store::insert(&pool, rows).await }).await?;
        let keys: Vec<DataKey> = made.iter().filter_map(|name| fresh.remove(name)).collect();
        let mut cache = self.cache();
        for key in &keys {
            cache.put(key.name(), key.clone(), asked, ticket);
        }
        Ok(keys)
    }

    /// The key of a unit and class, if there is one. For reading.
    ///
    /// # Errors
    /// [`VaultError::Erased`], [`VaultError::Missing`].
    pub async fn existing_key(&self, unit: Uuid, class: RecordClass) -> Result<DataKey, VaultError> {
        let name = KeyName { unit, class };
        if let Some(key) = self.cached(name) {
            return Ok(key);
        }
        let (ticket, asked) = self.ticket();
        let row = store::look(&self.0.pool, name).await?.ok_or(VaultError::Missing(name))?;
        self.unwrap(name, row, ticket, asked).await
    }

    /// Has those of these keys that exist at hand, with one question, so that [`Vault::existing_key`] finds them there: for
    /// whoever opens many values at once. Says nothing about those that are missing, erased or damaged. At most 1,000 names.
    ///
    /// # Errors
    /// The key database did not answer; [`VaultError::TooMany`].
    pub async fn fetch(&self, names: impl IntoIterator<Item = KeyName>) -> Result<(), VaultError> {
        let names: Vec<KeyName> = names.into_iter().filter(|name| self.cached(*name).is_none()).collect();
        if names.len() > store::BATCH {
            return Err(VaultError::TooMany);
        }
        if names.is_empty() {
            return Ok(());
        }
        let (ticket, asked) = self.ticket();
        for (name, row) in store::look_many(&self.0.pool, &names).await? {
            // Whoever asks for this one is told what is wrong with it.
            let _ = self.unwrap(name, row, ticket, asked).await;
        }
        Ok(())
    }

    /// Seals a value under the key of its unit and class. `aad` names table and column.
    ///
    /// # Errors
    /// As [`Vault::key`] and [`DataKey::seal`].
    pub async fn seal(&self, unit: Uuid, class: RecordClass, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.key(unit, class).await?.seal(aad, plain)
    }

    /// Opens a value again.
    ///
    /// # Errors
    /// [`VaultError::Erased`]: the data was ended. [`VaultError::Missing`]: no key ever was here. [`VaultError::Damaged`]:
    /// the key is here and does not fit.
    pub async fn open(
        &self,
        unit: Uuid,
        class: RecordClass,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Personal<Vec<u8>>, VaultError> {
        self.existing_key(unit, class).await?.open(aad, sealed)
    }

    /// Ends the data of one class of a unit: destroys the wrapped key and leaves a tombstone, in one statement. Other
    /// classes stay readable. Repeating it changes nothing. Also where no key was made yet: none will be.
    ///
    /// The bytes of the old row may rest in the database's files until vacuum and in its log until that is recycled; both
    /// are worthless without the master key, and the key database keeps its backups short.
    ///
    /// # Errors
    /// The key database did not answer: nothing is erased, or all of it; repeat it.
    pub async fn erase(&self, unit: Uuid, class: RecordClass) -> Result<Erasure, VaultError> {
        let mut done = self.bury(vec![(KeyName { unit, class }, None)]).await?;
        done.pop().ok_or(VaultError::Missing(KeyName { unit, class }))
    }

    /// Ends every class of a unit that this service may hold, in one statement.
    ///
    /// # Errors
    /// As [`Vault::erase`].
    pub async fn erase_unit(&self, unit: Uuid) -> Result<Vec<Erasure>, VaultError> {
        self.bury(RecordClass::ALL.iter().map(|&class| (KeyName { unit, class }, None)).collect()).await
    }

    /// Repeats erasures on a restored key database; to be done before serving. Idempotent; any number, in any order.
    /// Returns how many keys it destroyed.
    ///
    /// # Errors
    /// As [`Vault::erase`]; repeat the whole.
    pub async fn replay(&self, tombstones: impl IntoIterator<Item = Tombstone>) -> Result<u64, VaultError> {
        let mut destroyed = 0;
        let mut batch = Vec::with_capacity(store::BATCH);
        let mut tombstones = tombstones.into_iter().peekable();
        while let Some(tombstone) = tombstones.next() {
            batch.push((tombstone.name, Some(tombstone.at)));
            if batch.len() == store::BATCH || tombstones.peek().is_none() {
                let done = self.bury(std::mem::take(&mut batch)).await?;
                destroyed += done.iter().filter(|e| e.destroyed).count() as u64;
            }
        }
        Ok(destroyed)
    }

    /// Tombstones after a given one, oldest first, at most 1,000: what to carry apart from the key database for
    /// [`Vault::replay`].
    ///
    /// # Errors
    /// The key database did not answer.
    pub async fn tombstones(&self, after: Option<Tombstone>) -> Result<Vec<Tombstone>, VaultError> {
        store::tombstones(&self.0.pool, after).await
    }

    /// Drops cached keys that have outlived their time. Call it from a slow timer: a quiet process must not keep keys.
    /// Returns how many stay.
    pub fn expire_cache(&self) -> usize {
        let mut cache = self.cache();
        cache.expire(Instant::now());
        cache.len()
    }

    /// Closes the connections; for an ordered shutdown.
    pub async fn close(&self) {
        self.cache().erased(|_| true);
        self.0.pool.close().await;
    }

    async fn bury(&self, names: Vec<(KeyName, Option<Timestamp>)>) -> Result<Vec<Erasure>, VaultError> {
        let touched: std::collections::HashSet<KeyName> = names.iter().map(|(name, _)| *name).collect();
        let done = self.write(move |pool| async move { store::bury(&pool, names).await }).await;
        // Even if the answer was lost on the way: forgetting too much costs one look at the database.
        self.cache().erased(|name| touched.contains(name));
        done
    }

    async fn unwrap(&self, name: KeyName, row: store::Row, ticket: u64, asked: Instant) -> Result<DataKey, VaultError> {
        let wrapped = match row.state {
            store::State::Key(wrapped) => wrapped,
            store::State::Tombstone(at) => return Err(VaultError::Erased { name, at }),
        };
        let key = self.0.master.unwrap(&name.aad(b"wrapped"), &wrapped).await.map_err(|error| match error {
            MasterError::Damaged => VaultError::Damaged(name),
            other => VaultError::Master(other),
        })?;
        let key = DataKey::new(name, key);
        self.cache().put(name, key.clone(), asked, ticket);
        Ok(key)
    }

    /// Every write runs in a task of its own, so that a caller who goes away (a closed browser, a timeout) cannot cut it
    /// in half.
    async fn write<T, F>(&self, work: impl FnOnce(PgPool) -> F) -> Result<T, VaultError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, VaultError>> + Send + 'static,
    {
        tokio::spawn(work(self.0.pool.clone())).await.map_err(|_| VaultError::Stopping)?
    }

    fn cached(&self, name: KeyName) -> Option<DataKey> {
        self.cache().get(name, Instant::now())
    }

    fn ticket(&self) -> (u64, Instant) {
        (self.cache().ticket(), Instant::now())
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic in another holder leaves a cache that is at worst incomplete.
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[vault, {} keys at hand]", self.cache().len())
    }
}

/// Kept here so that `store` needs no knowledge of the trait.
fn wrapped(bytes: Vec<u8>, master: String) -> Wrapped {
    Wrapped { bytes, master }
}
