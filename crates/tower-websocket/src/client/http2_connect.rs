//! Connecting by HTTP/2.

use websocket_driver::Driver;

use super::connect::{Connect, Http};
use super::deadline::Deadline;
use super::error::ConnectError;
use super::http2::Http2Connection;

/// # HTTP/2
impl Connect {
    /// Makes the handshake over HTTP/2 (RFC 8441), on a separate connection: negotiated by TLS for `wss:`,
    /// with prior knowledge for `ws:`. The status of the response is 200 then. There is no fallback to
    /// HTTP/1.1.
    pub fn http2(self) -> Self {
        Self { http: Http::Two, ..self }
    }

    /// Makes the handshake on an HTTP/2 connection that is shared with other WebSockets. Settings of
    /// proxies, TLS and the stream do not apply then. The URL must be one of the server that the connection
    /// is to.
    pub fn on(self, connection: &Http2Connection) -> Self {
        Self { http: Http::Shared(connection.clone()), ..self }
    }

    /// Makes an HTTP/2 connection to the URL's server without opening a WebSocket: [`on`](Self::on) opens
    /// those. Settings of the request do not apply.
    ///
    /// # Errors
    ///
    /// Those of a connection that is awaited, up to the server's settings.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection, like [`connect`].
    pub async fn http2_connection(self) -> Result<Http2Connection, ConnectError> {
        let deadline = Deadline::after(self.limit());
        let connect = async move {
            let url = self.url?;
            let driver = Driver::client(&url, self.config)?;
            Ok(Http2Connection::dial(self.io, self.route, &url, driver).await?.0)
        };
        deadline.limit(connect).await.map_err(|_| ConnectError::TimedOut)?
    }
}
