pub(crate) mod batch;
pub(crate) mod fragments;
pub(crate) mod frame;
