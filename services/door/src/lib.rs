//! The door (公開窓口): the public face of the desk. It takes requests from anybody, seals them, and cannot open them.
//!
//! ```text
//!  person ── pages ──┐                             ┌── intake takes (state waiting → case)
//!                    ├─ request::check ─ tray ─ door.filing
//!  system ── API ────┘   (pure)       (sealed, committed, then 201)
//!  mail host ─ mail ─┘ (sealed file first, then its filing)
//!                    └─ letterbox ─ door.letterbox ◄── intake writes letters, sealed to the access code
//! ```
//!
//! It depends on `privacy-seal` only, the half that can seal: an intruder sees what passes while he is there, and nothing
//! that was filed before. It needs PostgreSQL to accept; it needs neither NATS nor any other service.

pub mod api;
pub mod clients;
pub mod config;
pub mod derive;
pub mod door;
mod headers;
pub mod letterbox;
pub mod limit;
pub mod mail;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod published;
mod routes;
mod start;
pub mod texts;
pub mod tray;

pub use filing::{draft, request, text, wish};
pub use routes::router;
pub use start::start;

/// Tables and rights of schema `door`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The door has no machine: what it accepts becomes a case in intake.
pub const MACHINES: &[&str] = &[];
