//! A loop over hyper-util with the time limits and windows that a server on the internet needs, which `axum::serve` does not set.

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

/// How long a client may take to send its first byte, and then the head of a request.
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
    // hyper has no time limits without a timer. On HTTP/1.1 it would also drop clients that end their output right behind a
    // request.
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).half_close(true);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .enable_connect_protocol()
        // As wide as it can be: with the default, two sockets that are not received from stop all others of the connection.
        .initial_connection_window_size((1 << 31) - 1);
    loop {
        let stream = accept_next(&listener).await;
        let (server, service) = (server.clone(), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            // hyper-util does not limit how long it takes to find out the version of HTTP.
            if let Ok(Ok(())) = timeout(HEAD_TIMEOUT, stream.readable()).await {
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            }
        });
    }
}

/// Accepts the next connection, past those that failed before they were accepted.
pub(crate) async fn accept_next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // Out of file descriptors, mostly: give the others time to close theirs.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
