//! The backend passes the suite for backends, in both modes.

use websocket_hub::test::conformance::{check, check_nodes};

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
