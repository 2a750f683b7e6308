//! The same echo server on three stacks.

use std::convert::Infallible;
use std::io;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::either::Either;
use tower::{ServiceBuilder, service_fn};
use tower_websocket::server::AcceptError;
use tower_websocket::{ServerConfig, Shutdown, WebSocket, WebSocketLayer, accept};

use crate::echo::Echo;
use crate::serve;

const PAGE: &str = "This is an echo server: open a WebSocket here, on any path, and it sends back what you send.\n";

/// Serves with axum's extractor and `axum::serve`, which has no timeouts: see [`serve`] for a
/// server on the internet.
pub(super) async fn axum(
    listener: TcpListener,
    config: ServerConfig,
    echo: Echo,
    shutdown: Shutdown,
) -> io::Result<()> {
    type Shared = (ServerConfig, Echo, Shutdown);
    async fn handler(State((config, echo, shutdown)): State<Shared>, ws: Option<WebSocketUpgrade>) -> Response {
        match ws {
            Some(ws) => ws.config(config).shutdown(&shutdown).on_upgrade(move |socket| echo.serve(socket)),
            None => PAGE.into_response(),
        }
    }
    axum::serve(listener, Router::new().fallback(handler).with_state((config, echo, shutdown))).await
}

/// Serves with the Tower layer over a plain hyper-util loop.
pub(super) async fn tower(
    listener: TcpListener,
    config: ServerConfig,
    echo: Echo,
    shutdown: Shutdown,
) -> io::Result<()> {
    let layer = WebSocketLayer::new(move |socket, _request| echo.serve(socket)).config(config).shutdown(&shutdown);
    let service = ServiceBuilder::new().layer(layer).service(service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(PAGE.as_bytes()))))
    }));
    serve::serve(listener, service).await;
    Ok(())
}

/// Serves on plain TCP: the driver reads the request itself.
pub(super) async fn tcp(listener: TcpListener, config: ServerConfig, echo: Echo, shutdown: Shutdown) -> io::Result<()> {
    loop {
        let stream = serve::accept_next(&listener).await;
        let accept = accept(stream, config.clone()).shutdown(&shutdown).into_future();
        // Not an `async` block, which would reserve memory for everything that it has awaited as
        // long as the connection lives.
        tokio::spawn(accept.then(move |accepted| serve_accepted(accepted, echo)));
    }
}

fn serve_accepted(
    accepted: Result<WebSocket<TcpStream>, AcceptError<TcpStream>>,
    echo: Echo,
) -> impl Future<Output = ()> + Send {
    match accepted {
        Ok(mut socket) => {
            // The headers are not needed.
            socket.take_request();
            Either::Left(echo.serve(socket))
        }
        Err(error) => Either::Right(Box::pin(turn_away(error))),
    }
}

async fn turn_away(error: AcceptError<TcpStream>) {
    if let AcceptError::PlainHttp(http) = error {
        let _ = answer_with_page(http.io).await;
    }
}

async fn answer_with_page(mut stream: TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{PAGE}", PAGE.len()).as_bytes()).await?;
    stream.shutdown().await
}
