//! Observers, which are notified of what happens on connections: see
//! [`Config::observer`](crate::Config::observer).

pub use websocket_driver::{ConnectionObserver, ConnectionOpened, Observer, Traffic};

#[cfg(feature = "tracing")]
pub use crate::trace::TracingObserver;
