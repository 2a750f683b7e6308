//! The lag of a backend, for the tests of all backends.

use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tower_websocket::Config;
use tower_websocket::test::pair;
use websocket_hub::backend::Backend;
use websocket_hub::{Hub, HubConfig, Message, Subscribe};

/// Asserts that the lag of a slow node is the time for which messages wait in the inbox of its
/// backend. The messages are published by another node.
pub(crate) async fn assert_lag_is_the_time_in_the_inbox(near: &Hub, far: impl Backend) {
    let config = HubConfig::new().shards(1).inbox(1).frame(|publication| {
        thread::sleep(Duration::from_millis(5));
        Message::clone(publication.message)
    });
    let far = Hub::with_backend(far, config).await.expect("a node");
    let (mut socket, mut client) = pair(Config::server(), Config::client()).await;
    let member = far.join(socket.sender());
    tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
    let _ = member.subscribe("t", Subscribe::new()).await.expect("a subscription");
    assert_eq!(far.stats().backend_lag, Duration::ZERO);
    let publishing = (0..100).map(|number| near.publish("t", number.to_string()));
    let received = async {
        let mut longest = Duration::ZERO;
        for _ in 0..100 {
            client.recv().await.expect("a message").expect("a message");
            longest = longest.max(far.stats().backend_lag);
        }
        longest
    };
    let both = async { tokio::join!(join_all(publishing), received) };
    let (_, longest) = timeout(Duration::from_secs(30), both).await.expect("all messages in time");
    assert!(longest > Duration::from_millis(20), "{longest:?}");
    let is_zero = async {
        while far.stats().backend_lag > Duration::ZERO {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(30), is_zero).await.expect("no message waits");
}
