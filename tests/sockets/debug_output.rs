//! The `Debug` output of sockets and errors must not reveal secrets.

use std::fmt::Debug;

use axum::extract::FromRequestParts;
use axum_websocket::WebSocketUpgrade;
use tower_websocket::client::Reconnect;
use tower_websocket::server::AcceptError;
use tower_websocket::{Config, Version, accept};
use websocket_tests::wire::{Frame, Handshake, frames};

use crate::client::Opening;
use crate::pair::over_memory;
use crate::run::run;
use crate::wire::Wire;

#[track_caller]
fn confirm(value: &impl Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        for secret in ["s3cret", "115, 51"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

fn with_secrets(handshake: Handshake) -> Handshake {
    handshake.with("Cookie", "session=s3cret").with("X-Token", "s3cret")
}

#[test]
fn socket_shows_no_payload_and_no_credentials() {
    run(async || {
        let (server, client) = crate::pair::tcp().await;
        let mut opening = Opening::of(Version::Hybi13).target("/?token=s3cret").protocol("s3cret", Some("s3cret"));
        opening.handshake = with_secrets(opening.handshake);
        let mut client = Wire::new(client);
        client.write(opening.handshake.bytes()).await;
        let mut socket = accept(server, Config::server().protocols(["s3cret"])).await.unwrap();
        confirm(&socket);
        let mut client = opening.confirmed(client).await;
        let frame = |text| Frame::text(text).mask([0; 4]).bytes();
        client.wire.write([frame("one"), frame("s3cret"), frame("s3cret")[..9].to_vec()].concat()).await;
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("one"));
        socket.feed("s3cret").await.unwrap();
        confirm(&socket);
        let (sender, reader) = socket.split();
        confirm(&sender);
        confirm(&reader);
    });
}

#[test]
fn plain_request_shows_no_header_and_no_body() {
    run(async || {
        let (server, client) = crate::pair::tcp().await;
        let mut post = with_secrets(Handshake::get("/form?token=s3cret")).with("Content-Length", "6");
        (post.method, post.body) = ("POST".into(), b"s3cret".into());
        Wire::new(client).write(post.bytes()).await;
        let error = accept(server, Config::server()).await.unwrap_err();
        confirm(&error);
        let AcceptError::PlainHttp(http) = error else { panic!("{error:?}") };
        assert!(format!("{http:?}").contains("/form"), "{http:?}");
        assert_eq!(http.read, "s3cret");
    });
}

#[test]
fn extractor_shows_no_header_and_no_subprotocol() {
    run(async || {
        let router = axum::Router::new().fallback(async |request: axum::extract::Request| {
            let (mut parts, _) = request.into_parts();
            let ws = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
            confirm(&ws);
            let ws = ws.protocols(["s3cret"]);
            confirm(&ws);
            "fine"
        });
        let mut wire = crate::stacks::axum(router).await.connect().await;
        let handshake = with_secrets(Handshake::of(Version::Hybi13)).with("Sec-WebSocket-Protocol", "s3cret, x");
        wire.write(handshake.bytes()).await;
        assert_eq!(wire.response().await.1, "fine");
    });
}

#[test]
fn reconnecting_client_shows_no_payload_and_no_credentials() {
    run(async || {
        let port = crate::stacks::axum(axum::Router::new().fallback(async |ws: WebSocketUpgrade| {
            ws.on_upgrade(async |mut socket| {
                let _ = socket.send("one").await;
                let _ = socket.send("s3cret").await;
                let _ = socket.recv().await;
            })
        }))
        .await;
        let url = format!("ws://user:s3cret@{}/?token=s3cret", port.addr);
        confirm(&tower_websocket::connect(&url[..]));
        let mut sessions = Reconnect::new(|| tower_websocket::connect(&url[..]));
        let (socket, _) = sessions.next().await.unwrap().unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("one"));
        confirm(&socket);
        confirm(&sessions);
    });
}

#[test]
fn replies_show_no_message() {
    run(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
        client
            .wire
            .write(frames([Frame::text("s3cr").more(), Frame::continuation("et"), Frame::close(1000, "")]))
            .await;
        let mut messages = 0;
        let answering = socket.for_each_borrowed(|message, replies| {
            replies.send_borrowed(message).unwrap();
            confirm(&*replies);
            messages += 1;
        });
        answering.await.unwrap();
        assert_eq!(messages, 1);
    });
}
