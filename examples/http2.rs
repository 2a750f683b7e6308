//! Many WebSockets over one connection of HTTP/2 (RFC 8441): a client, and the server that it talks
//! to.
//!
//! ```text
//! cargo run --example http2
//! ```

use std::error::Error;
use std::io;

use axum::Router;
use axum::http::Version;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use tokio::net::TcpListener;
use tower_websocket::connect;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", listener.local_addr()?);
    tokio::spawn(serve(listener));
    for greeting in greetings(&url, 3).await? {
        println!("{greeting}");
    }
    Ok(())
}

/// `axum::serve` enables extended CONNECT, with axum's feature `http2`. Servers on the internet
/// need more: see `serve/mod.rs`.
async fn serve(listener: TcpListener) -> io::Result<()> {
    // Not `get`: the method of a handshake is CONNECT.
    axum::serve(listener, Router::new().route("/{*path}", any(greet))).await
}

async fn greet(ws: WebSocketUpgrade, version: Version) -> Response {
    ws.on_upgrade(async move |mut socket| {
        let _ = socket.send(format!("hello over {version:?}")).await;
    })
}

async fn greetings(url: &str, count: usize) -> Result<Vec<String>, Box<dyn Error>> {
    // Over TLS the version is negotiated. Without TLS the client must know that the server speaks
    // HTTP/2.
    let connection = connect(url).http2_connection().await?;
    let mut greetings = Vec::new();
    for number in 0..count {
        let (mut socket, _response) = connect(format!("{url}{number}")).on(&connection).await?;
        let greeting = socket.recv().await.ok_or("no greeting")??;
        greetings.push(greeting.as_text().unwrap_or_default().to_owned());
    }
    Ok(greetings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_share_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        // A server that accepts one connection, and no other.
        let (one, address) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), listener.local_addr().unwrap());
        let shared = url.replace(&address.port().to_string(), &one.local_addr().unwrap().port().to_string());
        tokio::spawn(serve(listener));
        tokio::spawn(async move {
            let (mut client, _) = one.accept().await.unwrap();
            drop(one);
            let mut server = tokio::net::TcpStream::connect(address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        assert_eq!(greetings(&shared, 3).await.unwrap(), ["hello over HTTP/2.0"; 3]);
    }
}
