//! Private servers for tests: one PostgreSQL per test process, a database and a nats-server per test.
//!
//! ```ignore
//! let house = testkit::House::start(&[chassis::Schema { name: "intake", machines: &["case"], bus: true, migrator: &intake::MIGRATOR }], &["intake"]).await;
//! let rt = house.runtime(&[("intake.foo", "1")]);   // a Runtime as a process of the house would have it
//! let bus = rt.bus(Service::Intake).await.unwrap();
//! ```
//! Tests never sleep: [`eventually`] asks again until a condition holds, and gives up after a bound with what it saw last.

mod house;
mod keys;
mod postgres;
mod spans;
mod wait;

pub use house::House;
pub use keys::KeyBackup;
pub use postgres::{binaries, postgres};
pub use spans::{CapturedSpan, spans};
pub use wait::eventually;
