use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use httparse::ParserConfig;
use memchr::memchr_iter;

use crate::config::settings::Settings;
use crate::error::head::HeadError;
use crate::framing::output::Output;

/// Reads the head of an HTTP message up to a maximum size.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    /// The number of bytes already searched for the end of the head, so that input that arrives
    /// byte by byte is processed in linear time.
    searched: usize,
}

impl HeadReader {
    /// Consumes the head from the input once it is complete.
    pub(crate) fn read(&mut self, input: &mut BytesMut, max_size: usize) -> Result<Option<BytesMut>, HeadError> {
        let visible = &input[..input.len().min(max_size)];
        let Some(end) = end_of_head(visible, self.searched) else {
            if input.len() >= max_size {
                return Err(HeadError::TooLarge { limit: max_size });
            }
            // The end of a head is at most four bytes long.
            self.searched = visible.len().saturating_sub(3);
            return Ok(None);
        };
        Ok(Some(input.split_to(end)))
    }
}

/// The maximum number of bytes checked at the start of a request. No method is longer.
const MAX_METHOD: usize = 32;

/// Checks that the input received so far can be the start of a request: a method, which is a token,
/// and a space (RFC 9112 §3). This way, the first byte of a TLS handshake, for example, is an error
/// at once. Empty lines before the request are skipped (RFC 9112 §2.2).
///
/// Bytes beyond the maximum size of the head are ignored, so that an error does not depend on how
/// many are received at once.
pub(crate) fn check_method(input: &mut BytesMut, max_size: usize) -> Result<(), HeadError> {
    loop {
        match **input {
            [b'\n', ..] => input.advance(1),
            [b'\r', b'\n', ..] => input.advance(2),
            _ => break,
        }
    }
    let start = &input[..input.len().min(MAX_METHOD).min(max_size)];
    match start.iter().position(|&byte| !is_token_byte(byte)) {
        None => Ok(()),
        Some(at) if at > 0 && start[at] == b' ' => Ok(()),
        // The first half of an empty line.
        Some(0) if start == b"\r" => Ok(()),
        Some(_) => Err(HeadError::Malformed),
    }
}

/// Returns whether the byte is a `tchar` (RFC 9110 §5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The start of every response.
const HTTP_1: &[u8] = b"HTTP/1.";

/// The number of header fields that are parsed without an allocation.
const INLINE_HEADERS: usize = 100;

/// The number of interim responses that are skipped (RFC 9110 §15.2).
const MAX_INTERIM: u8 = 10;

/// Reads the head of a response, skipping interim responses.
#[derive(Debug, Default)]
pub(crate) struct ResponseReader {
    head: HeadReader,
    interim: u8,
}

/// The reason why a response cannot be read.
#[derive(Debug)]
pub(crate) enum ResponseReadError {
    /// The first bytes, which are left in the input, are not HTTP/1.
    NotHttp,
    /// The head is invalid. It is included if it was complete.
    Head(HeadError, BytesMut),
}

impl ResponseReader {
    /// Consumes the head from the input once it is complete.
    pub(crate) fn read(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
    ) -> Result<Option<Response<()>>, ResponseReadError> {
        loop {
            // As in `check_method`.
            let seen = input.len().min(HTTP_1.len()).min(settings.max_head_size);
            if input[..seen] != HTTP_1[..seen] {
                return Err(ResponseReadError::NotHttp);
            }
            let too_large = |error| ResponseReadError::Head(error, BytesMut::new());
            let Some(head) = self.head.read(input, settings.max_head_size).map_err(too_large)? else {
                return Ok(None);
            };
            let response = match parse_response(&head, settings.max_headers) {
                Ok(response) => response,
                Err(error) => return Err(ResponseReadError::Head(error, head)),
            };
            let is_interim =
                response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
            if !is_interim || self.interim == MAX_INTERIM {
                return Ok(Some(response));
            }
            self.interim += 1;
            self.head = HeadReader::default();
        }
    }
}

/// Returns the end of the head. A line may end without CR (RFC 9112 §2.2).
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    memchr_iter(b'\n', &bytes[from..]).map(|at| from + at + 1).find_map(|next| match bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// Parses the head of a request with a maximum number of header fields.
pub(crate) fn parse_request(head: &[u8], max_headers: usize) -> Result<Request<()>, HeadError> {
    let head = &Bytes::copy_from_slice(head);
    with_storage(head, max_headers, |storage| {
        let mut parsed = httparse::Request::new(&mut []);
        check(ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, head, storage), max_headers)?;
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes()).map_err(malformed)?;
        *request.uri_mut() = Uri::try_from(parsed.path.unwrap_or_default()).map_err(malformed)?;
        *request.version_mut() = version(parsed.version);
        *request.headers_mut() = headers(head, parsed.headers, max_headers)?;
        Ok(request)
    })
}

