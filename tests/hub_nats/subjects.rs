//! Subjects of topics, errors, and presence across nodes.

use std::error::Error;
use std::time::Duration;

use websocket_hub::{Hub, HubConfig, PublishError, SubscribeError};
use websocket_hub_nats::{Nats, NatsBackendError};

use crate::members::{LIMIT, Seat};
use crate::server::{Server, node};

/// Returns the cause of a failure of the backend.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> &'a NatsBackendError {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.unwrap_or_else(|| panic!("another cause: {error:?}"))
}

#[tokio::test]
async fn topics_of_any_characters_are_separate() {
    let Some(server) = Server::start().await else { return };
    let (near, far) = (server.node().await, server.node().await);
    let topics = ["a", "a.b", "a.*", "a.>", "*", ">", ".", "a b", "a\r\nPUB a 1\r\n", "ü", "%C3%BC", "\0", "A"];
    let mut seats = Vec::new();
    for topic in topics {
        seats.push(Seat::of(&far, topic).await);
    }
    for topic in topics {
        near.publish(topic, topic).await.expect("published");
    }
    for (seat, topic) in seats.iter_mut().zip(topics) {
        assert_eq!(seat.next().await, topic);
    }
    // No topic has received another message.
    near.publish("a", "end").await.expect("published");
    seats[0].expect(&["end"]).await;
    for (seat, topic) in seats.iter_mut().zip(topics).skip(1) {
        near.publish(topic, "end").await.expect("published");
        assert_eq!(seat.next().await, "end");
    }
}

#[tokio::test]
async fn prefixes_separate_hubs() {
    let Some(server) = Server::start().await else { return };
    let (one, other) = (node(server.backend().prefix("one")).await, node(server.backend().prefix("other")).await);
    let (mut near, mut far) = (Seat::of(&one, "t").await, Seat::of(&other, "t").await);
    one.publish("t", "one").await.expect("published");
    near.expect(&["one"]).await;
    far.expect(&[]).await;
    let presence = one.presence("t").await.expect("figures");
    assert_eq!((presence.members, presence.nodes), (1, 1));
}

#[tokio::test]
async fn topic_that_fits_no_subject_is_a_typed_error() {
    let Some(server) = Server::start().await else { return };
    let hub = Hub::with_backend(server.backend(), HubConfig::new().max_topic_len(10_000)).await.expect("a node");
    // Every character takes three bytes.
    let topic = ".".repeat(2000);
    let Err(PublishError::Backend(error)) = hub.publish(&topic, "x").await else { panic!("no failure") };
    assert!(matches!(cause(&error), NatsBackendError::TopicTooLong { len: 6000, .. }), "{error:?}");
    let seat = Seat::new(&hub).await;
    let Err(SubscribeError::Backend(error)) = seat.member.subscribe(&topic, Default::default()).await else {
        panic!("no failure");
    };
    assert!(matches!(cause(&error), NatsBackendError::TopicTooLong { len: 6000, .. }), "{error:?}");
    seat.subscribe(&".".repeat(1000)).await;
}

#[tokio::test]
async fn message_over_the_limit_of_the_server_is_a_typed_error() {
    let Some(server) = Server::start().await else { return };
    let hub = server.node().await;
    let Err(PublishError::Backend(error)) = hub.publish("t", vec![0; 3 << 20]).await else { panic!("no failure") };
    assert!(matches!(cause(&error), NatsBackendError::Publish(_)), "{error:?}");
    hub.publish("t", "small").await.expect("published");
}

#[tokio::test]
async fn hub_does_not_start_without_a_server_or_with_a_malformed_prefix() {
    let nobody = Nats::new("nats://127.0.0.1:1").expect("an address");
    let error = Hub::with_backend(nobody, HubConfig::new()).await.expect_err("nobody listens");
    assert!(matches!(cause(&error), NatsBackendError::Connect(_)), "{error:?}");
    let malformed = Nats::new("nats://127.0.0.1:1").expect("an address").prefix("a.*");
    let error = Hub::with_backend(malformed, HubConfig::new()).await.expect_err("a malformed prefix");
    assert!(matches!(cause(&error), NatsBackendError::Prefix), "{error:?}");
    assert!(Nats::new("http://127.0.0.1").is_err() && Nats::new(Vec::<String>::new()).is_err());
}

#[tokio::test]
async fn presence_counts_the_members_of_all_nodes_that_answer() {
    let Some(server) = Server::start().await else { return };
    let limit = Duration::from_secs(10);
    let backend = || server.backend().presence_timeout(limit);
    let (first, second, third) = (node(backend()).await, node(backend()).await, node(backend()).await);
    let _seats = [Seat::of(&first, "t").await, Seat::of(&first, "t").await, Seat::of(&second, "t").await];
    let presence = third.presence("t").await.expect("figures");
    assert_eq!((presence.members, presence.nodes), (3, 2));
    assert!(presence.age < limit, "all nodes have answered: {presence:?}");
    // A node that has ended does not respond; it is awaited once.
    let limit = Duration::from_secs(1);
    let fourth = node(server.backend().presence_timeout(limit)).await;
    let presence = fourth.presence("t").await.expect("figures");
    assert_eq!((presence.members, presence.nodes), (3, 2));
    drop((second, _seats));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let presence = fourth.presence("t").await.expect("figures");
    assert_eq!((presence.members, presence.nodes), (0, 0));
    assert!(presence.age >= limit, "{presence:?}");
    let fourth = fourth.presence("t").await.expect("figures");
    assert!(fourth.age < limit, "{fourth:?}");
}

#[tokio::test]
async fn topic_is_unsubscribed_some_time_after_its_last_member_has_left() {
    let Some(server) = Server::start().await else { return };
    let config = HubConfig::new().linger(Duration::from_millis(100));
    let hub = Hub::with_backend(server.backend(), config).await.expect("a node");
    let seat = Seat::of(&hub, "t").await;
    let client = async_nats::connect(server.url()).await.expect("a client");
    // A subject with subscribers has no reply; for one without, the server replies.
    let is_subscribed = async || {
        let request = async_nats::Request::new().timeout(Some(Duration::from_millis(200)));
        let answer = client.send_request("websocket-hub.topic.t", request).await;
        answer.expect_err("no answer").kind() == async_nats::RequestErrorKind::TimedOut
    };
    assert!(is_subscribed().await);
    drop(seat);
    let unsubscribed = async { while is_subscribed().await {} };
    tokio::time::timeout(LIMIT, unsubscribed).await.expect("unsubscribed");
    let mut seat = Seat::of(&hub, "t").await;
    hub.publish("t", "again").await.expect("published");
    seat.expect(&["again"]).await;
}

#[tokio::test]
async fn backend_ends_with_its_hub() {
    let Some(server) = Server::start().await else { return };
    // The background task of this thread for all sockets, which ends later.
    drop(Seat::of(&Hub::new(HubConfig::new()), "t").await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let hub = server.node().await;
    let seat = Seat::of(&hub, "t").await;
    hub.publish("t", "x").await.expect("published");
    assert!(metrics.num_alive_tasks() > before);
    drop((hub, seat));
    let ended = async {
        while metrics.num_alive_tasks() > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("tasks that go on");
}
