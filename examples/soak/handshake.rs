//! Hand-written handshakes of all versions.

use bytes::{Buf, BytesMut};
use md5::{Digest, Md5};
use rand::RngExt;
use rand::rngs::StdRng;
use tower_websocket::Version;

/// A request, and the expected body after the head of the response.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) request: Vec<u8>,
    digest: Option<[u8; 16]>,
}

impl Handshake {
    pub(super) fn new(version: Version, host: &str, path: &str, rng: &mut StdRng) -> Self {
        let number = match version {
            Version::Hixie75 | Version::Hixie76 => return Self::hixie(version, host, path, rng),
            Version::Hybi7 => 7,
            Version::Hybi8 => 8,
            _ => 13,
        };
        // 22 base64 digits encode 16 bytes if the last one has at most 2 significant bits.
        let key: String = (0..21).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Version: {number}\r\nSec-WebSocket-Key: {key}A==\r\n\r\n"
        );
        Self { request: request.into_bytes(), digest: None }
    }

    fn hixie(version: Version, host: &str, path: &str, rng: &mut StdRng) -> Self {
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        )
        .into_bytes();
        if version == Version::Hixie75 {
            request.extend_from_slice(b"\r\n");
            return Self { request, digest: None };
        }
        let (key1, number1) = key(rng);
        let (key2, number2) = key(rng);
        let body: [u8; 8] = rng.random();
        request
            .extend_from_slice(format!("Sec-WebSocket-Key1: {key1}\r\nSec-WebSocket-Key2: {key2}\r\n\r\n").as_bytes());
        request.extend_from_slice(&body);
        let digest = Md5::new()
            .chain_update(number1.to_be_bytes())
            .chain_update(number2.to_be_bytes())
            .chain_update(body)
            .finalize()
            .into();
        Self { request, digest: Some(digest) }
    }

    /// Consumes the response. Returns `None` while it is incomplete, and the status if it is a
    /// refusal.
    pub(super) fn answer(&self, input: &mut BytesMut) -> Result<Option<()>, u16> {
        let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let status = input.get(9..12).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0);
        if status != 101 {
            return Err(status);
        }
        let head = end + 4;
        let Some(digest) = self.digest else {
            input.advance(head);
            return Ok(Some(()));
        };
        let Some(answered) = input.get(head..head + 16) else { return Ok(None) };
        if answered != digest {
            return Err(0);
        }
        input.advance(head + 16);
        Ok(Some(()))
    }
}

/// Returns a key and the number encoded in it: the digits of the number times the number of spaces,
/// with letters in between (draft-hixie-76 §4.1, items 16 to 22).
fn key(rng: &mut StdRng) -> (String, u32) {
    let spaces = rng.random_range(1..=12);
    let number = rng.random_range(0..u32::MAX / spaces);
    let digits = (u64::from(number) * u64::from(spaces)).to_string();
    let (first, rest) = digits.split_at(1);
    (format!("x{first}{}k{rest}z", " ".repeat(spaces as usize)), number)
}
