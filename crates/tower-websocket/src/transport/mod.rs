//! Transports below a connection, and what only some of them can do.

pub(crate) mod tcp;
pub(crate) mod upgraded;
