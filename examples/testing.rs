//! Tests of a handler without sockets: no port, no real time, and a scripted peer that can break
//! the transport.
//!
//! ```text
//! cargo test --example testing
//! ```

use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::{CloseCode, Config, ServerConfig, WebSocket, WebSocketUpgrade};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app(Config::server())).await
}

fn app(config: ServerConfig) -> Router {
    Router::new().route("/ws", any(handler)).layer(axum::Extension(config))
}

async fn handler(ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(count)
}

/// Replies with the number of bytes so far, and closes after a minute without messages.
async fn count(mut socket: WebSocket) {
    let mut bytes = 0;
    while let Ok(received) = timeout(Duration::from_secs(60), socket.recv()).await {
        let Some(Ok(message)) = received else { return };
        bytes += message.len();
        if socket.send(bytes.to_string()).await.is_err() {
            return;
        }
    }
    let _ = socket.close(CloseCode::GOING_AWAY, "no messages").await;
}

#[cfg(test)]
mod tests {
    use axum_websocket::CloseCause;
    use axum_websocket::test::{self, Frame, Recorder};

    use super::*;

    #[tokio::test]
    async fn bytes_are_counted_however_they_arrive() {
        let mut peer = test::open(app(Config::server()), "/ws").await;
        // Byte by byte, as a slow network delivers them.
        peer.chop(1);
        peer.send_text("hello");
        peer.expect_text("5").await;
        peer.send_binary([0; 300]);
        peer.expect_text("305").await;
        peer.close(CloseCode::NORMAL, "").await;
    }

    /// With a paused clock, the minute takes no time.
    #[tokio::test(start_paused = true)]
    async fn minute_without_messages_closes_with_1001() {
        let mut peer = test::open(app(Config::server().ping_interval(None)), "/ws").await;
        peer.expect_nothing(Duration::from_secs(59)).await;
        assert_eq!(peer.expect_close(1001).await, "no messages");
    }

    #[tokio::test(start_paused = true)]
    async fn peer_that_is_gone_is_recorded_as_a_timeout() {
        let recorder = Recorder::new();
        let mut peer = test::open(app(Config::server().observer(recorder.clone())), "/ws").await;
        // The peer answers no pings, as a laptop that was closed.
        assert!(matches!(peer.next_frame().await, Frame::Ping(_)));
        let cause = recorder.closed().await;
        assert!(matches!(cause, CloseCause::Timeout(_)), "{cause:?}");
    }
}
