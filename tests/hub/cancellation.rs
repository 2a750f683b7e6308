//! Methods whose futures are dropped at any await point.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use websocket_hub::{HistoryLimit, Hub, HubConfig, Notice, Overflow, QueueLimit, Subscribe};

use crate::engine::Engine;
use crate::members::{Seat, publish_numbers, settle};

/// Polls a future this number of times, yielding to all other tasks in between. Returns its output
/// if it has completed.
async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        settle().await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn subscribe_that_is_dropped_leaves_no_subscription() {
    let engine = Engine::new(100);
    let hub = Hub::with_backend(engine.node(), HubConfig::new()).await.unwrap();
    let mut seat = Seat::new(&hub).await;
    let mut times = 0;
    while poll_times(seat.member.subscribe("t", Subscribe::new().recent(10)), times).await.is_none() {
        assert_eq!((hub.members("t"), hub.stats().topics), (0, 0), "dropped after {times} polls");
        // Also at the engine.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let calls = engine.take_calls();
        assert_eq!(calls.iter().filter(|call| call.0 == "subscribe").count(), calls.len() / 2, "{calls:?}");
        times += 1;
    }
    assert!(times > 2, "it waits more than once");
    assert_eq!(hub.members("t"), 1);
    publish_numbers(&hub, "t", 0..1).await;
    seat.expect(&["0"]).await;
}

#[tokio::test(start_paused = true)]
async fn publish_that_is_dropped_delivers_all_or_nothing() {
    let hub = Hub::new(HubConfig::new().shards(3).inbox(1).history(HistoryLimit::new(100)));
    let mut seats = Vec::new();
    for _ in 0..3 {
        let seat = Seat::new(&hub).await;
        let _ = seat.subscribe("t", Subscribe::new()).await;
        seats.push(seat);
    }
    for dropped in 0..3 {
        // The inboxes are full, as their tasks do not run before this one waits.
        hub.publish("t", "first").await.unwrap();
        {
            let mut publishing = pin!(hub.publish("t", "dropped"));
            for _ in 0..dropped {
                let polled = poll_fn(|cx| Poll::Ready(publishing.as_mut().poll(cx))).await;
                assert!(polled.is_pending());
            }
        }
        hub.publish("t", "last").await.unwrap();
        for seat in &mut seats {
            seat.expect(&["first", "last"]).await;
        }
    }
    let mut late = Seat::new(&hub).await;
    let _ = late.subscribe("t", Subscribe::new().recent(100)).await;
    late.expect(&["first", "last"].repeat(3)).await;
}

#[tokio::test(start_paused = true)]
async fn local_publish_and_signals_that_are_dropped_deliver_nothing() {
    let hub = Hub::new(HubConfig::new().shards(1).inbox(1));
    let (sender, mut peer, _handler) = crate::members::open(tower_websocket::Config::server()).await;
    let member = hub.join_as(sender, "ann").unwrap();
    let _ = member.subscribe("t", Subscribe::new()).await.unwrap();
    hub.publish("t", "first").await.unwrap();
    assert!(poll_once(hub.publish_local("t", "dropped")).await.is_pending());
    assert!(poll_once(hub.send_to_user("ann", "dropped")).await.is_pending());
    assert!(poll_once(member.publish("t", "dropped")).await.is_pending());
    hub.publish("t", "last").await.unwrap();
    for text in ["first", "last"] {
        peer.expect_text(text).await;
    }
    peer.expect_nothing(Duration::from_millis(1)).await;
}

async fn poll_once<F: Future>(future: F) -> Poll<()> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).map(drop))).await
}

#[tokio::test(start_paused = true)]
async fn notice_that_is_dropped_loses_nothing() {
    let hub = Hub::new(HubConfig::new());
    let mut seat = Seat::narrow(&hub).await;
    let options = Subscribe::new().overflow(Overflow::DropNewest).queue(QueueLimit::new(1, 10));
    let _ = seat.subscribe("t", options).await;
    seat.peer.stall();
    assert!(poll_once(seat.member.notice()).await.is_pending());
    publish_numbers(&hub, "t", 0..3).await;
    // A future that was polled before the notice, and never again.
    assert_eq!(seat.member.notice().await, Notice::Lagged { topic: "t".into(), missed: 1 });
    assert!(poll_once(seat.member.notice()).await.is_pending());
    // The waker is that of another task.
    let waiting = tokio::spawn(async move { (seat.member.notice().await, seat) });
    settle().await;
    publish_numbers(&hub, "t", 3..4).await;
    let (notice, _seat) = tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    assert_eq!(notice, Notice::Lagged { topic: "t".into(), missed: 1 });
}

#[tokio::test(start_paused = true)]
async fn hub_whose_backend_has_not_started_leaves_no_task() {
    let engine = Engine::new(100);
    let metrics = tokio::runtime::Handle::current().metrics();
    assert!(poll_once(Hub::with_backend(engine.node(), HubConfig::new())).await.is_pending());
    settle().await;
    assert_eq!(metrics.num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn disconnect_and_presence_that_are_dropped_do_nothing() {
    let engine = Engine::new(100);
    let hub = Hub::with_backend(engine.node(), HubConfig::new()).await.unwrap();
    let (sender, mut peer, _handler) = crate::members::open(tower_websocket::Config::server()).await;
    let member = hub.join_as(sender, "ann").unwrap();
    let _ = member.subscribe("t", Subscribe::new()).await.unwrap();
    assert!(poll_once(hub.disconnect_user("ann", 1008.into(), "")).await.is_pending());
    assert!(poll_once(hub.presence("t")).await.is_pending());
    peer.expect_nothing(Duration::from_secs(1)).await;
    assert_eq!(hub.presence("t").await.unwrap().members, 1);
    hub.disconnect_user("ann", 1008.into(), "").await.unwrap();
    peer.expect_close(1008).await;
}
