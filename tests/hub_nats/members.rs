//! Members of a hub, each with a handler that receives, and a peer.

use std::time::Duration;

use tokio::time::timeout;
use tower_websocket::Config;
use tower_websocket::test::{self, Frame, Peer};
use websocket_hub::{Hub, Member, Notice, Subscribe};

/// The timeout for expected events, on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The time after which no further event is expected.
const SILENCE: Duration = Duration::from_millis(300);

pub(crate) struct Seat {
    pub(crate) member: Member,
    peer: Peer,
}

impl Seat {
    pub(crate) async fn new(hub: &Hub) -> Self {
        // The peers answer no pings.
        let (mut socket, peer) = test::server("/", Config::server().ping_interval(None)).await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        Self { member: hub.join(sender), peer }
    }

    /// Returns a member that is subscribed to a topic.
    pub(crate) async fn of(hub: &Hub, topic: &str) -> Self {
        let seat = Self::new(hub).await;
        seat.subscribe(topic).await;
        seat
    }

    pub(crate) async fn subscribe(&self, topic: &str) {
        let _ = self.member.subscribe(topic, Subscribe::new()).await.expect("a subscription");
    }

    /// Returns the next message.
    pub(crate) async fn next(&mut self) -> String {
        match self.peer.next_frame().await {
            Frame::Text(text) => text,
            frame => panic!("no text: {frame:?}"),
        }
    }

    pub(crate) async fn expect(&mut self, texts: &[&str]) {
        for &text in texts {
            assert_eq!(self.next().await, text);
        }
        self.peer.expect_nothing(SILENCE).await;
    }

    pub(crate) async fn expect_gap(&mut self, topic: &str) {
        let notice = timeout(LIMIT, self.member.notice()).await.expect("a notice in time");
        assert_eq!(notice, Notice::Gap { topic: topic.into() });
    }

    pub(crate) async fn expect_no_notice(&mut self) {
        let notice = timeout(SILENCE, self.member.notice()).await;
        assert!(notice.is_err(), "unexpected {notice:?}");
    }
}

/// Publishes, and retries while there is no connection.
pub(crate) async fn publish_eventually(hub: &Hub, topic: &str, text: &str) {
    let published = async {
        while hub.publish(topic, text.to_owned()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, published).await.expect("published in time");
}
