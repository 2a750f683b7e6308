//! Failures of the server or the connection: only members that may have lost messages receive a
//! gap.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use websocket_hub::{Hub, HubConfig, HubObserver, PublishError, Subscribe};
use websocket_hub_nats::{ConnectOptions, Nats, NatsBackendError};

use crate::forwarder::Forwarder;
use crate::members::{LIMIT, Seat, publish_eventually};
use crate::server::{Server, node};

/// A node whose connection can be cut and stalled.
async fn behind(forwarder: &Forwarder) -> Hub {
    node(Nats::new(format!("nats://{}", forwarder.address)).expect("an address")).await
}

#[track_caller]
fn assert_unconfirmed(published: Result<websocket_hub::Position, PublishError>) {
    let Err(PublishError::Backend(error)) = published else { panic!("confirmed: {published:?}") };
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(NatsBackendError::Disconnected | NatsBackendError::TimedOut(_))), "{error:?}");
}

/// Counts the events of the connection.
#[derive(Clone, Default)]
struct Watcher(Arc<[AtomicUsize; 2]>);

impl HubObserver for Watcher {
    fn backend_lost(&self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    fn backend_resynchronised(&self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn observer_sees_lost_connection_and_its_return() {
    let Some(server) = Server::start().await else { return };
    let (forwarder, watcher) = (Forwarder::to(server.address).await, Watcher::default());
    let backend = Nats::new(format!("nats://{}", forwarder.address)).expect("an address");
    let config = HubConfig::new().observer(watcher.clone());
    let hub = Hub::with_backend(backend, config).await.expect("a node");
    for (index, change) in [Forwarder::cut, Forwarder::restore].into_iter().enumerate() {
        assert_eq!(watcher.0[index].load(Ordering::Relaxed), 0);
        change(&forwarder);
        let seen = async {
            while watcher.0[index].load(Ordering::Relaxed) == 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, seen).await.expect("seen in time");
    }
    hub.publish("t", "x").await.expect("published");
}

#[tokio::test]
async fn restarted_server_is_a_gap_for_all_members_once() {
    let Some(mut server) = Server::start().await else { return };
    let timeout = Duration::from_millis(500);
    let (near, far) = (server.node().await, node(server.backend().timeout(timeout)).await);
    let mut seats = [Seat::of(&near, "t").await, Seat::of(&far, "t").await];
    let (mut other, mut idle) = (Seat::of(&far, "u").await, Seat::new(&far).await);
    near.publish("t", "before").await.expect("published");
    for seat in &mut seats {
        seat.expect(&["before"]).await;
    }
    server.kill();
    assert_unconfirmed(far.publish("t", "lost").await);
    sleep(Duration::from_millis(100)).await;
    server.restart().await;
    for seat in &mut seats {
        seat.expect_gap("t").await;
    }
    other.expect_gap("u").await;
    publish_eventually(&far, "t", "after").await;
    for seat in &mut seats {
        // The client may have buffered messages while there was no server.
        while seat.next().await != "after" {}
        seat.expect_no_notice().await;
    }
    idle.expect_no_notice().await;
    assert_eq!(near.stats().gaps, 1);
}

#[tokio::test]
async fn lost_connection_is_a_gap_for_the_members_of_its_node() {
    let Some(server) = Server::start().await else { return };
    let forwarder = Forwarder::to(server.address).await;
    let (near, far) = (server.node().await, behind(&forwarder).await);
    let (mut healthy, mut cut) = (Seat::of(&near, "t").await, Seat::of(&far, "t").await);
    near.publish("t", "1").await.expect("published");
    cut.expect(&["1"]).await;
    forwarder.cut();
    near.publish("t", "2").await.expect("published");
    // The topic is already subscribed, so this returns without a connection; this member misses the
    // next message.
    let mut late = Seat::of(&far, "t").await;
    near.publish("t", "3").await.expect("published");
    forwarder.restore();
    for seat in [&mut cut, &mut late] {
        seat.expect_gap("t").await;
    }
    // Messages published after the gap are not lost.
    near.publish("t", "4").await.expect("published");
    for seat in [&mut cut, &mut late] {
        seat.expect(&["4"]).await;
        seat.expect_no_notice().await;
    }
    healthy.expect(&["1", "2", "3", "4"]).await;
    healthy.expect_no_notice().await;
    assert_eq!((near.stats().gaps, far.stats().gaps), (0, 1));
}

#[tokio::test]
async fn gap_is_reported_once_the_server_has_the_subscriptions_again() {
    let Some(server) = Server::start().await else { return };
    let forwarder = Forwarder::to(server.address).await;
    let (near, far) = (server.node().await, behind(&forwarder).await);
    let mut seat = Seat::of(&far, "t").await;
    forwarder.cut();
    sleep(Duration::from_millis(50)).await;
    // The node reconnects, but the server does not receive its subscriptions.
    forwarder.deafen();
    sleep(Duration::from_millis(500)).await;
    near.publish("t", "lost").await.expect("published");
    seat.expect_no_notice().await;
    forwarder.restore();
    seat.expect_gap("t").await;
    near.publish("t", "after").await.expect("published");
    seat.expect(&["after"]).await;
}

#[tokio::test]
async fn topic_that_is_subscribed_while_there_is_no_connection_misses_nothing_later() {
    let Some(server) = Server::start().await else { return };
    let forwarder = Forwarder::to(server.address).await;
    let (near, far) = (server.node().await, behind(&forwarder).await);
    let mut old = Seat::of(&far, "old").await;
    forwarder.cut();
    let mut seat = Seat::new(&far).await;
    let restoring = async {
        sleep(Duration::from_millis(200)).await;
        forwarder.restore();
    };
    let (subscribed, ()) = tokio::join!(seat.member.subscribe("new", Subscribe::new()), restoring);
    let _ = subscribed.expect("a subscription");
    near.publish("new", "1").await.expect("published");
    seat.expect(&["1"]).await;
    old.expect_gap("old").await;
    seat.expect_no_notice().await;
}

#[tokio::test]
async fn subscription_that_the_server_does_not_confirm_fails_and_can_be_tried_again() {
    let Some(server) = Server::start().await else { return };
    let hub = node(server.backend().timeout(Duration::from_millis(200))).await;
    let mut seat = Seat::new(&hub).await;
    server.pause().await;
    let begin = Instant::now();
    let failed = seat.member.subscribe("t", Subscribe::new()).await;
    assert!(failed.is_err() && begin.elapsed() >= Duration::from_millis(200), "{failed:?}");
    assert_unconfirmed(hub.publish("t", "lost").await);
    assert!(hub.presence("t").await.is_err(), "figures without the server");
    server.resume();
    let subscribing = async {
        while seat.member.subscribe("t", Subscribe::new()).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, subscribing).await.expect("subscribed in time");
    publish_eventually(&hub, "t", "1").await;
    assert_eq!(seat.next().await, "1");
    seat.expect_no_notice().await;
}

#[tokio::test]
async fn paused_server_loses_nothing() {
    let Some(server) = Server::start().await else { return };
    let (near, far) = (node(server.backend().timeout(LIMIT)).await, server.node().await);
    let mut seats = [Seat::of(&near, "t").await, Seat::of(&far, "t").await];
    server.pause().await;
    let resuming = async {
        sleep(Duration::from_millis(500)).await;
        server.resume();
    };
    let (published, ()) = tokio::join!(near.publish("t", "1"), resuming);
    published.expect("published, once the server runs");
    for seat in &mut seats {
        seat.expect(&["1"]).await;
        seat.expect_no_notice().await;
    }
}

#[tokio::test]
async fn server_that_is_paused_for_long_is_a_lost_connection() {
    let Some(server) = Server::start().await else { return };
    let pings = ConnectOptions::new().ping_interval(Duration::from_millis(100));
    let patient = ConnectOptions::new();
    let (near, far) = (node(server.backend().options(pings)).await, node(server.backend().options(patient)).await);
    let (mut seat, mut other) = (Seat::of(&near, "t").await, Seat::of(&far, "t").await);
    server.pause().await;
    sleep(Duration::from_secs(1)).await;
    server.resume();
    seat.expect_gap("t").await;
    publish_eventually(&far, "t", "after").await;
    seat.expect(&["after"]).await;
    other.expect(&["after"]).await;
    other.expect_no_notice().await;
}

#[tokio::test]
async fn publishing_is_confirmed_only_if_the_server_has_the_message() {
    let Some(mut server) = Server::start().await else { return };
    let hub = node(server.backend().timeout(LIMIT)).await;
    // Data that the server has read is lost with the server, and data that it has not read is lost
    // with the connection.
    server.pause().await;
    let killing = async {
        sleep(Duration::from_millis(200)).await;
        server.kill();
        server.restart().await;
    };
    let (published, ()) = tokio::join!(hub.publish("t", "x"), killing);
    assert_unconfirmed(published);
    publish_eventually(&hub, "t", "y").await;
}

#[tokio::test]
async fn dropped_calls_leave_nothing_behind() {
    let Some(server) = Server::start().await else { return };
    let hub = server.node().await;
    let mut seat = Seat::new(&hub).await;
    server.pause().await;
    for number in 0..50 {
        let brief = Duration::from_millis(number % 5);
        assert!(timeout(brief, seat.member.subscribe("t", Subscribe::new())).await.is_err());
        assert!(timeout(brief, hub.publish("t", "maybe")).await.is_err());
        assert!(timeout(brief, hub.presence("t")).await.is_err());
    }
    server.resume();
    publish_eventually(&hub, "t", "nobody").await;
    seat.subscribe("t").await;
    hub.publish("t", "1").await.expect("published");
    seat.expect(&["1"]).await;
    let presence = hub.presence("t").await.expect("figures");
    assert_eq!((presence.members, presence.nodes), (1, 1));
}
