use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request, Response, header};
use sha1::{Digest, Sha1};
use websocket_driver::Version;

use super::head::{has_token, only};

/// The key of the example in RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The GUID that is appended to a key (RFC 6455 §1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The 8 bytes after the example request of draft-hixie-76 §1.2.
const HIXIE76_BODY: &[u8; 8] = b"^n:ds[4U";

/// The 16 bytes that answer that request.
pub(super) const HIXIE76_DIGEST: &[u8; 16] = b"8jKS'y:G*Co,Wxa-";

/// The exact start of a hixie-75 response (draft-hixie-75 §4.1).
const HIXIE75_START: &[u8; 85] =
    b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n";

/// The handshake of a client, for a [`Peer`](super::Peer) and the functions based on it. A `&str`
/// with the request target can be used instead.
///
/// ```
/// # use tower_websocket::test;
/// use tower_websocket::{Config, Version, test::Handshake};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let handshake = Handshake::new("/chat").version(Version::Hixie76).header("Cookie", "user=7");
/// let (mut socket, mut peer) = test::server(handshake, Config::server().allow_drafts(true)).await;
/// assert_eq!(socket.request().unwrap().headers()["cookie"], "user=7");
/// socket.send("hello").await.unwrap();
/// peer.expect_text("hello").await;
/// # }
/// ```
///
/// The host is `example.com`, the origin is `http://example.com`, and the keys are those of the
/// examples in the specifications, so that the handshake is always the same.
#[derive(Debug, Clone)]
#[must_use]
pub struct Handshake {
    target: String,
    version: Version,
    headers: Vec<(String, String)>,
}

impl Handshake {
    /// Creates a handshake of RFC 6455 for a request target.
    pub fn new(target: impl Into<String>) -> Self {
        Self { target: target.into(), version: Version::Hybi13, headers: Vec::new() }
    }

    /// Sets the protocol version. Default: [`Version::Hybi13`].
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Adds a header. It replaces the handshake's own header of the same name, to send another
    /// `Host` or `Origin`, or an invalid handshake.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Offers subprotocols, separated by commas, in the header of the selected version.
    pub fn protocols(self, offered: impl Into<String>) -> Self {
        let name = self.protocol_header();
        self.header(name, offered)
    }

    pub(super) fn protocol_version(&self) -> Version {
        self.version
    }

