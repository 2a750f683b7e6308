//! Only members that may have lost messages are notified.

use std::time::Duration;

use redis::Value;
use tokio::time::sleep;
use websocket_hub::{CloseCode, Hub, Notice, Position, Recovery, Subscribe};
use websocket_hub_redis::{RedisBackend, RedisBackendError, Streams};

use crate::nodes::{Seat, node, publish, until};
use crate::server::Redis;

/// Kills the connection of the node that is subscribed to this number of topics.
async fn kill_subscriber_of(redis: &Redis, topics: usize) {
    let list: String = redis::from_redis_value(redis.command("CLIENT LIST TYPE pubsub").await).unwrap();
    // Plus two channels of the node itself.
    let line = list.lines().find(|line| line.contains(&format!(" sub={} ", topics + 2))).expect("a subscriber");
    let id = line.split(' ').find_map(|field| field.strip_prefix("id=")).expect("an id");
    redis.command(&format!("CLIENT KILL ID {id}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pub_sub_notifies_all_members_of_the_node_that_was_disconnected() {
    let Some(redis) = Redis::start().await else { return };
    let (first, second) = (node(redis.pub_sub()).await, node(redis.pub_sub()).await);
    let mut other = Seat::of(&first, "t").await;
    let mut seats = [Seat::of(&second, "t").await, Seat::of(&second, "t").await, Seat::of(&second, "u").await];
    kill_subscriber_of(&redis, 2).await;
    for seat in &mut seats {
        seat.expect_gap().await;
        assert_eq!(seat.notice().await, None, "once");
    }
    assert_eq!((other.notice().await, first.stats().gaps, second.stats().gaps), (None, 0, 2));
    let mut late = Seat::of(&second, "t").await;
    assert_eq!(late.notice().await, None);
    publish(&first, "t", "after").await;
    for seat in seats[..2].iter_mut().chain([&mut other, &mut late]) {
        assert_eq!(seat.next().await, (Position::UNKNOWN, "after".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_notify_members_of_topics_that_were_trimmed() {
    let Some(redis) = Redis::start().await else { return };
    let (first, second) =
        (node(redis.with_streams(Streams::new(10))).await, node(redis.with_streams(Streams::new(10))).await);
    let mut seats =
        [Seat::of(&second, "busy").await, Seat::of(&second, "quiet").await, Seat::of(&second, "idle").await];
    let before = publish(&first, "quiet", "before").await;
    // While Redis is paused, the second node cannot subscribe again: only its new connection waits.
    let mut other = Seat::of(&first, "busy").await;
    kill_subscriber_of(&redis, 3).await;
    // More than one internal node of the stream, before the second hub is back.
    let mut burst = redis::pipe();
    let payload = websocket_hub::backend::Publication::new("x").to_bytes();
    for offset in 1..=500 {
        burst.cmd("HINCRBY").arg("test:m:busy").arg("offset").arg(1).ignore();
        burst.cmd("XADD").arg("test:s:busy").arg("MAXLEN").arg("~").arg(10).arg(format!("{offset}-0")).arg("p");
        burst.arg(&payload[..]).ignore();
    }
    burst.atomic().exec_async(&mut redis.connection().await).await.unwrap();
    seats[0].expect_gap().await;
    publish(&first, "quiet", "after").await;
    seats[1].expect_up_to(Position::new(before.epoch(), 0), Position::new(before.epoch(), 2)).await;
    assert_eq!((seats[1].notice().await, seats[2].notice().await), (None, None));
    assert_eq!(second.stats().gaps, 1);
    // That node detects the gap with the next message.
    assert_eq!(other.notice().await, None);
    let position = publish(&first, "busy", "next").await;
    other.expect_gap().await;
    assert_eq!(other.next().await.0, position);
    assert_eq!(seats[0].next().await.0, position);
    assert_eq!(seats[0].notice().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushed_server_is_a_gap_and_a_loss() {
    let Some(redis) = Redis::start().await else { return };
    let config = || redis.config().streams(Streams::new(100)).check_interval(Duration::from_millis(400));
    let hub = node(RedisBackend::new(config()).unwrap()).await;
    let (mut seat, mut idle) = (Seat::of(&hub, "t").await, Seat::of(&hub, "idle").await);
    let before = publish(&hub, "t", "before").await;
    seat.next().await;
    redis.command("FLUSHALL").await;
    let after = publish(&hub, "t", "after").await;
    assert_ne!(before.epoch(), after.epoch());
    assert_eq!(seat.next().await.0, after);
    seat.expect_gap().await;
    // Detected by the periodic check.
    idle.expect_gap().await;
    assert_eq!((seat.notice().await, idle.notice().await), (None, None));
    let back = Seat::new(&hub).await;
    let subscribed = back.subscribe("t", Subscribe::new().since(before)).await;
    assert_eq!((subscribed.position, subscribed.recovery), (after, Recovery::Lost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_without_persistence_that_restarts_is_a_gap_and_a_loss() {
    let Some(mut redis) = Redis::start().await else { return };
    let hub = node(redis.streams()).await;
    let (mut seat, mut idle) = (Seat::of(&hub, "t").await, Seat::of(&hub, "idle").await);
    let before = publish(&hub, "t", "before").await;
    seat.next().await;
    redis.kill();
    hub.until_lost(1).await;
    assert!(hub.publish("t", "x").await.is_err());
    redis.restart().await;
    for seat in [&mut seat, &mut idle] {
        seat.expect_gap().await;
    }
    let after = publish(&hub, "t", "after").await;
    assert_eq!(seat.next().await.0, after);
    assert_eq!((seat.notice().await, idle.notice().await), (None, None));
    let back = Seat::new(&hub).await;
    assert_eq!(back.subscribe("t", Subscribe::new().since(before)).await.recovery, Recovery::Lost);
}

/// The same offsets would refer to other messages than those that clients have seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_restarts_with_an_older_state_begins_a_new_epoch() {
    let Some(mut redis) = Redis::start().await else { return };
    let hub = node(redis.streams()).await;
    publish(&hub, "t", "saved").await;
    redis.command("SAVE").await;
    let lost = publish(&hub, "t", "lost").await;
    redis.kill();
    hub.until_lost(1).await;
    redis.restart().await;
    assert_eq!(redis.command("HGET test:m:t offset").await, Value::BulkString(b"1".into()), "an older state");
    let other = publish(&hub, "t", "other").await;
    publish(&hub, "t", "more").await;
    assert_ne!(other.epoch(), lost.epoch());
    let back = Seat::new(&hub).await;
    assert_eq!(back.subscribe("t", Subscribe::new().since(lost)).await.recovery, Recovery::Lost);
}

/// Redis evicts keys individually, so any part of a topic may remain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evicted_keys_are_a_loss_and_never_a_wrong_answer() {
    let Some(redis) = Redis::start().await else { return };
    let hub = node(redis.streams()).await;
    for (key, is_new_epoch) in [("m", true), ("s", false)] {
        let first = publish(&hub, key, "1").await;
        publish(&hub, key, "2").await;
        redis.command(&format!("DEL test:{key}:{key}")).await;
        let third = publish(&hub, key, "3").await;
        assert_eq!(third.epoch() != first.epoch(), is_new_epoch);
        let mut seat = Seat::new(&hub).await;
        let subscribed = seat.subscribe(key, Subscribe::new().since(first).recent(5)).await;
        assert_eq!((subscribed.position, subscribed.recovery), (third, Recovery::Lost));
        assert_eq!(seat.next().await, (third, "3".to_owned()));
        seat.expect_silence().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_of_something_else_is_a_gap() {
    let Some(redis) = Redis::start().await else { return };
    for backend in [redis.pub_sub(), redis.streams()] {
        let hub = node(backend).await;
        let (mut seat, mut other) = (Seat::of(&hub, "t").await, Seat::of(&hub, "u").await);
        for garbage in ["", " ", "1-1", "zz-1 \u{1}x", "\u{4}"] {
            redis.words(&["PUBLISH", "test:t:t", garbage]).await;
            seat.expect_gap().await;
        }
        redis.words(&["PUBLISH", "test:control", "\u{9}"]).await;
        publish(&hub, "t", "good").await;
        assert_eq!(seat.next().await.1, "good");
        assert_eq!(other.notice().await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribing_waits_for_a_connection_and_not_for_ever() {
    let Some(mut redis) = Redis::start().await else { return };
    let hub = node(redis.streams()).await;
    redis.kill();
    hub.until_lost(1).await;
    let seat = Seat::new(&hub).await;
    assert!(seat.member.subscribe("t", Subscribe::new()).await.is_err());
    let (subscribed, ()) = tokio::join!(seat.subscribe("t", Subscribe::new()), redis.restart());
    assert_eq!(subscribed.recovery, Recovery::NotRequested);
    let mut seat = seat;
    let position = publish(&hub, "t", "1").await;
    assert_eq!(seat.next().await.0, position);
}

/// The connection is known to be closed, so that nothing is lost by using it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_after_a_restart_succeeds_at_once() {
    let Some(mut redis) = Redis::start().await else { return };
    let hub = node(redis.pub_sub()).await;
    let mut seat = Seat::of(&hub, "t").await;
    redis.kill();
    hub.until_lost(1).await;
    redis.restart().await;
    hub.until_back(1).await;
    hub.publish("t", "after").await.unwrap();
    assert_eq!(seat.next().await.1, "after");
    seat.expect_gap().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hub_without_a_server_is_not_made() {
    let Some(mut redis) = Redis::start().await else { return };
    redis.kill();
    let error = Hub::with_backend(redis.streams(), websocket_hub::HubConfig::new()).await.unwrap_err();
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(RedisBackendError::Connect(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_counts_the_members_of_all_nodes() {
    let Some(redis) = Redis::start().await else { return };
    let hubs = [node(redis.streams()).await, node(redis.streams()).await, node(redis.streams()).await];
    let _seats = [Seat::of(&hubs[0], "t").await, Seat::of(&hubs[0], "t").await, Seat::of(&hubs[1], "t").await];
    for hub in &hubs {
        let presence = hub.presence("t").await.unwrap();
        assert_eq!((presence.members, presence.nodes), (3, 2));
        assert!(presence.age < Duration::from_secs(1));
        assert_eq!(hub.presence("nobody").await.unwrap().members, 0);
    }
    // A subscriber that does not respond, like a stopped node.
    let mut silent = redis::Client::open(redis.url()).unwrap().get_async_pubsub().await.unwrap();
    silent.subscribe("test:control").await.unwrap();
    let error = hubs[0].presence("t").await.unwrap_err();
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(RedisBackendError::SilentNodes { answered: 3, nodes: 4 })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_reach_nodes_that_were_disconnected_before() {
    let Some(redis) = Redis::start().await else { return };
    let hubs = [node(redis.streams()).await, node(redis.streams()).await];
    let (mut socket, mut client) =
        tower_websocket::test::pair(tower_websocket::Config::server(), tower_websocket::Config::client()).await;
    let _member = hubs[1].join_as(socket.sender(), "ann").unwrap();
    tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
    redis.kill_subscribers().await;
    for hub in &hubs {
        hub.until_back(1).await;
    }
    hubs[0].send_to_user("ann", "hello").await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    hubs[0].disconnect_user("ann", CloseCode::POLICY_VIOLATION, "bye").await.unwrap();
    assert!(client.recv().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_end_with_the_hub() {
    let Some(redis) = Redis::start().await else { return };
    let clients = async || {
        let list: String = redis::from_redis_value(redis.command("CLIENT LIST").await).unwrap();
        list.lines().count()
    };
    let before = clients().await;
    let hub = node(redis.streams()).await;
    let seat = Seat::of(&hub, "t").await;
    assert_eq!(clients().await, before + 2);
    drop((hub, seat));
    until("closing the connections", async || clients().await == before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_unsubscribed_after_the_last_member() {
    let Some(redis) = Redis::start().await else { return };
    let config = websocket_hub::HubConfig::new().linger(Duration::from_millis(100));
    let hub = Hub::with_backend(redis.pub_sub(), config).await.unwrap();
    let subscribers = async || {
        let reply: (String, usize) = redis::from_redis_value(redis.command("PUBSUB NUMSUB test:t:t").await).unwrap();
        reply.1
    };
    let seat = Seat::of(&hub, "t").await;
    assert_eq!(subscribers().await, 1);
    drop(seat);
    until("unsubscribing", async || subscribers().await == 0).await;
    // It is not subscribed again with the next connection.
    redis.kill_subscribers().await;
    let is_back = async || {
        redis.command("PUBSUB NUMSUB test:control").await
            == Value::Array(vec![Value::BulkString(b"test:control".into()), Value::Int(1)])
    };
    until("connecting again", is_back).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(subscribers().await, 0);
    let mut seat = Seat::new(&hub).await;
    let _ = seat.subscribe("t", Subscribe::new()).await;
    assert_eq!(subscribers().await, 1);
    assert_eq!(seat.notice().await, None::<Notice>);
}
