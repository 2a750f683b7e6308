//! An open socket and its client in one test.

use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use tower_websocket::test::{self, Frame, Handshake, Peer};
use tower_websocket::{Config, ServerConfig, Version, WebSocket, accept};

use crate::client::{Client, Opening};
use crate::transports::{Probe, Probed};
use crate::wire::{Transport, Wire};

/// In memory, with a scripted client.
pub(crate) async fn with_peer(version: Version, config: ServerConfig) -> (WebSocket, Peer) {
    test::server(Handshake::new("/chat").version(version), config.allow_drafts(true)).await
}

/// In memory, with a capacity of `size` bytes in each direction.
pub(crate) async fn over_memory(
    size: usize,
    version: Version,
    config: ServerConfig,
) -> (WebSocket<DuplexStream>, Client) {
    let (server, client) = tokio::io::duplex(size);
    over(server, Wire::new(client), version, config).await
}

/// Over TCP.
pub(crate) async fn over_tcp(version: Version, config: ServerConfig) -> (WebSocket<TcpStream>, Client) {
    let (server, client) = tcp().await;
    over(server, Wire::new(client), version, config).await
}

/// Returns an open socket whose reads and writes are counted from now on.
pub(crate) async fn counted() -> (WebSocket<Probed<DuplexStream>>, Client, Probe) {
    let (server, client) = tokio::io::duplex(1024 * 1024);
    let (server, probe) = Probed::new(server);
    let (socket, client) = over(server, Wire::new(client), Version::Hybi13, Config::server()).await;
    probe.take();
    (socket, client, probe)
}

/// Over any transport.
pub(crate) async fn over<T: Transport + 'static>(
    server: T,
    mut client: Wire,
    version: Version,
    config: ServerConfig,
) -> (WebSocket<T>, Client) {
    let opening = Opening::of(version);
    let client = async {
        client.write(opening.handshake.bytes()).await;
        opening.confirmed(client).await
    };
    let server = async {
        let Ok(mut socket) = accept(server, config.allow_drafts(true)).await else { panic!("no WebSocket") };
        socket.flush().await.expect("a client that reads");
        socket
    };
    tokio::join!(server, client)
}

/// Returns both ends of a TCP connection, the server's first.
pub(crate) async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(addr));
    let (server, client) = (accepted.expect("a connection").0, connected.expect("a connection"));
    server.set_nodelay(true).expect("a TCP stream");
    client.set_nodelay(true).expect("a TCP stream");
    (server, client)
}

/// Returns the payload of the next frame, which is a ping.
pub(crate) async fn pinged(peer: &mut Peer) -> Vec<u8> {
    match peer.next_frame().await {
        Frame::Ping(data) => data.to_vec(),
        other => panic!("no ping: {other}"),
    }
}
