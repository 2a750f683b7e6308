use std::future::{Future, IntoFuture};
use std::panic::Location;

use websocket_driver::Config;

use super::handshake::Handshake;
use super::peer::{Peer, fail};
use super::transport::{Transport, transport};
use crate::accept::accept;
use crate::client::connect::connect;
use crate::socket::WebSocket;
use crate::transport::upgraded::Upgraded;

/// The socket of a server and that of its client, open, over memory.
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
/// Where the configurations do not make a connection.
#[track_caller]
pub fn pair(server: Config, client: Config) -> impl Future<Output = (WebSocket, WebSocket)> {
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

/// The open socket of a server, as a handler gets it, and the peer that is its client.
///
/// ```
/// # use tower_websocket::test;
/// use tower_websocket::{Config, WebSocket};
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
/// Where the handshake is refused.
#[track_caller]
pub fn server(handshake: impl Into<Handshake>, config: Config) -> impl Future<Output = (WebSocket, Peer)> {
    let (handshake, at) = (handshake.into(), Location::caller());
    async move {
        let (io, other) = transport();
        let mut peer = Peer::new(other);
        peer.ask(&handshake);
        let socket = accept(upgraded(io), config).await;
        let socket = socket.unwrap_or_else(|error| fail(at, format_args!("the server has failed: {error}")));
        peer.confirm(&handshake, at).await;
        (socket, peer)
    }
}

/// The open socket of a client, and the peer that is its server.
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
/// Where the client does not get along with a server that selects no subprotocol and no extension.
#[track_caller]
pub fn client(config: Config) -> impl Future<Output = (WebSocket, Peer)> {
    let at = Location::caller();
    async move {
        let (io, other) = transport();
        let mut peer = Peer::new(other);
        let connecting = tokio::spawn(connect("ws://example.com/").config(config).over(io).into_future());
        peer.answer(None, at).await;
        match connecting.await {
            Ok(Ok((socket, _response))) => (socket, peer),
            Ok(Err(error)) => fail(at, format_args!("the client has failed: {error}")),
            Err(error) => fail(at, format_args!("the client has failed: {error}")),
        }
    }
}

/// So that the socket is of the type that handlers are given.
fn upgraded(io: Transport) -> Upgraded {
    Upgraded::from_boxed(Box::new(io))
}
