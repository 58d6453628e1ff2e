mod failure;
mod journey;
mod markers;
mod processes;
