//! HTTP/1.1 messages, for drivers that have the transport to themselves.

pub(crate) mod body;
pub(crate) mod head;
