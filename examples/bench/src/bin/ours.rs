//! This workspace's crates, in three variants, each as its README shows and with the defaults: the
//! axum extractor, the Tower layer over hyper, and bare TCP.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use axum_websocket::WebSocketUpgrade;
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use permessage_deflate::PermessageDeflate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tower::{ServiceBuilder, service_fn};
use tower_websocket::{Config, PreparedMessage, SendError, ServerConfig, WebSocket, WebSocketLayer, accept};
use websocket_bench::server::{self, BACKLOG, MAX_MESSAGE, Mode};
use websocket_bench::tls;
use websocket_hub::{Hub, HubConfig, Overflow, Subscribe};

/// The topic that all connections are subscribed to.
const ROOM: &str = "room";

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    server: server::Options,
    /// The variant to serve with.
    #[arg(long, value_enum)]
    stack: Stack,
    /// Echo with `for_each_borrowed`, which borrows messages, instead of `recv` and `send`.
    #[arg(long)]
    for_each: bool,
    /// Broadcast through a hub, instead of a tokio channel that each connection receives from.
    #[arg(long)]
    hub: bool,
    /// Broadcast by a loop over the senders of all connections.
    #[arg(long, conflicts_with = "hub")]
    senders: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stack {
    Axum,
    Tower,
    Tcp,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Command::parse();
    let config = match options.server.mode {
        Mode::Plain | Mode::Stream => Config::server(),
        Mode::Deflate => Config::server()
            .extension(PermessageDeflate::new().no_context_takeover(true).request_no_context_takeover(true))?,
        Mode::Takeover => Config::server().extension(PermessageDeflate::new())?,
        // Without pings, which the load generator does not answer between its turns.
        Mode::Broadcast => Config::server().ping_interval(None),
        mode => return mode.refuse(),
    };
    let acceptor = if options.server.tls { Some(tls::acceptor()?) } else { None };
    let (mode, borrows, has_hub, has_senders) = (options.server.mode, options.for_each, options.hub, options.senders);
    let task = move || match mode {
        // Within the runtime, as the hub spawns tasks.
        Mode::Broadcast if has_hub => Task::Publish(Hub::new(HubConfig::new())),
        Mode::Broadcast if has_senders => Task::SendToAll(Arc::default()),
        Mode::Broadcast => Task::SayToAll(broadcast::channel(BACKLOG).0),
        Mode::Stream => Task::EchoStreamed,
        _ if borrows => Task::EchoBorrowed,
        _ => Task::Echo,
    };
    match options.stack {
        Stack::Axum => {
            server::run(&options.server, |listener| async { axum(listener, acceptor, config, task()).await })
        }
        Stack::Tower if acceptor.is_some() => Err("unsupported with --tls: --stack tower".into()),
        Stack::Tower => server::run(&options.server, |listener| async { tower(listener, config, task()).await }),
        Stack::Tcp => server::run(&options.server, |listener| async { tcp(listener, acceptor, config, task()).await }),
    }
}

/// The way in which messages are handled.
#[derive(Clone)]
enum Task {
    Echo,
    EchoBorrowed,
    EchoStreamed,
    SayToAll(broadcast::Sender<PreparedMessage>),
    Publish(Hub),
    SendToAll(Senders),
}

/// The senders of all connections.
type Senders = Arc<Mutex<Vec<Box<dyn Fn(&PreparedMessage) -> bool + Send>>>>;

