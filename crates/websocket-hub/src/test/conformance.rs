//! Checks whether a [`Backend`] fulfils its [contract](crate::backend#contract).
//!
//! ```
//! use websocket_hub::HistoryLimit;
//! use websocket_hub::backend::InProcess;
//! use websocket_hub::test::conformance;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! conformance::check(async || InProcess::new(HistoryLimit::new(1000))).await;
//! # }
//! ```

use std::collections::HashMap;

use tower_websocket::{CloseCode, Message};

use super::recorder::TestMember;
use crate::backend::Backend;
use crate::config::HubConfig;
use crate::hub::Hub;
use crate::position::Position;
use crate::subscribe::{QueueLimit, Recovery, Subscribe};

/// The number of messages that a topic's history must retain.
const RETAINED: usize = 100;

/// Checks one node. Each backend that `make` returns is used for a hub with exclusive topics; the
/// backends may share an engine. A history, if there is one, must retain the last 100 messages of a
/// topic for a minute.
///
/// # Panics
///
/// If the backend violates the contract.
pub async fn check<B: Backend>(make: impl AsyncFn() -> B) {
    messages_arrive_with_their_positions(&node(&make).await.0).await;
    payloads_arrive_unchanged(make().await).await;
    excluded_member_gets_nothing(&node(&make).await.0).await;
    members_agree_on_the_order(&node(&make).await.0).await;
    topics_are_separate(&node(&make).await.0).await;
    let (hub, has_history) = node(&make).await;
    if has_history {
        missed_messages_are_recovered(&hub).await;
        recent_messages_are_sent(&hub).await;
        resumption_is_exact_while_others_publish(&hub).await;
    } else {
        nothing_is_recovered(&hub).await;
    }
    foreign_positions_are_lost(&hub).await;
    signals_return_to_their_node(&hub).await;
    members_are_counted(&hub).await;
}

/// Checks that several nodes on one engine behave like one. Each backend that `make` returns is
/// used for another node.
///
/// # Panics
///
/// If the backend violates the contract.
pub async fn check_nodes<B: Backend>(make: impl AsyncFn() -> B) {
    let ((first, has_history), (second, _)) = (node(&make).await, node(&make).await);
    let topic = topic();
    let (mut near, mut far) = (TestMember::new(&first), TestMember::new(&second));
    for member in [&near, &far] {
        subscribe(member, &topic, Subscribe::new()).await;
    }
    let mut positions = HashMap::new();
    for number in 0..20 {
        let hub = if number % 2 == 0 { &first } else { &second };
        positions.insert(number.to_string(), publish(hub, &topic, number).await);
    }
    let what = "two nodes";
    let mut last = None;
    for _ in 0..20 {
        let (position, text) = near.next_framed(what).await;
        assert_eq!(far.next_framed(what).await, (position, text.clone()), "{what}: the order is the same");
        assert_eq!(position, positions[&text], "{what}: the position is the published one");
        last = Some(position);
    }
    near.member.publish(&topic, "not for me").await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(far.next_framed(what).await.1, "not for me");
    near.expect_nothing("excluded member").await;

    let (user, what) = (format!("user of {topic}"), "signals between nodes");
    let (mut ann, mut also_ann) = (TestMember::of(&first, Some(&user)), TestMember::of(&second, Some(&user)));
    first.send_to_user(&user, "hello").await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    for member in [&mut ann, &mut also_ann] {
        assert_eq!(member.next(what).await.as_text(), Some("hello"), "{what}");
    }
    let closed = second.disconnect_user(&user, CloseCode::POLICY_VIOLATION, "bye").await;
    closed.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    for member in [&ann, &also_ann] {
        assert_eq!(member.closed(what).await, (CloseCode::POLICY_VIOLATION, "bye".to_owned()), "{what}");
    }

    let presence = second.presence(&topic).await.unwrap_or_else(|error| panic!("presence: {error:?}"));
    if presence.age.is_zero() {
        assert_eq!((presence.members, presence.nodes), (2, 2), "members of both nodes are counted");
    }
    if has_history {
        // A position from one node is used on the other.
        let mut back = TestMember::new(&second);
        let options = Subscribe::new().since(positions["0"]);
        let subscribed = back.member.subscribe(&topic, options).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(subscribed.recovery, Recovery::Recovered(20), "positions hold on all nodes");
        assert_eq!(back.next_framed("resumption on another node").await.1, "1");
        assert!(last.is_some());
    }
}

/// Returns a hub that prefixes messages with their position.
async fn node<B: Backend>(make: &impl AsyncFn() -> B) -> (Hub, bool) {
    let backend = make().await;
    let has_history = backend.capabilities().has_history;
    let config = HubConfig::new().frame(|publication| {
        Message::text(format!("{} {}", publication.position, publication.message.as_text().unwrap_or_default()))
    });
    let hub = Hub::with_backend(backend, config).await;
    (hub.unwrap_or_else(|error| panic!("the backend does not start: {error:?}")), has_history)
}

