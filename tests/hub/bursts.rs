//! Messages that are published together, and so joined for all members of a shard: each member
//! receives the same as if they were sent one by one.

use permessage_deflate::PermessageDeflate;
use tower_websocket::{Config, Message, WebSocket, test};
use websocket_hub::{Hub, HubConfig, Member, Notice, Overflow, QueueLimit, Subscribe};

use crate::members::{Seat, settle};

/// Publishes without letting the shard run in between.
async fn burst(hub: &Hub, numbers: std::ops::Range<usize>) {
    for number in numbers {
        hub.publish("t", number.to_string()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn burst_is_received_once_and_in_order_whatever_fits_into_the_output() {
    let config = HubConfig::new().shards(1).frame(|publication| {
        Message::text(format!("{}:{}", publication.position.offset(), publication.message.as_text().unwrap()))
    });
    let hub = Hub::new(config);
    let first = hub.publish("t", "unheard").await.unwrap().offset() + 1;
    let mut seats = Vec::new();
    // A frame has 5 bytes, or 7 if both numbers have two digits. So between none and all of a burst
    // fit, with and without messages that wait from before.
    for max_output in (1..60).chain([1000]) {
        for is_stalled in [false, true] {
            let mut seat = Seat::with(&hub, Config::server().max_output(max_output)).await;
            let _ = seat.subscribe("t", Subscribe::new()).await;
            if is_stalled {
                seat.peer.stall();
            }
            seats.push(seat);
        }
    }
    for numbers in [0..1, 1..4, 4..12, 12..14] {
        burst(&hub, numbers).await;
        settle().await;
    }
    let expected: Vec<_> = (0..14).map(|number| format!("{}:{number}", first + number as u64)).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    let members = seats.len();
    for mut seat in seats {
        seat.peer.resume();
        seat.expect(&expected).await;
        let notice = tokio::time::timeout(std::time::Duration::from_millis(1), seat.member.notice()).await;
        assert!(notice.is_err(), "{notice:?}");
    }
    let stats = hub.stats();
    assert_eq!((stats.delivered, stats.queued_messages), (14 * members as u64, 0));
}

#[tokio::test(start_paused = true)]
async fn burst_follows_the_policy_of_each_member() {
    let hub = Hub::new(HubConfig::new().shards(1));
    let mut healthy = Seat::new(&hub).await;
    let _ = healthy.subscribe("t", Subscribe::new()).await;
    let policies = [
        (Overflow::DropOldest, vec!["0", "7", "8", "9"], 6),
        (Overflow::DropNewest, vec!["0", "1", "2", "3"], 6),
        (Overflow::LatestOnly, vec!["0", "9"], 0),
        (Overflow::default(), vec!["0"], 0),
    ];
    let mut seats = Vec::new();
    for (overflow, ..) in &policies {
        let mut seat = Seat::narrow(&hub).await;
        let options = Subscribe::new().overflow(*overflow).queue(QueueLimit::new(3, 1000));
        let _ = seat.subscribe("t", options).await;
        seat.peer.stall();
        seats.push(seat);
    }
    burst(&hub, 0..10).await;
    settle().await;
    for (mut seat, (overflow, expected, missed)) in seats.into_iter().zip(policies) {
        let notice = tokio::time::timeout(std::time::Duration::from_millis(1), seat.member.notice()).await;
        let lagged = Notice::Lagged { topic: "t".into(), missed };
        assert_eq!(notice.ok(), (missed > 0).then_some(lagged), "{overflow:?}");
        seat.peer.resume();
        if let Overflow::Close(code) = overflow {
            seat.peer.expect_text("0").await;
            seat.peer.expect_close(code).await;
        } else {
            seat.expect(&expected).await;
        }
    }
    healthy.expect(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]).await;
    assert_eq!(hub.stats().closed_slow, 1);
}

#[tokio::test(start_paused = true)]
async fn burst_leaves_out_what_a_member_has_published_itself() {
    let hub = Hub::new(HubConfig::new().shards(1));
    let (mut one, mut other) = (Seat::new(&hub).await, Seat::narrow(&hub).await);
    for seat in [&one, &other] {
        let _ = seat.subscribe("t", Subscribe::new()).await;
    }
    for number in ["0", "1", "2", "3", "4", "5"] {
        match number {
            "1" | "4" => one.member.publish("t", number).await.unwrap(),
            "2" => other.member.publish("t", number).await.unwrap(),
            _ => hub.publish("t", number).await.unwrap(),
        };
    }
    one.expect(&["0", "2", "3", "5"]).await;
    other.expect(&["0", "1", "3", "4", "5"]).await;
}

/// A member whose connection compresses, or not.
async fn member(hub: &Hub, deflate: Option<PermessageDeflate>) -> (Member, WebSocket) {
    let (mut server, mut client) = (Config::server(), Config::client());
    if let Some(deflate) = deflate {
        server = server.extension(deflate).unwrap();
        client = client.extension(PermessageDeflate::new()).unwrap();
    }
    let (mut socket, client) = test::pair(server.ping_interval(None), client.ping_interval(None)).await;
    let member = hub.join(socket.sender());
    tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
    let _ = member.subscribe("t", Subscribe::new()).await.unwrap();
    (member, client)
}

#[tokio::test(start_paused = true)]
async fn burst_is_received_by_members_that_compress_and_others_in_turn() {
    let hub = Hub::new(HubConfig::new().shards(1));
    let fresh = || PermessageDeflate::new().no_context_takeover(true);
    let mut members = Vec::new();
    for deflate in [Some(fresh()), None, Some(fresh().level(1)), None, Some(PermessageDeflate::new()), Some(fresh())] {
        members.push(member(&hub, deflate).await);
    }
    for size in [1, 50, 20_000] {
        let texts: Vec<_> = (0..8).map(|number| format!("message {number} ").repeat(size)).collect();
        for text in &texts {
            hub.publish("t", text.as_str()).await.unwrap();
        }
        for (_, client) in &mut members {
            for text in &texts {
                assert_eq!(client.recv().await.unwrap().unwrap().as_text(), Some(text.as_str()));
            }
        }
    }
    assert_eq!(hub.stats().delivered, 3 * 8 * 6);
}
