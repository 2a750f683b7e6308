//! Peers that do not read, as HTTP/2 streams that share a window with others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant, sleep, timeout};
use tower::{ServiceBuilder, service_fn};
use tower_websocket::error::Timeout;
use tower_websocket::test::Recorder;
use tower_websocket::{CloseCause, Config, Version, WebSocket, WebSocketLayer};
use websocket_tests::wire::{Frame, ServerFrame};

use crate::client::Client;
use crate::http2::websocket;
use crate::run::run;
use crate::serve::{How, Port, serve};
use crate::stacks::{Stack, inner};
use crate::wire::Wire;

const SECOND: Duration = Duration::from_secs(1);

/// Opens a connection whose streams grant the server this window.
async fn connect(port: Port, window: u32) -> SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(port.connect_http2().await);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window).initial_connection_window_size((1 << 31) - 1);
    let (sender, connection) = builder.handshake(io).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

async fn open(sender: &mut SendRequest<Empty<Bytes>>) -> Client {
    let mut response = sender.send_request(websocket()).await.expect("a response");
    assert_eq!(response.status(), 200);
    let upgraded = hyper::upgrade::on(&mut response).await.expect("a tunnel");
    Client { wire: Wire::new(TokioIo::new(upgraded)), version: Version::Hybi13 }
}

/// Sends more than the echo can buffer, without reading.
async fn babble(mut wire: Wire) {
    let message = Frame::binary([7; 60_000]).bytes();
    for _ in 0..100 {
        if wire.try_write(&message).await.is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

#[test]
fn stream_that_gives_no_window_is_timed_out() {
    run(async || {
        for stack in [Stack::Axum, Stack::Tower] {
            let recorder = Recorder::new();
            let time = SECOND / 5;
            let config = Config::server().ping_interval(Some(time)).pong_timeout(time).observer(recorder.clone());
            let server = stack.serve(config).await;
            let mut sender = connect(server.port, 0).await;
            let begun = Instant::now();
            let client = tokio::spawn(babble(open(&mut sender).await.wire));
            while recorder.recorded().closed.is_empty() {
                assert!(begun.elapsed() < 10 * SECOND, "{stack:?}: it is not timed out");
                sleep(SECOND / 100).await;
            }
            assert_eq!(recorder.recorded().closed, [CloseCause::Timeout(Timeout::Pong)], "{stack:?}");
            client.abort();
        }
    });
}

/// hyper 1.8 to 1.10 accept any amount.
#[test]
fn sender_waits_for_the_window_of_its_stream() {
    run(async || {
        let sent = Arc::new(AtomicUsize::new(0));
        let layer = WebSocketLayer::new({
            let sent = sent.clone();
            move |mut socket: WebSocket, _| {
                let sent = sent.clone();
                async move {
                    while socket.send(vec![7; 64 * 1024]).await.is_ok() {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        let port = serve(ServiceBuilder::new().layer(layer).service(service_fn(inner)), How::Auto).await;
        let mut sender = connect(port, 65_535).await;
        let mut client = open(&mut sender).await;
        while sent.load(Ordering::Relaxed) == 0 {
            sleep(SECOND / 100).await;
        }
        sleep(SECOND / 5).await;
        let waiting = sent.load(Ordering::Relaxed);
        // The window, the buffer of hyper and what is in transit.
        assert!(waiting < 32, "{waiting}");
        for _ in 0..2 * waiting {
            assert_eq!(client.wire.frame().await.payload.len(), 64 * 1024);
        }
    });
}

/// The two use up the connection's window until they time out.
#[test]
fn healthy_streams_survive_beside_two_that_do_not_read() {
    run(async || {
        for stack in [Stack::Axum, Stack::Tower] {
            let recorder = Recorder::new();
            let time = SECOND / 2;
            let config = Config::server().ping_interval(Some(time)).pong_timeout(time).observer(recorder.clone());
            let server = stack.serve(config).await;
            let mut sender = connect(server.port, 65_535).await;
            let mut healthy = Vec::new();
            for _ in 0..3 {
                let mut client = open(&mut sender).await;
                healthy.push(tokio::spawn(async move {
                    loop {
                        let ServerFrame { opcode, payload } = client.wire.frame().await;
                        match opcode {
                            9 => client.wire.write(Frame::pong(payload).bytes()).await,
                            _ => panic!("opcode {opcode}: {payload:?}"),
                        }
                    }
                }));
            }
            let stuck = [open(&mut sender).await, open(&mut sender).await];
            let stuck = stuck.map(|client| tokio::spawn(babble(client.wire)));
            timeout(10 * SECOND, async {
                while recorder.recorded().closed.len() < 2 {
                    sleep(SECOND / 100).await;
                }
            })
            .await
            .expect("those that do not read are timed out");
            // An affected stream would time out soon.
            sleep(4 * time).await;
            assert_eq!(recorder.recorded().closed.len(), 2, "{stack:?}: {:?}", recorder.recorded().closed);
            assert!(healthy.iter().all(|client| !client.is_finished()), "{stack:?}");
            stuck.iter().chain(&healthy).for_each(|task| task.abort());
        }
    });
}
