//! identity-verification: is this the person, or somebody who may act for them? (本人確認)

pub mod documents;
pub mod verification;
