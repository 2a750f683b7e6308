//! Overflow policies for a member that does not read.

use futures_util::FutureExt;
use tower_websocket::{CloseCode, Config};
use websocket_hub::{Hub, HubConfig, Notice, Overflow, QueueLimit, Subscribe, SubscribeError};

use crate::members::{Seat, publish_numbers, settle};

/// A member that has not read the ten messages of a topic, one of which is in its output.
async fn stalled(hub: &Hub, overflow: Overflow, limit: QueueLimit) -> Seat {
    let mut seat = Seat::narrow(hub).await;
    let _ = seat.subscribe("t", Subscribe::new().overflow(overflow).queue(limit)).await;
    seat.peer.stall();
    publish_numbers(hub, "t", 0..10).await;
    seat
}

fn notice(seat: &mut Seat) -> Option<Notice> {
    seat.member.notice().now_or_never()
}

fn lagged(topic: &str, missed: u64) -> Option<Notice> {
    Some(Notice::Lagged { topic: topic.into(), missed })
}

#[tokio::test(start_paused = true)]
async fn close_ends_the_connection_at_the_first_message_over_the_limit() {
    let hub = Hub::new(HubConfig::new());
    let close = Overflow::Close(CloseCode::POLICY_VIOLATION);
    let mut seat = Seat::narrow(&hub).await;
    let _ = seat.subscribe("t", Subscribe::new().overflow(close).queue(QueueLimit::new(3, 1000))).await;
    seat.peer.stall();
    publish_numbers(&hub, "t", 0..4).await;
    let stats = hub.stats();
    assert_eq!((stats.queued_messages, stats.queued_bytes, stats.closed_slow), (3, 3, 0));
    publish_numbers(&hub, "t", 4..6).await;
    let stats = hub.stats();
    assert_eq!((stats.queued_messages, stats.queued_bytes, stats.closed_slow), (0, 0, 1));
    assert_eq!((hub.members("t"), stats.topics, stats.members), (0, 0, 1));
    let subscribed = seat.member.subscribe("u", Subscribe::new()).await;
    assert!(matches!(subscribed, Err(SubscribeError::Closed)));
    seat.peer.resume();
    seat.peer.expect_text("0").await;
    assert_eq!(seat.peer.expect_close(1008).await, "too slow to receive messages");
    seat.peer.send_close(1008, "");
    seat.peer.expect_eof().await;
    seat.handler.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_keeps_the_last_messages() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = stalled(&hub, Overflow::DropOldest, QueueLimit::new(3, 1000)).await;
    assert_eq!(hub.stats().dropped_oldest, 6);
    assert_eq!(notice(&mut seat), lagged("t", 6));
    assert_eq!(notice(&mut seat), None);
    seat.peer.resume();
    seat.expect(&["0", "7", "8", "9"]).await;
}

#[tokio::test(start_paused = true)]
async fn drop_newest_keeps_the_first_messages() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = stalled(&hub, Overflow::DropNewest, QueueLimit::new(3, 1000)).await;
    assert_eq!(hub.stats().dropped_newest, 6);
    assert_eq!(notice(&mut seat), lagged("t", 6));
    seat.peer.resume();
    seat.expect(&["0", "1", "2", "3"]).await;
}

#[tokio::test(start_paused = true)]
async fn latest_only_keeps_the_last_message_and_reports_nothing() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = stalled(&hub, Overflow::LatestOnly, QueueLimit::new(3, 1000)).await;
    let stats = hub.stats();
    assert_eq!((stats.replaced, stats.dropped_newest, stats.queued_messages), (8, 0, 1));
    assert_eq!(notice(&mut seat), None);
    seat.peer.resume();
    seat.expect(&["0", "9"]).await;
}

#[tokio::test(start_paused = true)]
async fn limit_in_bytes_holds_and_larger_messages_never_wait() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = Seat::narrow(&hub).await;
    let options = Subscribe::new().overflow(Overflow::DropOldest).queue(QueueLimit::new(100, 10));
    let _ = seat.subscribe("t", options).await;
    seat.peer.stall();
    for text in ["out", "aaaa", "bbbb", "this is too long", "cccc", "ddd"] {
        hub.publish("t", text).await.unwrap();
        settle().await;
    }
    // The first one made room for the third.
    assert_eq!(notice(&mut seat), lagged("t", 3));
    let stats = hub.stats();
    assert_eq!((stats.dropped_oldest, stats.dropped_newest, stats.queued_bytes), (2, 1, 7));
    seat.peer.resume();
    seat.expect(&["out", "cccc", "ddd"]).await;
}

#[tokio::test(start_paused = true)]
async fn topics_have_their_own_limits_and_share_that_of_the_member() {
    let hub = Hub::new(HubConfig::new().member_queue(QueueLimit::new(5, 1000)));
    let mut seat = Seat::narrow(&hub).await;
    let options = || Subscribe::new().queue(QueueLimit::new(3, 1000));
    let _ = seat.subscribe("old", options().overflow(Overflow::DropOldest)).await;
    let _ = seat.subscribe("new", options().overflow(Overflow::DropNewest)).await;
    seat.peer.stall();
    publish_numbers(&hub, "old", 0..6).await;
    publish_numbers(&hub, "new", 10..15).await;
    publish_numbers(&hub, "old", 20..21).await;
    assert_eq!(notice(&mut seat), lagged("old", 3));
    assert_eq!(notice(&mut seat), lagged("new", 3));
    seat.peer.resume();
    seat.expect(&["0", "4", "5", "10", "11", "20"]).await;
}

