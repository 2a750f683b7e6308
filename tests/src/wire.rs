//! The wire as a client sees it: handshakes and frames written byte by byte, also wrong ones, and what a server
//! answers read back strictly. Nothing here uses the code under test, so that both cannot be wrong together.

use http::{HeaderName, HeaderValue, Request};
use websocket_driver::Version;

/// The masking key of the examples in RFC 6455 §5.7.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

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

/// How a frame writes its length (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthForm {
    /// As short as can be, as required.
    Shortest,
    /// In 16 bits, needed or not.
    Bits16,
    /// In 64 bits, needed or not.
    Bits64,
}

/// A frame of RFC 6455 as a client writes it: right, unless one of the methods makes it wrong.
#[derive(Debug, Clone)]
pub struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    form: LengthForm,
    announced: u64,
    payload: Vec<u8>,
}

impl Frame {
    /// A final frame with any opcode.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        let payload = payload.as_ref().to_vec();
        let announced = payload.len() as u64;
        Self { first: 0x80 | opcode, mask: Some(MASK), form: LengthForm::Shortest, announced, payload }
    }

    /// A continuation frame.
    pub fn continuation(payload: impl AsRef<[u8]>) -> Self {
        Self::new(0, payload)
    }

    /// A text frame; of bytes, so that they may be wrong.
    pub fn text(payload: impl AsRef<[u8]>) -> Self {
        Self::new(1, payload)
    }

    /// A binary frame.
    pub fn binary(payload: impl AsRef<[u8]>) -> Self {
        Self::new(2, payload)
    }

    /// A close frame with a code, right or wrong, and a reason.
    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        Self::new(8, [&code.to_be_bytes(), reason.as_ref()].concat())
    }

    /// A ping.
    pub fn ping(payload: impl AsRef<[u8]>) -> Self {
        Self::new(9, payload)
    }

    /// A pong.
    pub fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::new(10, payload)
    }

    /// Clears FIN: more fragments follow.
    pub fn more(mut self) -> Self {
        self.first &= !0x80;
        self
    }

    /// Sets reserved bits: 0x40, 0x20, 0x10.
    pub fn rsv(mut self, bits: u8) -> Self {
        self.first |= bits;
        self
    }

    /// Uses another masking key.
    pub fn mask(mut self, key: [u8; 4]) -> Self {
        self.mask = Some(key);
        self
    }

    /// Leaves the mask out.
    pub fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    /// Writes the length in another form.
    pub fn length_form(mut self, form: LengthForm) -> Self {
        self.form = form;
        self
    }

    /// Writes another length than that of the payload.
    pub fn announcing(mut self, length: u64) -> Self {
        self.announced = length;
        self
    }

    /// The header, with the masking key.
    pub fn header(&self) -> Vec<u8> {
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match (self.form, self.announced) {
            (LengthForm::Shortest, length @ 0..=125) => bytes.push(mask_bit | length as u8),
            (LengthForm::Shortest, length @ 126..=0xffff) | (LengthForm::Bits16, length) => {
                bytes.push(mask_bit | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            (_, length) => {
                bytes.push(mask_bit | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes.extend(self.mask.iter().flatten());
        bytes
    }

    /// The whole frame.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        let key = self.mask.unwrap_or_default();
        bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }
}

/// Frames one behind the other.
pub fn frames(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.bytes()).collect()
}

/// A text frame of the hixie drafts, of bytes that may be no UTF-8.
pub fn hixie_text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    [&[0x00], payload.as_ref(), &[0xff]].concat()
}

/// A frame as a server may send it: whole messages only, never masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFrame {
    /// 1, 2, 8, 9 or 10.
    pub opcode: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl ServerFrame {
    /// A frame, to compare with.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self { opcode, payload: payload.as_ref().to_vec() }
    }

    /// A text frame, to compare with.
    pub fn text(payload: &str) -> Self {
        Self::new(1, payload)
    }

    /// A pong, to compare with.
    pub fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::new(10, payload)
    }

    /// A close frame with a code and a reason, to compare with.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(8, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// The code, if this is a close frame that has one.
    pub fn close_code(&self) -> Option<u16> {
        match (self.opcode, &self.payload[..]) {
            (8, [high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }
}

/// Reads the first frame of what a server sent, and tells its length; `None` while it is not whole.
///
/// # Panics
///
/// When a server may not send it: masked, fragmented, reserved bits, unknown opcodes, lengths that are not minimal,
/// control frames that are too long.
pub fn server_frame(bytes: &[u8]) -> Option<(ServerFrame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert!(matches!(first, 0x81 | 0x82 | 0x88..=0x8a), "first byte {first:#x}");
    let (length, start) = match second {
        0..=125 => (usize::from(second), 2),
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
        _ => panic!("a masked frame of a server"),
    };
    assert!((start < 4 || length > 125) && (start < 10 || length > 0xffff), "length {length} is not minimal");
    assert!(first < 0x88 || length <= 125, "a control frame of {length} bytes");
    let payload = bytes.get(start..start + length)?.to_vec();
    Some((ServerFrame { opcode: first & 0x0f, payload }, start + length))
}

/// Reads all of what a server sent behind its handshake.
///
/// # Panics
///
/// As [`server_frame`], and where the last frame is not whole.
pub fn server_frames(mut bytes: &[u8]) -> Vec<ServerFrame> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (frame, length) = server_frame(bytes).expect("the last frame is whole");
        all.push(frame);
        bytes = &bytes[length..];
    }
    all
}

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
