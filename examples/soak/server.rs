//! The same echo server on all three stacks, over TCP.

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::serve::ListenerExt;
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use permessage_deflate::PermessageDeflate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, service_fn};
use tower_websocket::observe::Observer;
use tower_websocket::{Budget, Config, ServerConfig, Shutdown, WebSocket, WebSocketLayer, accept};

pub(super) const PING_INTERVAL: Duration = Duration::from_secs(2);
pub(super) const PONG_TIMEOUT: Duration = Duration::from_secs(8);
/// Long enough for a slow reader to receive its queued data.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const MAX_MESSAGE: usize = 256 * 1024;
pub(super) const MAX_FRAGMENTS: usize = 4096;
/// The maximum number of control frames per second at the guarded addresses.
pub(super) const MAX_CONTROL_RATE: u32 = 200;

/// Small, so that slow readers have an effect soon.
const SEND_BUFFER: u32 = 64 * 1024;

/// The state shared by all stacks.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) shutdown: Shutdown,
    pub(super) budget: Budget,
    /// Ends the accept loops.
    pub(super) stop: CancellationToken,
}

/// The address of each stack.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) axum: SocketAddr,
    pub(super) tower: SocketAddr,
    pub(super) tcp: SocketAddr,
}

impl Server {
    pub(super) fn new() -> Self {
        Self { shutdown: Shutdown::new(), budget: Budget::new(8 << 30), stop: CancellationToken::new() }
    }

    pub(super) fn config(&self, observer: impl Observer) -> Result<ServerConfig, Box<dyn Error>> {
        Ok(Config::server()
            .allow_drafts(true)
            .extension(PermessageDeflate::new())?
            .max_message_size(MAX_MESSAGE)
            .max_frame_size(MAX_MESSAGE)
            .max_fragments(MAX_FRAGMENTS)
            .ping_interval(Some(PING_INTERVAL))
            .pong_timeout(PONG_TIMEOUT)
            .close_timeout(CLOSE_TIMEOUT)
            .handshake_timeout(Duration::from_secs(30))
            .budget(&self.budget)
            .observer(observer))
    }

    /// Serves with all three stacks until it is stopped.
    pub(super) fn start(&self, config: &ServerConfig) -> Result<Addresses, Box<dyn Error>> {
        let (axum, tower, tcp) = (listen()?, listen()?, listen()?);
        let addresses = Addresses { axum: axum.local_addr()?, tower: tower.local_addr()?, tcp: tcp.local_addr()? };
        tokio::spawn(self.clone().axum(axum, config.clone()));
        tokio::spawn(self.clone().tower(tower, config.clone()));
        tokio::spawn(self.clone().tcp(tcp, config.clone()));
        Ok(addresses)
    }

    /// With the extractor.
    async fn axum(self, listener: TcpListener, config: ServerConfig) {
        async fn handler(State((server, config)): State<(Server, ServerConfig)>, ws: WebSocketUpgrade) -> Response {
            ws.config(config).shutdown(&server.shutdown).on_upgrade(echo)
        }
        let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
        let app = Router::new().fallback(handler).with_state((self.clone(), config));
        let _ = axum::serve(listener, app).with_graceful_shutdown(self.stop.cancelled_owned()).await;
    }

    /// With the Tower layer.
    async fn tower(self, listener: TcpListener, config: ServerConfig) {
        let layer = WebSocketLayer::new(|socket, _request| echo(socket)).config(config).shutdown(&self.shutdown);
        let service = ServiceBuilder::new().layer(layer).service(service_fn(|_: Request<Incoming>| async {
            Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"no WebSocket\n"))))
        }));
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
        server
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .enable_connect_protocol()
            .initial_connection_window_size((1 << 31) - 1);
        while let Some(stream) = self.next(&listener).await {
            let (server, service) = (server.clone(), TowerToHyperService::new(service.clone()));
            tokio::spawn(async move {
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    }

    /// Without an HTTP stack.
    async fn tcp(self, listener: TcpListener, config: ServerConfig) {
        while let Some(stream) = self.next(&listener).await {
            let accepted = accept(stream, config.clone()).shutdown(&self.shutdown);
            tokio::spawn(async move {
                if let Ok(mut socket) = accepted.await {
                    socket.take_request();
                    tokio::spawn(echo(socket));
                }
            });
        }
    }

    async fn next(&self, listener: &TcpListener) -> Option<TcpStream> {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return None,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    return Some(stream);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

fn listen() -> Result<TcpListener, Box<dyn Error>> {
    let socket = TcpSocket::new_v4()?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(socket.listen(4096)?)
}

/// Uses the available ways to echo in turn.
fn echo<T>(socket: WebSocket<T>) -> impl Future<Output = ()> + Send
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    static TURN: AtomicUsize = AtomicUsize::new(0);
    match TURN.fetch_add(1, Ordering::Relaxed) % 4 {
        0 => Either::Left(echo_borrowed(socket)),
        1 => Either::Right(Either::Left(echo_impatiently(socket))),
        _ => Either::Right(Either::Right(echo_one_by_one(socket))),
    }
}

async fn echo_one_by_one<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    let mut is_open = true;
    // Messages received while closing are not answered, but the close is waited for.
    while let Some(Ok(message)) = socket.recv().await {
        is_open = is_open && socket.send(message).await.is_ok();
    }
}

/// Echoes with a sender whose waits for room are cancelled again and again.
async fn echo_impatiently<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    let sender = socket.sender();
    while let Some(Ok(message)) = socket.recv().await {
        while timeout(Duration::from_millis(1), sender.ready()).await.is_err() {}
        // Refused only if the connection is closing.
        let _ = sender.try_send(message);
    }
}

async fn echo_borrowed<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    let _ = socket
        .for_each_borrowed(|message, replies| {
            // Refused only if the connection is closing.
            let _ = replies.send_borrowed(message);
        })
        .await;
}
