//! Checks of the page's origin and the requested host.

mod authority;
pub(crate) mod guard;
pub(crate) mod layer;
pub(crate) mod pattern;
pub(crate) mod refusal;
