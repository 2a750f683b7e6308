//! With streams no message is lost or duplicated, whatever happens to the connections.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use websocket_hub::{Hub, Position, Recovery, Subscribe};
use websocket_hub_redis::{RedisBackend, Streams};

use crate::nodes::{Node, Seat, node, publish, until};
use crate::server::Redis;

/// Publishes this number of messages, with a short pause after each.
fn publisher(hub: &Hub, messages: usize) -> JoinHandle<Position> {
    let hub = hub.clone();
    tokio::spawn(async move {
        let mut last = Position::UNKNOWN;
        for number in 0..messages {
            last = publish(&hub, "t", number).await;
            if number % 10 == 0 {
                sleep(Duration::from_millis(2)).await;
            }
        }
        last
    })
}

/// Members on two nodes receive what both publish while something happens to Redis. Returns when
/// all have received everything.
async fn nothing_is_lost_while(
    redis: Redis,
    backend: impl Fn(&Redis) -> RedisBackend,
    happens: impl AsyncFnOnce(&mut Redis, &Node),
) {
    let mut redis = redis;
    let hubs = [node(backend(&redis)).await, node(backend(&redis)).await];
    let begin = publish(&hubs[0], "t", "begin").await;
    let mut seats = Vec::new();
    for hub in [&hubs[0], &hubs[1], &hubs[1]] {
        let seat = Seat::new(hub).await;
        let _ = seat.subscribe("t", Subscribe::new().since(begin)).await;
        seats.push(seat);
    }
    let publishers = [publisher(&hubs[0], 1000), publisher(&hubs[1], 1000)];
    happens(&mut redis, &hubs[1]).await;
    let mut end = begin;
    for publisher in publishers {
        let last = publisher.await.unwrap();
        end = if last.offset() > end.offset() { last } else { end };
    }
    for seat in &mut seats {
        seat.expect_up_to(begin, end).await;
        seat.expect_silence().await;
        assert_eq!(seat.notice().await, None);
    }
    for hub in &hubs {
        hub.until_back(0).await;
        assert_eq!(hub.stats().gaps, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_subscriber_loses_nothing() {
    let Some(redis) = Redis::start().await else { return };
    let happens = async |redis: &mut Redis, hub: &Node| {
        for times in 1..=5 {
            sleep(Duration::from_millis(50)).await;
            redis.kill_subscribers().await;
            hub.until_back(times).await;
        }
    };
    nothing_is_lost_while(redis, Redis::streams, happens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_of_all_kinds_lose_nothing() {
    let Some(redis) = Redis::start().await else { return };
    let happens = async |redis: &mut Redis, _: &Node| {
        for _ in 0..5 {
            sleep(Duration::from_millis(70)).await;
            redis.command("CLIENT KILL SKIPME yes").await;
        }
    };
    nothing_is_lost_while(redis, Redis::streams, happens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_durable_server_loses_nothing() {
    let Some(redis) = Redis::start_durable().await else { return };
    let happens = async |redis: &mut Redis, hub: &Node| {
        for times in 1..=2 {
            sleep(Duration::from_millis(100)).await;
            redis.kill();
            hub.until_lost(times).await;
            redis.restart().await;
            hub.until_back(times).await;
        }
    };
    let backend = |redis: &Redis| redis.with_streams(Streams::new(100_000).durable(true));
    nothing_is_lost_while(redis, backend, happens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleeping_server_loses_nothing() {
    let Some(redis) = Redis::start().await else { return };
    // Longer than the timeout, and than two checks.
    let happens = async |redis: &mut Redis, hub: &Node| {
        sleep(Duration::from_millis(50)).await;
        let (_, ()) = tokio::join!(redis.command("DEBUG SLEEP 3"), hub.until_lost(1));
        hub.until_back(1).await;
    };
    let backend = |redis: &Redis| {
        let config = redis.config().streams(Streams::new(100_000));
        let config = config.timeout(Duration::from_millis(700)).check_interval(Duration::from_millis(300));
        RedisBackend::new(config).unwrap()
    };
    nothing_is_lost_while(redis, backend, happens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriber_that_is_too_slow_for_redis_loses_nothing() {
    let Some(redis) = Redis::start().await else { return };
    redis.words(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 20kb 10kb 1"]).await;
    let happens = async |redis: &mut Redis, hub: &Node| {
        let large = "x".repeat(30_000);
        let mut connection = redis.connection().await;
        for _ in 0..3 {
            sleep(Duration::from_millis(100)).await;
            let mut publish = redis::pipe();
            // Published to a channel of the backend, so that its output buffer exceeds the limit.
            for _ in 0..10 {
                publish.cmd("PUBLISH").arg("test:control").arg(&large);
            }
            publish.atomic().exec_async(&mut connection).await.unwrap();
        }
        assert!(hub.losses() > 0, "Redis has closed its connection");
    };
    nothing_is_lost_while(redis, Redis::streams, happens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_inbox_loses_nothing() {
    let Some(redis) = Redis::start().await else { return };
    let backend =
        |redis: &Redis| RedisBackend::new(redis.config().streams(Streams::new(100_000)).inbox(20, 1 << 20)).unwrap();
    let happens = async |redis: &mut Redis, hub: &Node| {
        let mut connection = redis.connection().await;
        sleep(Duration::from_millis(50)).await;
        let mut publish = redis::pipe();
        for _ in 0..500 {
            publish.cmd("PUBLISH").arg("test:control").arg("nothing");
        }
        publish.exec_async(&mut connection).await.unwrap();
        hub.until_lost(1).await;
    };
    nothing_is_lost_while(redis, backend, happens).await;
}

/// Simulates a message that Redis has lost, which never happens otherwise.
async fn append_silently(redis: &Redis, topic: &str, text: &str) -> u64 {
    let offset: u64 =
        redis::from_redis_value(redis.command(&format!("HINCRBY test:m:{topic} offset 1")).await).unwrap();
    let payload = websocket_hub::backend::Publication::new(text).to_bytes();
    let mut append = redis::cmd("XADD");
    append.arg(format!("test:s:{topic}")).arg(format!("{offset}-0")).arg("p").arg(&payload[..]);
    append.exec_async(&mut redis.connection().await).await.unwrap();
    offset
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_tail_is_found_by_a_check() {
    let Some(redis) = Redis::start().await else { return };
    let config = redis.config().streams(Streams::new(100)).check_interval(Duration::from_millis(300));
    let hub = node(RedisBackend::new(config).unwrap()).await;
    let (mut seat, mut quiet) = (Seat::of(&hub, "t").await, Seat::of(&hub, "quiet").await);
    let first = publish(&hub, "t", "1").await;
    seat.expect_up_to(Position::new(first.epoch(), 0), first).await;
    for offset in 2..5 {
        assert_eq!(append_silently(&redis, "t", "lost").await, offset);
        seat.expect_up_to(Position::new(first.epoch(), offset - 1), Position::new(first.epoch(), offset)).await;
    }
    for seat in [&mut seat, &mut quiet] {
        seat.expect_silence().await;
        assert_eq!(seat.notice().await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hole_is_filled_when_the_next_message_arrives() {
    let Some(redis) = Redis::start().await else { return };
    let hub = node(redis.streams()).await;
    // From its first message on.
    let mut seat = Seat::of(&hub, "t").await;
    append_silently(&redis, "t", "lost").await;
    append_silently(&redis, "t", "lost").await;
    let third = publish(&hub, "t", "3").await;
    assert_eq!(third.offset(), 3);
    seat.expect_up_to(Position::new(third.epoch(), 0), third).await;
    assert_eq!(seat.notice().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_follow_each_other_and_name_the_entries_of_the_stream() {
    let Some(redis) = Redis::start().await else { return };
    let hub = node(redis.with_streams(Streams::new(1000).age(Duration::from_secs(60)))).await;
    for number in 1..=300 {
        assert_eq!(publish(&hub, "t", number).await.offset(), number);
    }
    let entries: Vec<(String, Vec<(String, String)>)> =
        redis::from_redis_value(redis.command("XRANGE test:s:t 150-0 151-0").await).unwrap();
    assert_eq!(entries.iter().map(|entry| &*entry.0).collect::<Vec<_>>(), ["150-0", "151-0"]);
    let ttl: i64 = redis::from_redis_value(redis.command("PTTL test:s:t").await).unwrap();
    assert!((1..=60_000).contains(&ttl), "{ttl}");
    let ttl: i64 = redis::from_redis_value(redis.command("PTTL test:m:t").await).unwrap();
    assert!((60_000..=24 * 3_600_000).contains(&ttl), "{ttl}");
    // More digits than Lua prints by default.
    redis.command("HSET test:m:t offset 9007199254740989").await;
    let since = publish(&hub, "t", "large").await;
    assert_eq!(since.offset(), 9_007_199_254_740_990);
    publish(&hub, "t", "larger").await;
    let seat = Seat::new(&hub).await;
    assert_eq!(seat.subscribe("t", Subscribe::new().since(since)).await.recovery, Recovery::Recovered(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_trimmed() {
    let Some(redis) = Redis::start().await else { return };
    let hub = node(redis.with_streams(Streams::new(100))).await;
    let first = publish(&hub, "t", 0).await;
    for number in 1..1000 {
        publish(&hub, "t", number).await;
    }
    let len: usize = redis::from_redis_value(redis.command("XLEN test:s:t").await).unwrap();
    assert!((100..300).contains(&len), "{len}");
    let mut seat = Seat::new(&hub).await;
    let subscribed = seat.subscribe("t", Subscribe::new().since(first).recent(2)).await;
    assert_eq!(subscribed.recovery, Recovery::Lost);
    assert_eq!([seat.next().await.1, seat.next().await.1], ["998", "999"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_with_members_is_remembered() {
    let Some(redis) = Redis::start().await else { return };
    let streams = Streams::new(100).age(Duration::from_secs(1)).memory(Duration::from_secs(1));
    let config = redis.config().streams(streams).check_interval(Duration::from_millis(300));
    let hub = node(RedisBackend::new(config).unwrap()).await;
    let first = publish(&hub, "t", "1").await;
    let (mut seat, forgotten) = (Seat::of(&hub, "t").await, publish(&hub, "forgotten", "1").await);
    until("forgetting", async || redis.command("EXISTS test:m:forgotten").await == redis::Value::Int(0)).await;
    let second = publish(&hub, "t", "2").await;
    assert_eq!(second, Position::new(first.epoch(), 2));
    assert_eq!(seat.next().await.0, second);
    assert_eq!(seat.notice().await, None);
    assert_ne!(publish(&hub, "forgotten", "2").await.epoch(), forgotten.epoch());
}
