//! The bus with a toy machine of its own, on a real PostgreSQL and a real nats-server. The numbers B1 … B6 are the
//! invariants of ARCHITECTURE.md.

mod toy;
mod world;

mod database;
mod failures;
mod flow;
mod handle;
mod log;
mod lost_rows;
mod permissions;
mod poison;
mod queues;
mod steward;
mod trace;
mod waiting;
