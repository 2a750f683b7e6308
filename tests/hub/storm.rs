//! Many members that join and leave.

use std::time::Duration;

use tower_websocket::{Budget, Config};
use websocket_hub::{HistoryLimit, Hub, HubConfig, Overflow, QueueLimit, Subscribe, SubscribeError};

use crate::members::Seat;

const TOPICS: u64 = 7;

/// Pseudo-random numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

async fn join_and_leave(hub: Hub, seed: u64) {
    let mut numbers = Numbers(seed);
    for _ in 0..60 {
        let mut seat = Seat::with(&hub, Config::server().max_output(64)).await;
        if numbers.below(3) == 0 {
            seat.peer.stall();
        }
        for _ in 0..numbers.below(20) {
            let topic = format!("t{}", numbers.below(TOPICS));
            match numbers.below(4) {
                0 => _ = seat.member.unsubscribe(&topic),
                1 => _ = hub.publish(&topic, "from outside").await.unwrap(),
                2 => _ = seat.member.publish(&topic, "from a member").await.unwrap(),
                _ => {
                    let overflow =
                        [Overflow::default(), Overflow::DropOldest, Overflow::DropNewest, Overflow::LatestOnly]
                            [numbers.below(4) as usize];
                    let options = Subscribe::new().overflow(overflow).queue(QueueLimit::new(3, 100)).recent(5);
                    match seat.member.subscribe(&topic, options).await {
                        Ok(_) | Err(SubscribeError::AlreadySubscribed | SubscribeError::Closed) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
            if numbers.below(3) == 0 {
                tokio::task::yield_now().await;
            }
        }
        match numbers.below(3) {
            0 => seat.peer.reset(),
            1 => seat.peer.cut(),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn storm_of_members_leaves_nothing_behind() {
    let budget = Budget::new(1 << 30);
    let history = HistoryLimit::new(10).age(Duration::from_millis(100));
    let hub = Hub::new(HubConfig::new().shards(4).inbox(8).history(history).budget(&budget));
    let storm: Vec<_> = (0..8).map(|seed| tokio::spawn(join_and_leave(hub.clone(), seed))).collect();
    for task in storm {
        task.await.unwrap();
    }
    // The history expires.
    let limit = std::time::Instant::now() + Duration::from_secs(10);
    while budget.used() > 0 {
        assert!(std::time::Instant::now() < limit, "{} bytes are left", budget.used());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stats = hub.stats();
    assert_eq!((stats.members, stats.topics, stats.queued_messages, stats.queued_bytes), (0, 0, 0, 0));
    for topic in 0..TOPICS {
        assert_eq!(hub.members(&format!("t{topic}")), 0);
    }
    assert!(stats.delivered > 1000 && stats.panics == 0, "{stats:?}");
    assert!(
        stats.closed_slow > 0 && stats.dropped_oldest > 0 && stats.dropped_newest > 0 && stats.replaced > 0,
        "{stats:?}"
    );
}
