//! Authentication by a token from a browser, which cannot set headers of a WebSocket: it offers the token as a subprotocol.
//!
//! ```text
//! new WebSocket("ws://127.0.0.1:3000/ws", ["chat", "token.secret"])
//! ```
//!
//! Unlike a query, subprotocols are not in URLs, which proxies and servers log. The server agrees to `chat` only.
//!
//! ```text
//! cargo run --example auth_token
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws --protocols chat,token.secret
//! ```

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

fn app() -> Router {
    Router::new().route("/ws", any(handler))
}

async fn handler(ws: WebSocketUpgrade) -> Response {
    let offered = ws.requested_protocols().filter_map(|name| name.to_str().ok());
    // A real server looks it up, or checks its signature. It must consist of characters of a token (RFC 9110 §5.6.2), as
    // base64url and JWT do.
    if !offered.filter_map(|name| name.strip_prefix("token.")).any(|token| token == "secret") {
        return (StatusCode::UNAUTHORIZED, "unknown token\n").into_response();
    }
    ws.protocols(["chat"]).on_upgrade(async |mut socket| {
        let _ = socket.send("hello").await;
        while let Some(Ok(message)) = socket.recv().await {
            println!("{message:?}");
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum_websocket::test::{self, Handshake};
    use tower::ServiceExt;

    use super::*;

    async fn respond(protocols: &str) -> Response {
        let (request, _client) = test::request::<Body>(Handshake::new("/ws").protocols(protocols)).await;
        app().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn valid_token_opens_and_is_not_sent_back() {
        let response = respond("chat, token.secret").await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    }

    #[tokio::test]
    async fn unknown_token_gets_401() {
        for protocols in ["chat", "chat, token.guess"] {
            assert_eq!(respond(protocols).await.status(), StatusCode::UNAUTHORIZED);
        }
    }
}
