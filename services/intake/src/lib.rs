//! 受付: cases, clocks, persons. See README.md.

pub mod case;
pub mod clocks;
pub mod status;
