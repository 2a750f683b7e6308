//! Limits on the memory of all connections and of a single one.

use std::time::Duration;

use axum_websocket::WebSocketUpgrade;
use futures_util::FutureExt;
use permessage_deflate::PermessageDeflate;
use tokio::time::{sleep, timeout};
use tower_websocket::error::Limit;
use tower_websocket::test::{self, Handshake};
use tower_websocket::{Budget, CloseCause, CloseCode, Config, Message, Version, WebSocket, WebSocketLayer};
use websocket_tests::wire::{Answer, Frame, Handshake as Head, VERSIONS};

use crate::pair::{over_memory, with_peer};
use crate::run::{run, run_paused};
use crate::stacks::{Server, Stack, config, on_every_stack};

const KIB: usize = 1024;

on_every_stack! {
    spent_budget_refuses_handshakes_until_memory_is_freed
}

/// Returns the response to a handshake, on a new connection or an existing one.
async fn answered(server: &Server, version: Version) -> Answer {
    let mut wire = server.connect().await;
    wire.write(Head::of(version).bytes()).await;
    wire.response().await.0
}

async fn spent_budget_refuses_handshakes_until_memory_is_freed(stack: Stack) {
    let budget = Budget::with_retry_after(128 * KIB, Duration::from_secs(7));
    let server = stack.serve(config().budget(&budget)).await;
    let mut holding = server.open(Version::Hybi13).await;
    // Fragments that the server buffers.
    holding.wire.write(Frame::text("x".repeat(200 * KIB)).more().bytes()).await;
    while !budget.is_spent() {
        tokio::task::yield_now().await;
    }
    for version in VERSIONS {
        let answer = answered(&server, version).await;
        assert_eq!((answer.status, answer.all("retry-after")), (503, vec!["7"]), "{version}");
    }
    // The open connection continues, and its memory does not shrink.
    holding.wire.write(Frame::continuation("").bytes()).await;
    assert_eq!(holding.text().await.len(), 200 * KIB);
    holding.echo(&["goes on"]).await;
    while budget.is_spent() {
        tokio::task::yield_now().await;
    }
    let other = server.open(Version::Hybi13).await;
    other.close().await;
    holding.close().await;
    while budget.used() > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn http_2_stream_is_refused_and_the_connection_continues() {
    run(async || {
        for stack in Stack::HTTP2 {
            let budget = Budget::new(0);
            let server = stack.serve(config().budget(&budget)).await;
            let mut connection = crate::http2::Connection::to(&server).await;
            for _ in 0..2 {
                let refusal = connection.refused(crate::http2::websocket()).await;
                assert_eq!(refusal.status, 503);
                assert_eq!(refusal.headers["retry-after"], "10");
            }
        }
    });
}

#[test]
fn budget_applies_to_upgrades_and_the_test_kit() {
    run_paused(async || {
        let budget = Budget::new(0);
        let config = Config::server().budget(&budget);
        let layer = WebSocketLayer::new(|_: WebSocket, _| async {}.boxed()).config(config.clone());
        let app = ::tower::ServiceBuilder::new().layer(layer).service(::tower::service_fn(async |_| {
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        }));
        let (request, _) = test::request::<http_body_util::Empty<bytes::Bytes>>("/").await;
        let response = ::tower::ServiceExt::oneshot(app, request).await.unwrap();
        assert_eq!(response.status(), 503);
        let (mut request, _) = test::request::<()>("/").await;
        let refusal = tower_websocket::upgrade(&mut request, &config).unwrap_err();
        assert_eq!(refusal.status(), 503);
        assert_eq!(refusal.to_response().headers()["retry-after"], "10");
        let router = ::axum::Router::new()
            .fallback(async move |ws: WebSocketUpgrade| ws.config(config.clone()).on_upgrade(async |_| {}));
        let (request, _) = test::request::<::axum::body::Body>("/").await;
        let response = ::tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"10".parse().unwrap()));
    });
}

