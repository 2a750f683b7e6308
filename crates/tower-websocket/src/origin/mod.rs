//! Who may open a WebSocket: the origin of the page, and the host that the request names.

mod authority;
pub(crate) mod guard;
pub(crate) mod layer;
pub(crate) mod pattern;
pub(crate) mod refusal;
