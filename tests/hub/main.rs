//! The hub, with the sockets of the test kit as members: policies, order, resumption, users, backends.

mod delivery;
mod members;
mod policies;
mod property;
mod resumption;
mod users;
