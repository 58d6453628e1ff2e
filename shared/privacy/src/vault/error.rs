//! [`VaultError`]: why a key or a value is not to be had. Erased, missing and damaged are three different things.

use super::KeyName;
use crate::MasterError;
use contracts::Timestamp;

/// Why a key or a value is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key was destroyed: the data is gone for good, as it should be. Show "erased on …", not an error page.
    #[error("key of {name}: erased at {at}; what it sealed cannot be read again")]
    Erased {
        /// Which key.
        name: KeyName,
        /// When.
        at: Timestamp,
    },
    /// There never was a key here, or it was swept unused.
    #[error("key of {0}: there is none; is this the key database that belongs to these rows?")]
    Missing(KeyName),
    /// The sealed bytes or the wrapped key are not what was written.
    #[error("{0}: the sealed value does not open: changed, or moved from another place; restore the row from a backup")]
    Damaged(KeyName),
    /// The key database holds keys of a master key that is not at hand.
    #[error(
        "key database: holds keys wrapped by master key {found}, at hand is {at_hand}; put back the master key file of that name"
    )]
    WrongMaster {
        /// The id in the database.
        found: String,
        /// The id of the key at hand.
        at_hand: String,
    },
    /// The master key did not do its part.
    #[error(transparent)]
    Master(MasterError),
    /// The key database did not answer or refused.
    #[error("key database: {0}")]
    Database(#[source] sqlx::Error),
    /// The migration of the key database failed.
    #[error("key database: migration failed: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Not a name that a schema may have.
    #[error("key database: a schema name has 1 to 63 lower-case letters, digits and underscores")]
    SchemaName,
    /// More than 1,000 keys at once.
    #[error("key database: at most 1,000 keys are made at once; ask in parts")]
    TooMany,
    /// Over 32 MiB.
    #[error("sealing: over 32 MiB; cut the file into segments")]
    TooLong,
    /// The operating system has no random bytes.
    #[error("sealing: the operating system gives no random bytes")]
    NoRandomness,
    /// A class in the database that this program does not know.
    #[error("key database: a record class that this program does not know; update it")]
    UnknownClass,
    /// Others made and removed the same key three times while we looked.
    #[error("key of {0}: others are changing it; try again")]
    Contended(KeyName),
    /// The owner of the rows could not say which keys are in use.
    #[error("sweep: the owner of the rows did not say which keys are in use; nothing was removed")]
    Owner(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The program is stopping.
    #[error("key database: the program is stopping")]
    Stopping,
}

impl VaultError {
    /// Trying again later may help: the database or the key service was away. Maps to *too early*, not to a failure.
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Database(_) | Self::Master(MasterError::Unreachable(_)) | Self::Contended(_) | Self::Stopping
        )
    }
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
