//! The notifications of an observer, for every way to open a socket: each connection once, from its
//! opening to its end.

mod deadlocks;

use std::time::Duration;

use permessage_deflate::PermessageDeflate;
use tokio::time::sleep;
use tower_websocket::observe::Traffic;
use tower_websocket::server::AcceptError;
use tower_websocket::test::{self, Handshake, Peer, Recorded, Recorder};
use tower_websocket::{
    CloseCause, CloseCode, Config, Message, PreparedBatch, PreparedMessage, ServerConfig, Version, accept, connect,
};
use websocket_tests::chain::chain;
use websocket_tests::wire::{Frame, Handshake as Head, VERSIONS, frames};

use crate::client::{Opening, texts_of};
use crate::pair::{over_memory, pinged, with_peer};
use crate::run::{run, run_paused};
use crate::stacks::{Stack, axum, config, on_every_stack};

on_every_stack! {
    every_connection_is_opened_counted_and_closed_once
    refusal_is_reported_once_and_opens_nothing
}

fn observed_by(recorder: &Recorder) -> ServerConfig {
    Config::server().observer(recorder.clone())
}

/// Returns the record of a connection once it has ended.
async fn record_of(recorder: &Recorder) -> Recorded {
    recorder.closed().await;
    recorder.take()
}

fn kinds(recorded: &Recorded) -> Vec<&'static str> {
    recorded.closed.iter().map(CloseCause::kind).collect()
}

async fn every_connection_is_opened_counted_and_closed_once(stack: Stack) {
    let recorder = Recorder::new();
    let server = stack.serve(config().observer(recorder.clone())).await;
    for version in VERSIONS {
        let opening = server.opening(version).target("/room/1?secret=yes").protocol("chat", Some("chat"));
        let mut client = opening.on(server.connect().await).await;
        client.echo(&["hello", "Grüße"]).await;
        client.close().await;
        let told = record_of(&recorder).await;
        let [opening] = &told.opened[..] else { panic!("{told:?}") };
        assert_eq!((opening.is_client, opening.version, &*opening.path), (false, version, "/room/1"));
        assert_eq!(opening.protocol.as_deref(), Some("chat"));
        assert_eq!((kinds(&told), told.late_calls), (vec!["remote"], 0), "{version}");
        assert!(told.refused.is_empty() && told.round_trips.is_empty());
        let Traffic { messages_received, messages_sent, payload_received, payload_sent, wire_received, .. } =
            told.traffic;
        assert_eq!((messages_received, payload_received), (2, 12), "{version}");
        assert_eq!((messages_sent, payload_sent), (2, 12), "{version}");
        let closing = match version {
            Version::Hixie75 => 0,
            Version::Hixie76 => 2,
            _ => Frame::close(4321, "done").bytes().len(),
        };
        let texts = texts_of(version, &["hello", "Grüße"]).len();
        assert_eq!(wire_received, (texts + closing) as u64, "{version}");
    }
}

async fn refusal_is_reported_once_and_opens_nothing(stack: Stack) {
    let recorder = Recorder::new();
    // Drafts are not allowed.
    let server = stack.serve(observed_by(&recorder)).await;
    let mut wire = server.connect().await;
    wire.write(Head::of(Version::Hybi8).bytes()).await;
    assert_eq!(wire.response().await.0.status, 426);
    let told = recorder.take();
    assert_eq!(told.refused.len(), 1, "{:?}", told.refused);
    assert!(chain(&told.refused[0]).contains("version"), "{:?}", told.refused);
    assert!(told.opened.is_empty() && told.closed.is_empty());
}

#[test]
fn router_config_applies_to_handlers_and_to_rejections() {
    run(async || {
        let recorder = Recorder::new();
        let router = ::axum::Router::new()
            .fallback(async |ws: axum_websocket::WebSocketUpgrade| {
                assert_eq!(ws.selected_protocol().unwrap(), "chat");
                ws.on_upgrade(async |mut socket| while let Some(Ok(_)) = socket.recv().await {})
            })
            .layer(::axum::Extension(observed_by(&recorder).allow_drafts(true).protocols(["chat"])));
        let port = axum(router).await;
        let opening = Opening::of(Version::Hybi8).protocol("chat", Some("chat"));
        opening.on(port.connect().await).await.close().await;
        let told = record_of(&recorder).await;
        assert_eq!(told.opened.len(), 1);
        assert!(told.refused.is_empty());

        let mut wire = port.connect().await;
        wire.write(Head::hybi("99").bytes()).await;
        let (answer, _) = wire.response().await;
        assert_eq!((answer.status, answer.all("sec-websocket-version")), (426, vec!["13, 8, 7"]));
        let told = recorder.take();
        assert_eq!(told.refused.len(), 1, "{:?}", told.refused);
        assert!(told.opened.is_empty() && told.closed.is_empty());
    });
}

