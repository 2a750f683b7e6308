//! The backends pass the conformance suite.

use websocket_hub::HistoryLimit;
use websocket_hub::backend::InProcess;
use websocket_hub::test::conformance;

use crate::engine::Engine;

#[tokio::test(start_paused = true)]
async fn in_process_backend_conforms() {
    conformance::check(async || InProcess::new(HistoryLimit::new(1000))).await;
    conformance::check(async || InProcess::new(None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_process_backend_conforms_on_several_threads() {
    conformance::check(async || InProcess::new(HistoryLimit::new(1000))).await;
}

#[tokio::test(start_paused = true)]
async fn engine_of_these_tests_conforms() {
    let engine = Engine::new(1000);
    conformance::check(async || engine.node()).await;
    conformance::check_nodes(async || engine.node()).await;
}
