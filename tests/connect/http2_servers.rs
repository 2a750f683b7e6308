//! This project's HTTP/2 servers, all with the same echo handler.

use std::convert::Infallible;
use std::error::Error;

use axum::Router;
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tower::{Service, ServiceBuilder, service_fn};
use tower_websocket::client::{Connect, TlsConfig};
use tower_websocket::{CloseFrame, Event, ServerConfig, WebSocket, WebSocketLayer, connect};

use crate::certificates::Authority;
use crate::peer::{Transport, listen, serve};

/// How HTTP/2 is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// The extractor with an unmodified `axum::serve`.
    Axum,
    /// The extractor with hyper-util's `auto`, over TLS.
    AxumTls,
    /// The layer with hyper-util's `auto`.
    Auto,
    /// The layer with hyper-util's `auto`, over TLS.
    AutoTls,
    /// The layer with hyper's `http2`.
    Hyper,
    /// The layer with hyper's `http2`, over TLS.
    HyperTls,
}

/// The number and size of messages sent for "flood", some megabytes in total.
pub(crate) const FLOOD: usize = 50;
pub(crate) const FLOOD_MESSAGE: usize = 100_000;

/// A running server that reports how each socket ended.
pub(crate) struct Server {
    pub(crate) port: u16,
    authority: Option<Authority>,
    ends: UnboundedReceiver<Option<CloseFrame>>,
}

impl Stack {
    pub(crate) const ALL: [Self; 6] =
        [Self::Axum, Self::AxumTls, Self::Auto, Self::AutoTls, Self::Hyper, Self::HyperTls];

    /// One without TLS and one with it.
    pub(crate) const TWO: [Self; 2] = [Self::Axum, Self::AutoTls];

    pub(crate) async fn serve(self, config: ServerConfig) -> Server {
        println!("{self:?}"); // Shown where the test fails.
        let authority = Authority::new("good");
        let is_secure = matches!(self, Self::AxumTls | Self::AutoTls | Self::HyperTls);
        let acceptor = is_secure.then(|| authority.speaking(b"h2"));
        let config = config.wss_location(is_secure);
        let (sender, ends) = unbounded_channel();
        let port = match self {
            Self::Axum => {
                let (listener, port) = listen().await;
                tokio::spawn(async move { axum::serve(listener, extractor(config, sender)).await });
                port
            }
            _ => {
                serve(move |stream| {
                    let (acceptor, config, sender) = (acceptor.clone(), config.clone(), sender.clone());
                    async move {
                        match acceptor {
                            None => self.serve_connection(Box::new(stream), config, sender).await,
                            Some(acceptor) => {
                                // A failed TLS handshake is ignored.
                                let Ok(stream) = acceptor.accept(stream).await else { return };
                                self.serve_connection(Box::new(stream), config, sender).await;
                            }
                        }
                    }
                })
                .await
            }
        };
        Server { port, authority: is_secure.then_some(authority), ends }
    }

    pub(crate) fn serve_connection(
        self,
        io: Box<dyn Transport>,
        config: ServerConfig,
        ends: UnboundedSender<Option<CloseFrame>>,
    ) -> BoxFuture<'static, ()> {
        let is_auto = self != Self::Hyper && self != Self::HyperTls;
        if self == Self::AxumTls {
            return drive(io, extractor(config, ends), is_auto);
        }
        let layer = WebSocketLayer::new(move |socket, _| echo(socket, ends.clone()).boxed()).config(config);
        let inner = service_fn(inner);
        drive(io, ServiceBuilder::new().layer(layer).service(inner), is_auto)
    }
}

/// Serves one connection with hyper-util's `auto` or hyper's `http2`. The client checks how it
/// ends.
fn drive<S, B>(io: Box<dyn Transport>, service: S, is_auto: bool) -> BoxFuture<'static, ()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (io, service) = (TokioIo::new(io), TowerToHyperService::new(service));
    if is_auto {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http2().enable_connect_protocol().initial_connection_window_size((1 << 31) - 1);
        async move { drop(server.serve_connection_with_upgrades(io, service).await) }.boxed()
    } else {
        let mut server = http2::Builder::new(TokioExecutor::new());
        server.enable_connect_protocol().initial_connection_window_size((1 << 31) - 1);
        server.serve_connection(io, service).map(drop).boxed()
    }
}

async fn inner(_: Request<Incoming>) -> Result<Response<axum::body::Body>, Infallible> {
    Ok(Response::new(axum::body::Body::empty()))
}

fn extractor(config: ServerConfig, ends: UnboundedSender<Option<CloseFrame>>) -> Router {
    Router::new().route(
        "/echo",
        axum::routing::any(async move |ws: WebSocketUpgrade| {
            ws.config(config.clone()).on_upgrade(move |socket| echo(socket, ends))
        }),
    )
}

/// Echoes messages. On "close", closes with 4000 and "bye"; on "drop", drops the socket; on "ping"
/// and "flood", sends a ping or many messages; on "stream", echoes the next message while it
/// arrives.
async fn echo(mut socket: WebSocket, ends: UnboundedSender<Option<CloseFrame>>) {
    while let Some(Ok(event)) = socket.next_event().await {
        let Event::Message(message) = event else { continue };
        let done = match message.as_text() {
            Some("close") => socket.close(4000.into(), "bye").await,
            Some("drop") => return,
            Some("ping") => socket.send_ping("are you there?").await,
            Some("flood") => flood(&mut socket).await,
            Some("stream") => stream(&mut socket).await,
            _ => socket.send(message).await,
        };
        if done.is_err() {
            break;
        }
    }
    let _ = ends.send(socket.close_frame().cloned());
}

async fn flood(socket: &mut WebSocket) -> Result<(), tower_websocket::Error> {
    for _ in 0..FLOOD {
        socket.send(vec![7; FLOOD_MESSAGE]).await?;
    }
    Ok(())
}

async fn stream(socket: &mut WebSocket) -> Result<(), tower_websocket::Error> {
    let sender = socket.sender();
    let mut message = socket.recv_stream(1 << 30).await.expect("a message")?;
    let mut echo = sender.send_stream(message.kind());
    while let Some(chunk) = message.chunk().await? {
        echo.write_chunk(chunk).await?;
    }
    echo.finish().await
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}/echo", if self.authority.is_some() { "wss" } else { "ws" }, self.port)
    }

    /// Returns a client for HTTP/2, to be configured.
    pub(crate) fn connect(&self) -> Connect {
        let connect = connect(self.url()).http2();
        match &self.authority {
            Some(authority) => connect.tls(authority.trusted()),
            None => connect,
        }
    }

    /// Returns a client configuration that trusts this server, and others of another authority.
    pub(crate) fn trusted_with(&self, other: CertificateDer<'static>) -> TlsConfig {
        let own = self.authority.iter().map(Authority::der);
        TlsConfig::with_authorities(own.chain([other])).expect("certificates")
    }

    /// Returns how the next socket ended.
    pub(crate) async fn end(&mut self) -> Option<CloseFrame> {
        self.ends.recv().await.expect("the server runs")
    }
}
