//! Based on the tests of axum's extractor.

use std::future::ready;

use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use axum::{Error, Router};
use http::{Request, StatusCode, Version};
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_websocket::test::{self, Handshake};
use tower_websocket::{Event, Message as NativeMessage, connect};

use super::ws::rejection::WebSocketUpgradeRejection;
use super::ws::{DefaultOnFailedUpgrade, Message, OnFailedUpgrade, WebSocket, WebSocketUpgrade};
use crate::run::{run, run_paused};

#[test]
fn extractor_rejects_http_1_0() {
    run(async || {
        let service = any(|ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>| {
            assert!(matches!(ws.unwrap_err(), WebSocketUpgradeRejection::ConnectionNotUpgradable(_)));
            ready(())
        });
        let request = Request::get("/")
            .version(Version::HTTP_10)
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-key", "6D69KGBOr4Re+Nj6zx9aQA==")
            .header("sec-websocket-version", "13")
            .body(Body::empty())
            .unwrap();
        let response: Response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    });
}

#[test]
fn extractor_takes_callbacks_for_failed_upgrades() {
    struct Count;
    impl OnFailedUpgrade for Count {
        fn call(self, _: Error) {}
    }
    async fn by_default(ws: WebSocketUpgrade) -> Response {
        ws.on_upgrade(|_| async {})
    }
    async fn named(ws: WebSocketUpgrade<DefaultOnFailedUpgrade>) -> Response {
        ws.on_failed_upgrade(Count).on_upgrade(|_| async {})
    }
    async fn by_closure(ws: WebSocketUpgrade) -> Response {
        ws.on_failed_upgrade(|_: Error| println!("oops")).on_upgrade(|_| async {})
    }
    async fn helped(ws: WebSocketUpgrade) -> Response {
        fn accept<F: OnFailedUpgrade>(ws: WebSocketUpgrade<F>) -> Response {
            ws.max_frame_size(1024).on_upgrade(|_| async {})
        }
        accept(ws.on_failed_upgrade(Count))
    }
    run(async || {
        let app = Router::new()
            .route("/default", any(by_default))
            .route("/named", any(named))
            .route("/closure", any(by_closure))
            .route("/helped", any(helped));
        for target in ["/default", "/named", "/closure", "/helped"] {
            test::open(app.clone(), target).await.expect_eof().await;
        }
    });
}

#[test]
fn extractor_has_every_setter() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        ws.read_buffer_size(1024)
            .write_buffer_size(1024)
            .max_write_buffer_size(2048)
            .max_message_size(1000)
            .max_frame_size(100)
            .on_upgrade(echo)
    }
    run(async || {
        let app = Router::new().route("/echo", any(handler));
        let mut peer = test::open(app, "/echo").await;
        peer.send_text("x".repeat(100));
        peer.expect_text(&"x".repeat(100)).await;
        peer.send_text("x".repeat(101));
        // Axum ends the connection without a close frame.
        assert!(!peer.rest().await.starts_with(b"\x81"));
    });
}

/// Echoes messages and closes, handling the other cases as axum's documentation suggests.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(_) | Message::Binary(_) | Message::Close(_) => {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

fn echo_app() -> Router {
    let handler = |ws: WebSocketUpgrade| {
        let ws = ws.protocols(["echo2", "echo"]);
        assert_eq!(ws.selected_protocol().unwrap(), "echo");
        ready(ws.on_upgrade(async |socket: WebSocket| {
            assert_eq!(socket.protocol().unwrap(), "echo");
            echo(socket).await;
        }))
    };
    Router::new().route("/echo", any(handler))
}

#[test]
fn extractor_serves_http1() {
    run_paused(async || {
        let mut peer = test::open(echo_app(), Handshake::new("/echo").protocols("echo3, echo")).await;
        peer.send_text("foobar");
        peer.expect_text("foobar").await;
        peer.send_ping("ping");
        peer.expect_pong("ping").await;
    });
}

#[test]
fn extractor_serves_http2() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/echo", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, echo_app()).await });
        let (mut socket, response) = connect(url.as_str()).http2().protocols(["echo3", "echo"]).await.unwrap();
        assert_eq!((response.status(), socket.protocol()), (StatusCode::OK, Some("echo")));
        socket.send("foobar").await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), NativeMessage::text("foobar"));
        socket.send_ping("ping").await.unwrap();
        assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Pong("ping".into()));
    });
}
