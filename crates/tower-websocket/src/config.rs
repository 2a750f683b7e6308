//! The sides that a [`Config`](crate::Config) is for, and the values that are set in one.

pub use websocket_driver::{Charge, Client, Limits, Server, Side, Timeouts};
