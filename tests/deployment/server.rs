//! The server behind the proxies: axum, as the guide sets it up.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::{Config, WebSocket, WebSocketUpgrade};
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// Starts it, and returns its port.
pub(crate) async fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .enable_connect_protocol()
        .initial_connection_window_size((1 << 31) - 1);
    let service = TowerToHyperService::new(Router::new().route("/chat", any(chat)));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (server, service) = (server.clone(), service.clone());
            tokio::spawn(
                async move { server.serve_connection_with_upgrades(TokioIo::new(stream), service).await.ok() },
            );
        }
    });
    port
}

async fn chat(ws: WebSocketUpgrade, request: Request<Body>) -> Response {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Over HTTP/2 the host is in the URI.
    let host = request.uri().authority().map(|authority| authority.as_str()).or_else(|| header("host"));
    let greeting = format!(
        "{:?} {} {} from {} {}",
        request.version(),
        request.uri().path_and_query().expect("a path"),
        host.unwrap_or("-"),
        header("x-forwarded-for").unwrap_or("-"),
        header("x-forwarded-proto").unwrap_or("-"),
    );
    // Without pings, so that the tests see what those of the client do.
    let config = Config::server().ping_interval(None).protocols(["chat"]);
    ws.config(config).on_upgrade(|socket| echo(socket, greeting))
}

async fn echo(mut socket: WebSocket, greeting: String) {
    if socket.send(greeting).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
