//! The hub over Redis, with real servers that the tests start and kill. Without the program
//! `redis-server` they print that they were skipped.

mod conformance;
mod gaps;
mod nodes;
mod processes;
mod server;
mod streams;
