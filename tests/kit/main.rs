//! The test kit of `tower_websocket::test` itself: that it fails what it should, and that its faults are those it says.

mod faults;
mod oneshot;
mod peer;
mod strict;
