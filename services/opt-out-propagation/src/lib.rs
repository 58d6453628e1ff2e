//! opt-out-propagation
