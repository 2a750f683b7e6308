//! The messages that members receive, and their order.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower_websocket::test::{Frame, Handshake};
use tower_websocket::{Budget, CloseCode, Config, Message, Shutdown, Version};
use websocket_hub::{
    Hub, HubConfig, HubObserver, Notice, PublishError, QueueLimit, Subscribe, SubscribeError, TopicError,
};

use crate::members::{Seat, open, publish_numbers, settle};

#[tokio::test(start_paused = true)]
async fn members_get_the_messages_of_their_topics() {
    let hub = Hub::new(HubConfig::new().shards(3));
    let (mut both, mut one) = (Seat::new(&hub).await, Seat::new(&hub).await);
    for topic in ["a", "b"] {
        let _ = both.subscribe(topic, Subscribe::new()).await;
    }
    let _ = one.subscribe("b", Subscribe::new()).await;
    assert_eq!((hub.members("a"), hub.members("b"), hub.members("c")), (1, 2, 0));
    let presence = hub.presence("b").await.unwrap();
    assert_eq!((presence.members, presence.nodes), (2, 1));
    for topic in ["a", "b", "c", "a", "b"] {
        hub.publish(topic, topic).await.unwrap();
    }
    both.expect(&["a", "b", "a", "b"]).await;
    one.expect(&["b", "b"]).await;
    let stats = hub.stats();
    assert_eq!((stats.published, stats.delivered, stats.topics), (4, 6, 2));
}

#[tokio::test(start_paused = true)]
async fn member_publishes_to_all_but_itself() {
    let hub = Hub::new(HubConfig::new());
    let (mut me, mut other) = (Seat::new(&hub).await, Seat::new(&hub).await);
    for seat in [&me, &other] {
        let _ = seat.subscribe("t", Subscribe::new()).await;
    }
    me.member.publish("t", "mine").await.unwrap();
    hub.publish("t", "all").await.unwrap();
    me.expect(&["all"]).await;
    other.expect(&["mine", "all"]).await;
}

