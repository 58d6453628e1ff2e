//! Tests that read the house's sources: an invariant that is an absence needs a test, not a sentence.

mod contracts;
mod crates;
mod fixtures;
mod readmes;
mod source;
mod sources;
