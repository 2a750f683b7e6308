//! Authentication by a bearer token in the `Authorization` header, for clients that are not
//! browsers.
//!
//! ```text
//! cargo run --example auth_header
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws --header 'authorization: Bearer secret'
//! ```

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{RequestPartsExt, Router};
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

/// A client that has shown a valid token. As it is the first argument of a handler, requests
/// without one are refused before the handshake is examined.
struct Client {
    name: &'static str,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let headers: HeaderMap = parts.extract().await.map_err(IntoResponse::into_response)?;
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match value.and_then(|value| value.strip_prefix("Bearer ")) {
            // A real server looks it up, or checks its signature.
            Some("secret") => Ok(Self { name: "robot" }),
            _ => {
                Err((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "unknown token\n")
                    .into_response())
            }
        }
    }
}

async fn handler(client: Client, ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(async move |mut socket| {
        let _ = socket.send(format!("hello, {}", client.name)).await;
        while let Some(Ok(message)) = socket.recv().await {
            println!("{}: {message:?}", client.name);
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum_websocket::test::{self, Handshake};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn valid_token_is_greeted() {
        let handshake = Handshake::new("/ws").header("Authorization", "Bearer secret");
        test::open(app(), handshake).await.expect_text("hello, robot").await;
    }

    #[tokio::test]
    async fn unknown_token_gets_401() {
        for handshake in [Handshake::new("/ws"), Handshake::new("/ws").header("Authorization", "Bearer guess")] {
            let (request, _client) = test::request::<Body>(handshake).await;
            let response = app().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
    }
}
