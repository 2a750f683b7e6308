//! Tests of the hub with the sockets of the test kit as members: policies, order, resumption,
//! users, backends.

mod bursts;
mod cancellation;
mod conformance;
mod delivery;
mod engine;
mod members;
mod nodes;
mod policies;
mod property;
mod resumption;
mod storm;
mod users;
