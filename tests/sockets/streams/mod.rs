//! Messages that are received and sent in pieces.

mod deflate;
mod echo;
mod incoming;
mod outgoing;
mod waiting;

use tower_websocket::test::Peer;
use tower_websocket::{Config, Version, WebSocket};

use crate::pair::with_peer;

async fn open() -> (WebSocket, Peer) {
    with_peer(Version::Hybi13, Config::server()).await
}