/// Parses the head of a response with a maximum number of header fields.
fn parse_response(head: &[u8], max_headers: usize) -> Result<Response<()>, HeadError> {
    let head = &Bytes::copy_from_slice(head);
    with_storage(head, max_headers, |storage| {
        let mut parsed = httparse::Response::new(&mut []);
        check(ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, head, storage), max_headers)?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(malformed)?;
        *response.version_mut() = version(parsed.version);
        *response.headers_mut() = headers(head, parsed.headers, max_headers)?;
        Ok(response)
    })
}

/// Calls `read` with storage for the header fields.
fn with_storage<'a, R>(
    head: &'a [u8],
    max_headers: usize,
    read: impl FnOnce(&mut [MaybeUninit<httparse::Header<'a>>]) -> R,
) -> R {
    let mut storage = [const { MaybeUninit::uninit() }; INLINE_HEADERS];
    match storage.get_mut(..max_headers) {
        Some(storage) => read(storage),
        // No field is shorter than "a:\n".
        None => read(&mut Box::new_uninit_slice(max_headers.min(head.len() / 3))),
    }
}

fn check(parsed: httparse::Result<usize>, max_headers: usize) -> Result<(), HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyHeaders { limit: max_headers }),
        Ok(httparse::Status::Partial) | Err(_) => Err(HeadError::Malformed),
    }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 }
}

/// Converts the header fields. They share the memory of `head`, a single allocation: a slice of the
/// read buffer would keep that alive for as long as any value is held.
fn headers(head: &Bytes, fields: &[httparse::Header<'_>], max_headers: usize) -> Result<HeaderMap, HeadError> {
    // `HeaderMap` itself is limited to about 30,000 fields.
    let too_many = |_| HeadError::TooManyHeaders { limit: max_headers };
    let mut headers = HeaderMap::try_with_capacity(fields.len()).map_err(too_many)?;
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(malformed)?;
        let mut value = HeaderValue::from_maybe_shared(head.slice_ref(field.value)).map_err(malformed)?;
        if is_sensitive(&name) {
            value.set_sensitive(true);
        }
        headers.try_append(name, value).map_err(too_many)?;
    }
    Ok(headers)
}

/// Returns whether the values of a field are credentials, which must not appear in logs.
fn is_sensitive(name: &HeaderName) -> bool {
    // Cheaper than comparing strings.
    *name == AUTHORIZATION || *name == COOKIE || *name == PROXY_AUTHORIZATION || *name == SET_COOKIE
}

fn malformed<E>(_: E) -> HeadError {
    HeadError::Malformed
}

/// Writes the head of a request. The target is passed separately from the URI.
pub(crate) fn write_request(output: &mut Output, request: &Request<()>, target: &str) {
    output.put_slice(request.method().as_str().as_bytes());
    output.put_slice(b" ");
    output.put_slice(target.as_bytes());
    output.put_slice(b" HTTP/1.1\r\n");
    write_fields(output, request.headers());
}

/// Writes the head of a response.
pub(crate) fn write_response(output: &mut Output, status: StatusCode, reason: &str, headers: &HeaderMap) {
    output.put_slice(b"HTTP/1.1 ");
    output.put_slice(status.as_str().as_bytes());
    output.put_slice(b" ");
    output.put_slice(reason.as_bytes());
    output.put_slice(b"\r\n");
    write_fields(output, headers);
}

fn write_fields(output: &mut Output, headers: &HeaderMap) {
    for (name, value) in headers {
        write_name(output, name);
        output.put_slice(b": ");
        output.put_slice(value.as_bytes());
        output.put_slice(b"\r\n");
    }
    output.put_slice(b"\r\n");
}

/// Writes a field name in its usual capitalization. Clients of hixie-75 compare `Upgrade` and
/// `Connection` byte for byte.
fn write_name(output: &mut Output, name: &HeaderName) {
    for word in name.as_str().as_bytes().split_inclusive(|&byte| byte == b'-') {
        match word {
            b"websocket" => output.put_slice(b"WebSocket"),
            b"websocket-" => output.put_slice(b"WebSocket-"),
            [first, rest @ ..] => {
                output.put_slice(&[first.to_ascii_uppercase()]);
                output.put_slice(rest);
            }
            [] => {}
        }
    }
}
