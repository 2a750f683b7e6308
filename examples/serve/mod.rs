//! A serve loop over hyper-util with the timeouts and windows that a server on the internet needs,
//! which `axum::serve` does not set.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tower::Service;

/// The time that a client may take to send its first byte, and then the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves any Tower service, such as an axum router, on HTTP/1.1 and HTTP/2.
pub(crate) async fn serve<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    // Without a timer, hyper has no timeouts. Without half-close, it drops HTTP/1.1 clients that
    // close their output right after a request.
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).half_close(true);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .enable_connect_protocol()
        // The maximum: with the default, two sockets that are not received from block all others on
        // the connection.
        .initial_connection_window_size((1 << 31) - 1);
    loop {
        let stream = accept_next(&listener).await;
        let (server, service) = (server.clone(), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            // hyper-util's detection of the HTTP version has no timeout.
            if let Ok(Ok(())) = timeout(HEAD_TIMEOUT, stream.readable()).await {
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            }
        });
    }
}

/// Accepts the next connection, skipping those that fail before they are accepted.
pub(crate) async fn accept_next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // Usually out of file descriptors: wait for other connections to close.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