    /// Returns the request, including the body of hixie-76.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("GET {} HTTP/1.1\r\n", self.target);
        for (name, value) in self.all() {
            head.extend([&name, ": ", &value, "\r\n"]);
        }
        head.push_str("\r\n");
        let body = if self.version == Version::Hixie76 { &HIXIE76_BODY[..] } else { b"" };
        [head.as_bytes(), body].concat()
    }

    /// Checks a response that accepts the handshake.
    ///
    /// # Errors
    ///
    /// The reason why a client must reject the response.
    pub(super) fn check_response(&self, head: &[u8], response: &Response<()>) -> Result<(), String> {
        let headers = response.headers();
        // A 101 has no body (RFC 9110 §8.6).
        if headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING) {
            return Err("a 101 with a body".into());
        }
        match self.version {
            Version::Hixie75 if !head.starts_with(HIXIE75_START) => {
                return Err("not the first lines that hixie-75 has".into());
            }
            Version::Hixie75 => self.check_location(headers, "WebSocket-")?,
            // Draft-hixie-76 §4.1.
            Version::Hixie76 if only(headers, "Upgrade")? != "WebSocket" || !is_upgrade(headers) => {
                return Err("no upgrade to a WebSocket".into());
            }
            Version::Hixie76 => self.check_location(headers, "Sec-WebSocket-")?,
            // RFC 6455 §4.1.
            _ if !only(headers, "Upgrade")?.eq_ignore_ascii_case("websocket") || !is_upgrade(headers) => {
                return Err("no upgrade to a websocket".into());
            }
            _ => self.check_hybi(headers)?,
        }
        match headers.get(self.protocol_header()).map(|protocol| protocol.to_str()) {
            None => Ok(()),
            Some(Ok(protocol)) if self.offers(protocol) => Ok(()),
            Some(protocol) => Err(format!("the subprotocol {protocol:?}, which was not offered")),
        }
    }

    fn check_hybi(&self, headers: &HeaderMap) -> Result<(), String> {
        let key = self.value("Sec-WebSocket-Key").unwrap_or_default();
        let (accept, expected) = (only(headers, "Sec-WebSocket-Accept")?, accept(&key));
        if accept != expected {
            return Err(format!("the Sec-WebSocket-Accept {accept:?}, not {expected:?}"));
        }
        match headers.get(header::SEC_WEBSOCKET_EXTENSIONS) {
            Some(extensions) if self.value("Sec-WebSocket-Extensions").is_none() => {
                Err(format!("the extensions {extensions:?}, none of which was offered"))
            }
            _ => Ok(()),
        }
    }

    fn check_location(&self, headers: &HeaderMap, prefix: &str) -> Result<(), String> {
        let (location, host) = (only(headers, &format!("{prefix}Location"))?, self.value("Host").unwrap_or_default());
        if !["ws", "wss"].iter().any(|scheme| location == format!("{scheme}://{host}{}", self.target)) {
            return Err(format!("the location {location:?}"));
        }
        let origin = only(headers, &format!("{prefix}Origin"))?;
        if self.value("Origin").is_some_and(|own| own != origin) {
            return Err(format!("the origin {origin:?}"));
        }
        Ok(())
    }

    /// Returns all headers in order.
    fn all(&self) -> Vec<(String, String)> {
        let version = match self.version {
            Version::Hybi8 => "8",
            Version::Hybi7 => "7",
            _ => "13",
        };
        let own: &[(&str, &str)] = match self.version {
            Version::Hixie75 => {
                &[("Upgrade", "WebSocket"), ("Connection", "Upgrade"), ("Origin", "http://example.com")]
            }
            Version::Hixie76 => &[
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
                ("Upgrade", "WebSocket"),
                ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
                ("Origin", "http://example.com"),
            ],
            _ => &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", KEY),
                ("Sec-WebSocket-Version", version),
                // Drafts 7 and 8 have a different name for `Origin`.
                (if version == "13" { "Origin" } else { "Sec-WebSocket-Origin" }, "http://example.com"),
            ],
        };
        let own = [("Host", "example.com")].iter().chain(own);
        let own = own.filter(|(name, _)| !self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        let own = own.map(|(name, value)| (String::from(*name), String::from(*value)));
        own.chain(self.headers.iter().cloned()).collect()
    }

    fn value(&self, name: &str) -> Option<String> {
        self.all().into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn offers(&self, protocol: &str) -> bool {
        let lines = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.protocol_header()));
        lines.flat_map(|(_, offered)| offered.split(',')).any(|offered| offered.trim() == protocol)
    }

    fn protocol_header(&self) -> &'static str {
        if self.version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" }
    }
}

impl From<&str> for Handshake {
    fn from(target: &str) -> Self {
        Self::new(target)
    }
}

impl From<String> for Handshake {
    fn from(target: String) -> Self {
        Self::new(target)
    }
}

/// Returns the response of a server that accepts a handshake of RFC 6455 and selects the
/// subprotocol.
///
/// # Errors
///
/// The reason why a server must reject the request.
pub(super) fn response(request: &Request<()>, protocol: Option<&str>) -> Result<String, String> {
    let headers = request.headers();
    // RFC 6455 §4.2.1.
    if request.method() != http::Method::GET {
        return Err(format!("the method {}", request.method()));
    }
    only(headers, "Host")?;
    if !has_token(headers, header::UPGRADE, "websocket") || !is_upgrade(headers) {
        return Err("no request to upgrade".into());
    }
    let (version, key) = (only(headers, "Sec-WebSocket-Version")?, only(headers, "Sec-WebSocket-Key")?);
    if version != "13" {
        return Err(format!("the version {version:?}"));
    }
    if STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
        return Err(format!("the key {key:?}"));
    }
    let protocol = match protocol {
        Some(protocol) if !has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, protocol) => {
            return Err(format!("no offer of the subprotocol {protocol:?}"));
        }
        Some(protocol) => format!("Sec-WebSocket-Protocol: {protocol}\r\n"),
        None => String::new(),
    };
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{protocol}\r\n",
        accept(key)
    ))
}

/// Returns the value of `Sec-WebSocket-Accept` (RFC 6455 §4.2.2).
fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::digest([key, GUID].concat()))
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, header::CONNECTION, "upgrade")
}
