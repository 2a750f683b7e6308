use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use websocket_driver::{CloseCode, Version};

use super::frame::{self, Fragments, Frame, HIXIE_CLOSE, Part, Shown};
use super::handshake::{self, HIXIE76_DIGEST, Handshake};
use super::head;
use super::patience::wait_for;
use super::transport::Transport;

/// The other end of a socket, controlled by the test: it reads and writes frames, sends no
/// automatic replies, and can make the transport fail. It shares no code with the stack under test.
///
/// Methods that send take effect at once and do not wait. Methods that expect something wait for
/// it, and panic if something else arrives, if it violates the protocol, or if nothing arrives for
/// 10 seconds (on a paused clock: for a day). The message contains what was expected and received,
/// and the location in the test.
///
/// A peer is a client once it has [opened](Self::open) a connection, and a server once it has
/// [accepted](Self::accept) one. [`server`](super::server()), [`client`](super::client) and
/// [`open`](super::open()) return open peers.
///
/// ```
/// # use tower_websocket::test;
/// use tower_websocket::{CloseCode, Config};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut socket, mut peer) = test::server("/", Config::server()).await;
/// peer.send_ping("are you there?");
/// peer.send_text("hello");
/// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"));
/// let closing = tokio::spawn(async move { socket.close(CloseCode::GOING_AWAY, "bye").await });
/// peer.expect_pong("are you there?").await;
/// assert_eq!(peer.expect_close(1001).await, "bye");
/// peer.send_close(1001, "");
/// peer.expect_eof().await;
/// closing.await.unwrap().unwrap();
/// # }
/// ```
#[derive(Debug)]
pub struct Peer {
    pub(super) io: Transport,
    /// Received data that was not decoded yet.
    read: Vec<u8>,
    fragments: Fragments,
    version: Version,
    is_client: bool,
}

impl Peer {
    /// Creates a peer on an unused transport.
    #[must_use]
    pub fn new(io: Transport) -> Self {
        Self { io, read: Vec::new(), fragments: Fragments::default(), version: Version::Hybi13, is_client: true }
    }

    /// Opens the connection as a client, and returns the response.
    ///
    /// # Panics
    ///
    /// If the response is not one that a client of the handshake's version accepts.
    #[track_caller]
    pub fn open(&mut self, handshake: impl Into<Handshake>) -> impl Future<Output = Response<()>> {
        let (handshake, at) = (handshake.into(), Location::caller());
        self.send_handshake(&handshake);
        async move { self.receive_response(&handshake, at).await }
    }

    /// Accepts a connection as a server of RFC 6455 with an optional subprotocol, and returns the
    /// request.
    ///
    /// ```
    /// # use tower_websocket::test;
    /// use tower_websocket::connect;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (io, other) = test::transport();
    /// let mut peer = test::Peer::new(other);
    /// let connecting = tokio::spawn(connect("ws://localhost/feed").protocols(["chat"]).over(io).into_future());
    /// assert_eq!(peer.accept(Some("chat")).await.uri(), "/feed");
    /// let (mut socket, _response) = connecting.await.unwrap().unwrap();
    /// peer.send_text("hello");
    /// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    /// # }
    /// # use std::future::IntoFuture;
    /// ```
    ///
    /// # Panics
    ///
    /// If the request is not one that a server may accept, or does not offer the subprotocol.
    #[track_caller]
    pub fn accept<'a>(&'a mut self, protocol: Option<&'a str>) -> impl Future<Output = Request<()>> + 'a {
        self.respond(protocol, Location::caller())
    }

    /// Sends a text message.
    pub fn send_text(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref().as_bytes();
        if self.version.is_hixie() { self.send_raw(frame::encode_hixie(text)) } else { self.send(1, text) }
    }

    /// Sends a binary message.
    ///
    /// # Panics
    ///
    /// In the hixie drafts, which have no binary messages.
    #[track_caller]
    pub fn send_binary(&mut self, data: impl AsRef<[u8]>) {
        self.send_hybi(2, data.as_ref());
    }

    /// Sends a ping.
    ///
    /// # Panics
    ///
    /// In the hixie drafts, which have no pings.
    #[track_caller]
    pub fn send_ping(&mut self, data: impl AsRef<[u8]>) {
        self.send_hybi(9, data.as_ref());
    }

    /// Sends a pong.
    ///
    /// # Panics
    ///
    /// In the hixie drafts, which have no pongs.
    #[track_caller]
    pub fn send_pong(&mut self, data: impl AsRef<[u8]>) {
        self.send_hybi(10, data.as_ref());
    }

    /// Sends a close frame with any code and reason, valid or not, or without a code for
    /// [`CloseCode::NO_STATUS`]. In hixie-76 it has neither, and in hixie-75 the output is
    /// [closed](Self::end) instead.
    pub fn send_close(&mut self, code: impl Into<CloseCode>, reason: &str) {
        match self.version {
            Version::Hixie75 => self.end(),
            Version::Hixie76 => self.send_raw(HIXIE_CLOSE),
            _ => self.send(8, &frame::close_payload(code.into(), reason)),
        }
    }

