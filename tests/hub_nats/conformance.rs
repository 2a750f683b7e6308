//! The backend passes the suite for backends, with its hubs on one server.

use websocket_hub::test::conformance;

use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_backend_conforms() {
    let Some(server) = Server::start().await else { return };
    conformance::check(async || server.backend()).await;
}

#[tokio::test]
async fn nats_backend_conforms_on_one_thread() {
    let Some(server) = Server::start().await else { return };
    conformance::check(async || server.backend()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_nodes_behave_like_one() {
    let Some(server) = Server::start().await else { return };
    conformance::check_nodes(async || server.backend()).await;
}
