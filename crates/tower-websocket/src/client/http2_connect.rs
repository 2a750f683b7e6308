//! Connecting over HTTP/2.

use websocket_driver::Driver;

use super::connect::{Connect, Http};
use super::deadline::Deadline;
use super::error::ConnectError;
use super::http2::Http2Connection;

/// # HTTP/2
impl Connect {
    /// Uses HTTP/2 (RFC 8441) on a new connection, negotiated by TLS for `wss:`, and with prior
    /// knowledge for `ws:`. The response then has the status 200. There is no fallback to HTTP/1.1.
    pub fn http2(self) -> Self {
        Self { http: Http::Two, ..self }
    }

    /// Uses HTTP/2 on an existing connection that is shared with other WebSockets. Options for
    /// proxies, TLS and the stream are ignored. The URL must be of the same server as the
    /// connection.
    pub fn on(self, connection: &Http2Connection) -> Self {
        Self { http: Http::Shared(connection.clone()), ..self }
    }

    /// Establishes an HTTP/2 connection to the URL's server without opening a WebSocket; pass it to
    /// [`on`](Self::on). Options for the request are ignored.
    ///
    /// # Errors
    ///
    /// The errors of a connection that is awaited, up to the server's settings.
    ///
    /// # Cancel safety
    ///
    /// Same as [`connect`](crate::connect): the connection is dropped.
    pub async fn http2_connection(self) -> Result<Http2Connection, ConnectError> {
        let deadline = Deadline::after(self.limit());
        let connect = async move {
            let url = self.url?;
            let driver = Driver::client(&url, self.config)?;
            Ok(Http2Connection::connect(self.io, self.route, &url, driver).await?.0)
        };
        deadline.limit(connect).await.map_err(|_| ConnectError::TimedOut)?
    }
}
