//! Tests for backends. Requires the feature `test-util`.

pub mod conformance;
pub(crate) mod recorder;
