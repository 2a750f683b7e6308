//! The heads of HTTP/1.1 messages, for drivers that have the transport to themselves.

pub(crate) mod head;
