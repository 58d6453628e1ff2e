//! The door on a real listener, before a real PostgreSQL and a real nats-server. The test plays the desk: it holds the
//! secret half of the key that hatches are sealed to.

mod api;
mod desk;
mod mail;
mod pages;
mod published;
mod status;
mod tray;
