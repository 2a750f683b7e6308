//! Messages as JSON, by serde. What cannot be parsed closes the connection with 1007.
//!
//! ```text
//! cargo run --example json
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws       # and type {"add":[1,2]}
//! ```

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::{CloseCode, Error, WebSocket, WebSocketUpgrade};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Add(Vec<i64>),
    Length(String),
}

#[derive(Debug, Serialize)]
struct Reply {
    result: i64,
}

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
    ws.on_upgrade(async |socket| {
        if let Err(error) = serve(socket).await {
            eprintln!("{error}");
        }
    })
}

async fn serve(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await {
        // Text and binary messages alike.
        let result = match serde_json::from_slice(message?.as_bytes()) {
            Ok(Request::Add(numbers)) => numbers.iter().sum(),
            Ok(Request::Length(text)) => text.chars().count() as i64,
            Err(error) => {
                // A reason may have 123 bytes, and must not repeat what the peer has sent.
                let reason = format!("not a request: line {}, column {}", error.line(), error.column());
                return socket.close(CloseCode::INVALID_PAYLOAD, &reason).await;
            }
        };
        let reply = serde_json::to_string(&Reply { result }).expect("a struct of numbers");
        socket.send(reply).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum_websocket::test;

    use super::*;

    #[tokio::test]
    async fn requests_are_answered() {
        let mut peer = test::open(app(), "/ws").await;
        peer.send_text(r#"{"add": [1, 2, 39]}"#);
        peer.expect_text(r#"{"result":42}"#).await;
        peer.send_binary(r#"{"length": "Grüße"}"#);
        peer.expect_text(r#"{"result":5}"#).await;
    }

    #[tokio::test]
    async fn anything_else_closes_with_1007() {
        let mut peer = test::open(app(), "/ws").await;
        peer.send_text(r#"{"subtract": []}"#);
        assert_eq!(peer.expect_close(1007).await, "not a request: line 1, column 11");
    }
}
