//! Payment reconciliation (消込): what a request costs, which bank line pays it, and the books.
//!
//! See README.md of this folder for what the service owns, obeys and states. The pure parts:
//!
//! - [`fee`]: the dated fee table; [`reference`]: the number that the payer gives; [`charge`]: the life of a charge.
//! - [`zengin`]: bank files to lines; [`kana`]: names as banks write them; [`profile`]: which layout a file has.
//! - [`import`]: what a file adds to what is known; [`statement`]: the file as a machine.
//! - [`matching`]: which line certainly pays which charge; [`ledger`]: every yen twice.

pub mod charge;
pub mod fee;
pub mod import;
pub mod kana;
pub mod ledger;
pub mod matching;
pub mod profile;
pub mod reference;
pub mod statement;
pub mod zengin;

#[cfg(test)]
mod samples;
