use arbitrary::{Arbitrary, Result, Unstructured};
use http::Response;
use websocket_driver::{Config, Driver, Event, Handshake, HandshakeError, ServerConfig, Version};

use crate::wire::bytes;

pub const VERSIONS: [Version; 5] =
    [Version::Hixie75, Version::Hixie76, Version::Hybi7, Version::Hybi8, Version::Hybi13];

/// The randomness of a client: the source of the key, which is the one of RFC 6455 §1.3, and of all
/// masks.
pub const RANDOM: &[u8; 16] = b"the sample nonce";

/// The response of a server to this key.
pub const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// The bytes after the head of hixie-76, and the response to them.
pub const HIXIE_BODY: &[u8; 8] = b"^n:ds[4U";
pub const HIXIE_DIGEST: &[u8; 16] = b"8jKS'y:G*Co,Wxa-";

/// The head of a handshake with additional lines.
pub fn request_head(version: Version, more: &str) -> String {
    let number = match version {
        Version::Hybi7 => 7,
        Version::Hybi8 => 8,
        _ => 13,
    };
    let lines = match version {
        Version::Hixie75 => "Origin: http://example.com\r\nWebSocket-Protocol: a\r\n",
        Version::Hixie76 => {
            "Origin: http://example.com\r\nSec-WebSocket-Protocol: a\r\n\
             Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"
        }
        _ => &format!("Sec-WebSocket-Version: {number}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
    };
    format!("GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n{lines}{more}\r\n")
}

/// Accepts a request whose head is valid, as a server on an HTTP stack does.
pub fn accepted(head: &[u8], config: &ServerConfig) -> Result<(Response<()>, Driver), HandshakeError> {
    let mut reader = Driver::server(Config::server());
    reader.receive(head);
    assert_eq!(reader.poll_event(), Some(Event::Connect));
    Handshake::parse(reader.request().expect("a request"))?.accept(config)
}

/// The edits of a head: up to three replacements.
#[derive(Debug)]
pub struct Edits(Vec<Edit>);

#[derive(Debug)]
struct Edit {
    at: u16,
    cut: u8,
    times: u8,
    insert: Vec<u8>,
}

impl<'a> Arbitrary<'a> for Edits {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = u.arbitrary::<u8>()? % 4;
        let edit = |u: &mut Unstructured<'a>| {
            Ok(Edit { at: u.arbitrary()?, cut: u.arbitrary()?, times: u.arbitrary()?, insert: bytes(u)? })
        };
        Ok(Self((0..count).map(|_| edit(u)).collect::<Result<_>>()?))
    }
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Applies edits to a head.
pub fn edited(head: &[u8], edits: &Edits) -> Vec<u8> {
    let mut head = head.to_vec();
    for Edit { at, cut, times, insert } in &edits.0 {
        let at = usize::from(*at).min(head.len());
        let end = (at + usize::from(*cut)).min(head.len());
        head.splice(at..end, insert.repeat(1 + usize::from(times / 4)));
    }
    head
}

/// Checks that the output starts with a well-formed request head. Returns the rest.
pub fn check_request(written: &[u8]) -> &[u8] {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let head = httparse::Request::new(&mut fields).parse(written).expect("a request");
    &written[head.unwrap()..]
}

/// Checks that the output starts with a well-formed response. Returns its status and the rest.
pub fn check_response(written: &[u8]) -> (u16, &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    let head = response.parse(written).expect("a response").unwrap();
    assert_eq!((response.version, &written[head - 4..head]), (Some(1), &b"\r\n\r\n"[..]));
    let status = response.code.expect("a status");
    let values = |name: &str| {
        let fields = response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value).collect::<Vec<_>>()
    };
    assert!(values("Transfer-Encoding").is_empty());
    if status == 101 {
        assert!(values("Upgrade")[0].eq_ignore_ascii_case(b"websocket"));
        assert_eq!((values("Connection"), values("Content-Length").len()), (vec![&b"Upgrade"[..]], 0));
        return (status, &written[head..]);
    }
    assert!((400..500).contains(&status), "{status}");
    let [len] = values("Content-Length")[..] else { panic!("one length") };
    let len: usize = std::str::from_utf8(len).expect("a number").parse().expect("a number");
    (status, &written[head + len..])
}
