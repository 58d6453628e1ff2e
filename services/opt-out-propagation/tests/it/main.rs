//! Opt-out propagation on real servers: PostgreSQL, nats-server in operator mode, real sockets.

mod desk;
mod engine;
mod fan_out;
mod heard;
mod nats;
mod partner;
mod sick;
