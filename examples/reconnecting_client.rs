//! A client that stays connected: it subscribes again in each session, and sends from another task
//! while it receives.
//!
//! ```text
//! cargo run --example echo_server
//! cargo run --example reconnecting_client -- ws://127.0.0.1:9001/
//! ```

use std::time::Duration;

use tower_websocket::client::{ConnectError, Reconnect};
use tower_websocket::{Message, connect};

#[tokio::main]
async fn main() -> Result<(), ConnectError> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001/".to_owned());
    follow(&url, Duration::from_secs(1), |message| println!("{message:?}")).await
}

/// Receives until an error that another attempt does not change, or a close that says that there is
/// nothing more.
async fn follow(url: &str, delay: Duration, mut handle: impl FnMut(Message)) -> Result<(), ConnectError> {
    // The delay doubles with each attempt that fails, up to a minute, and half of it is random.
    let mut sessions = Reconnect::new(|| connect(url)).delays(delay..Duration::from_secs(60));
    while let Some(session) = sessions.next().await {
        let (socket, _response) = session?;
        println!("connected");
        if socket.send("subscribe").await.is_err() {
            continue;
        }
        let sender = socket.sender();
        let heartbeat = tokio::spawn(async move {
            while sender.send("still here").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
        });
        while let Some(Ok(message)) = socket.recv().await {
            handle(message);
        }
        heartbeat.abort();
        if let Some(cause) = socket.close_cause() {
            println!("disconnected: {cause}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tower_websocket::{CloseCode, Config, accept};

    use super::*;

    #[tokio::test]
    async fn client_subscribes_again_after_a_cut_and_ends_with_1000() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for session in 0..3 {
                let (stream, _) = listener.accept().await.unwrap();
                let mut socket = accept(stream, Config::server()).await.unwrap();
                assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("subscribe"));
                socket.send(format!("session {session}")).await.unwrap();
                if session == 2 {
                    socket.close(CloseCode::NORMAL, "").await.unwrap();
                }
                // Otherwise it is dropped, which ends the transport without a close frame.
            }
        });
        let mut received = Vec::new();
        let handle = |message: Message| received.push(message.as_text().unwrap_or_default().to_owned());
        let followed =
            tokio::time::timeout(Duration::from_secs(20), follow(&url, Duration::from_millis(10), handle)).await;
        followed.expect("it ends").unwrap();
        server.await.unwrap();
        assert_eq!(received, ["session 0", "session 1", "session 2"]);
    }
}