#[test]
fn idle_connection_is_charged_only_what_it_holds() {
    run_paused(async || {
        for version in VERSIONS {
            let budget = Budget::new(1 << 30);
            let (mut socket, mut peer) = with_peer(version, Config::server().budget(&budget)).await;
            let server = tokio::spawn(async move {
                while let Some(Ok(message)) = socket.recv().await {
                    let _ = socket.send(message).await;
                }
            });
            sleep(Duration::from_secs(1)).await;
            assert!((1..2 * KIB).contains(&budget.used()), "{version}: {}", budget.used());
            peer.send_text("hello");
            peer.expect_text("hello").await;
            // The first byte of a header.
            peer.send_raw(if version.is_hixie() { [0x00] } else { [0x81] });
            sleep(Duration::from_secs(1)).await;
            assert!((1..2 * KIB).contains(&budget.used()), "{version}: {}", budget.used());
            drop(peer);
            server.await.unwrap();
            assert_eq!(budget.used(), 0, "{version}");
        }
    });
}

#[test]
fn incomplete_input_is_charged() {
    run_paused(async || {
        for version in VERSIONS {
            let budget = Budget::new(1 << 30);
            let (mut socket, mut peer) = with_peer(version, Config::server().budget(&budget)).await;
            let server = tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
            if version.is_hixie() {
                peer.send_raw([&[0x00], &[b'x'; 300 * KIB][..]].concat());
            } else {
                peer.send_raw(Frame::binary(vec![7; 300 * KIB]).more().bytes());
            }
            sleep(Duration::from_secs(1)).await;
            assert!((300 * KIB..1000 * KIB).contains(&budget.used()), "{version}: {}", budget.used());
            // It is returned although the socket still exists.
            if version.is_hixie() {
                peer.send_raw([0xff])
            } else {
                peer.send_raw(Frame::continuation("").bytes())
            }
            sleep(Duration::from_secs(1)).await;
            assert!(budget.used() < 2 * KIB, "{version}: {}", budget.used());
            drop(peer);
            server.await.unwrap();
            assert_eq!(budget.used(), 0);
        }
    });
}

#[test]
fn unread_output_is_charged_whoever_sent_it() {
    run_paused(async || {
        for by_sender in [false, true] {
            let budget = Budget::new(1 << 30);
            let config = Config::server().budget(&budget);
            let (mut socket, mut client) = over_memory(1000, Version::Hybi13, config).await;
            let server = if by_sender {
                let sender = socket.sender();
                tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
                sleep(Duration::from_secs(1)).await;
                tokio::spawn(async move { sender.send("x".repeat(200 * KIB)).await.unwrap() })
            } else {
                tokio::spawn(async move {
                    socket.send("x".repeat(200 * KIB)).await.unwrap();
                    while let Some(Ok(_)) = socket.recv().await {}
                })
            };
            sleep(Duration::from_secs(1)).await;
            assert!(budget.used() > 190 * KIB, "by a sender: {by_sender}, {}", budget.used());
            assert_eq!(client.text().await.len(), 200 * KIB);
            sleep(Duration::from_secs(1)).await;
            assert!(budget.used() < 2 * KIB, "by a sender: {by_sender}, {}", budget.used());
            drop(client);
            server.await.unwrap();
            sleep(Duration::from_secs(1)).await;
            assert_eq!(budget.used(), 0, "by a sender: {by_sender}");
        }
    });
}

