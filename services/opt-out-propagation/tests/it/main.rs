//! Opt-out propagation on real servers: PostgreSQL, nats-server in operator mode, real sockets.

#![allow(clippy::disallowed_methods)] // recipients and neighbours have clocks of their own

mod alerts;
mod desk;
mod documents;
mod duties;
mod engine;
mod fan_out;
mod files;
mod forms;
mod gate;
mod heard;
mod lawful;
mod life;
mod nats;
mod partner;
mod reconcile;
mod sick;
mod standing;
mod tiers;
mod webhook_options;
