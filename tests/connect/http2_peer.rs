//! A scripted HTTP/2 server based on the h2 crate.

use std::future::poll_fn;

use bytes::Bytes;
use futures_util::FutureExt;
use h2::ext::Protocol;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, StatusCode};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tower_websocket::client::{Connect, Http2Connection};
use tower_websocket::{ClientConfig, Config, WebSocket, connect};
use websocket_tests::wire::{Frame, read_header};

use crate::peer::Transport;

/// Returns a builder of a server that accepts WebSockets, to be modified.
pub(crate) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.enable_connect_protocol();
    builder
}

/// The server's side of a connection, which is driven by a task.
pub(crate) struct Http2Peer {
    requests: UnboundedReceiver<Asked>,
    orders: UnboundedSender<Order>,
    task: JoinHandle<Result<(), h2::Error>>,
}

enum Order {
    /// Sends GOAWAY and continues with open streams.
    Graceful,
    /// Sends GOAWAY and closes.
    Abrupt(Reason),
    /// Sends SETTINGS with another window for streams.
    Window(u32),
}

/// A request that was not answered yet.
pub(crate) struct Asked {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
}

/// An open WebSocket without framing.
pub(crate) struct Tunnel {
    pub(crate) send: SendStream<Bytes>,
    pub(crate) receive: RecvStream,
    read: Vec<u8>,
}

impl Http2Peer {
    pub(crate) async fn new(io: impl Transport + 'static, builder: Builder) -> Self {
        let mut connection = builder.handshake(io).await.expect("HTTP/2");
        let (sender, requests) = unbounded_channel();
        let (orders, mut ordered) = unbounded_channel();
        let task = tokio::spawn(async move { drive(&mut connection, &sender, &mut ordered).await });
        Self { requests, orders, task }
    }

    /// Returns the next request, or `None` when the client has closed the connection.
    pub(crate) async fn asked(&mut self) -> Option<Asked> {
        self.requests.recv().await
    }

    /// Accepts the next WebSocket.
    pub(crate) async fn accept(&mut self) -> Tunnel {
        self.asked().await.expect("a request").accept()
    }

    pub(crate) fn go_away(&self) {
        let _ = self.orders.send(Order::Graceful);
    }

    pub(crate) fn go_away_at_once(&self, reason: Reason) {
        let _ = self.orders.send(Order::Abrupt(reason));
    }

    /// Reduces the windows of all streams.
    pub(crate) fn shrink_windows(&self, size: u32) {
        let _ = self.orders.send(Order::Window(size));
    }

    /// Drops the transport without notice.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Waits for the client to close the connection, and returns how it did.
    pub(crate) async fn end(mut self) -> Result<(), h2::Error> {
        assert!(self.asked().await.is_none(), "no more requests");
        self.task.await.expect("no panic")
    }
}

async fn drive<T: Transport>(
    connection: &mut Connection<T, Bytes>,
    requests: &UnboundedSender<Asked>,
    orders: &mut UnboundedReceiver<Order>,
) -> Result<(), h2::Error> {
    loop {
        tokio::select! {
            Some(order) = orders.recv() => match order {
                Order::Graceful => connection.graceful_shutdown(),
                Order::Abrupt(reason) => connection.abrupt_shutdown(reason),
                Order::Window(size) => connection.set_initial_window_size(size)?,
            },
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    let (request, respond) = accepted?;
                    let _ = requests.send(Asked { request, respond });
                }
                None => return Ok(()),
            },
        }
    }
}

impl Asked {
    /// Accepts the WebSocket with 200.
    pub(crate) fn accept(self) -> Tunnel {
        assert_eq!(self.request.extensions().get::<Protocol>().map(Protocol::as_str), Some("websocket"));
        self.answer(Response::new(()))
    }

    /// Responds with a head and keeps the stream open.
    pub(crate) fn answer(mut self, response: Response<()>) -> Tunnel {
        let send = self.respond.send_response(response, false).expect("a stream that stands");
        Tunnel { send, receive: self.request.into_body(), read: Vec::new() }
    }

