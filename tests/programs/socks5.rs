//! A client through a SOCKS5 proxy.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::any;
use tokio::net::TcpListener;

use crate::program::run as run_program;
use crate::run::run;
use crate::socks5_server::socks5_proxy;

/// Serves axum's own WebSockets.
async fn echo_server() -> SocketAddr {
    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().fallback(any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

#[test]
fn client_goes_through_a_socks5_proxy() {
    run(async || {
        // The name is resolved by the proxy.
        let url = format!("ws://localhost:{}/", echo_server().await.port());
        let (proxy, tunnels) = socks5_proxy(None).await;
        let output = run_program("socks5_client", &["--proxy", &proxy, &url, "hello", "there"]).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"hello\nthere\n");
        while tunnels.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let (proxy, _) = socks5_proxy(Some("secret")).await;
        for (password, succeeds) in [("secret", true), ("other", false)] {
            let args = ["--proxy", &proxy, "--user", "ann", "--password", password, &url, "hello"];
            let output = run_program("socks5_client", &args).await;
            assert_eq!(output.status.success(), succeeds, "{output:?}");
        }
    });
}

#[test]
fn client_reports_a_proxy_that_is_not_there() {
    run(async || {
        let output = run_program("socks5_client", &["--proxy", "socks5://127.0.0.1:1", "ws://localhost/"]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("SOCKS error"), "{output:?}");
    });
}
