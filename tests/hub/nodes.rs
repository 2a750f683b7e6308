//! A hub as one of several nodes: its subscriptions at the engine, and lost messages.

use std::time::Duration;

use websocket_hub::{Hub, HubConfig, Message, Notice, PublishError, QueueLimit, Recovery, Subscribe, SubscribeError};

use crate::engine::Engine;
use crate::members::{Seat, publish_numbers, settle};

/// Two nodes. The second has a member of a topic, and its connection to the engine fails in the
/// tests.
async fn nodes(kept: usize) -> (Engine, Hub, Hub, Seat) {
    let engine = Engine::new(kept);
    let first = Hub::with_backend(engine.node(), HubConfig::new()).await.unwrap();
    let second = Hub::with_backend(engine.node(), HubConfig::new()).await.unwrap();
    let seat = Seat::new(&second).await;
    let _ = seat.subscribe("t", Subscribe::new()).await;
    publish_numbers(&first, "t", 0..1).await;
    (engine, first, second, seat)
}

async fn notice(seat: &mut Seat) -> Option<Notice> {
    tokio::time::timeout(Duration::from_millis(50), seat.member.notice()).await.ok()
}

fn gap() -> Option<Notice> {
    Some(Notice::Gap { topic: "t".into() })
}

#[tokio::test(start_paused = true)]
async fn topics_are_subscribed_together_once_and_kept_for_a_while() {
    let engine = Engine::new(100);
    let hub = Hub::with_backend(engine.node(), HubConfig::new().linger(Duration::from_secs(5))).await.unwrap();
    let seats = [Seat::new(&hub).await, Seat::new(&hub).await];
    let (first, second, again) = tokio::join!(
        seats[0].subscribe("a", Subscribe::new()),
        seats[0].subscribe("b", Subscribe::new()),
        seats[1].subscribe("a", Subscribe::new()),
    );
    assert_eq!([first, second, again].map(|subscribed| subscribed.recovery), [Recovery::NotRequested; 3]);
    let mut calls = engine.take_calls();
    calls[0].1.sort();
    assert_eq!(calls, [("subscribe", vec!["a".to_owned(), "b".to_owned()])]);
    assert!(seats[0].member.unsubscribe("a") && seats[1].member.unsubscribe("a"));
    tokio::time::sleep(Duration::from_secs(4)).await;
    // Subscribed again before the linger time is over.
    let _ = seats[0].subscribe("a", Subscribe::new()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(engine.take_calls(), []);
    drop(seats);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(engine.take_calls(), []);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut calls = engine.take_calls();
    calls[0].1.sort();
    assert_eq!(calls, [("unsubscribe", vec!["a".to_owned(), "b".to_owned()])]);
}

#[tokio::test(start_paused = true)]
async fn failure_to_subscribe_is_reported_to_all_and_tried_again_by_the_next() {
    let engine = Engine::new(100);
    let hub = Hub::with_backend(engine.node(), HubConfig::new()).await.unwrap();
    let mut seats = [Seat::new(&hub).await, Seat::new(&hub).await];
    engine.set_fails_to_subscribe(true);
    let (first, second) = tokio::join!(
        seats[0].member.subscribe("t", Subscribe::new()),
        seats[1].member.subscribe("t", Subscribe::new()),
    );
    for failed in [first, second] {
        assert!(matches!(failed, Err(SubscribeError::Backend(_))));
    }
    assert_eq!(hub.members("t"), 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(engine.take_calls().len(), 1, "the task does not try again");
    engine.set_fails_to_subscribe(false);
    let _ = seats[0].subscribe("t", Subscribe::new()).await;
    publish_numbers(&hub, "t", 0..1).await;
    seats[0].expect(&["0"]).await;
}

#[tokio::test(start_paused = true)]
async fn hole_in_live_traffic_is_filled_from_the_history() {
    let (engine, first, _second, mut seat) = nodes(100).await;
    engine.lose(1, 3);
    publish_numbers(&first, "t", 1..6).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    seat.expect(&["0", "1", "2", "3", "4", "5"]).await;
    assert_eq!(notice(&mut seat).await, None);
}

#[tokio::test(start_paused = true)]
async fn hole_that_cannot_be_filled_is_a_gap() {
    let (engine, first, second, mut seat) = nodes(2).await;
    engine.lose(1, 3);
    publish_numbers(&first, "t", 1..6).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    seat.expect(&["0", "4", "5"]).await;
    assert_eq!(notice(&mut seat).await, gap());
    assert_eq!(second.stats().gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn lost_tail_is_found_by_a_check() {
    let (engine, first, second, mut seat) = nodes(3).await;
    engine.check(1, "t");
    engine.lose(1, 2);
    publish_numbers(&first, "t", 1..3).await;
    seat.expect(&["0"]).await;
    for _ in 0..2 {
        engine.check(1, "t");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    seat.expect(&["1", "2"]).await;
    assert_eq!((notice(&mut seat).await, second.stats().gaps), (None, 0));
    // More than is kept.
    engine.lose(1, 4);
    publish_numbers(&first, "t", 3..7).await;
    engine.check(1, "t");
    assert_eq!(notice(&mut seat).await, gap());
    engine.check(1, "t");
    assert_eq!(notice(&mut seat).await, None);
    publish_numbers(&first, "t", 7..8).await;
    seat.expect(&["7"]).await;
    assert_eq!(second.stats().gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn lag_is_the_time_since_the_connection_was_lost() {
    let (engine, first, second, _seat) = nodes(100).await;
    assert_eq!(second.stats().backend_lag, Duration::ZERO);
    engine.cut(1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Noticed twice.
    engine.cut(1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lag = second.stats().backend_lag;
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&lag), "{lag:?}");
    assert_eq!(first.stats().backend_lag, Duration::ZERO);
    engine.restore(1);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(second.stats().backend_lag, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn repeated_message_is_ignored() {
    let (engine, first, _second, mut seat) = nodes(100).await;
    engine.repeat(1, "t");
    publish_numbers(&first, "t", 1..2).await;
    engine.repeat(1, "t");
    seat.expect(&["0", "1"]).await;
}

#[tokio::test(start_paused = true)]
async fn connection_that_returns_brings_what_was_missed() {
    let (engine, first, second, mut seat) = nodes(100).await;
    engine.cut(1);
    assert!(matches!(second.publish("t", "x").await, Err(PublishError::Backend(_))));
    publish_numbers(&first, "t", 1..4).await;
    seat.expect(&["0"]).await;
    engine.restore(1);
    publish_numbers(&first, "t", 4..6).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    seat.expect(&["1", "2", "3", "4", "5"]).await;
    assert_eq!(notice(&mut seat).await, None);
}

#[tokio::test(start_paused = true)]
async fn connection_that_returns_too_late_is_a_gap() {
    let (engine, first, _second, mut seat) = nodes(2).await;
    engine.cut(1);
    publish_numbers(&first, "t", 1..6).await;
    engine.restore(1);
    assert_eq!(notice(&mut seat).await, gap());
    publish_numbers(&first, "t", 6..7).await;
    seat.expect(&["0", "6"]).await;
    assert_eq!(notice(&mut seat).await, None);
}

#[tokio::test(start_paused = true)]
async fn engine_that_forgets_everything_begins_a_new_epoch() {
    let (engine, first, second, mut seat) = nodes(100).await;
    let before = first.publish("t", "1").await.unwrap();
    engine.flush();
    let after = first.publish("t", "2").await.unwrap();
    assert_ne!(before.epoch(), after.epoch());
    seat.expect(&["0", "1", "2"]).await;
    assert_eq!(notice(&mut seat).await, gap());
    let back = Seat::new(&second).await;
    assert_eq!(back.subscribe("t", Subscribe::new().since(before)).await.recovery, Recovery::Lost);
}

#[tokio::test(start_paused = true)]
async fn resumption_is_exact_while_the_engine_is_slow() {
    let (engine, first, second, _seat) = nodes(10_000).await;
    let config = HubConfig::new().frame(|publication| Message::clone(publication.message));
    let third = Hub::with_backend(engine.node(), config).await.unwrap();
    let begin = first.publish("t", "begin").await.unwrap();
    engine.set_latency(Duration::from_millis(20));
    let publisher = tokio::spawn(async move {
        for number in 0..100 {
            first.publish("t", number.to_string()).await.unwrap();
        }
    });
    for hub in [&second, &third] {
        for delay in [0, 15, 33, 170] {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            let mut seat = Seat::new(hub).await;
            let _ = seat.subscribe("t", Subscribe::new().since(begin)).await;
            for number in 0..50 {
                seat.peer.expect_text(&number.to_string()).await;
            }
        }
    }
    publisher.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn more_than_a_queue_while_the_history_is_read_is_read_again() {
    let (engine, first, second, _seat) = nodes(10_000).await;
    let begin = first.publish("t", "begin").await.unwrap();
    engine.set_latency(Duration::from_millis(100));
    let (mut seat, options) = (Seat::new(&second).await, Subscribe::new().since(begin).queue(QueueLimit::new(5, 100)));
    // All at once, during the first read.
    let publishing = async {
        let all = (0..50).map(|number| {
            let first = &first;
            async move { first.publish("t", number.to_string()).await.unwrap() }
        });
        futures_util::future::join_all(all).await
    };
    let (subscribed, _) = tokio::join!(seat.subscribe("t", options), publishing);
    assert_eq!(subscribed.recovery, Recovery::Recovered(50));
    for number in 0..50 {
        seat.peer.expect_text(&number.to_string()).await;
    }
    seat.peer.expect_nothing(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn backend_ends_with_its_hub() {
    let engine = Engine::new(10);
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let hub = Hub::with_backend(engine.node(), HubConfig::new().shards(1)).await.unwrap();
    // The tasks of the shard, of the subscriptions, and of the backend.
    assert_eq!(metrics.num_alive_tasks(), before + 3);
    hub.send_to_user("nobody", "x").await.unwrap();
    drop(hub);
    engine.cut(0);
    engine.restore(0);
    settle().await;
    assert_eq!(metrics.num_alive_tasks(), before);
}
