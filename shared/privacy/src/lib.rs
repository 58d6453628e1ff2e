//! What only the services with keys may do with personal data: open it, find it, and end it.
//!
//! | question | answer |
//! |---|---|
//! | Who reads what was sealed to a service? | [`ServiceKey::open`], [`HatchKey`] for filings from the door, [`SegmentOpener`] for files |
//! | Under which key does a row rest? | [`Vault::key`]: one per unit (the thing whose retention ends as one) and [`RecordClass`] |
//! | What keeps those keys? | a [`MasterKey`] outside every database wraps them; [`FileMasterKey`] is the one for small desks |
//! | How does data end? | [`Vault::erase`] destroys the wrapped key: rows, blobs and backups become unreadable at once |
//! | How is a person found in sealed rows? | [`BlindIndex`]: keyed hashes of folded whole values |
//!
//! The sealing half is the crate `privacy-seal`, here as [`seal`]. The door depends on that one only.

pub mod blind;
pub mod class;
pub mod hatch;
pub mod master;
pub mod segments;
pub mod service_key;
pub mod vault;

pub use blind::{BlindIndex, BlindTag, IndexField};
pub use class::RecordClass;
pub use fold::{self, FoldError};
pub use hatch::HatchKey;
pub use master::{FileMasterKey, MasterError, MasterKey, Wrapped};
pub use privacy_seal as seal;
pub use privacy_seal::{
    AccessCode, CodeKey, KeyFileError, OpenError, Personal, PublicKey, PublicKeys, Purpose, SealError, Sealed,
    Unreadable, seal_json, seal_to,
};
pub use segments::{SegmentOpener, open_file};
pub use service_key::ServiceKey;
pub use vault::{DataKey, Erasure, KeyName, Limits, Swept, Tombstone, Vault, VaultError, migrate};
