//! What people bring to the desk, from the public form to the mail and to the contractors, on a real PostgreSQL and a
//! real nats-server, with every service of the house.
//!
//! [`desk`] is the house for one test, [`contractors`] those who are told, [`people`] those who ask, [`reckoning`] what
//! must hold afterwards, whatever happened in between.

pub mod child;
pub mod contractors;
pub mod desk;
pub mod incoming;
pub mod mails;
pub mod people;
pub mod recipients;
pub mod reckoning;

mod bad_input;
mod disclosure;
mod duties;
mod opt_out;
mod other_ways;
mod three_parts;
