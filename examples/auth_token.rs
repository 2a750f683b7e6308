//! Authentication by a token from a browser, which cannot set headers of a WebSocket: it offers the
//! token as a subprotocol.
//!
//! ```text
//! new WebSocket("ws://127.0.0.1:3000/ws", ["chat", "token.secret"])
//! ```
//!
//! Unlike a query, subprotocols are not in URLs, which proxies and servers log. The server agrees
//! to `chat` only.
//!
//! ```text
//! cargo run --example auth_token
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws --protocols chat,token.secret
//! ```

use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use axum_websocket::rejection::TokenRejection;
use axum_websocket::{Token, TokenSources, WebSocketUpgrade};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

fn app() -> Router {
    let sources = TokenSources::new().subprotocol("token.");
    Router::new().route("/ws", any(handler)).layer(Extension(sources))
}

async fn handler(ws: WebSocketUpgrade, token: Token) -> Result<Response, TokenRejection> {
    // A real server looks up its hash, or verifies its signature.
    if token.as_str() != "secret" {
        return Err(TokenRejection::Invalid);
    }
    Ok(ws.protocols(["chat"]).on_upgrade(async |mut socket| {
        let _ = socket.send("hello").await;
        while let Some(Ok(message)) = socket.recv().await {
            println!("{message:?}");
        }
    }))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
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
