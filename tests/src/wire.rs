//! Handshakes of clients, valid or not, and strictly parsed responses. Nothing here uses the code
//! under test, so that both cannot have the same bug. Frames are in `websocket-wire`.

use http::{HeaderName, HeaderValue, Request};
use websocket_driver::Version;
pub use websocket_wire::{Frame, LengthForm, MASK, ServerFrame, frames, hixie_text, server_frame, server_frames};
pub use websocket_wire::{read_frame, read_header};

/// The key of the example in RFC 6455 §1.3.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The value of `Sec-WebSocket-Accept` for [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The 8 bytes after the example request of draft-hixie-76 §1.2.
pub const HIXIE76_BODY: [u8; 8] = *b"^n:ds[4U";

/// The 16 bytes that answer that request.
pub const HIXIE76_DIGEST: [u8; 16] = *b"8jKS'y:G*Co,Wxa-";

/// The closing frame of draft-hixie-76 §5.3.
pub const HIXIE76_CLOSE: [u8; 2] = [0xff, 0x00];

/// The five versions, newest first.
pub const VERSIONS: [Version; 5] =
    [Version::Hybi13, Version::Hybi8, Version::Hybi7, Version::Hixie76, Version::Hixie75];

/// The versions with the framing of RFC 6455.
pub const HYBI: [Version; 3] = [Version::Hybi13, Version::Hybi8, Version::Hybi7];

/// The opening handshake of a client. It is valid, unless a method makes it invalid.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The method in the request line.
    pub method: String,
    /// The target in the request line.
    pub target: String,
    /// The HTTP version in the request line.
    pub http: String,
    /// The header lines in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The 8 bytes after the head in draft 76.
    pub body: Vec<u8>,
}

impl Handshake {
    /// Creates a plain GET request, to be extended.
    pub fn get(target: &str) -> Self {
        let (method, http) = ("GET".into(), "HTTP/1.1".into());
        Self { method, target: target.into(), http, headers: Vec::new(), body: Vec::new() }.with("Host", "example.com")
    }

    /// Creates the handshake of a version. For the drafts it is the example in the specification,
    /// without a subprotocol.
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

    /// Creates a handshake of RFC 6455 with any `Sec-WebSocket-Version`.
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

    /// Removes all lines of a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces all lines of a header by a single one.
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    /// Returns the head.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.http).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes
    }

    /// Returns the head and the body.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }

    /// Returns the head as parsed by an HTTP stack.
    ///
    /// # Panics
    ///
    /// If an HTTP stack would have rejected it.
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

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The header lines, with names in their original case.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// Parses a head and returns it with its length, or `None` while it is incomplete.
    ///
    /// # Panics
    ///
    /// If it is not an HTTP/1.1 head.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..end - 4]).expect("a head of text");
        let mut lines = head.split("\r\n");
        let status_line = lines.next()?.strip_prefix("HTTP/1.1 ").expect("HTTP/1.1");
        let (status, reason) = status_line.split_once(' ').expect("a space after the status");
        let headers = lines.map(|line| line.split_once(": ").expect("a header line"));
        let headers = headers.map(|(name, value)| (name.into(), value.into())).collect();
        Some((Self { status: status.parse().expect("a status"), reason: reason.into(), headers }, end))
    }

    /// Returns the values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }
}
