//! History and positions: the messages for a member that returns.

use std::time::Duration;

use tower_websocket::{Budget, Message};
use websocket_hub::{HistoryLimit, Hub, HubConfig, Position, Recovery, Subscribe};

use crate::members::{Seat, publish_numbers, settle};

fn config(messages: usize) -> HubConfig {
    HubConfig::new().history(HistoryLimit::new(messages).age(Duration::from_secs(60)))
}

async fn published(hub: &Hub, topic: &str, numbers: std::ops::Range<usize>) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in numbers {
        positions.push(hub.publish(topic, number.to_string()).await.unwrap());
    }
    settle().await;
    positions
}

fn since(position: Position) -> Subscribe {
    Subscribe::new().since(position)
}

#[tokio::test(start_paused = true)]
async fn member_that_returns_gets_what_it_missed() {
    let hub = Hub::new(config(10));
    let positions = published(&hub, "t", 0..5).await;
    let mut seat = Seat::new(&hub).await;
    let subscribed = seat.subscribe("t", since(positions[2])).await;
    assert_eq!((subscribed.recovery, subscribed.position), (Recovery::Recovered(2), positions[4]));
    publish_numbers(&hub, "t", 5..6).await;
    seat.expect(&["3", "4", "5"]).await;
}

#[tokio::test(start_paused = true)]
async fn member_that_missed_nothing_is_told_so() {
    let hub = Hub::new(config(10));
    let mut seat = Seat::new(&hub).await;
    let first = seat.subscribe("t", Subscribe::new()).await;
    assert_eq!(first.recovery, Recovery::NotRequested);
    drop(seat);
    // Other topics have no influence.
    publish_numbers(&hub, "other", 0..3).await;
    seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", since(first.position)).await.recovery, Recovery::NothingMissed);
    seat.expect(&[]).await;
}

