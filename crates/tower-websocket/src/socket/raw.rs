//! Sockets over streams whose handshake was performed elsewhere.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use websocket_driver::{CompletedHandshake, Config, Driver, Side};

use super::WebSocket;
use crate::connection::Connection;

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> WebSocket<T> {
    /// Creates a socket over a stream whose handshake was performed elsewhere: by another HTTP
    /// library, a proxy, or by hand. It uses RFC 6455 without extensions. `leftover` contains the
    /// bytes that were read after the handshake, often none.
    ///
    /// If hyper has read the request, use [`upgrade`](fn@crate::upgrade), and for a stream that
    /// nothing was read from [`accept`](fn@crate::accept) or
    /// [`Connect::over`](crate::client::Connect::over), as these verify the handshake.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tokio::net::TcpStream;
    /// use tower_websocket::{CompletedHandshake, Config, WebSocket};
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// // A client that does not verify the response.
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
        // Skips the first event, `Open`.
        driver.poll_event();
        driver.receive(leftover.into());
        Self::new(Connection::new(io, driver))
    }
}
