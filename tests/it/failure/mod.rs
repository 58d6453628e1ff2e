//! Everything that can die does, while people file and staff work. Afterwards every request that was accepted has
//! reached its end, nothing is lost and nothing was done twice (bus.md section 4).
//!
//! Each test runs a fixed seed and a random one. The seed is printed; `MADOGUCHI_SEED=<seed>` runs that one alone, and
//! `MADOGUCHI_HEAVY=1` files ten times as much.

mod chaos;
mod fan_out;

mod nats;
mod postgres;
mod private_servers;
mod processes_killed;
mod webhooks;
