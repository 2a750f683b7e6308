//! The Tower layers.

pub(crate) mod body;
pub(crate) mod case;
pub(crate) mod future;
pub(crate) mod layer;
pub(crate) mod origin;
pub(crate) mod original_uri;
pub(crate) mod service;
