//! A server that the test controls frame by frame after the handshake.

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use websocket_driver::{Config, Driver, Event, ServerConfig};
use websocket_tests::wire::Frame;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
#[cfg(unix)]
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// Listens on a free local port. Returns the listener and its URL.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

pub(crate) struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// Accepts a connection, and opens the WebSocket.
    pub(crate) async fn open(listener: &TcpListener) -> Self {
        Self::open_with(listener, Config::server()).await.0
    }

    /// Like [`open`](Self::open), but also returns the head of the request.
    pub(crate) async fn open_with(listener: &TcpListener, config: ServerConfig) -> (Self, String) {
        let (mut peer, head) = Self::asked(listener).await;
        let mut driver = Driver::server(config);
        driver.receive(head.as_bytes());
        assert_eq!(driver.poll_event(), Some(Event::Connect));
        driver.start().expect("a handshake");
        let output = driver.output();
        let answer = output.copy_to_bytes(output.remaining());
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
        peer.write(answer).await;
        (peer, head)
    }

    /// Accepts a connection and reads the head of its request, without a response.
    pub(crate) async fn asked(listener: &TcpListener) -> (Self, String) {
        let stream = listener.accept().await.expect("a connection").0;
        stream.set_nodelay(true).expect("TCP");
        let mut peer = Self { stream, read: Vec::new() };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(peer.byte().await);
        }
        (peer, String::from_utf8(head).expect("a head of text"))
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the client still takes bytes");
    }

    /// Sends an unmasked frame.
    pub(crate) async fn send(&mut self, frame: Frame) {
        self.write(frame.unmasked().bytes()).await;
    }

    /// Returns the opcode and the payload of the next frame, which must be a whole message or a
    /// control frame.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let first = self.byte().await;
        assert_eq!(first & 0xf0, 0x80, "a frame that is final, and without reserved bits");
        let second = self.byte().await;
        assert!(second & 0x80 != 0, "a client's frame is masked");
        let bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut len = if bytes > 0 { 0 } else { u64::from(second & 0x7f) };
        for _ in 0..bytes {
            len = len << 8 | u64::from(self.byte().await);
        }
        let mut mask = [0; 4];
        for byte in &mut mask {
            *byte = self.byte().await;
        }
        let mut payload = Vec::new();
        for at in 0..len as usize {
            payload.push(self.byte().await ^ mask[at % 4]);
        }
        (first & 0x0f, payload)
    }

    /// Expects a text frame.
    pub(crate) async fn text(&mut self) -> String {
        let (opcode, payload) = self.frame().await;
        assert_eq!(opcode, TEXT, "{payload:?}");
        String::from_utf8(payload).expect("UTF-8")
    }

    /// Expects a close frame, and returns its code and its reason.
    pub(crate) async fn close(&mut self) -> (u16, String) {
        let (opcode, payload) = self.frame().await;
        assert_eq!(opcode, CLOSE, "{payload:?}");
        let Some((code, reason)) = payload.split_at_checked(2) else { return (1005, String::new()) };
        (u16::from_be_bytes([code[0], code[1]]), String::from_utf8(reason.to_vec()).expect("UTF-8"))
    }

    /// Waits for the client's close frame, answers it with the same code, and ends the connection.
    pub(crate) async fn answer_close(mut self) -> (u16, String) {
        let (code, reason) = self.close().await;
        self.send(if code == 1005 { Frame::new(CLOSE, "") } else { Frame::close(code, "") }).await;
        (code, reason)
    }

    /// Closes, waits for the client's answer, and ends the connection.
    pub(crate) async fn finish(mut self, code: u16, reason: &str) -> (u16, String) {
        self.send(Frame::close(code, reason)).await;
        self.close().await
    }

    /// Waits until data has arrived, without reading it.
    pub(crate) async fn wait_for_input(&mut self) {
        self.stream.readable().await.expect("a connection");
    }

    async fn byte(&mut self) -> u8 {
        if self.read.is_empty() {
            let read = self.stream.read_buf(&mut self.read).await.expect("bytes, and no reset");
            assert!(read > 0, "the client ended the connection");
            self.read.reverse();
        }
        self.read.pop().expect("a byte")
    }
}
