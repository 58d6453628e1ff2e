//! Opt-out propagation on real servers: PostgreSQL, nats-server in operator mode, real sockets.

#![allow(clippy::disallowed_methods)] // recipients and neighbours have clocks of their own

mod desk;
mod engine;
mod fan_out;
mod files;
mod gate;
mod heard;
mod life;
mod nats;
mod partner;
mod sick;
mod tiers;
