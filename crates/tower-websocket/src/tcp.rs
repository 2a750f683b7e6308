use std::any::Any;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::upgraded::Upgraded;

/// Lets TCP itself find out whether the peer is there, for protocols that have no pings, where the transport is TCP.
pub(crate) fn keep_alive<T: 'static>(io: &T, interval: Duration) {
    let io: &dyn Any = io;
    let upgraded = || io.downcast_ref::<Upgraded>().and_then(Upgraded::tcp_stream);
    if let Some(stream) = io.downcast_ref::<TcpStream>().or_else(upgraded) {
        let keepalive = TcpKeepalive::new().with_time(interval).with_interval(interval);
        // It fails only where the connection is gone, which the next read tells.
        let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    }
}
