//! What the programs of this package share: how a server is started, what the kernel says of a process, and what the load
//! generator reports. See README.md.

pub mod echo;
pub mod measurement;
pub mod process;
pub mod server;
