//! opt-out-propagation
pub mod change;
pub mod delivery;
pub mod entry;
pub mod guard;
pub mod instruction;
pub mod propagation;
pub mod receipt;
pub mod refusal;
