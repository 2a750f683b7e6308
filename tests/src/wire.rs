//! Handshakes as a client writes them, also invalid ones, and responses, read strictly. Nothing here uses the code under test, so
//! that both cannot be wrong in the same way. Frames are those of `websocket-wire`.

use http::{HeaderName, HeaderValue, Request};
use websocket_driver::Version;
pub use websocket_wire::{Frame, LengthForm, MASK, ServerFrame, frames, hixie_text, server_frame, server_frames};

/// The key of the example in RFC 6455 §1.3.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What answers [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The 8 bytes behind the example request of draft-hixie-76 §1.2.
pub const HIXIE76_BODY: [u8; 8] = *b"^n:ds[4U";

/// The 16 bytes that answer that request.
pub const HIXIE76_DIGEST: [u8; 16] = *b"8jKS'y:G*Co,Wxa-";

/// The closing frame of draft-hixie-76 §5.3.
pub const HIXIE76_CLOSE: [u8; 2] = [0xff, 0x00];

/// The five versions, newest first.
pub const VERSIONS: [Version; 5] =
    [Version::Hybi13, Version::Hybi8, Version::Hybi7, Version::Hixie76, Version::Hixie75];

/// The versions that have the frames of RFC 6455.
pub const HYBI: [Version; 3] = [Version::Hybi13, Version::Hybi8, Version::Hybi7];

/// The opening handshake of a client: right, unless one of the methods makes it wrong.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// As in the request line.
    pub method: String,
    /// As in the request line.
    pub target: String,
    /// As in the request line.
    pub http: String,
    /// The header lines, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What follows the head; of draft 76.
    pub body: Vec<u8>,
}

impl Handshake {
    /// A plain GET, to be added to.
    pub fn get(target: &str) -> Self {
        let (method, http) = ("GET".into(), "HTTP/1.1".into());
        Self { method, target: target.into(), http, headers: Vec::new(), body: Vec::new() }.with("Host", "example.com")
    }

    /// The handshake of a version. Those of the drafts are the examples in their texts, without a subprotocol.
    pub fn of(version: Version) -> Self {
        match version {
            Version::Hixie76 => Self {
                body: HIXIE76_BODY.into(),
                ..Self::get("/demo")
                    .with("Connection", "Upgrade")
                    .with("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00")
                    .with("Upgrade", "WebSocket")
                    .with("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5")
                    .with("Origin", "http://example.com")
            },
            Version::Hixie75 => Self::get("/demo")
                .with("Upgrade", "WebSocket")
                .with("Connection", "Upgrade")
                .with("Origin", "http://example.com"),
            Version::Hybi8 => Self::hybi("8").with("Sec-WebSocket-Origin", "http://example.com"),
            Version::Hybi7 => Self::hybi("7").with("Sec-WebSocket-Origin", "http://example.com"),
            _ => Self::hybi("13").with("Origin", "http://example.com"),
        }
    }

    /// A handshake of RFC 6455 with any `Sec-WebSocket-Version`.
    pub fn hybi(version: &str) -> Self {
        Self::get("/chat")
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Key", KEY)
            .with("Sec-WebSocket-Version", version)
    }

    /// Adds a header line.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Takes all lines of a header out.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Puts one line in the place of all lines of a header.
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    /// The head alone.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.http).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes
    }

    /// All that goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }

    /// The head as an HTTP stack gives it.
    ///
    /// # Panics
    ///
    /// Where an HTTP stack would have refused it.
    pub fn request(&self) -> Request<()> {
        let version = match self.http.as_str() {
            "HTTP/1.0" => http::Version::HTTP_10,
            "HTTP/2" => http::Version::HTTP_2,
            _ => http::Version::HTTP_11,
        };
        let builder = Request::builder().method(self.method.as_str()).uri(&self.target).version(version);
        let mut request = builder.body(()).expect("a request line");
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            request.headers_mut().append(name, HeaderValue::from_bytes(value).expect("a header value"));
        }
        request
    }
}

/// The head of a response, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of the status line.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// The header lines, names as they are spelt.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// Reads a head and tells its length; `None` while it is not whole.
    ///
    /// # Panics
    ///
    /// Where it is no head of HTTP/1.1.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..end - 4]).expect("a head of text");
        let mut lines = head.split("\r\n");
        let status_line = lines.next()?.strip_prefix("HTTP/1.1 ").expect("HTTP/1.1");
        let (status, reason) = status_line.split_once(' ').expect("a space behind the status");
        let headers = lines.map(|line| line.split_once(": ").expect("a header line"));
        let headers = headers.map(|(name, value)| (name.into(), value.into())).collect();
        Some((Self { status: status.parse().expect("a status"), reason: reason.into(), headers }, end))
    }

    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }
}
