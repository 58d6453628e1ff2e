//! The tests of the whole house, one binary: the bus on real servers, the shape of the sources, the simulation.

mod architecture;
mod browser;
mod bus;
mod evidence;
mod examples;
mod failure;
mod infra;
mod journey;
mod markers;
mod outside;
mod processes;
mod roles;
mod simulation;