async fn axum(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    config: ServerConfig,
    task: Task,
) -> io::Result<()> {
    let handler = async move |ws: WebSocketUpgrade| -> Response {
        ws.config(config.clone()).on_upgrade(move |socket| serve(socket, task))
    };
    let app = Router::new().route("/", any(handler));
    if let Some(acceptor) = acceptor {
        return tls::serve_axum(listener, acceptor, app).await;
    }
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

async fn tower(listener: TcpListener, config: ServerConfig, task: Task) -> io::Result<()> {
    let layer = WebSocketLayer::new(move |socket, _request| serve(socket, task.clone())).config(config);
    let service = ServiceBuilder::new().layer(layer).service(service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"plain HTTP\n"))))
    }));
    let server = auto::Builder::new(TokioExecutor::new());
    loop {
        let stream = server::next(&listener).await;
        let (server, service) = (server.clone(), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move { server.serve_connection_with_upgrades(TokioIo::new(stream), service).await.ok() });
    }
}

async fn tcp(listener: TcpListener, acceptor: Option<TlsAcceptor>, config: ServerConfig, task: Task) -> io::Result<()> {
    loop {
        let (stream, config, task) = (server::next(&listener).await, config.clone(), task.clone());
        match acceptor.clone() {
            None => drop(tokio::spawn(open(stream, config, task))),
            Some(acceptor) => drop(tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    open(stream, config, task).await;
                }
            })),
        }
    }
}

async fn open<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: T, config: ServerConfig, task: Task) {
    if let Ok(mut socket) = accept(stream, config).await {
        // An echo does not need the headers.
        socket.take_request();
        // In a separate task, whose future does not include the handshake.
        tokio::spawn(serve(socket, task));
    }
}

fn serve<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    socket: WebSocket<T>,
    task: Task,
) -> impl Future<Output = ()> + Send {
    match task {
        Task::Echo => Either::Left(Either::Left(echo(socket))),
        Task::EchoBorrowed => Either::Left(Either::Right(echo_borrowed(socket))),
        // Boxed, so that the other variants do not reserve memory for it.
        Task::EchoStreamed => Either::Right(Either::Left(Either::Left(Box::pin(echo_streamed(socket))))),
        Task::SayToAll(room) => Either::Right(Either::Left(Either::Right(Box::pin(say_to_all(socket, room))))),
        Task::Publish(hub) => Either::Right(Either::Right(Either::Left(Box::pin(publish(socket, hub))))),
        Task::SendToAll(all) => Either::Right(Either::Right(Either::Right(Box::pin(send_to_all(socket, all))))),
    }
}

async fn echo<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn echo_borrowed<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    let echo = socket.for_each_borrowed(|message, replies| {
        // Fails only if the connection is closing.
        let _ = replies.send_borrowed(message);
    });
    let _ = echo.await;
}

async fn echo_streamed<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>) {
    let sender = socket.sender();
    while let Some(Ok(mut message)) = socket.recv_stream(MAX_MESSAGE as u64).await {
        let mut echo = sender.send_stream(message.kind());
        loop {
            match message.chunk().await {
                Ok(Some(chunk)) => {
                    if echo.write_chunk(chunk).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if echo.finish().await.is_err() {
            return;
        }
    }
}

async fn say_to_all<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut socket: WebSocket<T>,
    room: broadcast::Sender<PreparedMessage>,
) {
    let mut said = room.subscribe();
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(message)) => drop(room.send(PreparedMessage::new(message))),
                _ => break,
            },
            message = said.recv() => match message {
                Ok(message) if socket.send_prepared(&message).await.is_ok() => {}
                _ => break,
            },
        }
    }
}

async fn publish<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>, hub: Hub) {
    let member = hub.join(socket.sender());
    // Keeps members that read nothing.
    let options = Subscribe::new().overflow(Overflow::DropOldest);
    if member.subscribe(ROOM, options).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        if hub.publish(ROOM, message).await.is_err() {
            return;
        }
    }
}

async fn send_to_all<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut socket: WebSocket<T>, all: Senders) {
    let sender = socket.sender();
    lock(&all).push(Box::new(move |message| sender.try_send_prepared(message) != Err(SendError::Closed)));
    while let Some(Ok(message)) = socket.recv().await {
        let message = PreparedMessage::new(message);
        lock(&all).retain(|send| send(&message));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
