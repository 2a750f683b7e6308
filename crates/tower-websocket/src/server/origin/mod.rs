//! Who may open a WebSocket: the origin of the page, and the host that the request names.

mod authority;
mod authority_pattern;
pub(crate) mod guard;
mod host_pattern;
mod origin_pattern;
pub(crate) mod pattern_error;
pub(crate) mod refusal;
mod serialized_origin;
pub(crate) mod service;
mod target;
