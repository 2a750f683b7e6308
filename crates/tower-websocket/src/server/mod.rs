//! The Tower layer.

pub(crate) mod body;
pub(crate) mod case;
pub(crate) mod future;
pub(crate) mod layer;
pub(crate) mod service;
