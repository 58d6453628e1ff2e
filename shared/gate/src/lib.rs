//! 照合 (the gate): may I use these people? Keys, index, answers, filings, snapshots and the streaming filter. Pure: no
//! clock, no network, no database; time is an input. The formats and test vectors stand in the README.
//!
//! 1. [`person`] brings a row's values to one form ([`part`]) and refuses numbers that may not become keys ([`forbidden`]).
//! 2. [`rules`] says which parts make a key together, and what finding it means; [`key`] makes it.
//! 3. [`index`] holds the standing entries' keys; [`judge`] answers with `exact`, `possible` or `no-match`.
//! 4. [`filing`] is the second block: what was never notified or filed (Act art. 56(i)).
//! 5. [`snapshot`] is the index as a signed file for the closed core zone.
//! 6. [`split`], [`csv`], [`ndjson`], [`filter`] and [`run`] take a file through all of it in bounded memory.

pub mod csv;
pub mod filing;
pub mod filter;
pub mod forbidden;
pub mod index;
pub mod judge;
pub mod key;
pub mod keyed;
pub mod live;
pub mod ndjson;
pub mod part;
pub mod person;
pub mod rules;
pub mod run;
pub mod snapshot;
pub mod split;

pub use filter::{Counts, Filter, Finding, Format, Mode, Settings, Word};
pub use index::{Index, Look, Record};
pub use judge::{Answer, AsOf, Ask, Flow, judge};
pub use key::{GateKey, KeyDigest, MasterKey, digests};
pub use part::{Bad, Part};
pub use person::Person;
pub use rules::{RuleBook, Rules};
