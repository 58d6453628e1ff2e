//! 受付簿: what came by post, by telephone or to the counter, and requests that staff file from it (or from a mail) in the person's name.
//!
//! - [`check`]: what may be written down; pure.
//! - [`desk`]: writes it down, shows it, settles it.
//! - [`file`]: makes a case of it, by the same rule as the web.
//! - [`slip`]: the receipt number and the access code of such a case, until they are handed over.

pub mod check;
pub mod desk;
pub mod file;
pub mod slip;
pub mod store;

use contracts::{
    Code,
    arrival::{FAULTS_MAX, Fault, Fill, Pointer, Written},
};
use filing::request::FieldError;

/// Everything that is wrong, as an answer.
fn wrong(errors: Vec<FieldError>) -> Written {
    let fault = |error: FieldError| Fault {
        // Unknown names are never repeated, so every pointer is one of ours; else it stands for the whole.
        pointer: Pointer::new(&error.pointer).unwrap_or_default(),
        // The codes of the check are kebab-case words; a test holds it.
        code: error.code.parse().unwrap_or(const { Code::of("invalid") }),
        fill: error.fill.as_deref().and_then(Fill::new),
    };
    Written::Wrong { faults: errors.into_iter().take(FAULTS_MAX).map(fault).collect() }
}