/// They are in the history already, and the hub's task has not had its turn yet.
#[tokio::test(start_paused = true)]
async fn messages_on_their_way_are_not_sent_twice() {
    let hub = Hub::new(config(10).shards(1));
    let mut other = Seat::new(&hub).await;
    let _ = other.subscribe("t", Subscribe::new()).await;
    let begin = hub.publish("t", "0").await.unwrap();
    settle().await;
    let mut returns = Seat::new(&hub).await;
    let mut is_new = Seat::new(&hub).await;
    hub.publish("t", "1").await.unwrap();
    hub.publish("t", "2").await.unwrap();
    assert_eq!(returns.subscribe("t", since(begin)).await.recovery, Recovery::Recovered(2));
    let _ = is_new.subscribe("t", Subscribe::new().recent(1)).await;
    hub.publish_local("t", "local").await.unwrap();
    hub.publish("t", "3").await.unwrap();
    settle().await;
    hub.publish("t", "4").await.unwrap();
    other.expect(&["0", "1", "2", "local", "3", "4"]).await;
    returns.expect(&["1", "2", "local", "3", "4"]).await;
    is_new.expect(&["2", "local", "3", "4"]).await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_trimmed_are_lost() {
    let hub = Hub::new(config(3));
    let positions = published(&hub, "t", 0..5).await;
    for (index, recovery) in [(0, Recovery::Lost), (1, Recovery::Recovered(3)), (4, Recovery::NothingMissed)] {
        let mut seat = Seat::new(&hub).await;
        assert_eq!(seat.subscribe("t", since(positions[index])).await.recovery, recovery);
        seat.expect(if index == 1 { &["2", "3", "4"] } else { &[] }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded_in_bytes() {
    // Each message has 1 byte and an overhead of 128.
    let hub = Hub::new(HubConfig::new().history(HistoryLimit::new(100).bytes(2 * 129)));
    let positions = published(&hub, "t", 0..4).await;
    let seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", since(positions[0])).await.recovery, Recovery::Lost);
    assert!(seat.member.unsubscribe("t"));
    assert_eq!(seat.subscribe("t", since(positions[1])).await.recovery, Recovery::Recovered(2));
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded_in_age_and_a_forgotten_topic_is_lost() {
    let budget = Budget::new(1 << 20);
    let hub = Hub::new(config(10).budget(&budget));
    let before = published(&hub, "t", 0..2).await;
    assert!(budget.used() > 0);
    tokio::time::sleep(Duration::from_secs(50)).await;
    let after = published(&hub, "t", 2..3).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", since(before[0])).await.recovery, Recovery::Lost);
    assert!(seat.member.unsubscribe("t"));
    assert_eq!(seat.subscribe("t", since(before[1])).await.recovery, Recovery::Recovered(1));
    // With a member, the topic is kept without its messages.
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(budget.used(), 0);
    let second = Seat::new(&hub).await;
    assert_eq!(second.subscribe("t", since(after[0])).await.recovery, Recovery::NothingMissed);
    // Without a member, it is kept for a while.
    drop((seat, second));
    tokio::time::sleep(Duration::from_secs(30)).await;
    let seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", since(after[0])).await.recovery, Recovery::NothingMissed);
    drop(seat);
    tokio::time::sleep(Duration::from_secs(200)).await;
    for topic in 0..100 {
        published(&hub, &format!("other {topic}"), 0..1).await;
    }
    let seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", since(after[0])).await.recovery, Recovery::Lost);
}

#[tokio::test(start_paused = true)]
async fn positions_of_another_epoch_and_of_the_future_are_lost() {
    let (hub, other) = (Hub::new(config(10)), Hub::new(config(10)));
    let theirs = published(&other, "t", 0..1).await[0];
    let ours = published(&hub, "t", 0..1).await[0];
    let future = Position::new(ours.epoch(), ours.offset() + 1);
    for position in [theirs, future, Position::UNKNOWN] {
        let mut seat = Seat::new(&hub).await;
        assert_eq!(seat.subscribe("t", since(position)).await.recovery, Recovery::Lost);
        seat.expect(&[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_history_everything_that_was_published_meanwhile_is_lost() {
    let hub = Hub::new(HubConfig::new());
    let position = published(&hub, "t", 0..1).await[0];
    let seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", since(position)).await.recovery, Recovery::NothingMissed);
    assert!(seat.member.unsubscribe("t"));
    published(&hub, "t", 1..2).await;
    assert_eq!(seat.subscribe("t", since(position)).await.recovery, Recovery::Lost);
}

#[tokio::test(start_paused = true)]
async fn newcomer_gets_the_recent_messages_and_so_does_one_that_has_lost_some() {
    let hub = Hub::new(config(5));
    let positions = published(&hub, "t", 0..10).await;
    for (options, recovery, expected) in [
        (Subscribe::new().recent(2), Recovery::NotRequested, &["8", "9"][..]),
        (Subscribe::new().recent(100), Recovery::NotRequested, &["5", "6", "7", "8", "9"]),
        (since(positions[0]).recent(2), Recovery::Lost, &["8", "9"]),
        (since(positions[5]).recent(1), Recovery::Recovered(4), &["6", "7", "8", "9"]),
    ] {
        let mut seat = Seat::new(&hub).await;
        assert_eq!(seat.subscribe("t", options).await.recovery, recovery);
        seat.expect(expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn history_of_more_topics_than_are_kept_is_lost() {
    let hub = Hub::new(HubConfig::new().history(HistoryLimit::new(10).topics(1)));
    let kept = published(&hub, "kept", 0..2).await;
    let other = published(&hub, "other", 0..2).await;
    let mut seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("kept", since(kept[0])).await.recovery, Recovery::Recovered(1));
    assert_eq!(seat.subscribe("other", since(other[0])).await.recovery, Recovery::Lost);
    publish_numbers(&hub, "other", 2..3).await;
    seat.expect(&["1", "2"]).await;
}

#[tokio::test(start_paused = true)]
async fn resumption_longer_than_the_queue_is_sent_whole_to_a_slow_member() {
    let hub = Hub::new(config(1000));
    let positions = published(&hub, "t", 0..1000).await;
    let mut seat = Seat::narrow(&hub).await;
    seat.peer.stall();
    let options = since(positions[0]).queue(websocket_hub::QueueLimit::new(2, 100));
    assert_eq!(seat.subscribe("t", options).await.recovery, Recovery::Recovered(999));
    published(&hub, "t", 1000..1002).await;
    assert_eq!(hub.stats().closed_slow, 0);
    seat.peer.resume();
    for number in 1..1002 {
        seat.peer.expect_text(&number.to_string()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn position_in_the_frame_is_the_one_to_resume_from() {
    let config = config(10).frame(|publication| {
        Message::text(format!("{} {}", publication.position, publication.message.as_text().unwrap_or_default()))
    });
    let hub = Hub::new(config);
    let mut seat = Seat::new(&hub).await;
    let _ = seat.subscribe("t", Subscribe::new()).await;
    let positions = published(&hub, "t", 0..3).await;
    seat.peer.expect_text(&format!("{} 0", positions[0])).await;
    drop(seat);
    let position = positions[0].to_string().parse().unwrap();
    let mut seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", since(position)).await.recovery, Recovery::Recovered(2));
    let expected: Vec<_> = (1..3).map(|number| format!("{} {number}", positions[number])).collect();
    seat.expect(&expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
}
