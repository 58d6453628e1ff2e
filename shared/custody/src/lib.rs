//! How a service keeps the keys of the data that it holds: [`Custody`].
//!
//! - [`Custody::open`]: its master key, its service key, its key database, the readiness check of that; and whatever was
//!   erased is dead again before this returns, also if the key database came from an older backup ([`copy`]).
//! - [`Custody::tend`]: copies of tombstones, sweep of keys that seal nothing, keys in memory ([`tend`]).
//! - [`Custody::erase`]: ends data, and remembers it outside the key database at once.
//! - [`Custody::reason`], [`Custody::carry_out`]: an order of the staff with its reason, sealed under the case's key
//!   ([`orders`]).

pub mod copy;
pub mod orders;
pub mod tend;

use anyhow::Context;
use chassis::{Bus, Db, DbError, Runtime, telemetry};
use contracts::Uuid;
use privacy::{Erasure, FileMasterKey, Limits, RecordClass, ServiceKey, Tombstone, Vault, VaultError};
use std::sync::Arc;

/// Why something about keys did not come to its end. Names units, classes and settings, never a value.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The key database.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The service's own.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The keys of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Custody(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The service's subject token: its schema, its role, the name of its key files.
    token: &'static str,
    vault: Vault,
    key: ServiceKey,
    db: Db,
}

impl Custody {
    /// Opens the keys of the service whose bus this is, repeats every erasure that the key database does not know of, and
    /// adds the readiness check. Call it before anything is answered or heard: what was erased must not be served.
    ///
    /// # Errors
    /// A key file (`house.keys_dir`), the key database (`house.keys_url`), or the copy of the tombstones; the text names it.
    pub async fn open(rt: &Runtime, bus: &Bus) -> anyhow::Result<Self> {
        let (token, keys) = (bus.service().token(), rt.keys_dir());
        let key = ServiceKey::load_or_create(keys, token).context("`house.keys_dir`")?;
        let master = FileMasterKey::load_or_create(&keys.join("master.key")).context("`house.keys_dir`")?;
        let vault = Vault::connect(&rt.keys_url(token)?, token, Arc::new(master), Limits::default())
            .await
            .with_context(|| format!("`house.keys_url`: opening the key database of {token}"))?;
        let looked_at = vault.clone();
        rt.health().add(format!("{token}: key database"), move || {
            let vault = looked_at.clone();
            async move { vault.check().await.map_err(|error| error.to_string()) }
        });
        let custody = Self(Arc::new(Inner { token, vault, key, db: bus.db().clone() }));
        let repeated = copy::replay(custody.db(), custody.vault())
            .await
            .with_context(|| format!("repeating erasures on the key database of {token}"))?;
        if repeated > 0 {
            telemetry::add("madoguchi.erasures.replayed", repeated, token);
            tracing::warn!(
                service = token,
                keys = repeated,
                "keys that were erased had come back, as from an older backup of the key database; they are destroyed again"
            );
        }
        Ok(custody)
    }

    /// The key database: to make keys, to seal and to open. To erase, use [`Custody::erase`].
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The service's own key pair: what others seal to it with.
    pub fn key(&self) -> &ServiceKey {
        &self.0.key
    }

    fn db(&self) -> &Db {
        &self.0.db
    }

    /// Ends the data of one class of a unit ([`Vault::erase`]), and writes the tombstone down in the service's own schema.
    ///
    /// # Errors
    /// As [`Vault::erase`]. A copy that could not be written is no error: the loop of [`Custody::tend`] writes it.
    pub async fn erase(&self, unit: Uuid, class: RecordClass) -> Result<Erasure, VaultError> {
        let erasure = self.vault().erase(unit, class).await?;
        let tombstone = Tombstone { name: erasure.name, at: erasure.at };
        if let Err(error) = copy::write(self.db(), &[tombstone]).await {
            tracing::warn!(service = self.0.token, %error, "an erasure was not copied yet; the next round copies it");
        }
        Ok(erasure)
    }
}
