//! The memory of idle members and topics. A separate binary, since it counts the allocations of the
//! whole process.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tower_websocket::{Config, test};
use websocket_hub::{Hub, HubConfig, Subscribe};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MEMBERS: usize = 1000;

/// The limit in bytes for a member with one subscription, without its socket.
const MEMBER: usize = 200;

fn held() -> usize {
    let stats = GLOBAL.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[tokio::test(start_paused = true)]
async fn idle_members_and_topics_without_members_cost_little() {
    let hub = Hub::new(HubConfig::new().shards(1));
    let mut sockets = Vec::new();
    for _ in 0..MEMBERS {
        sockets.push(test::server("/", Config::server().ping_interval(None)).await);
    }
    let mut members = Vec::with_capacity(MEMBERS);
    // The parts that are shared by all members.
    members.push(hub.join(sockets[0].0.sender()));
    let _ = members[0].subscribe("t", Subscribe::new()).await.unwrap();
    hub.publish("t", "first").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let before = held();
    for (socket, _) in &sockets[1..] {
        let member = hub.join(socket.sender());
        let _ = member.subscribe("t", Subscribe::new()).await.unwrap();
        members.push(member);
    }
    let each = (held() - before) / (MEMBERS - 1) + size_of_val(&members[0]);
    println!("{each} bytes for a member");
    assert!(each <= MEMBER, "{each}");

    let before = held();
    for number in 0..1000 {
        hub.publish(&format!("topic {number}"), "nobody is here").await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    // At most a buffer of the task.
    let topics = held().saturating_sub(before);
    assert!(topics < 1000, "{topics} bytes for topics without members");
}