    /// Sends raw bytes: part of a frame, an invalid one, or several at once.
    pub fn send_raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write.push(bytes.as_ref());
    }

    /// Expects a text message.
    #[track_caller]
    pub fn expect_text(&mut self, text: &str) -> impl Future<Output = ()> {
        self.expect(Frame::Text(text.into()), Location::caller())
    }

    /// Expects a binary message.
    #[track_caller]
    pub fn expect_binary(&mut self, data: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        self.expect(Frame::Binary(data.as_ref().into()), Location::caller())
    }

    /// Expects a ping.
    #[track_caller]
    pub fn expect_ping(&mut self, data: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        self.expect(Frame::Ping(data.as_ref().into()), Location::caller())
    }

    /// Expects a pong.
    #[track_caller]
    pub fn expect_pong(&mut self, data: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        self.expect(Frame::Pong(data.as_ref().into()), Location::caller())
    }

    /// Expects a close frame with this code, [`CloseCode::NO_STATUS`] for none, and returns its
    /// reason. It is not answered. In hixie-76 any close frame is expected, whatever the code, and
    /// in hixie-75 the end of the transport.
    #[track_caller]
    pub fn expect_close(&mut self, code: impl Into<CloseCode>) -> impl Future<Output = String> {
        let (code, at) = (code.into(), Location::caller());
        async move {
            if self.version == Version::Hixie75 {
                self.eof(at).await;
                return String::new();
            }
            self.close_frame(code, at).await
        }
    }

    /// Expects exactly these bytes next.
    #[track_caller]
    pub fn expect_raw(&mut self, bytes: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        let (expected, at) = (bytes.as_ref().to_vec(), Location::caller());
        async move {
            let got = self.bytes(expected.len(), &Shown(&expected), at).await;
            if got != expected {
                fail(at, format_args!("expected {}, got {}", Shown(&expected), Shown(&got)));
            }
        }
    }

    /// Expects the end of the transport, without any data before it.
    #[track_caller]
    pub fn expect_eof(&mut self) -> impl Future<Output = ()> {
        self.eof(Location::caller())
    }

    /// Expects that nothing arrives for `duration`, not even the end.
    #[track_caller]
    pub fn expect_nothing(&mut self, duration: Duration) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            if self.io.read.is_stalled() {
                fail_stalled(&"nothing", at);
            }
            let mut sleep = pin!(tokio::time::sleep(duration));
            let received = poll_fn(|cx| match self.io.read.poll_take(cx) {
                Poll::Ready(received) => Poll::Ready(Some(received.unwrap_or_default())),
                Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
            });
            let has_ended = match received.await {
                Some(received) => {
                    self.read.extend_from_slice(&received);
                    received.is_empty()
                }
                None => false,
            };
            if !self.read.is_empty() {
                fail(at, format_args!("expected nothing for {duration:?}, got {}", self.unread()));
            }
            if has_ended {
                fail(at, format_args!("expected nothing for {duration:?}, but the transport has ended"));
            }
        }
    }

    /// Returns the next frame.
    #[track_caller]
    pub fn next_frame(&mut self) -> impl Future<Output = Frame> {
        let at = Location::caller();
        async move { self.frame(&"a frame", at).await }
    }

    /// Returns all remaining bytes until the end of the transport.
    #[track_caller]
    pub fn rest(&mut self) -> impl Future<Output = Vec<u8>> {
        let at = Location::caller();
        async move {
            while self.more(&"the end", at).await {}
            std::mem::take(&mut self.read)
        }
    }

    /// Closes the connection in order: sends a close frame, and expects the answer and the end of
    /// the transport. In hixie-75, expects only the end.
    #[track_caller]
    pub fn close(&mut self, code: impl Into<CloseCode>, reason: &str) -> impl Future<Output = ()> {
        let (code, at) = (code.into(), Location::caller());
        self.send_close(code, reason);
        async move {
            if self.version != Version::Hixie75 {
                self.close_frame(code, at).await;
            }
            if !self.is_client {
                // A client lets the server close the transport first (RFC 6455 §7.1.1).
                self.end();
            }
            self.eof(at).await;
        }
    }

    /// Receives a request and accepts it.
    pub(super) async fn respond(&mut self, protocol: Option<&str>, at: At) -> Request<()> {
        self.is_client = false;
        let head = self.head("a request", at).await;
        let wrong = |fault| -> ! { fail(at, format_args!("the client asked with {fault}:\n{}", lossy(&head))) };
        let request = head::request(&head).unwrap_or_else(|fault| wrong(fault));
        let answer = handshake::response(&request, protocol).unwrap_or_else(|fault| wrong(fault));
        self.send_raw(answer);
        request
    }

    /// Sends a handshake.
    pub(super) fn send_handshake(&mut self, handshake: &Handshake) {
        self.version = handshake.protocol_version();
        self.is_client = true;
        self.send_raw(handshake.bytes());
    }

    /// Receives the response to a handshake.
    pub(super) async fn receive_response(&mut self, handshake: &Handshake, at: At) -> Response<()> {
        let head = self.head("an answer", at).await;
        let wrong = |fault| -> ! { fail(at, format_args!("the server answered with {fault}:\n{}", lossy(&head))) };
        let response = head::response(&head).unwrap_or_else(|fault| wrong(fault));
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            fail(at, format_args!("the handshake was refused:\n{}{}", lossy(&head), lossy(&self.read)));
        }
        handshake.check_response(&head, &response).unwrap_or_else(|fault| wrong(fault));
        if self.version == Version::Hixie76 {
            let digest = self.bytes(HIXIE76_DIGEST.len(), &"the digest of hixie-76", at).await;
            if digest != HIXIE76_DIGEST {
                fail(at, format_args!("the digest of hixie-76 is {}", Shown(&digest)));
            }
        }
        response
    }

    #[track_caller]
    fn send_hybi(&mut self, opcode: u8, payload: &[u8]) {
        assert!(!self.version.is_hixie(), "{} supports only text messages", self.version);
        self.send(opcode, payload);
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.send_raw(frame::encode(opcode, payload, self.is_client));
    }

    async fn expect(&mut self, expected: Frame, at: At) {
        let got = self.frame(&expected, at).await;
        if got != expected {
            fail(at, format_args!("expected {expected}, got {got}"));
        }
    }

    /// Receives a close frame and returns its reason. Hixie-76 transmits no code.
    async fn close_frame(&mut self, code: CloseCode, at: At) -> String {
        let code = if self.version.is_hixie() { CloseCode::NO_STATUS } else { code };
        let expected = format!("a close with {code}");
        match self.frame(&expected, at).await {
            Frame::Close(close) if close.code == code => close.reason.as_str().into(),
            other => fail(at, format_args!("expected {expected}, got {other}")),
        }
    }

    async fn eof(&mut self, at: At) {
        while self.read.is_empty() && self.more(&"the end", at).await {}
        if !self.read.is_empty() {
            fail(at, format_args!("expected the end, got {}", self.unread()));
        }
    }

    /// Returns the next frame.
    async fn frame(&mut self, expected: &(dyn Display + Sync), at: At) -> Frame {
        loop {
            match frame::decode(&self.read, self.version, !self.is_client) {
                Ok(Some((part, length))) => {
                    self.read.drain(..length);
                    match self.fragments.join(part) {
                        Ok(Some(frame)) => return frame,
                        Ok(None) => {}
                        Err(fault) => fail(at, format_args!("expected {expected}, got {fault}")),
                    }
                }
                Ok(None) => self.more_of(expected, at).await,
                Err(fault) => fail(at, format_args!("expected {expected}, got {fault}")),
            }
        }
    }

    async fn head(&mut self, expected: &str, at: At) -> Vec<u8> {
        loop {
            if let Some(length) = head::length(&self.read) {
                return self.read.drain(..length).collect();
            }
            self.more_of(&expected, at).await;
        }
    }

    async fn bytes(&mut self, count: usize, expected: &(dyn Display + Sync), at: At) -> Vec<u8> {
        while self.read.len() < count {
            self.more_of(expected, at).await;
        }
        self.read.drain(..count).collect()
    }

    /// Waits for data, and fails at the end of the transport.
    async fn more_of(&mut self, expected: &(dyn Display + Sync), at: At) {
        if !self.more(expected, at).await {
            fail(at, format_args!("expected {expected}, but the transport has ended{}", self.after()));
        }
    }

    /// Waits for data. Returns `false` at the end of the transport.
    async fn more(&mut self, expected: &(dyn Display + Sync), at: At) -> bool {
        let received = poll_fn(|cx| match self.io.read.poll_take(cx) {
            // Data written before the peer was stalled is still available.
            Poll::Pending if self.io.read.is_stalled() => Poll::Ready(None),
            received => received.map(Some),
        });
        match wait_for(received).await {
            Some(Some(received)) => {
                // Fails only if this peer has reset the transport.
                let received = received.unwrap_or_default();
                self.read.extend_from_slice(&received);
                !received.is_empty()
            }
            Some(None) => fail_stalled(expected, at),
            None => fail(at, format_args!("timed out waiting for {expected}{}", self.after())),
        }
    }

    /// Describes the data that was not consumed.
    fn unread(&self) -> String {
        match frame::decode(&self.read, self.version, !self.is_client) {
            Ok(Some((Part::Frame(frame), _))) => frame.to_string(),
            _ => Shown(&self.read).to_string(),
        }
    }

    fn after(&self) -> String {
        if self.read.is_empty() { String::new() } else { format!(", after {}", Shown(&self.read)) }
    }
}

pub(super) type At = &'static Location<'static>;

/// Fails the test with the location of the call.
pub(super) fn fail(at: At, message: fmt::Arguments<'_>) -> ! {
    panic!("{at}: {message}")
}

fn fail_stalled(expected: &(dyn Display + Sync), at: At) -> ! {
    fail(at, format_args!("expected {expected}, but this peer is stalled, and reads nothing before `resume`"))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
