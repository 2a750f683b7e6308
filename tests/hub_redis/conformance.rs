//! The backend passes the suite for backends, in both modes.

use std::time::Duration;

use websocket_hub::test::conformance::{check, check_nodes};

use websocket_hub_redis::{RedisBackend, RedisConfig, Streams};

use crate::lag::assert_lag_is_the_time_in_the_inbox;
use crate::nodes::{Seat, node, publish};
use crate::server::Redis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pub_sub_conforms() {
    let Some(redis) = Redis::start().await else { return };
    check(async || redis.pub_sub()).await;
    check_nodes(async || redis.pub_sub()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_conform() {
    let Some(redis) = Redis::start().await else { return };
    check(async || redis.streams()).await;
    check_nodes(async || redis.streams()).await;
}

/// With the permissions that the README documents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_with_the_documented_permissions_conforms() {
    let Some(redis) = Redis::start().await else { return };
    let readme = include_str!("../../crates/websocket-hub-redis/README.md");
    let (_, commands) = readme.split_once("and the commands `").expect("the commands");
    let (commands, _) = commands.split_once('`').expect("their end");
    let commands: Vec<_> = commands.split_whitespace().map(|command| format!("+{command}")).collect();
    let rules = format!("ACL SETUSER node on >secret -@all ~websocket-hub:* &websocket-hub:* {}", commands.join(" "));
    redis.command(&rules).await;
    let url = redis.url().replace("127.0.0.1", "node:secret@127.0.0.1");
    for streams in [None, Some(Streams::new(1000))] {
        let make = async || {
            let config = RedisConfig::new(url.as_str()).expect("a URL");
            let config = if let Some(streams) = streams { config.streams(streams) } else { config };
            RedisBackend::new(config).expect("a backend")
        };
        check_nodes(make).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_is_the_time_that_messages_wait_in_the_inbox() {
    let Some(redis) = Redis::start().await else { return };
    for (near, far) in [(redis.pub_sub(), redis.pub_sub()), (redis.streams(), redis.streams())] {
        assert_lag_is_the_time_in_the_inbox(&*node(near).await, far).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greatest_durations_are_accepted() {
    let Some(redis) = Redis::start().await else { return };
    for streams in [None, Some(Streams::new(10))] {
        let mut config = redis.config().timeout(Duration::MAX).check_interval(Duration::MAX);
        if let Some(streams) = streams {
            config = config.streams(streams);
        }
        let hub = node(RedisBackend::new(config).unwrap()).await;
        let mut seat = Seat::of(&hub, "t").await;
        publish(&hub, "t", "hello").await;
        assert_eq!(seat.next().await.1, "hello");
    }
}