#[tokio::test(start_paused = true)]
async fn member_that_has_caught_up_is_written_to_directly() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = stalled(&hub, Overflow::DropOldest, QueueLimit::new(3, 1000)).await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    seat.peer.resume();
    seat.expect(&["0", "7", "8", "9"]).await;
    // The task that drained the queue has ended.
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks - 1);
    publish_numbers(&hub, "t", 20..22).await;
    seat.expect(&["20", "21"]).await;
    assert_eq!(hub.stats().delivered, 6);
}

#[tokio::test(start_paused = true)]
async fn messages_to_a_user_close_a_connection_that_is_too_slow() {
    let hub = Hub::new(HubConfig::new().direct_queue(QueueLimit::new(2, 1000)));
    let (sender, mut peer, _handler) = crate::members::open(Config::server().max_output(1)).await;
    let _member = hub.join_as(sender, "ann").unwrap();
    peer.stall();
    for number in 0..4 {
        hub.send_to_user("ann", number.to_string()).await.unwrap();
        settle().await;
    }
    assert_eq!(hub.stats().closed_slow, 1);
    peer.resume();
    peer.expect_text("0").await;
    peer.expect_close(1013).await;
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_drops_what_waits_of_the_topic() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = stalled(&hub, Overflow::DropOldest, QueueLimit::new(3, 1000)).await;
    let _ = seat.subscribe("u", Subscribe::new()).await;
    publish_numbers(&hub, "u", 20..21).await;
    assert!(seat.member.unsubscribe("t"));
    assert!(!seat.member.unsubscribe("t"));
    assert_eq!(hub.stats().queued_messages, 1);
    assert_eq!(notice(&mut seat), None);
    seat.peer.resume();
    seat.expect(&["0", "20"]).await;
}

#[tokio::test(start_paused = true)]
async fn burst_is_counted_message_by_message() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = Seat::narrow(&hub).await;
    let options = Subscribe::new().overflow(Overflow::DropOldest).queue(QueueLimit::new(3, 1000));
    let _ = seat.subscribe("t", options).await;
    seat.peer.stall();
    for number in 0..10 {
        hub.publish("t", number.to_string()).await.unwrap();
    }
    settle().await;
    assert_eq!(notice(&mut seat), lagged("t", 6));
    seat.peer.resume();
    seat.expect(&["0", "7", "8", "9"]).await;
}

#[tokio::test(start_paused = true)]
async fn new_message_does_not_overtake_those_that_wait() {
    // A message for all members, and one that excludes another member.
    for excludes in [false, true] {
        let hub = Hub::new(HubConfig::new());
        let (mut seat, other) = (Seat::narrow(&hub).await, Seat::new(&hub).await);
        let _ = seat.subscribe("t", Subscribe::new()).await;
        seat.peer.stall();
        publish_numbers(&hub, "t", 0..3).await;
        // The output is written and has room before the queue is drained.
        seat.peer.resume();
        if excludes {
            other.member.publish("t", "3").await.unwrap();
        } else {
            hub.publish("t", "3").await.unwrap();
        }
        seat.expect(&["0", "1", "2", "3"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn member_that_leaves_while_it_is_stalled_leaves_no_task() {
    let hub = Hub::new(HubConfig::new());
    let metrics = tokio::runtime::Handle::current().metrics();
    let mut seat = Seat::narrow(&hub).await;
    let _ = seat.subscribe("t", Subscribe::new()).await;
    let before = metrics.num_alive_tasks();
    seat.peer.stall();
    publish_numbers(&hub, "t", 0..5).await;
    assert_eq!((metrics.num_alive_tasks(), hub.stats().queued_messages), (before + 1, 4));
    drop(seat.member);
    settle().await;
    assert_eq!((metrics.num_alive_tasks(), hub.stats().queued_messages), (before, 0));
}

#[tokio::test(start_paused = true)]
async fn burst_of_two_topics_follows_the_policy_of_each() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = Seat::narrow(&hub).await;
    let options = |overflow| Subscribe::new().overflow(overflow).queue(QueueLimit::new(2, 1000));
    let _ = seat.subscribe("old", options(Overflow::DropOldest)).await;
    let _ = seat.subscribe("new", options(Overflow::DropNewest)).await;
    seat.peer.stall();
    // The first burst creates the queue, and the second finds it.
    for burst in [0..8, 8..10] {
        for number in burst {
            hub.publish(["old", "new"][number % 2], number.to_string()).await.unwrap();
        }
        settle().await;
    }
    let notices = [notice(&mut seat), notice(&mut seat), notice(&mut seat)];
    assert_eq!(notices, [lagged("new", 3), lagged("old", 2), None]);
    seat.peer.resume();
    seat.expect(&["0", "1", "3", "6", "8"]).await;
}

#[tokio::test(start_paused = true)]
async fn excluded_member_with_a_queue_gets_the_messages_of_others() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = Seat::narrow(&hub).await;
    let _ = seat.subscribe("t", Subscribe::new()).await;
    seat.peer.stall();
    for number in 0..6 {
        match number % 3 {
            0 => seat.member.publish("t", number.to_string()).await.unwrap(),
            _ => hub.publish("t", number.to_string()).await.unwrap(),
        };
        if number == 2 {
            settle().await;
        }
    }
    settle().await;
    seat.peer.resume();
    seat.expect(&["1", "2", "4", "5"]).await;
}
