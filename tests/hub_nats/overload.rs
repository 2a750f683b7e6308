//! Messages that arrive faster than the node, the client library or the connection can handle them.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use websocket_hub::{Hub, HubConfig, Message, QueueLimit};
use websocket_hub_nats::{ConnectOptions, Nats};

use crate::forwarder::Forwarder;
use crate::lag::assert_lag_is_the_time_in_the_inbox;
use crate::members::{Seat, publish_eventually};
use crate::server::{Server, node};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_inbox_is_a_gap_for_its_topic() {
    let Some(server) = Server::start().await else { return };
    let backend = server.backend().inbox(QueueLimit::new(20, 1 << 20));
    let config = HubConfig::new().shards(1).inbox(1).frame(|publication| {
        if publication.topic == "busy" {
            thread::sleep(Duration::from_millis(2));
        }
        Message::clone(publication.message)
    });
    let (near, far) = (server.node().await, Hub::with_backend(backend, config).await.expect("a node"));
    let (mut busy, mut calm) = (Seat::of(&far, "busy").await, Seat::of(&far, "calm").await);
    let mut healthy = Seat::of(&near, "busy").await;
    calm_messages(&near, 0..5).await;
    let publishing = (0..500).map(|number| near.publish("busy", number.to_string()));
    for published in futures_util::future::join_all(publishing).await {
        published.expect("published");
    }
    busy.expect_gap("busy").await;
    calm_messages(&near, 5..10).await;
    calm.expect(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]).await;
    calm.expect_no_notice().await;
    expect_all(&mut healthy, 500).await;
    healthy.expect_no_notice().await;
    near.publish("busy", "end").await.expect("published");
    let mut received = 0;
    while busy.next().await != "end" {
        received += 1;
    }
    assert!(received < 500, "nothing was lost");
}

/// Expects the numbers in any order.
async fn expect_all(seat: &mut Seat, count: usize) {
    let mut numbers = BTreeSet::new();
    for _ in 0..count {
        assert!(numbers.insert(seat.next().await), "a number twice");
    }
    assert_eq!(numbers, (0..count).map(|number| number.to_string()).collect());
}

async fn calm_messages(hub: &Hub, numbers: std::ops::Range<usize>) {
    for number in numbers {
        // The inbox may be full while the node is busy.
        tokio::time::sleep(Duration::from_millis(200)).await;
        hub.publish("calm", number.to_string()).await.expect("published");
    }
}

#[tokio::test]
async fn slow_consumer_is_a_gap_for_all_topics_of_its_node() {
    let Some(server) = Server::start().await else { return };
    let narrow = ConnectOptions::new().subscription_capacity(1);
    let (near, far) = (server.node().await, node(server.backend().options(narrow)).await);
    let (mut one, mut other) = (Seat::of(&far, "t").await, Seat::of(&far, "u").await);
    let mut healthy = Seat::of(&near, "t").await;
    let publishing = (0..1000).map(|number| near.publish("t", number.to_string()));
    for published in futures_util::future::join_all(publishing).await {
        published.expect("published");
    }
    one.expect_gap("t").await;
    other.expect_gap("u").await;
    expect_all(&mut healthy, 1000).await;
    healthy.expect_no_notice().await;
}

#[tokio::test]
async fn connection_that_the_server_drops_for_being_slow_is_a_gap() {
    let Some(server) = Server::start().await else { return };
    let forwarder = Forwarder::to(server.address).await;
    let backend = Nats::new(format!("nats://{}", forwarder.address)).expect("an address");
    let (near, far) = (server.node().await, node(backend).await);
    let (mut slow, mut healthy) = (Seat::of(&far, "t").await, Seat::of(&near, "t").await);
    forwarder.stall();
    // More than the buffers of the server and of the sockets.
    for _ in 0..40 {
        near.publish("t", "x".repeat(1 << 20)).await.expect("published");
        assert_eq!(healthy.next().await.len(), 1 << 20);
    }
    forwarder.restore();
    slow.expect_gap("t").await;
    publish_eventually(&near, "t", "after").await;
    while slow.next().await != "after" {}
    healthy.expect(&["after"]).await;
    healthy.expect_no_notice().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_is_the_time_that_messages_wait_in_the_inbox() {
    let Some(server) = Server::start().await else { return };
    assert_lag_is_the_time_in_the_inbox(&server.node().await, server.backend()).await;
}
