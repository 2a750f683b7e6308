//! Members of a hub, each with a handler that receives and a peer that the test controls.

use std::time::Duration;

use tokio::task::JoinHandle;
use tower_websocket::test::{self, Peer};
use tower_websocket::{Config, ServerConfig, WebSocketSender};
use websocket_hub::{Hub, Member, Subscribe, Subscribed};

/// A member with its peer.
pub(crate) struct Seat {
    pub(crate) member: Member,
    pub(crate) peer: Peer,
    /// Receives until the connection ends.
    pub(crate) handler: JoinHandle<()>,
}

impl Seat {
    /// Joins with a connection that accepts everything.
    pub(crate) async fn new(hub: &Hub) -> Self {
        Self::with(hub, Config::server()).await
    }

    /// Joins with a connection whose output is full after one message.
    pub(crate) async fn narrow(hub: &Hub) -> Self {
        Self::with(hub, Config::server().max_output(1)).await
    }

    pub(crate) async fn with(hub: &Hub, config: ServerConfig) -> Self {
        let (sender, peer, handler) = open(config).await;
        Self { member: hub.join(sender), peer, handler }
    }

    pub(crate) async fn subscribe(&self, topic: &str, options: Subscribe) -> Subscribed {
        self.member.subscribe(topic, options).await.expect("a subscription")
    }

    /// Expects exactly these texts.
    #[track_caller]
    pub(crate) fn expect(&mut self, texts: &[&str]) -> impl Future<Output = ()> {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        async move {
            for text in texts {
                self.peer.expect_text(&text).await;
            }
            self.peer.expect_nothing(Duration::from_millis(1)).await;
        }
    }
}

/// Opens a connection whose handler receives.
pub(crate) async fn open(config: ServerConfig) -> (WebSocketSender, Peer, JoinHandle<()>) {
    // The peers do not answer pings.
    let (mut socket, peer) = test::server("/", config.ping_interval(None)).await;
    let sender = socket.sender();
    let handler = tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
    (sender, peer, handler)
}

/// Lets all tasks run until they are idle.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Publishes the numbers as separate messages.
pub(crate) async fn publish_numbers(hub: &Hub, topic: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        hub.publish(topic, number.to_string()).await.expect("published");
        settle().await;
    }
}
