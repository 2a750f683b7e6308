use std::future::Future;
use std::panic::Location;

use websocket_driver::ServerConfig;

use super::handshake::Handshake;
use super::peer::{Peer, fail};
use super::transport::{Transport, transport};
use crate::accept::accept;
use crate::socket::WebSocket;
use crate::transport::upgraded::Upgraded;

/// Returns the open socket of a server, as passed to a handler, and a peer that acts as the client.
///
/// ```
/// # use tower_websocket::test;
/// use tower_websocket::{ClientConfig, Config, ServerConfig, WebSocket};
///
/// async fn greet(mut socket: WebSocket) {
///     let _ = socket.send("hello").await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (socket, mut peer) = test::server("/", Config::server()).await;
/// greet(socket).await;
/// peer.expect_text("hello").await;
/// peer.expect_eof().await;
/// # }
/// ```
///
/// # Panics
///
/// If the handshake is refused.
#[track_caller]
pub fn server(handshake: impl Into<Handshake>, config: ServerConfig) -> impl Future<Output = (WebSocket, Peer)> {
    let (handshake, at) = (handshake.into(), Location::caller());
    async move {
        let (io, other) = transport();
        let mut peer = Peer::new(other);
        peer.send_handshake(&handshake);
        let socket = accept(upgraded(io), config).await;
        let socket = socket.unwrap_or_else(|error| fail(at, format_args!("the server has failed: {error}")));
        peer.receive_response(&handshake, at).await;
        (socket, peer)
    }
}

/// Wraps the transport, so that the socket has the type that handlers receive.
pub(super) fn upgraded(io: Transport) -> Upgraded {
    Upgraded::from_boxed(Box::new(io))
}
