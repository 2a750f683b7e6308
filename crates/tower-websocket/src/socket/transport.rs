//! Access to the transport below a socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::WebSocket;
use crate::transport::tcp;
#[cfg(feature = "tls")]
use crate::transport::tls_session::{TlsSession, tls_session};

/// The transport below the socket. It is known if it is a `TcpStream` of tokio, or TLS by
/// `tokio-rustls` over one (feature `tls`): under hyper and axum, with [`accept`](fn@crate::accept)
/// and with [`connect`](https://docs.rs/tower-websocket/latest/tower_websocket/fn.connect.html). It
/// is not known on HTTP/2, where it is shared with other streams: take the address from the server
/// that accepts the connection, as `ConnectInfo` of axum does. It is not available after the
/// connection has ended.
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocket<T> {
    /// Returns the address of the peer, or of the last proxy before this side, if the transport is
    /// known.
    ///
    /// ```
    /// # use tower_websocket::WebSocket;
    /// fn log(socket: &WebSocket) {
    ///     if let Some(peer) = socket.peer_addr() {
    ///         println!("{peer} speaks {}", socket.version());
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.with_tcp(|stream| stream.peer_addr()).ok()
    }

    /// Returns the address of this side, if the transport is known, like
    /// [`peer_addr`](Self::peer_addr).
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.with_tcp(|stream| stream.local_addr()).ok()
    }

    /// Sets `TCP_NODELAY`, so that a message is sent at once even if an earlier one is not
    /// acknowledged. Default: set, except on streams that were passed to
    /// [`accept`](fn@crate::accept) and [`from_raw`](Self::from_raw).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if the transport is not known, as for
    /// [`peer_addr`](Self::peer_addr), and errors of the system.
    pub fn set_tcp_nodelay(&self, is_set: bool) -> io::Result<()> {
        self.with_tcp(|stream| stream.set_nodelay(is_set))
    }

    /// Sets the silence after which TCP itself probes the peer, and the interval between probes.
    /// `None` disables probes. Default: off, as the pings of
    /// [`Config::ping_interval`](crate::Config::ping_interval) detect more failures; on for the hixie
    /// drafts, which have no pings, with that interval.
    ///
    /// # Errors
    ///
    /// Same as [`set_tcp_nodelay`](Self::set_tcp_nodelay).
    pub fn set_tcp_keepalive(&self, interval: Option<Duration>) -> io::Result<()> {
        self.with_tcp(|stream| match interval {
            Some(interval) => {
                let keepalive = TcpKeepalive::new().with_time(interval).with_interval(interval);
                SockRef::from(stream).set_tcp_keepalive(&keepalive)
            }
            None => SockRef::from(stream).set_keepalive(false),
        })
    }

    /// Returns the result of the TLS handshake, if the transport is TLS and known, as for
    /// [`peer_addr`](Self::peer_addr).
    ///
    /// ```
    /// # use tower_websocket::WebSocket;
    /// /// Returns the certificate of a client, in DER.
    /// fn certificate(socket: &WebSocket) -> Option<Vec<u8>> {
    ///     Some(socket.tls_session()?.peer_certificates.first()?.to_vec())
    /// }
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls_session(&self) -> Option<TlsSession> {
        tls_session(self.0.connection.lock().io()?)
    }

    fn with_tcp<R>(&self, act: impl FnOnce(&TcpStream) -> io::Result<R>) -> io::Result<R> {
        let connection = self.0.connection.lock();
        let stream = connection.io().and_then(|io| tcp::tcp_stream(io));
        act(stream.ok_or(io::ErrorKind::Unsupported)?)
    }
}
