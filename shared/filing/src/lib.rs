//! 申出: what the counter takes, whichever way it comes. See README.md.

pub mod ages;
pub mod draft;
pub mod request;
pub mod text;
pub mod tracking;
pub mod wish;