/// Returns a unique topic name.
fn topic() -> String {
    format!("conformance {:016x}", rand::random::<u64>())
}

async fn subscribe(member: &TestMember, topic: &str, options: Subscribe) {
    // Large queues, since dropping messages is not part of the check.
    let options = options.queue(QueueLimit::new(100_000, usize::MAX));
    if let Err(error) = member.member.subscribe(topic, options).await {
        panic!("subscribing has failed: {error:?}");
    }
}

async fn publish(hub: &Hub, topic: &str, number: usize) -> Position {
    let published = hub.publish(topic, number.to_string()).await;
    published.unwrap_or_else(|error| panic!("publishing has failed: {error:?}"))
}

async fn messages_arrive_with_their_positions(hub: &Hub) {
    let (topic, what) = (topic(), "one member");
    // Also without members.
    let mut last = publish(hub, &topic, 0).await;
    let mut member = TestMember::new(hub);
    subscribe(&member, &topic, Subscribe::new()).await;
    for number in 1..20 {
        let position = publish(hub, &topic, number).await;
        assert_eq!(member.next_framed(what).await, (position, number.to_string()), "{what}");
        if position.is_known() {
            assert_eq!(position.epoch(), last.epoch(), "{what}: the epoch stays the same");
            assert!(position.offset() > last.offset(), "{what}: {position} follows {last}");
        }
        last = position;
    }
    member.expect_nothing(what).await;
}

async fn payloads_arrive_unchanged<B: Backend>(backend: B) {
    let (topic, what) = (topic(), "payloads");
    let hub = Hub::with_backend(backend, HubConfig::new()).await.unwrap_or_else(|error| panic!("{error:?}"));
    let mut member = TestMember::new(&hub);
    subscribe(&member, &topic, Subscribe::new()).await;
    let large = vec![0xff; 1 << 20];
    for message in [
        Message::text(""),
        Message::text("grüße\0\r\n"),
        Message::binary(vec![]),
        Message::binary(vec![0, 0xff]),
        Message::binary(large),
    ] {
        hub.publish(&topic, message.clone()).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(member.next(what).await == message, "{what}: a message has changed");
    }
}

async fn excluded_member_gets_nothing(hub: &Hub) {
    let (topic, what) = (topic(), "excluded member");
    let (mut me, mut other) = (TestMember::new(hub), TestMember::new(hub));
    for member in [&me, &other] {
        subscribe(member, &topic, Subscribe::new()).await;
    }
    me.member.publish(&topic, "mine").await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(other.next_framed(what).await.1, "mine", "{what}");
    me.expect_nothing(what).await;
}

async fn members_agree_on_the_order(hub: &Hub) {
    let (topic, what) = (topic(), "concurrent publishers");
    let mut members: Vec<_> = (0..3).map(|_| TestMember::new(hub)).collect();
    for member in &members {
        subscribe(member, &topic, Subscribe::new()).await;
    }
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let (hub, topic) = (hub.clone(), topic.clone());
            tokio::spawn(async move {
                for number in 0..50 {
                    publish(&hub, &topic, 1000 * publisher + number).await;
                }
            })
        })
        .collect();
    let mut orders = Vec::new();
    for member in &mut members {
        let mut order = Vec::new();
        for _ in 0..200 {
            order.push(member.next_framed(what).await);
        }
        orders.push(order);
    }
    for publisher in publishers {
        publisher.await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "{what}: the order is the same for all");
    let is_growing = orders[0].windows(2).all(|pair| !pair[1].0.is_known() || pair[0].0.offset() < pair[1].0.offset());
    assert!(is_growing, "{what}: in the order of the positions");
    for publisher in 0..4 {
        let numbers = orders[0].iter().filter_map(|(_, text)| text.parse::<usize>().ok());
        let numbers: Vec<_> = numbers.filter(|number| number / 1000 == publisher).collect();
        assert!(numbers.is_sorted() && numbers.len() == 50, "{what}: the order of each publisher is kept");
    }
}

async fn topics_are_separate(hub: &Hub) {
    let (first, second, what) = (topic(), topic(), "two topics");
    let mut member = TestMember::new(hub);
    subscribe(&member, &first, Subscribe::new()).await;
    publish(hub, &second, 1).await;
    publish(hub, &first, 2).await;
    assert_eq!(member.next_framed(what).await.1, "2", "{what}");
    assert!(member.member.unsubscribe(&first));
    publish(hub, &first, 3).await;
    member.expect_nothing(what).await;
    subscribe(&member, &second, Subscribe::new()).await;
    subscribe(&member, &first, Subscribe::new()).await;
    publish(hub, &first, 4).await;
    assert_eq!(member.next_framed(what).await.1, "4", "{what}: subscribed again");
}

