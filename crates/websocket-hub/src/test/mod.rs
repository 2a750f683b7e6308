//! Tests for backends, behind the feature `test-util`.

pub mod conformance;
pub(crate) mod recorder;
