//! hyper serving a Tower service in all supported ways.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::Service;

use crate::tls;
use crate::wire::{Transport, Wire};

type BoxError = Box<dyn Error + Send + Sync>;

/// How a service is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// With hyper-util's `auto`: HTTP/1.1 and HTTP/2.
    Auto,
    /// Like `Auto`, over TLS.
    Tls,
    /// With hyper's `http1`.
    Http1,
    /// With hyper's `http1`, without upgrades.
    WithoutUpgrades,
}

/// Serves on a free port.
pub(crate) async fn serve<S, B>(service: S, how: How) -> Port
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut http1 = http1::Builder::new();
    http1.half_close(true);
    let mut auto = auto::Builder::new(TokioExecutor::new());
    auto.http1().half_close(true);
    auto.http2().enable_connect_protocol().initial_connection_window_size((1 << 31) - 1);
    serve_by(service, how, http1, auto).await
}

/// Like [`serve`], with these builders.
pub(crate) async fn serve_by<S, B>(
    service: S,
    how: How,
    http1: http1::Builder,
    auto: auto::Builder<TokioExecutor>,
) -> Port
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = TowerToHyperService::new(service);
    each(how == How::Tls, move |stream| {
        let (service, http1, server) = (service.clone(), http1.clone(), auto.clone());
        async move {
            // The client checks how a connection ends.
            match how {
                How::Auto => drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await),
                How::Tls => {
                    let stream = tls::acceptor().accept(stream).await.expect("a TLS handshake");
                    drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
                }
                How::Http1 => {
                    let connection = http1.serve_connection(TokioIo::new(stream), service);
                    drop(connection.with_upgrades().await);
                }
                How::WithoutUpgrades => {
                    drop(http1.serve_connection(TokioIo::new(stream), service).await);
                }
            }
        }
    })
    .await
}

/// Serves every connection in a separate task.
pub(crate) async fn each<F>(is_secure: bool, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Port
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, port) = listen(is_secure).await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream));
        }
    });
    port
}

pub(crate) async fn listen(is_secure: bool) -> (TcpListener, Port) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    (listener, Port { addr, is_secure })
}

/// The port of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port {
    pub(crate) addr: SocketAddr,
    pub(crate) is_secure: bool,
}

impl Port {
    /// Opens a connection for HTTP/1.1.
    pub(crate) async fn connect(self) -> Wire {
        Wire::new(self.connect_for("http/1.1").await)
    }

    /// Opens a connection for HTTP/2, by ALPN or prior knowledge.
    pub(crate) async fn connect_http2(self) -> Box<dyn Transport> {
        self.connect_for("h2").await
    }

    async fn connect_for(self, alpn: &str) -> Box<dyn Transport> {
        let stream = TcpStream::connect(self.addr).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP stream");
        if self.is_secure { Box::new(tls::connect(stream, alpn).await) } else { Box::new(stream) }
    }
}
