//! The extractor: its setters, subprotocols, and conversions to and from the native one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use axum_websocket::server::UpgradeError;
use axum_websocket::ws::{Message, WebSocket, WebSocketUpgrade};
use axum_websocket::{CloseCode, Config, OriginGuard, Shutdown};
use http::{HeaderValue, StatusCode};
use tower::ServiceExt;
use tower_websocket::test::{self, Handshake};

use crate::run::run_paused;

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(_) | Message::Binary(_) = message
            && socket.send(message).await.is_err()
        {
            break;
        }
    }
}

/// A router with one handler.
macro_rules! app {
    ($handler:expr) => {
        Router::new().route("/", any($handler))
    };
}

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

#[test]
fn upgrade_limits_close_with_1009() {
    async fn message(ws: WebSocketUpgrade) -> Response {
        ws.max_message_size(10).on_upgrade(echo)
    }
    async fn frame(ws: WebSocketUpgrade) -> Response {
        ws.max_frame_size(10).on_upgrade(echo)
    }
    run_paused(async || {
        for app in [app!(message), app!(frame)] {
            let mut peer = test::open(app, "/").await;
            peer.send_text("ten bytes.");
            peer.expect_text("ten bytes.").await;
            peer.send_text("eleven byte");
            peer.expect_close(1009).await;
        }
    });
}

#[test]
fn upgrade_write_buffer_bounds_what_waits() {
    async fn handler(ws: WebSocketUpgrade, taken: Arc<Mutex<usize>>) -> Response {
        ws.max_write_buffer_size(1000).on_upgrade(async move |mut socket: WebSocket| {
            socket.recv().await.unwrap().unwrap();
            while futures_util::SinkExt::feed(&mut socket, Message::text("x".repeat(100))).await.is_ok() {
                *taken.lock().unwrap() += 1;
            }
        })
    }
    run_paused(async || {
        let taken = Arc::new(Mutex::new(0));
        let mut peer = test::open(
            app!({
                let taken = taken.clone();
                move |ws| handler(ws, taken.clone())
            }),
            "/",
        )
        .await;
        peer.capacity(1);
        peer.stall();
        peer.send_text("now");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let taken = *taken.lock().unwrap();
        assert!((8..20).contains(&taken), "{taken} messages");
    });
}

#[test]
fn upgrade_with_a_write_buffer_of_0_still_sends() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        ws.max_write_buffer_size(0).on_upgrade(async |mut socket: WebSocket| {
            for message in [Message::text("text"), Message::Ping("ping".into()), Message::Close(None)] {
                socket.send(message).await.unwrap();
            }
        })
    }
    run_paused(async || {
        let mut peer = test::open(app!(handler), "/").await;
        peer.expect_text("text").await;
        peer.expect_ping("ping").await;
        peer.expect_close(1005).await;
    });
}

#[test]
fn upgrade_accepts_no_unmasked_frames() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        #[expect(deprecated, reason = "the compiler is to warn of it")]
        ws.accept_unmasked_frames(true).on_upgrade(echo)
    }
    run_paused(async || {
        let mut peer = test::open(app!(handler), "/").await;
        peer.send_raw(b"\x81\x02hi");
        peer.expect_close(1002).await;
    });
}

#[test]
fn upgrade_takes_the_configuration_of_the_router() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        let ws = ws.max_frame_size(100);
        assert_eq!(ws.selected_protocol(), Some(&value("chat")));
        ws.on_upgrade(echo)
    }
    run_paused(async || {
        let config = Config::server().protocols(["chat"]).max_message_size(10).ping_interval(None);
        let app = app!(handler).layer(Extension(config));
        let mut peer = test::open(app, Handshake::new("/").protocols("chat")).await;
        peer.expect_nothing(Duration::from_secs(100)).await;
        peer.send_text("eleven byte");
        peer.expect_close(1009).await;
    });
}

