//! Graceful shutdown of an axum server: on Ctrl-C or SIGTERM every WebSocket is closed with 1012,
//! and waited for.
//!
//! ```text
//! cargo run --example graceful_shutdown
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws
//! ```
//!
//! axum's own graceful shutdown does not know of WebSockets on HTTP/1.1: they would be cut when the
//! process ends.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::{CloseCode, Shutdown, WebSocketUpgrade};
use tokio::net::TcpListener;

/// The time over which sockets are closed, so that their clients do not all reconnect at once.
const SPREAD: Duration = Duration::from_secs(2);

/// The time for closing handshakes and queued messages after that.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    serve(listener, interrupted()).await
}

async fn serve(listener: TcpListener, interrupted: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let shutdown = Shutdown::new();
    let app = Router::new().route("/ws", any(handler)).with_state(shutdown.clone());
    let drain = async move {
        interrupted.await;
        println!("closing {} sockets", shutdown.open_sockets());
        // From here on, handshakes are answered with 503.
        if let Err(error) = shutdown.begin_over(SPREAD, CloseCode::SERVICE_RESTART, "").await {
            eprintln!("{error}");
        }
        let cut = shutdown.wait(LIMIT).await;
        println!("cut {cut} sockets");
    };
    // axum begins its own shutdown when the sockets are closed. It waits for requests, and for
    // sockets on HTTP/2.
    axum::serve(listener, app).with_graceful_shutdown(drain).await
}

async fn interrupted() {
    let ctrl_c = async { tokio::signal::ctrl_c().await.expect("signals can be received") };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).expect("signals can be received").recv().await;
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = terminate => {}
    }
}

async fn handler(ws: WebSocketUpgrade, State(shutdown): State<Shutdown>) -> Response {
    ws.shutdown(&shutdown).on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
        // Messages that were in flight have been answered. Save what has to be saved here: `wait`
        // waits for this handler.
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tower_websocket::connect;

    use super::*;

    #[tokio::test]
    async fn sockets_are_closed_with_1012_before_the_server_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (interrupt, interrupted) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, async { drop(interrupted.await) }));
        let (mut first, _) = connect(&url).await.unwrap();
        let (mut second, _) = connect(&url).await.unwrap();
        first.send("hello").await.unwrap();
        assert_eq!(first.recv().await.unwrap().unwrap().as_text(), Some("hello"));

        interrupt.send(()).unwrap();
        for socket in [&mut first, &mut second] {
            let end = tokio::time::timeout(LIMIT, socket.recv()).await;
            assert!(end.expect("the server closes it").is_none());
            assert_eq!(socket.close_frame().unwrap().code, CloseCode::SERVICE_RESTART);
        }
        server.await.unwrap().unwrap();
    }
}
