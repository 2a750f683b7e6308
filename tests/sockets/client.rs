//! Strict clients of all versions.

use websocket_driver::Version;
use websocket_tests::wire::{
    ACCEPT, Answer, Frame, HIXIE76_CLOSE, HIXIE76_DIGEST, Handshake, ServerFrame, frames, hixie_text,
};

use crate::wire::Wire;

/// The exact start of a server's response to hixie-75 (draft-hixie-75 §3.1).
const HIXIE75_START: &[u8; 85] =
    b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n";

/// A handshake, and the response that its client expects.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) version: Version,
    pub(crate) handshake: Handshake,
    scheme: &'static str,
    protocol: Option<&'static str>,
}

impl Opening {
    pub(crate) fn of(version: Version) -> Self {
        Self { version, handshake: Handshake::of(version), scheme: "ws", protocol: None }
    }

    /// Uses TLS.
    pub(crate) fn secure(self) -> Self {
        Self { scheme: "wss", ..self }
    }

    /// Offers subprotocols and expects this one.
    pub(crate) fn protocol(self, offered: &str, expected: Option<&'static str>) -> Self {
        let name = if self.version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" };
        Self { handshake: self.handshake.with(name, offered), protocol: expected, ..self }
    }

    /// Sets the request target.
    pub(crate) fn target(mut self, target: &str) -> Self {
        self.handshake.target = target.into();
        self
    }

    /// Opens a connection.
    pub(crate) async fn on(&self, mut wire: Wire) -> Client {
        wire.write(self.handshake.bytes()).await;
        self.confirmed(wire).await
    }

    /// Receives the response to a handshake that was already written.
    pub(crate) async fn confirmed(&self, mut wire: Wire) -> Client {
        self.confirm_head(&mut wire).await;
        self.confirm_digest(&mut wire).await;
        Client { wire, version: self.version }
    }

    /// Receives the head of the response.
    pub(crate) async fn confirm_head(&self, wire: &mut Wire) {
        let head = wire.head().await;
        let (answer, _) = Answer::read(&head).expect("a whole head");
        match self.version {
            Version::Hixie75 => {
                assert_eq!(String::from_utf8_lossy(&head[..85]), String::from_utf8_lossy(HIXIE75_START));
                self.confirm_hixie(&answer, "WebSocket-");
            }
            Version::Hixie76 => {
                // Draft-hixie-76 §4.1: the case of the Upgrade value matters, that of Connection
                // does not.
                assert_eq!(answer.status, 101, "{answer:?}");
                assert_eq!(answer.all("Upgrade"), ["WebSocket"]);
                assert_eq!(answer.all("Connection").concat().to_ascii_lowercase(), "upgrade");
                self.confirm_hixie(&answer, "Sec-WebSocket-");
            }
            _ => {
                // RFC 6455 §4.1.
                assert_eq!(answer.status, 101, "{answer:?}");
                assert_eq!(answer.all("Upgrade").concat().to_ascii_lowercase(), "websocket");
                assert_eq!(answer.all("Connection").concat().to_ascii_lowercase(), "upgrade");
                assert_eq!(answer.all("Sec-WebSocket-Accept"), [ACCEPT]);
                assert!(answer.all("Sec-WebSocket-Extensions").is_empty());
                // Any case is valid (RFC 9110 §5.1), but not for every existing client.
                for (name, _) in &answer.headers {
                    let known = ["Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Date"];
                    assert!(known.contains(&name.as_str()), "{name}");
                }
                self.confirm_protocol(&answer, "Sec-WebSocket-Protocol");
            }
        }
        // A 101 has no body (RFC 9110 §8.6).
        assert!(answer.all("Content-Length").is_empty() && answer.all("Transfer-Encoding").is_empty(), "{answer:?}");
    }

    /// Receives the 16 bytes after it in draft 76.
    pub(crate) async fn confirm_digest(&self, wire: &mut Wire) {
        if self.version == Version::Hixie76 {
            assert_eq!(wire.bytes(16).await, HIXIE76_DIGEST);
        }
    }

    fn confirm_hixie(&self, answer: &Answer, prefix: &str) {
        let location = format!("{}://example.com{}", self.scheme, self.handshake.target);
        assert_eq!(answer.all(&format!("{prefix}Location")), [location]);
        assert_eq!(answer.all(&format!("{prefix}Origin")), ["http://example.com"]);
        self.confirm_protocol(answer, &format!("{prefix}Protocol"));
    }

    fn confirm_protocol(&self, answer: &Answer, name: &str) {
        assert_eq!(answer.all(name), self.protocol.as_slice());
    }
}

/// An open connection.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) version: Version,
}

impl Client {
    /// Sends texts in one packet.
    pub(crate) async fn send(&mut self, texts: &[&str]) {
        self.wire.write(texts_of(self.version, texts)).await;
    }

    /// Returns the next text.
    pub(crate) async fn text(&mut self) -> String {
        if self.version.is_hixie() {
            return self.wire.hixie_text().await;
        }
        let ServerFrame { opcode, payload } = self.wire.frame().await;
        assert_eq!(opcode, 1);
        String::from_utf8(payload).expect("UTF-8")
    }

    /// Expects the numbers below `count`, in order.
    pub(crate) async fn expect_numbers(&mut self, count: usize) {
        for number in 0..count {
            assert_eq!(self.text().await, number.to_string());
        }
    }

    /// Sends texts and expects their echo.
    pub(crate) async fn echo(&mut self, texts: &[&str]) {
        self.send(texts).await;
        for text in texts {
            assert_eq!(self.text().await, *text);
        }
    }

    /// Closes as specified by the version, and waits for the server's end.
    pub(crate) async fn close(mut self) {
        match self.version {
            Version::Hixie75 => self.wire.half_close().await,
            Version::Hixie76 => {
                self.wire.write(HIXIE76_CLOSE).await;
                assert_eq!(self.wire.bytes(2).await, HIXIE76_CLOSE);
            }
            _ => {
                self.wire.write(Frame::close(4321, "done").bytes()).await;
                assert_eq!(self.wire.frame().await.close_code(), Some(4321));
            }
        }
        self.wire.eof().await;
    }

    /// Expects the server to close as specified by the version.
    pub(crate) async fn expect_close(mut self, code: u16, reason: &str) {
        match self.version {
            Version::Hixie75 => {}
            Version::Hixie76 => {
                assert_eq!(self.wire.bytes(2).await, HIXIE76_CLOSE);
                self.wire.write(HIXIE76_CLOSE).await;
            }
            _ => {
                assert_eq!(self.wire.frame().await, ServerFrame::close(code, reason));
                self.wire.write(Frame::close(code, "").bytes()).await;
            }
        }
        self.wire.eof().await;
    }
}

/// Encodes text messages for a version.
pub(crate) fn texts_of(version: Version, texts: &[&str]) -> Vec<u8> {
    if version.is_hixie() { texts.iter().flat_map(hixie_text).collect() } else { frames(texts.iter().map(Frame::text)) }
}
