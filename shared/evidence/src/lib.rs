//! 証跡: what the house can prove about a case, in one file that anybody can check offline. Pure.
//!
//! [`tree`] is the Merkle tree of RFC 9162, [`note`] and [`checkpoint`] are the C2SP forms `signed-note` and
//! `tlog-checkpoint`, [`report`] verifies what a recipient signed, [`file`] is the file's form, [`verify`] checks one from end
//! to end and gives an account of it, [`person`] says what the person's own copy may show. The README describes the form so
//! that a stranger can write a verifier of their own.

pub mod checkpoint;
pub mod file;
pub mod note;
pub mod person;
pub mod report;
mod story;
pub mod tree;
pub mod verify;
mod words;

pub use file::{Evidence, File};
pub use note::{Signer, VerifierKey};
pub use story::outcome;
pub use verify::{Account, Failure, verify};