async fn missed_messages_are_recovered(hub: &Hub) {
    let (topic, what) = (topic(), "resumption");
    let mut positions = Vec::new();
    for number in 0..RETAINED {
        positions.push(publish(hub, &topic, number).await);
    }
    for (index, expected) in [(0, RETAINED - 1), (RETAINED / 2, RETAINED - 1 - RETAINED / 2), (RETAINED - 1, 0)] {
        let mut member = TestMember::new(hub);
        let options = Subscribe::new().since(positions[index]).queue(QueueLimit::new(RETAINED, 1 << 20));
        let subscribed =
            member.member.subscribe(&topic, options).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(subscribed.position, positions[RETAINED - 1], "{what}: the position that was reached");
        let recovery = if expected == 0 { Recovery::NothingMissed } else { Recovery::Recovered(expected) };
        assert_eq!(subscribed.recovery, recovery, "{what}");
        for (number, &position) in positions.iter().enumerate().skip(index + 1) {
            assert_eq!(member.next_framed(what).await, (position, number.to_string()), "{what}");
        }
        member.expect_nothing(what).await;
    }
}

async fn recent_messages_are_sent(hub: &Hub) {
    let (topic, what) = (topic(), "recent messages");
    for number in 0..10 {
        publish(hub, &topic, number).await;
    }
    let mut member = TestMember::new(hub);
    subscribe(&member, &topic, Subscribe::new().recent(3)).await;
    for number in 7..10 {
        assert_eq!(member.next_framed(what).await.1, number.to_string(), "{what}");
    }
    member.expect_nothing(what).await;
}

async fn resumption_is_exact_while_others_publish(hub: &Hub) {
    let (topic, what) = (topic(), "resumption while others publish");
    let first = publish(hub, &topic, 0).await;
    let publisher = {
        let (hub, topic) = (hub.clone(), topic.clone());
        tokio::spawn(async move {
            for number in 1..RETAINED {
                publish(&hub, &topic, number).await;
                if number % 7 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    let mut members = Vec::new();
    for _ in 0..20 {
        let member = TestMember::new(hub);
        subscribe(&member, &topic, Subscribe::new().since(first)).await;
        members.push(member);
        tokio::task::yield_now().await;
    }
    publisher.await.unwrap_or_else(|error| panic!("{what}: {error}"));
    for member in &mut members {
        for number in 1..RETAINED {
            assert_eq!(member.next_framed(what).await.1, number.to_string(), "{what}: each once, and in order");
        }
        member.expect_nothing(what).await;
    }
}

async fn nothing_is_recovered(hub: &Hub) {
    let (topic, what) = (topic(), "resumption without a history");
    let position = publish(hub, &topic, 0).await;
    publish(hub, &topic, 1).await;
    let mut member = TestMember::new(hub);
    let options = Subscribe::new().since(position).recent(5);
    let subscribed = member.member.subscribe(&topic, options).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(subscribed.recovery, Recovery::Lost, "{what}");
    member.expect_nothing(what).await;
}

async fn foreign_positions_are_lost(hub: &Hub) {
    let (topic, what) = (topic(), "positions of another epoch");
    let position = publish(hub, &topic, 0).await;
    let other_epoch = Position::new(position.epoch() ^ 1, position.offset());
    let future = Position::new(position.epoch(), position.offset() + 1000);
    let last = Position::new(position.epoch(), u64::MAX);
    for since in [other_epoch, future, last, Position::UNKNOWN] {
        let member = TestMember::new(hub);
        let subscribed = member.member.subscribe(&topic, Subscribe::new().since(since)).await;
        let subscribed = subscribed.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(subscribed.recovery, Recovery::Lost, "{what}: {since}");
    }
}

async fn signals_return_to_their_node(hub: &Hub) {
    let (user, what) = (topic(), "signals");
    let (mut ann, mut other) = (TestMember::of(hub, Some(&user)), TestMember::of(hub, Some("somebody else")));
    hub.send_to_user(&user, "hello").await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(ann.next(what).await.as_text(), Some("hello"), "{what}");
    let closed = hub.disconnect_user(&user, CloseCode::POLICY_VIOLATION, "bye").await;
    closed.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(ann.closed(what).await, (CloseCode::POLICY_VIOLATION, "bye".to_owned()), "{what}");
    other.expect_nothing(what).await;
}

async fn members_are_counted(hub: &Hub) {
    let (topic, what) = (topic(), "presence");
    let members: Vec<_> = (0..3).map(|_| TestMember::new(hub)).collect();
    for member in &members {
        subscribe(member, &topic, Subscribe::new()).await;
    }
    let presence = hub.presence(&topic).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    // Older figures may predate the change.
    if presence.age.is_zero() {
        assert_eq!((presence.members, presence.nodes), (3, 1), "{what}");
    }
}
