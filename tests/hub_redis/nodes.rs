//! Hubs over Redis, and members whose clients read everything.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tower_websocket::test::pair;
use tower_websocket::{Config, WebSocket};
use websocket_hub::backend::Backend;
use websocket_hub::{
    Hub, HubConfig, HubObserver, Member, Message, Notice, Position, QueueLimit, Subscribe, Subscribed,
};

/// A timeout that is longer than any operation.
const LIMIT: Duration = Duration::from_secs(30);

/// A hub, and the number of times that it has lost its connection to Redis.
pub(crate) struct Node {
    hub: Hub,
    connection: Arc<Connection>,
}

#[derive(Default)]
struct Connection {
    losses: AtomicUsize,
    returns: AtomicUsize,
}

struct Observer(Arc<Connection>);

impl HubObserver for Observer {
    fn backend_lost(&self) {
        self.0.losses.fetch_add(1, Ordering::SeqCst);
    }

    fn backend_resynchronised(&self) {
        self.0.returns.fetch_add(1, Ordering::SeqCst);
    }
}

impl Deref for Node {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl Node {
    pub(crate) fn losses(&self) -> usize {
        self.connection.losses.load(Ordering::SeqCst)
    }

    /// Waits until the connection was lost this number of times.
    pub(crate) async fn until_lost(&self, times: usize) {
        until("losing the connection", async || self.losses() >= times).await;
    }

    /// Waits until the connection is restored after it was lost this number of times.
    pub(crate) async fn until_back(&self, times: usize) {
        let is_back = async || {
            let losses = self.losses();
            losses >= times && self.connection.returns.load(Ordering::SeqCst) == losses
        };
        until("connecting again", is_back).await;
    }
}

/// Creates a node whose messages are prefixed with their position.
pub(crate) async fn node(backend: impl Backend) -> Node {
    let connection = Arc::<Connection>::default();
    let config = HubConfig::new().observer(Observer(connection.clone())).frame(|publication| {
        Message::text(format!("{} {}", publication.position, publication.message.as_text().unwrap_or_default()))
    });
    let hub = Hub::with_backend(backend, config).await.unwrap_or_else(|error| panic!("{error:?}"));
    Node { hub, connection }
}

pub(crate) struct Seat {
    pub(crate) member: Member,
    client: WebSocket,
}

impl Seat {
    pub(crate) async fn new(hub: &Hub) -> Self {
        let (mut socket, client) = pair(Config::server(), Config::client()).await;
        let member = hub.join(socket.sender());
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        Self { member, client }
    }

    /// Joins, and subscribes with a queue that never overflows.
    pub(crate) async fn of(hub: &Hub, topic: &str) -> Self {
        let seat = Self::new(hub).await;
        let _ = seat.subscribe(topic, Subscribe::new()).await;
        seat
    }

    pub(crate) async fn subscribe(&self, topic: &str, options: Subscribe) -> Subscribed {
        let options = options.queue(QueueLimit::new(1_000_000, usize::MAX));
        self.member.subscribe(topic, options).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Returns the next message.
    pub(crate) async fn next(&mut self) -> (Position, String) {
        let message = timeout(LIMIT, self.client.recv()).await.expect("a message in time").expect("no end").unwrap();
        let (position, text) = message.as_text().and_then(|text| text.split_once(' ')).expect("a frame");
        (position.parse().expect("a position"), text.to_owned())
    }

    /// Expects consecutive messages up to a position, without gaps or duplicates.
    pub(crate) async fn expect_up_to(&mut self, mut last: Position, end: Position) {
        while last != end {
            let (position, _) = self.next().await;
            assert_eq!(position, Position::new(last.epoch(), last.offset() + 1), "in order, and each once");
            last = position;
        }
    }

    pub(crate) async fn expect_silence(&mut self) {
        let next = timeout(Duration::from_millis(200), self.client.recv()).await;
        assert!(next.is_err(), "{next:?}");
    }

    /// Returns a notice that arrives within a duration, if any.
    pub(crate) async fn notice(&mut self) -> Option<Notice> {
        timeout(Duration::from_millis(200), self.member.notice()).await.ok()
    }

    pub(crate) async fn expect_gap(&mut self) {
        let notice = timeout(LIMIT, self.member.notice()).await.expect("a notice in time");
        assert!(matches!(notice, Notice::Gap { .. }), "{notice:?}");
    }
}

/// Publishes, and retries until it is confirmed.
pub(crate) async fn publish(hub: &Hub, topic: &str, text: impl ToString) -> Position {
    for _ in 0..300 {
        match hub.publish(topic, text.to_string()).await {
            Ok(position) => return position,
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("publishing fails");
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("{what} takes too long"));
}