#[test]
fn ended_socket_holds_nothing_while_it_is_kept() {
    run_paused(async || {
        let budget = Budget::new(1 << 30);
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server().budget(&budget)).await;
        peer.send_raw(Frame::binary(vec![7; 300 * KIB]).more().bytes());
        let server = tokio::spawn(async move {
            assert!(socket.recv().await.is_none());
            socket
        });
        sleep(Duration::from_secs(1)).await;
        assert!(budget.used() > 300 * KIB);
        peer.end();
        let socket = server.await.unwrap();
        assert!(budget.used() < 2 * KIB, "{}", budget.used());
        drop(socket);
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn deflate_memory_is_charged_while_the_connection_is_open() {
    run_paused(async || {
        let budget = Budget::new(1 << 30);
        let config = Config::server().extension(PermessageDeflate::new()).unwrap().budget(&budget);
        let offer = Handshake::new("/").header("Sec-WebSocket-Extensions", "permessage-deflate");
        let (mut socket, peer) = test::server(offer, config).await;
        let server = tokio::spawn(async move {
            socket.send("hello ".repeat(100)).await.unwrap();
            assert!(socket.recv().await.is_none());
            socket
        });
        sleep(Duration::from_secs(1)).await;
        assert!(budget.used() > 64 * KIB, "{}", budget.used());
        drop(peer);
        let socket = server.await.unwrap();
        assert!(budget.used() < 2 * KIB, "{}", budget.used());
        drop(socket);
        assert_eq!(budget.used(), 0);
    });
}

/// Echoes messages until the client ends.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.unwrap();
    }
}

#[test]
fn deflate_memory_of_an_idle_connection_is_released() {
    run_paused(async || {
        let budget = Budget::new(1 << 30);
        let config = Config::server().extension(PermessageDeflate::new()).unwrap().budget(&budget);
        let client = Config::client().extension(PermessageDeflate::new()).unwrap();
        let (socket, mut client) = test::pair(config, client).await;
        tokio::spawn(echo(socket));
        let exchange = async |client: &mut WebSocket<_>, number: usize| {
            let text = format!("a message {number} ").repeat(10);
            client.send(text.as_str()).await.unwrap();
            assert_eq!(client.recv().await.unwrap().unwrap().as_text(), Some(&*text));
        };
        // Meanwhile, the client answers pings.
        let idle = async |client: &mut WebSocket<_>, time| {
            timeout(time, client.recv()).await.expect_err("no message arrives");
        };
        for period in 0..2 {
            // As long as there are messages, the context is kept.
            for number in 0..20 {
                exchange(&mut client, number).await;
                idle(&mut client, Duration::from_secs(15)).await;
                assert!(budget.used() > 300 * KIB && client.memory() > 300 * KIB, "period {period}, message {number}");
            }
            idle(&mut client, Duration::from_secs(14)).await;
            assert!(budget.used() > 300 * KIB && client.memory() > 300 * KIB, "period {period}");
            idle(&mut client, Duration::from_secs(33)).await;
            assert!(budget.used() < 50 * KIB && client.memory() < 50 * KIB, "period {period}, {}", budget.used());
        }
    });
}

#[test]
fn connection_over_its_memory_limit_is_closed_with_1009_and_others_are_not() {
    run_paused(async || {
        let config = Config::server().max_memory(400 * KIB);
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config.clone()).await;
        let (mut other, mut other_peer) = with_peer(Version::Hybi13, config).await;
        peer.send_raw(Frame::binary("").more().bytes());
        for _ in 0..10 {
            peer.send_raw(Frame::continuation(vec![7; 60 * KIB]).more().bytes());
        }
        assert!(socket.recv().await.unwrap().is_err());
        assert!(socket.recv().await.is_none());
        let Some(CloseCause::Limit(exceeded)) = socket.close_cause() else { panic!("{:?}", socket.close_cause()) };
        assert_eq!((exceeded.limit, exceeded.max), (Limit::Memory, 400 * KIB as u64));
        peer.expect_close(CloseCode::MESSAGE_TOO_BIG).await;
        other_peer.send_raw(Frame::binary(vec![7; 200 * KIB]).bytes());
        assert_eq!(other.recv().await.unwrap().unwrap(), Message::binary(vec![7; 200 * KIB]));
    });
}
