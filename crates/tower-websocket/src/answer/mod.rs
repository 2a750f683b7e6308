//! Answers to handshakes that any HTTP stack has read: a request in, a response and a pending
//! socket out.

pub(crate) mod pending;
pub(crate) mod request;

use http::{Request, Response};
use websocket_driver::ServerConfig;

use self::pending::PendingSocket;
use self::request::HandshakeRequest;
use crate::upgrade::error::UpgradeRefusal;

/// Answers a handshake that any HTTP stack has read. Returns the response to send, and a socket
/// that waits for the connection. If the stack is hyper, use [`upgrade`](fn@crate::upgrade), which
/// obtains the connection as well.
///
/// The stack sends the response, and then hands over the connection of HTTP/1.1, or the two
/// directions of one stream of HTTP/2 or HTTP/3 as one `AsyncRead + AsyncWrite`, to
/// [`PendingSocket::open`].
///
/// ```
/// use http::{Request, Response};
/// use tokio::io::{AsyncRead, AsyncWrite};
/// use tower_websocket::{Config, answer};
///
/// # trait Stack {
/// #     type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
/// #     async fn respond(&mut self, response: Response<String>);
/// #     async fn into_connection(self) -> (Self::Io, Vec<u8>);
/// # }
/// async fn handle(request: Request<()>, mut stack: impl Stack) -> Result<(), Box<dyn std::error::Error>> {
///     let (response, pending) = match answer(&request, &Config::server()) {
///         Ok(answered) => answered,
///         Err(refusal) => return Ok(stack.respond(refusal.to_response()).await),
///     };
///     stack.respond(response.map(|()| String::new())).await;
///     // The connection, and the bytes that the stack has read after the request.
///     let (io, leftover) = stack.into_connection().await;
///     let mut socket = pending.open(io, leftover).await?;
///     socket.send("hello").await?;
///     Ok(())
/// }
/// ```
///
/// On HTTP/2 and HTTP/3 the request must have the pseudo-header `:protocol` in its extensions, as a
/// [`ConnectProtocol`](crate::server::ConnectProtocol) or as hyper's `Protocol`. A stack that has
/// another type for it is adapted by one line, here for the crate `h2`:
///
/// ```
/// # use http::Request;
/// use tower_websocket::server::ConnectProtocol;
///
/// # #[cfg(feature = "http2")]
/// fn adapt<B>(request: &mut Request<B>) {
///     if let Some(protocol) = request.extensions().get::<h2::ext::Protocol>() {
///         let protocol = ConnectProtocol::new(protocol.as_str().to_owned());
///         request.extensions_mut().insert(protocol);
///     }
/// }
/// ```
///
/// To inspect the handshake before it is answered, use [`HandshakeRequest`]. The observer is
/// notified of a request that is refused here.
///
/// # Errors
///
/// If the request cannot be accepted. The refusal is a response to send. One for which
/// [`UpgradeRefusal::is_plain_http`] returns `true` may be served as plain HTTP instead.
pub fn answer<B>(request: &Request<B>, config: &ServerConfig) -> Result<(Response<()>, PendingSocket), UpgradeRefusal> {
    HandshakeRequest::new(request).inspect_err(|refusal| refusal.report_to(config))?.accept(config)
}
