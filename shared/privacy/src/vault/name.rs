//! What a key is called, and what is left of it.

use crate::RecordClass;
use contracts::Timestamp;
use std::fmt;
use uuid::Uuid;

/// Which key: the unit whose retention ends as one (a case, a paper, a register entry, a payer, a letter), and the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// An opaque id of the owning service.
    pub unit: Uuid,
    /// What the key protects.
    pub class: RecordClass,
}

impl KeyName {
    /// The additional data of everything sealed under this key: version, class, unit, place.
    pub(super) fn aad(&self, place: &[u8]) -> Vec<u8> {
        [b"madoguchi unit v1\x1f", self.class.as_str().as_bytes(), b"\x1f", self.unit.as_bytes(), place].concat()
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit {} class {}", self.unit, self.class)
    }
}

/// An erased key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Which one.
    pub name: KeyName,
    /// When it was erased first.
    pub at: Timestamp,
}

/// What an erasure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Which key.
    pub name: KeyName,
    /// When it was erased first: an earlier time than now if it was erased before.
    pub at: Timestamp,
    /// A key was there and this call destroyed it.
    pub destroyed: bool,
}
