//! The configurations that the deployment guide prints, run by the programs that they are for. Only
//! addresses, the public name and the names of files are replaced. Debian's packages `nginx-light`,
//! `haproxy` and `caddy` are needed:
//!
//! ```text
//! cargo test -p websocket-tests --test deployment -- --ignored
//! ```

mod guide;
mod proxy;
mod server;

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tower_websocket::{ClientConfig, CloseCode, Config, Message, WebSocket, connect};

use crate::proxy::Proxy;

#[tokio::test]
#[ignore = "needs Debian's nginx"]
async fn nginx_passes_websockets() {
    passes_websockets(&Proxy::nginx(|config| config).await, "HTTP/1.1").await;
}

#[tokio::test]
#[ignore = "needs Debian's haproxy"]
async fn haproxy_passes_websockets() {
    passes_websockets(&Proxy::haproxy(0, |config| config).await, "HTTP/1.1").await;
}

#[tokio::test]
#[ignore = "needs Debian's haproxy"]
async fn haproxy_passes_websockets_over_http2() {
    passes_websockets(&Proxy::haproxy(1, |config| config).await, "HTTP/2.0").await;
}

#[tokio::test]
#[ignore = "needs Debian's caddy"]
async fn caddy_passes_websockets() {
    passes_websockets(&Proxy::caddy().await, "HTTP/1.1").await;
}

#[tokio::test]
#[ignore = "needs Debian's nginx"]
async fn nginx_timeout_ends_silent_connection_unless_it_is_pinged() {
    let proxy = Proxy::nginx(|config| config.replace("read_timeout 60s", "read_timeout 1s")).await;
    pings_keep_the_connection(&proxy).await;
}

#[tokio::test]
#[ignore = "needs Debian's haproxy"]
async fn haproxy_timeout_ends_silent_connection_unless_it_is_pinged() {
    let proxy = Proxy::haproxy(0, |config| config.replace("tunnel 60s", "tunnel 1s")).await;
    pings_keep_the_connection(&proxy).await;
}

async fn open(proxy: &Proxy, config: ClientConfig) -> WebSocket {
    let url = format!("wss://localhost:{}/chat?room=tea", proxy.port);
    let connect = connect(url).config(config).tls(proxy.authority.trusted()).protocols(["chat"]);
    let (mut socket, _) = connect.await.expect("a handshake through the proxy");
    assert_eq!(socket.protocol(), Some("chat"));
    // The server greets with what it has seen of the request.
    socket.recv().await.expect("a greeting").expect("no error");
    socket
}

async fn passes_websockets(proxy: &Proxy, version: &str) {
    let url = format!("wss://localhost:{}/chat?room=tea", proxy.port);
    let (mut socket, _) = connect(url).tls(proxy.authority.trusted()).await.expect("a handshake");
    let greeting = socket.recv().await.expect("a greeting").expect("no error");
    let expected = format!("{version} /chat?room=tea localhost:{} from 127.0.0.1 https", proxy.port);
    assert_eq!(greeting.as_text(), Some(&*expected));
    for message in [Message::from("hello"), Message::from(vec![0xff; 1024 * 1024])] {
        socket.send(message.clone()).await.expect("sent");
        assert!(socket.recv().await.expect("an echo").expect("no error") == message);
    }
    socket.close(CloseCode::from(4000), "bye").await.expect("closed");
    assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::from(4000)));
}

/// The proxy ends what is silent for a second.
async fn pings_keep_the_connection(proxy: &Proxy) {
    let mut pinged = open(proxy, Config::client().ping_interval(Some(Duration::from_millis(300)))).await;
    let mut silent = open(proxy, Config::client().ping_interval(None)).await;
    let begun = Instant::now();
    let (end, pinged_end) =
        tokio::join!(timeout(Duration::from_secs(5), silent.recv()), timeout(Duration::from_secs(3), pinged.recv()),);
    let end = end.expect("the proxy ends it");
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert!(pinged_end.is_err(), "{pinged_end:?}");
    pinged.send("hello").await.expect("sent");
    assert_eq!(pinged.recv().await.expect("an echo").expect("no error").as_text(), Some("hello"));
}
