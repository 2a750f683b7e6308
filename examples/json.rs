//! Messages as JSON, through serde. Invalid JSON closes the connection with 1007.
//!
//! ```text
//! cargo run --example json
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws       # and type {"add":[1,2]}
//! ```

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::typed::{Json, JsonSocket, TypedError, TypedSocket};
use axum_websocket::{WebSocket, WebSocketUpgrade};
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

async fn serve(socket: WebSocket) -> Result<(), TypedError> {
    let mut socket: JsonSocket<Request, Reply> = TypedSocket::new(socket, Json);
    while let Some(request) = socket.recv().await {
        let result = match request? {
            Request::Add(numbers) => numbers.iter().fold(0, |sum, number| sum.saturating_add(*number)),
            Request::Length(text) => text.chars().count() as i64,
        };
        socket.send(&Reply { result }).await?;
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
        peer.send_text(r#"{"length": "Grüße"}"#);
        peer.expect_text(r#"{"result":5}"#).await;
    }

    #[tokio::test]
    async fn invalid_json_closes_with_1007() {
        let mut peer = test::open(app(), "/ws").await;
        peer.send_text(r#"{"subtract": []}"#);
        peer.expect_close(1007).await;
    }

    #[tokio::test]
    async fn binary_message_closes_with_1003() {
        let mut peer = test::open(app(), "/ws").await;
        peer.send_binary("{}");
        peer.expect_close(1003).await;
    }
}