#[test]
fn upgrade_agrees_to_the_last_choice() {
    async fn list(ws: WebSocketUpgrade) -> Response {
        let ws = ws.protocols([String::from("c"), String::from("b")]);
        assert_eq!(ws.selected_protocol(), Some(&value("b")));
        ws.on_upgrade(echo)
    }
    async fn by_hand(ws: WebSocketUpgrade) -> Response {
        let mut ws = ws.protocols(["a"]);
        let last = ws.requested_protocols().last().cloned().unwrap();
        ws.set_selected_protocol(last);
        // Whatever options are set.
        let ws = ws.max_message_size(1000).on_failed_upgrade(|_| ());
        assert_eq!(ws.selected_protocol(), Some(&value("b")));
        ws.on_upgrade(echo)
    }
    async fn list_again(mut ws: WebSocketUpgrade) -> Response {
        ws.set_selected_protocol(value("a"));
        ws.protocols(["b", "a"]).on_upgrade(async |socket: WebSocket| {
            assert_eq!(socket.protocol(), Some(&value("b")));
            echo(socket).await;
        })
    }
    run_paused(async || {
        for app in [app!(list), app!(by_hand), app!(list_again)] {
            // The peer checks that it matches the response.
            let mut peer = test::Peer::new(test::serve(app));
            let response = peer.open(Handshake::new("/").protocols("a, b")).await;
            assert_eq!(response.headers()["sec-websocket-protocol"], "b");
            peer.send_text("hello");
            peer.expect_text("hello").await;
        }
    });
}

#[test]
fn upgrade_never_agrees_to_what_was_not_offered() {
    async fn by_hand(mut ws: WebSocketUpgrade) -> Response {
        ws.set_selected_protocol(value("mine"));
        assert_eq!(ws.selected_protocol(), None);
        ws.on_upgrade(echo)
    }
    async fn list(ws: WebSocketUpgrade) -> Response {
        let ws = ws.protocols(["mine", "not a token\n"]);
        assert_eq!(ws.selected_protocol(), None);
        ws.on_upgrade(echo)
    }
    run_paused(async || {
        // The selection of the handler replaces that of the configuration.
        let config = Config::server().protocols(["theirs"]);
        for app in [app!(by_hand), app!(list)] {
            let app = app.layer(Extension(config.clone()));
            let mut peer = test::Peer::new(test::serve(app));
            let response = peer.open(Handshake::new("/").protocols("theirs")).await;
            assert!(!response.headers().contains_key("sec-websocket-protocol"));
        }
    });
}

#[test]
fn upgrade_reports_a_failure() {
    run_paused(async || {
        let (failed, error) = tokio::sync::oneshot::channel();
        let failed = Arc::new(Mutex::new(Some(failed)));
        let app = app!(move |ws: WebSocketUpgrade| {
            let failed = failed.lock().unwrap().take().unwrap();
            let response = ws.on_failed_upgrade(move |error| drop(failed.send(error))).on_upgrade(echo);
            std::future::ready(response)
        });
        let (request, upgrading) = test::request::<Body>("/").await;
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        // The connection is gone before the response is sent.
        drop((response, upgrading));
        let error = error.await.unwrap().into_inner();
        assert!(error.downcast::<UpgradeError>().is_ok());
    });
}

#[test]
fn upgrade_is_optional() {
    async fn handler(ws: Option<WebSocketUpgrade>) -> Response {
        match ws {
            Some(ws) => ws.on_upgrade(echo),
            None => "plain HTTP".into_response(),
        }
    }
    run_paused(async || {
        let plain = http::Request::get("/").body(Body::empty()).unwrap();
        assert_eq!(app!(handler).oneshot(plain).await.unwrap().status(), StatusCode::OK);
        let mut peer = test::open(app!(handler), "/").await;
        peer.send_text("hello");
        peer.expect_text("hello").await;
    });
}

#[test]
fn upgrade_converts_to_the_native_one_with_all_that_was_set() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let handler = {
            let shutdown = shutdown.clone();
            async move |ws: WebSocketUpgrade| -> Response {
                let native = ws.max_message_size(10).protocols(["chat"]).into_native().shutdown(&shutdown);
                match native.check_origin(&OriginGuard::new()) {
                    Ok(native) => native.on_upgrade(|socket| echo(socket.into())),
                    Err(rejection) => rejection.into_response(),
                }
            }
        };
        let app = app!(handler);
        let mut peer = test::open(app, Handshake::new("/").protocols("chat")).await;
        peer.send_text("ten bytes.");
        peer.expect_text("ten bytes.").await;
        shutdown.begin(CloseCode::GOING_AWAY, "restart").unwrap();
        assert_eq!(peer.expect_close(1001).await, "restart");
    });
}

#[test]
fn upgrade_debug_shows_no_protocols() {
    async fn handler(ws: WebSocketUpgrade) -> Response {
        assert!(!format!("{ws:?}").contains("secret"));
        ws.on_upgrade(echo)
    }
    run_paused(async || {
        let mut peer = test::open(app!(handler), Handshake::new("/").protocols("secret")).await;
        peer.send_text("hello");
        peer.expect_text("hello").await;
    });
}
