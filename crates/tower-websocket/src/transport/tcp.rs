use std::any::Any;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::transport::upgraded::Upgraded;

/// Enables TCP keepalive, for protocols without pings. Does nothing if the transport is not TCP.
pub(crate) fn keep_alive<T: 'static>(io: &T, interval: Duration) {
    if let Some(stream) = tcp_stream(io) {
        let keepalive = TcpKeepalive::new().with_time(interval).with_interval(interval);
        // Fails only if the connection is gone, which the next read reports.
        let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    }
}

/// Holds written data back until a segment is full or the output is shut down, if the transport is
/// TCP, so that the last bytes and the FIN leave together. Linux holds data back for at most 200
/// ms. Does nothing on other systems.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
pub(crate) fn cork<T: 'static>(io: &T) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = tcp_stream(io) {
        // If it fails, the bytes leave in separate segments.
        let _ = SockRef::from(stream).set_tcp_cork(true);
    }
}

/// Returns approximately how many bytes in the kernel's buffer are unsent, if the transport is TCP
/// and the system is Linux: a slow reader makes this smaller, although nothing is left to write.
/// `u32::MAX` means a full send buffer.
///
/// The kernel cannot be queried directly without `unsafe`. But a socket is writable only while
/// fewer than half of `TCP_NOTSENT_LOWAT` bytes are unsent, so the number is found by a binary
/// search over that option. It takes about 20 system calls.
#[cfg(target_os = "linux")]
pub(crate) fn unsent<T: 'static>(io: &T) -> Option<u32> {
    /// The resolution in bytes and the number of steps, which together exceed the size of send
    /// buffers.
    const STEP: u32 = 64 * 1024;
    const STEPS: u32 = 256;

    let stream = tcp_stream(io)?;
    let socket = SockRef::from(stream);
    let before = socket.tcp_notsent_lowat().ok()?;
    let is_below = |steps: u32| {
        let mut fds = [PollFd::new(stream, PollFlags::OUT)];
        socket.set_tcp_notsent_lowat(2 * STEP * steps).is_ok()
            && poll(&mut fds, Some(&Timespec::default())).is_ok()
            && fds[0].revents().contains(PollFlags::OUT)
    };
    let unsent = if is_below(STEPS) {
        let (mut low, mut high) = (0, STEPS);
        while low + 1 < high {
            let middle = low.midpoint(high);
            if is_below(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        low * STEP
    } else {
        u32::MAX
    };
    socket.set_tcp_notsent_lowat(before).ok()?;
    Some(unsent)
}

/// Not implemented for other systems.
#[cfg(not(target_os = "linux"))]
pub(crate) fn unsent<T: 'static>(_: &T) -> Option<u32> {
    None
}

/// Returns the TCP stream below a transport, if the transport is one, or known to be above one.
pub(crate) fn tcp_stream(io: &dyn Any) -> Option<&TcpStream> {
    if let Some(upgraded) = io.downcast_ref::<Upgraded>() {
        return upgraded.tcp_stream().or_else(|| tcp_stream(upgraded.boxed()?));
    }
    io.downcast_ref::<TcpStream>().or_else(|| tcp_below_tls(io))
}

#[cfg(feature = "tls")]
fn tcp_below_tls(io: &dyn Any) -> Option<&TcpStream> {
    use tokio_rustls::{TlsStream, client, server};

    use super::tls_stream::ReportingStream;

    if let Some(stream) = io.downcast_ref::<ReportingStream>() {
        return tcp_stream(stream.get_ref().get_ref().0);
    }
    let client = || io.downcast_ref::<client::TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    let server = || io.downcast_ref::<server::TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    let either = || io.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    client().or_else(server).or_else(either)
}

#[cfg(not(feature = "tls"))]
fn tcp_below_tls(_: &dyn Any) -> Option<&TcpStream> {
    None
}