#[tokio::test(start_paused = true)]
async fn local_message_has_no_position_and_no_history() {
    let config = HubConfig::new()
        .history(websocket_hub::HistoryLimit::new(10))
        .frame(|publication| Message::text(publication.position.is_known().to_string()));
    let hub = Hub::new(config);
    let mut seat = Seat::new(&hub).await;
    let _ = seat.subscribe("t", Subscribe::new()).await;
    assert_eq!(hub.publish_local("t", "local").await.unwrap(), 1);
    assert_eq!(hub.publish_local("nobody", "local").await.unwrap(), 0);
    hub.publish("t", "known").await.unwrap();
    seat.expect(&["false", "true"]).await;
    let mut late = Seat::new(&hub).await;
    let _ = late.subscribe("t", Subscribe::new().recent(10)).await;
    late.expect(&["true"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribers_of_a_topic_agree_on_the_order() {
    const PUBLISHERS: usize = 4;
    const MESSAGES: usize = 200;
    let hub = Hub::new(HubConfig::new().shards(4).inbox(3));
    let mut seats = Vec::new();
    for index in 0..12 {
        // Some members have a queue most of the time.
        let config = if index % 3 == 0 { Config::server().max_output(100) } else { Config::server() };
        let mut seat = Seat::with(&hub, config).await;
        if index % 3 == 0 {
            seat.peer.chop(50);
        }
        let _ = seat.subscribe("t", Subscribe::new().queue(QueueLimit::new(100_000, 1 << 20))).await;
        seats.push(seat);
    }
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let hub = hub.clone();
            tokio::spawn(async move {
                for number in 0..MESSAGES {
                    hub.publish("t", format!("{publisher} {number}")).await.unwrap();
                }
            })
        })
        .collect();
    let readers: Vec<_> = seats
        .into_iter()
        .map(|seat| {
            tokio::spawn(async move {
                // Moves the whole member, which leaves when it is dropped.
                let mut seat = seat;
                let mut texts = Vec::new();
                while texts.len() < PUBLISHERS * MESSAGES {
                    let Frame::Text(text) = seat.peer.next_frame().await else { panic!("no text") };
                    texts.push(text);
                }
                texts
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut orders = HashSet::new();
    for reader in readers {
        orders.insert(reader.await.unwrap());
    }
    assert_eq!(orders.len(), 1, "the order is the same for all");
    // The order of each publisher is kept.
    let order = orders.into_iter().next().unwrap();
    for publisher in 0..PUBLISHERS {
        let prefix = format!("{publisher} ");
        let numbers: Vec<usize> =
            order.iter().filter_map(|text| text.strip_prefix(&prefix)).map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn frame_is_made_once_for_all_members() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let config = HubConfig::new().shards(4).history(websocket_hub::HistoryLimit::new(10)).frame(move |publication| {
        counted.fetch_add(1, Ordering::Relaxed);
        Message::text(format!("[{}] {}", publication.topic, publication.message.as_text().unwrap_or_default()))
    });
    let hub = Hub::new(config);
    let mut seats = Vec::new();
    for _ in 0..20 {
        let seat = Seat::new(&hub).await;
        let _ = seat.subscribe("t", Subscribe::new()).await;
        seats.push(seat);
    }
    hub.publish("t", "hello").await.unwrap();
    for seat in &mut seats {
        seat.expect(&["[t] hello"]).await;
    }
    let mut late = Seat::new(&hub).await;
    let _ = late.subscribe("t", Subscribe::new().recent(1)).await;
    late.expect(&["[t] hello"]).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[derive(Default)]
struct Panicking;

impl HubObserver for Panicking {
    fn gap(&self, _topic: &str) {
        panic!("observer");
    }
    fn lagged(&self, _topic: &str, _missed: u64) {
        panic!("observer");
    }
}

#[tokio::test(start_paused = true)]
async fn panics_of_callbacks_are_contained() {
    let config = HubConfig::new().observer(Panicking).frame(|publication| match publication.message.as_text() {
        Some("panic") => panic!("frame"),
        _ => publication.message.clone(),
    });
    let hub = Hub::new(config);
    let mut seat = Seat::narrow(&hub).await;
    let options = Subscribe::new().overflow(websocket_hub::Overflow::DropNewest).queue(QueueLimit::new(0, 0));
    let _ = seat.subscribe("t", options).await;
    for text in ["1", "panic", "2"] {
        hub.publish("t", text).await.unwrap();
        settle().await;
    }
    seat.expect(&["1", "2"]).await;
    assert_eq!(seat.member.notice().await, Notice::Gap { topic: "t".into() });
    assert_eq!(hub.stats().panics, 1);
    seat.peer.stall();
    publish_numbers(&hub, "t", 3..5).await;
    assert_eq!((hub.stats().panics, hub.members("t")), (2, 1));
    seat.peer.resume();
    seat.expect(&["3"]).await;
}

#[tokio::test(start_paused = true)]
async fn limits_are_enforced() {
    let hub = Hub::new(HubConfig::new().max_topic_len(3).max_topics(3).max_topics_per_member(2));
    let seat = Seat::new(&hub).await;
    let subscribe = async |topic| seat.member.subscribe(topic, Subscribe::new()).await.map(drop);
    assert!(matches!(subscribe("").await, Err(SubscribeError::Topic(TopicError::Empty))));
    assert!(matches!(subscribe("four").await, Err(SubscribeError::Topic(TopicError::TooLong { len: 4, limit: 3 }))));
    let published = hub.publish("four", "x").await;
    assert!(matches!(published, Err(PublishError::Topic(TopicError::TooLong { .. }))));
    subscribe("a").await.unwrap();
    assert!(matches!(subscribe("a").await, Err(SubscribeError::AlreadySubscribed)));
    subscribe("b").await.unwrap();
    assert!(matches!(subscribe("c").await, Err(SubscribeError::TooManyTopics(2))));
    let other = Seat::new(&hub).await;
    let _ = other.subscribe("a", Subscribe::new()).await;
    let _ = other.subscribe("c", Subscribe::new()).await;
    assert!(seat.member.unsubscribe("a"));
    assert!(matches!(subscribe("d").await, Err(SubscribeError::HubFull(3))));
    assert_eq!((hub.stats().topics, hub.members("d")), (3, 0));
    subscribe("c").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn members_of_every_version_get_what_their_protocol_can_transmit() {
    let hub = Hub::new(HubConfig::new());
    let mut seats = Vec::new();
    for version in [Version::Hixie75, Version::Hixie76, Version::Hybi7, Version::Hybi13] {
        let handshake = Handshake::new("/").version(version);
        let (mut socket, peer) = tower_websocket::test::server(handshake, Config::server().allow_drafts(true)).await;
        let member = hub.join(socket.sender());
        let _ = member.subscribe("t", Subscribe::new()).await.unwrap();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        seats.push((version, member, peer));
    }
    hub.publish("t", "1").await.unwrap();
    hub.publish("t", vec![2]).await.unwrap();
    hub.publish("t", "3").await.unwrap();
    for (version, _, peer) in &mut seats {
        peer.expect_text("1").await;
        if !version.is_hixie() {
            peer.expect_binary([2]).await;
        }
        peer.expect_text("3").await;
    }
    let stats = hub.stats();
    assert_eq!((stats.delivered, stats.undeliverable), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn one_stalled_member_in_a_hundred_holds_up_nobody() {
    const MESSAGES: usize = 500;
    const SIZE: usize = 1000;
    let budget = Budget::new(1 << 30);
    let hub = Hub::new(HubConfig::new().budget(&budget));
    let mut seats = Vec::new();
    for index in 0..100 {
        let mut seat = Seat::with(&hub, Config::server().max_output(8 * SIZE)).await;
        let _ = seat.subscribe("t", Subscribe::new().overflow(websocket_hub::Overflow::DropOldest)).await;
        if index == 0 {
            seat.peer.stall();
        }
        seats.push(seat);
    }
    let started = tokio::time::Instant::now();
    let text = "x".repeat(SIZE);
    let mut most = 0;
    for _ in 0..MESSAGES {
        hub.publish("t", text.clone()).await.unwrap();
        tokio::task::yield_now().await;
        most = most.max(budget.used());
    }
    for seat in &mut seats[1..] {
        for _ in 0..MESSAGES {
            seat.peer.expect_text(&text).await;
        }
    }
    assert_eq!(started.elapsed(), Duration::ZERO, "nobody has waited");
    let stats = hub.stats();
    assert_eq!((stats.queued_messages, stats.queued_bytes), (256, 256 * SIZE));
    // The queued messages with their overhead, and those in an inbox at the time.
    assert!(most > 256 * SIZE && most < 400 * (SIZE + 200), "{most}");
    drop(seats);
    settle().await;
    assert_eq!(budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_the_members() {
    let hub = Hub::new(HubConfig::new());
    let shutdown = Shutdown::new();
    let (mut socket, mut peer) = tower_websocket::test::server("/", Config::server()).await;
    socket.join_shutdown(&shutdown);
    let member = hub.join(socket.sender());
    let _ = member.subscribe("t", Subscribe::new()).await.unwrap();
    let handler = tokio::spawn(async move {
        let _member = member;
        while let Some(Ok(_)) = socket.recv().await {}
    });
    shutdown.begin(CloseCode::GOING_AWAY, "restart").unwrap();
    // The socket refuses it, so the member leaves the topic.
    hub.publish("t", "late").await.unwrap();
    settle().await;
    assert_eq!(hub.members("t"), 0);
    assert_eq!(peer.expect_close(1001).await, "restart");
    peer.send_close(1001, "");
    assert_eq!(shutdown.wait(Duration::from_secs(10)).await, 0);
    handler.await.unwrap();
    assert_eq!(hub.stats().members, 0);
}

#[tokio::test(start_paused = true)]
async fn tasks_end_with_the_last_hub_and_member() {
    let metrics = tokio::runtime::Handle::current().metrics();
    // The background task of this thread's sockets.
    let (sender, _peer, _handler) = open(Config::server().ping_interval(None)).await;
    let before = metrics.num_alive_tasks();
    let hub = Hub::new(HubConfig::new().shards(3).history(websocket_hub::HistoryLimit::new(10)));
    assert_eq!(metrics.num_alive_tasks(), before + 4);
    let member = hub.join(sender);
    let _ = member.subscribe("t", Subscribe::new()).await.unwrap();
    drop(hub);
    settle().await;
    assert_eq!(metrics.num_alive_tasks(), before + 4);
    drop(member);
    // The history is checked periodically.
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(metrics.num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn connection_that_is_gone_leaves_its_topics() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = Seat::new(&hub).await;
    let _ = seat.subscribe("t", Subscribe::new()).await;
    seat.peer.reset();
    settle().await;
    hub.publish("t", "1").await.unwrap();
    settle().await;
    assert_eq!(hub.members("t"), 0);
    assert!(matches!(seat.member.subscribe("u", Subscribe::new()).await, Err(SubscribeError::Closed)));
}