#[test]
fn clients_are_observed_as_such_on_http_1_and_2() {
    run(async || {
        let server = Recorder::new();
        let shutdown = ::axum::Router::new().fallback({
            let config = observed_by(&server);
            async move |ws: axum_websocket::WebSocketUpgrade| {
                ws.config(config).on_upgrade(async |mut socket| while let Some(Ok(_)) = socket.recv().await {})
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/feed?secret=1", listener.local_addr().unwrap());
        tokio::spawn(async move { ::axum::serve(listener, shutdown).await });
        for is_http2 in [false, true] {
            let recorder = Recorder::new();
            let connect = connect(&url).config(Config::client().observer(recorder.clone()));
            let (mut socket, _) = if is_http2 { connect.http2().await.unwrap() } else { connect.await.unwrap() };
            socket.send("hello").await.unwrap();
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            drop(socket);
            let told = record_of(&recorder).await;
            let [opening] = &told.opened[..] else { panic!("{told:?}") };
            assert_eq!((opening.is_client, opening.version, &*opening.path), (true, Version::Hybi13, "/feed"));
            assert_eq!(opening.protocol, None);
            assert_eq!((kinds(&told), told.late_calls), (vec!["local"], 0));
            assert_eq!((told.traffic.messages_sent, told.traffic.payload_sent), (1, 5));
            let told = record_of(&server).await;
            assert_eq!((told.opened.len(), kinds(&told)), (1, vec!["remote"]));
            // Without a head, since hyper writes the response. A masked text and a masked close
            // frame.
            assert_eq!((told.traffic.messages_received, told.traffic.wire_received), (1, 11 + 8));
        }
    });
}

#[test]
fn frames_are_counted_to_the_byte_for_every_way_to_send_and_receive() {
    run_paused(async || {
        for way in ["recv", "for_each", "next_event"] {
            let recorder = Recorder::new();
            let (mut socket, mut peer) = with_peer(Version::Hybi13, observed_by(&recorder)).await;
            // The response to the handshake, which the driver writes itself.
            let head = recorder.recorded().traffic.wire_sent;
            assert!((100..200).contains(&head), "{head}");
            let sent = frames([
                Frame::text("hello"),
                Frame::ping("ping"),
                Frame::binary([7; 300]),
                Frame::text("frag").more(),
                Frame::pong(""),
                Frame::continuation("ment"),
            ]);
            peer.send_raw(&sent);
            peer.send_close(1000, "");
            match way {
                "recv" => {
                    while let Some(message) = socket.recv().await {
                        socket.feed(message.unwrap()).await.unwrap_or_default();
                    }
                }
                "for_each" => {
                    let echo = socket.for_each_borrowed(|message, replies| drop(replies.send_borrowed(message)));
                    echo.await.unwrap();
                }
                _ => {
                    while let Some(event) = socket.next_event().await {
                        if let tower_websocket::Event::Message(message) = event.unwrap() {
                            socket.send(message).await.unwrap_or_default();
                        }
                    }
                }
            }
            let written = peer.rest().await.len() as u64;
            let told = record_of(&recorder).await;
            let Traffic { messages_received, messages_sent, payload_received, payload_sent, .. } = told.traffic;
            assert_eq!((messages_received, payload_received), (3, 313), "{way}");
            assert_eq!((messages_sent, payload_sent), (3, 313), "{way}");
            assert_eq!(told.traffic.wire_received, sent.len() as u64 + 8, "{way}");
            assert_eq!(told.traffic.wire_sent, head + written, "{way}");
            assert_eq!(written, 7 + 6 + 304 + 10 + 4, "{way}");
        }
    });
}

#[test]
fn compressed_messages_are_counted_before_and_after_compression() {
    run_paused(async || {
        let recorder = Recorder::new();
        let config = observed_by(&recorder).extension(PermessageDeflate::new()).unwrap();
        let offer = Handshake::new("/").header("Sec-WebSocket-Extensions", "permessage-deflate");
        let (mut socket, mut peer) = test::server(offer, config).await;
        let head = recorder.recorded().traffic.wire_sent;
        // 300 bytes of "a", compressed.
        let sent = Frame::binary(b"\x4a\x4c\x1c\x05\xc4\x02\x00\x00").rsv(0x40).bytes();
        peer.send_raw(&sent);
        let message = socket.recv().await.unwrap().unwrap();
        assert_eq!(message, Message::binary(vec![b'a'; 300]));
        socket.send(message).await.unwrap();
        drop(socket);
        let written = peer.rest().await.len() as u64;
        assert!(written < 30, "{written}");
        let traffic = record_of(&recorder).await.traffic;
        assert_eq!((traffic.payload_received, traffic.wire_received), (300, sent.len() as u64));
        assert_eq!((traffic.payload_sent, traffic.wire_sent), (300, head + written));
    });
}

#[test]
fn round_trips_are_reported_for_pings_of_both_kinds() {
    run_paused(async || {
        let recorder = Recorder::new();
        let (mut socket, mut peer) = with_peer(Version::Hybi13, observed_by(&recorder)).await;
        let sender = socket.sender();
        let server = tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        // A keepalive ping.
        let data = pinged(&mut peer).await;
        sleep(Duration::from_millis(30)).await;
        peer.send_pong(data);
        let ping = tokio::spawn(async move { sender.ping().await.unwrap() });
        let data = pinged(&mut peer).await;
        sleep(Duration::from_millis(70)).await;
        // These do not answer a ping.
        peer.send_pong("");
        peer.send_pong(data);
        assert_eq!(ping.await.unwrap(), Duration::from_millis(70));
        peer.close(1000, "").await;
        server.await.unwrap();
        assert_eq!(record_of(&recorder).await.round_trips, [30, 70].map(Duration::from_millis));
    });
}

#[test]
fn end_is_reported_once_in_whatever_state_a_socket_is_dropped() {
    run_paused(async || {
        for version in VERSIONS {
            for state in ["open", "closing", "closed", "with writes pending", "blocked"] {
                let recorder = Recorder::new();
                let config = observed_by(&recorder).close_timeout(Duration::from_secs(5));
                let (mut socket, mut peer) = with_peer(version, config).await;
                let expected = match state {
                    "closing" => {
                        socket.start_close(CloseCode::NORMAL, "").unwrap();
                        "local"
                    }
                    "closed" => {
                        peer.send_close(1000, "");
                        assert!(socket.recv().await.is_none());
                        // Although the socket still exists.
                        assert_eq!(kinds(&recorder.recorded()), ["remote"], "{version}");
                        "remote"
                    }
                    "with writes pending" | "blocked" => {
                        peer.capacity(if state == "blocked" { 1 } else { 1000 });
                        peer.send_raw(texts_of(version, &["one", "two", "three"]));
                        let message = socket.recv().await.unwrap().unwrap();
                        socket.send(message).await.unwrap();
                        assert!(recorder.recorded().closed.is_empty());
                        "dropped"
                    }
                    _ => "dropped",
                };
                drop(socket);
                sleep(Duration::from_secs(6)).await;
                let told = recorder.take();
                assert_eq!(
                    (told.opened.len(), kinds(&told), told.late_calls),
                    (1, vec![expected], 0),
                    "{version}, {state}"
                );
            }
        }
    });
}

#[test]
fn runtime_end_is_reported_for_its_sockets() {
    let recorder = Recorder::new();
    let config = observed_by(&recorder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let (mut socket, mut peer) = test::server("/", config).await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        sender.send("hello").await.unwrap();
        peer.expect_text("hello").await;
        std::mem::forget(peer);
    });
    assert!(recorder.recorded().closed.is_empty());
    drop(runtime);
    let told = recorder.take();
    assert_eq!((told.opened.len(), kinds(&told), told.late_calls), (1, vec!["dropped"], 0));
}

#[test]
fn connection_whose_response_cannot_be_written_is_opened_and_closed() {
    run_paused(async || {
        let recorder = Recorder::new();
        let (io, other) = test::transport();
        let mut peer = Peer::new(other);
        peer.capacity(10);
        peer.send_raw(Head::of(Version::Hybi13).bytes());
        let config = observed_by(&recorder).handshake_timeout(Duration::from_secs(3));
        assert!(matches!(accept(io, config).await, Err(AcceptError::TimedOut)));
        let told = recorder.take();
        assert_eq!((told.opened.len(), told.closed.len(), told.late_calls), (1, 1, 0), "{told:?}");
    });
}

#[test]
fn handshake_that_never_arrives_opens_and_closes_nothing() {
    run_paused(async || {
        let recorder = Recorder::new();
        let (io, _peer) = test::transport();
        assert!(accept(io, observed_by(&recorder)).await.is_err());
        let (mut request, _) = test::request::<()>("/").await;
        // Neither does a handshake whose response is dropped.
        drop(tower_websocket::upgrade(&mut request, &observed_by(&recorder)).unwrap());
        let told = recorder.take();
        assert!(told.opened.is_empty() && told.closed.is_empty() && told.refused.is_empty(), "{told:?}");
    });
}

#[test]
fn traffic_is_reported_while_the_connection_is_open() {
    run_paused(async || {
        let recorder = Recorder::new();
        let (mut socket, mut client) = over_memory(100_000, Version::Hybi13, observed_by(&recorder)).await;
        let server = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.recv().await {
                socket.send(message).await.unwrap();
            }
        });
        for count in 1..=3 {
            client.echo(&["hello"]).await;
            let traffic = recorder.recorded().traffic;
            assert_eq!((traffic.messages_received, traffic.messages_sent), (count, count));
            assert_eq!(traffic.wire_received, count * 11);
        }
        client.close().await;
        server.await.unwrap();
    });
}

#[test]
fn messages_of_a_joined_batch_are_counted_one_by_one() {
    run_paused(async || {
        let recorder = Recorder::new();
        let (mut socket, mut peer) = with_peer(Version::Hybi13, observed_by(&recorder)).await;
        let batch = PreparedBatch::new(["one", "three"].map(PreparedMessage::new));
        assert_eq!(socket.sender().try_send_joined(&batch), Ok(2));
        peer.expect_text("one").await;
        peer.expect_text("three").await;
        peer.send_close(1000, "");
        while socket.recv().await.is_some() {}
        let traffic = record_of(&recorder).await.traffic;
        assert_eq!((traffic.messages_sent, traffic.payload_sent), (2, 8));
    });
}
