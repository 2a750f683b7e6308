//! Code shared by the programs of this package: starting a server, reading process statistics, and
//! the report of the load generator. See README.md.

pub mod baseline;
pub mod echo;
pub mod measurement;
pub mod process;
pub mod server;
pub mod tls;
