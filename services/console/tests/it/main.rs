//! The console on a real PostgreSQL and a real nats-server, over HTTP. Neighbours are the other end of the wire: facts are
//! published, and orders answered, with the credentials and keys that the house gives those services.

mod arrivals;
mod bank;
mod desk;
mod files;
mod gate;
mod orders;
mod pages;
mod personal;
mod read_model;
mod register;
mod sign_in;
mod story;
mod supervision;
