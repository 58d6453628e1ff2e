//! Mechanics that every process needs: machines and how they are fed, the bus, the database, configuration, telemetry,
//! HTTP, stopping. No decision of the trade is in here.

pub mod bus;
pub mod cause;
pub mod checkpoint;
pub mod clock;
pub mod config;
mod consumer;
pub mod db;
pub mod health;
pub mod home;
pub mod http;
pub mod inbox;
pub mod machine;
pub mod merkle;
pub mod nats;
pub mod objects;
pub mod outcome;
pub mod peers;
pub mod processors;
pub mod reason;
mod relay;
pub mod runtime;
pub mod schema;
pub mod sealer;
mod statement;
pub mod stop;
pub mod telemetry;
mod worker;

pub use bus::{AskError, Bus, Hears};
pub use cause::{Cause, Heard};
pub use clock::Clock;
pub use consumer::STREAM;
pub use db::{Db, DbError};
pub use home::{HandleError, Home, NoRows, Rows, Step, Wakes};
pub use http::Problem;
pub use machine::{Machine, Verdict, fold};
pub use outcome::{Outcome, Reaction};
pub use reason::StaffReason;
pub use runtime::Runtime;
pub use schema::Schema;
pub use stop::Stop;

/// What a service hands back when it is ready.
#[derive(Debug, Default)]
pub struct Started {
    /// The listeners it opened: a word (`desk`, `console`, `partner`) and the address.
    pub listens: Vec<(&'static str, std::net::SocketAddr)>,
}
