//! Sockets over streams whose handshake was done elsewhere.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{CompletedHandshake, Config, Driver, Side};

use super::WebSocket;
use crate::connection::Connection;

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocket<T> {
    /// Creates a socket over a stream whose handshake was done elsewhere: by another HTTP library, a proxy, or by hand. It is
    /// one of RFC 6455 that agreed to no extension. `leftover` is what was read behind the handshake, often nothing.
    ///
    /// If hyper has read the request, use [`upgrade`](fn@crate::upgrade), and for a stream that nothing was read from
    /// [`accept`](fn@crate::accept) or [`Connect::over`](crate::Connect::over): they check the handshake.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tokio::net::TcpStream;
    /// use tower_websocket::{CompletedHandshake, Config, WebSocket};
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// // A client that checks nothing of the answer.
    /// let mut stream = TcpStream::connect("127.0.0.1:9001").await?;
    /// let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    ///                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// stream.write_all(request.as_bytes()).await?;
    /// let mut response = Vec::new();
    /// while !response.ends_with(b"\r\n\r\n") {
    ///     response.push(stream.read_u8().await?);
    /// }
    /// let mut socket = WebSocket::from_raw(stream, "", CompletedHandshake::new(), Config::client());
    /// # let _ = socket.send("hello").await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer enabled, if the configuration has timeouts.
    pub fn from_raw<S: Side>(
        io: T,
        leftover: impl Into<Bytes>,
        handshake: CompletedHandshake,
        config: Config<S>,
    ) -> Self {
        let mut driver = Driver::after_handshake(handshake, config);
        // The first is that it is open, which the caller knows.
        driver.poll_event();
        driver.receive(leftover.into());
        Self::new(Connection::new(io, driver))
    }
}
