//! Tests of `tower_websocket::test` itself: assertions fail when they should, and faults behave as
//! documented.

mod faults;
mod oneshot;
mod peer;
mod strict;
