use std::any::Any;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::upgraded::Upgraded;

/// Lets TCP itself find out whether the peer is there, for protocols that have no pings, where the transport is TCP.
pub(crate) fn keep_alive<T: 'static>(io: &T, interval: Duration) {
    if let Some(stream) = tcp_stream(io) {
        let keepalive = TcpKeepalive::new().with_time(interval).with_interval(interval);
        // It fails only where the connection is gone, which the next read tells.
        let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    }
}

/// Holds back what is written until a segment is full or the output is ended, where the transport is TCP, so that the last
/// bytes leave together with the FIN. Linux holds nothing for longer than 200 ms; other systems are left as they are.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
pub(crate) fn cork<T: 'static>(io: &T) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = tcp_stream(io) {
        // Where it fails they leave one by one.
        let _ = SockRef::from(stream).set_tcp_cork(true);
    }
}

/// Limits what the kernel takes and has not sent, if the transport is TCP, so that further writes show the progress of the peer.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
pub(crate) fn limit_unsent<T: 'static>(io: &T, bytes: u32) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = tcp_stream(io) {
        // Without it, progress is seen later.
        let _ = SockRef::from(stream).set_tcp_notsent_lowat(bytes);
    }
}

fn tcp_stream<T: 'static>(io: &T) -> Option<&TcpStream> {
    let io: &dyn Any = io;
    let upgraded = || io.downcast_ref::<Upgraded>().and_then(Upgraded::tcp_stream);
    io.downcast_ref::<TcpStream>().or_else(upgraded)
}