    /// Responds with a status and a body, or the start of one.
    pub(crate) fn refuse(self, status: StatusCode, body: impl Into<Bytes>, is_end: bool) -> Tunnel {
        let mut response = Response::new(());
        *response.status_mut() = status;
        response.headers_mut().insert("x-one", "1".parse().expect("a value"));
        let mut tunnel = self.answer(response);
        tunnel.send.send_data(body.into(), is_end).expect("a stream that stands");
        tunnel
    }
}

impl Tunnel {
    /// Sends a frame at once.
    pub(crate) fn write(&mut self, frame: Frame) {
        self.write_bytes(frame.unmasked().bytes(), false);
    }

    pub(crate) fn write_bytes(&mut self, bytes: impl Into<Bytes>, is_end: bool) {
        self.send.send_data(bytes.into(), is_end).expect("a stream that stands");
    }

    /// Returns the client's next bytes, or `None` if it has ended the stream.
    pub(crate) async fn more(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let data = self.receive.data().await;
        if let Some(Ok(data)) = &data {
            let _ = self.receive.flow_control().release_capacity(data.len());
        }
        data
    }

    /// Returns the client's next frame: its first byte and its payload.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let header = loop {
            match read_header(&self.read) {
                Some(header) => break header,
                None => self.fill(self.read.len() + 1).await,
            }
        };
        let mask = header.key.expect("a masked frame, as those of a client are");
        let end = header.size + header.length as usize;
        self.fill(end).await;
        let frame: Vec<u8> = self.read.drain(..end).collect();
        let payload = frame[header.size..].iter().zip(mask.iter().cycle());
        (header.first, payload.map(|(byte, mask)| byte ^ mask).collect())
    }

    /// Expects a frame with this text.
    pub(crate) async fn expect(&mut self, text: &str) {
        let (first, payload) = self.frame().await;
        assert_eq!((first, String::from_utf8_lossy(&payload)), (0x81, text.into()));
    }

    /// Expects the orderly end of the stream.
    pub(crate) async fn ended(&mut self) {
        assert!(self.read.is_empty());
        assert!(matches!(self.more().await, None | Some(Ok(_))));
        assert!(self.more().now_or_never().flatten().is_none());
    }

    /// Returns the reason with which the client has reset the stream.
    pub(crate) async fn reset(&mut self) -> Reason {
        poll_fn(|cx| self.send.poll_reset(cx)).await.expect("a reset, and no end of all")
    }

    /// Waits until part of the wanted capacity is available, and returns how much.
    pub(crate) async fn capacity(&mut self, wanted: usize) -> usize {
        self.send.reserve_capacity(wanted);
        while self.send.capacity() == 0 {
            poll_fn(|cx| self.send.poll_capacity(cx)).await.expect("a stream that stands").expect("no error");
        }
        self.send.capacity()
    }

    async fn fill(&mut self, count: usize) {
        while self.read.len() < count {
            let data = self.more().await.expect("a frame, and no end").expect("a frame, and no error");
            self.read.extend(&data);
        }
    }
}

/// Returns a client to be configured, and the server's side, over an in-memory transport.
pub(crate) fn over_memory(builder: Builder) -> (Connect, impl Future<Output = Http2Peer>) {
    let (io, other) = tokio::io::duplex(1024 * 1024);
    (connect("ws://example.com/chat").http2().over(io), Http2Peer::new(other, builder))
}

/// Returns an in-memory connection and the server's side.
pub(crate) async fn connection(builder: Builder) -> (Http2Connection, Http2Peer) {
    let (connect, peer) = over_memory(builder);
    let (connection, peer) = tokio::join!(connect.http2_connection(), peer);
    (connection.expect("a connection"), peer)
}

/// Returns a WebSocket on a connection and the server's side.
pub(crate) async fn open_on(
    connection: &Http2Connection,
    peer: &mut Http2Peer,
    config: ClientConfig,
) -> (WebSocket, Tunnel) {
    let client = connect("ws://example.com/chat").config(config).on(connection).into_future();
    let (opened, tunnel) = tokio::join!(client, peer.accept());
    (opened.expect("an open socket").0, tunnel)
}

/// Returns a WebSocket on a new in-memory connection and the server's side.
pub(crate) async fn open(builder: Builder) -> (WebSocket, Tunnel, Http2Peer) {
    let (connection, mut peer) = connection(builder).await;
    let (socket, tunnel) = open_on(&connection, &mut peer, Config::client()).await;
    (socket, tunnel, peer)
}
