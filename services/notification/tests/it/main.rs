//! notification against real peers: an SMTP host over TCP, PostgreSQL, nats-server and intake.

mod host;
mod service;
mod smtp;
