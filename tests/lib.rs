//! The tests of the whole house live in `it/`.
