use std::future::{Future, IntoFuture};
use std::panic::Location;

use websocket_driver::{ClientConfig, ServerConfig};

use super::peer::{Peer, fail};
use super::server::upgraded;
use super::transport::transport;
use crate::accept::accept;
use crate::client::connect::connect;
use crate::socket::WebSocket;

/// Returns the connected sockets of a server and a client.
///
/// ```
/// # use tower_websocket::test;
/// use tower_websocket::Config;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut server, mut client) = test::pair(Config::server().protocols(["chat"]), Config::client().protocols(["chat"])).await;
/// client.send("hello").await.unwrap();
/// assert_eq!(server.recv().await.unwrap().unwrap().as_text(), Some("hello"));
/// assert_eq!((server.protocol(), client.protocol()), (Some("chat"), Some("chat")));
/// # }
/// ```
///
/// # Panics
///
/// If the configurations do not result in a connection.
#[track_caller]
pub fn pair(server: ServerConfig, client: ClientConfig) -> impl Future<Output = (WebSocket, WebSocket)> {
    let at = Location::caller();
    async move {
        let (io, other) = transport();
        let connecting = tokio::spawn(connect("ws://example.com/").config(client).over(other).into_future());
        let server = accept(upgraded(io), server).await;
        let server = server.unwrap_or_else(|error| fail(at, format_args!("the server has failed: {error}")));
        match connecting.await {
            Ok(Ok((client, _response))) => (server, client),
            Ok(Err(error)) => fail(at, format_args!("the client has failed: {error}")),
            Err(error) => fail(at, format_args!("the client has failed: {error}")),
        }
    }
}

/// Returns the open socket of a client, and a peer that acts as the server.
///
/// ```
/// # use tower_websocket::test;
/// use tower_websocket::Config;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut socket, mut peer) = test::client(Config::client()).await;
/// socket.send("hello").await.unwrap();
/// peer.expect_text("hello").await;
/// # }
/// ```
///
/// # Panics
///
/// If the client does not accept a server that selects no subprotocol and no extension.
#[track_caller]
pub fn client(config: ClientConfig) -> impl Future<Output = (WebSocket, Peer)> {
    let at = Location::caller();
    async move {
        let (io, other) = transport();
        let mut peer = Peer::new(other);
        let connecting = tokio::spawn(connect("ws://example.com/").config(config).over(io).into_future());
        peer.respond(None, at).await;
        match connecting.await {
            Ok(Ok((socket, _response))) => (socket, peer),
            Ok(Err(error)) => fail(at, format_args!("the client has failed: {error}")),
            Err(error) => fail(at, format_args!("the client has failed: {error}")),
        }
    }
}
