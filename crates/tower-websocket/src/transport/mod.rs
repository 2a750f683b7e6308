//! Transports below a connection, and operations that only some of them support.

pub(crate) mod tcp;
pub(crate) mod upgraded;
