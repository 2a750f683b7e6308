//! A client through a SOCKS5 proxy, the server of `fast-socks5`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::any;
use fast_socks5::server::{DnsResolveHelper, Socks5ServerProtocol, run_tcp_proxy};
use fast_socks5::{Result as SocksResult, Socks5Command};
use tokio::net::{TcpListener, TcpStream};

use crate::program::run as run_program;
use crate::run::run;

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

async fn proxy(stream: TcpStream, password: Option<&str>) -> SocksResult<()> {
    let authenticated = match password {
        None => Socks5ServerProtocol::accept_no_auth(stream).await?,
        Some(password) => {
            let check = |user: String, given: String| user == "ann" && given == password;
            Socks5ServerProtocol::accept_password_auth(stream, check).await?.0
        }
    };
    let (protocol, command, target) = authenticated.read_command().await?.resolve_dns().await?;
    assert_eq!(command, Socks5Command::TCPConnect);
    run_tcp_proxy(protocol, &target, Duration::from_secs(10), true).await?;
    Ok(())
}

/// Starts a proxy. Returns its URI, and the number of connections that were tunneled.
async fn socks5_proxy(password: Option<&'static str>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("socks5://{}", listener.local_addr().unwrap());
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = tunnels.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                if proxy(stream, password).await.is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (uri, tunnels)
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
