use bytes::{Buf, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use memchr::memmem;

use crate::error::HeadError;
use crate::output::Output;

/// Reads the head of a request, bounded in size and in the number of its fields.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    /// How far the input was searched for the end of the head, so that bytes that come one by one stay O(n).
    searched: usize,
}

impl HeadReader {
    /// Takes the head off the input once it is whole. What is behind it stays.
    pub(crate) fn read(
        &mut self,
        input: &mut BytesMut,
        max_size: usize,
        max_headers: usize,
    ) -> Result<Option<Request<()>>, HeadError> {
        // Empty lines before the request line are passed over (RFC 9112 §2.2).
        if self.searched == 0 {
            while input.starts_with(b"\r\n") {
                input.advance(2);
            }
        }
        let visible = &input[..input.len().min(max_size)];
        let Some(end) = end_of_head(visible, self.searched) else {
            if input.len() >= max_size {
                return Err(HeadError::TooLarge { limit: max_size });
            }
            // The end is at most four bytes long.
            self.searched = visible.len().saturating_sub(3);
            return Ok(None);
        };
        let head = input.split_to(end);
        parse_request(&head, max_headers).map(Some)
    }
}

/// Where the head ends. A line may end without CR (RFC 9112 §2.2).
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let bare = memmem::find(&bytes[from..], b"\n\n").map(|at| from + at + 2);
    let full = memmem::find(&bytes[from..], b"\n\r\n").map(|at| from + at + 3);
    match (bare, full) {
        (Some(bare), Some(full)) => Some(bare.min(full)),
        (bare, full) => bare.or(full),
    }
}

fn parse_request(head: &[u8], max_headers: usize) -> Result<Request<()>, HeadError> {
    // A field takes at least three bytes, so that a large limit costs nothing.
    let mut fields = vec![httparse::EMPTY_HEADER; max_headers.min(head.len() / 3)];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders { limit: max_headers }),
        Ok(httparse::Status::Partial) | Err(_) => return Err(HeadError::Malformed),
    }
    let malformed = || HeadError::Malformed;
    let mut request = Request::new(());
    *request.method_mut() =
        Method::from_bytes(parsed.method.unwrap_or_default().as_bytes()).map_err(|_| malformed())?;
    *request.uri_mut() = Uri::try_from(parsed.path.unwrap_or_default()).map_err(|_| malformed())?;
    *request.version_mut() = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| malformed())?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| malformed())?;
        // The map has a limit of its own, of some 30,000.
        let appended = request.headers_mut().try_append(name, value);
        appended.map_err(|_| HeadError::TooManyHeaders { limit: max_headers })?;
    }
    Ok(request)
}

/// Writes the head of a response.
pub(crate) fn write_response(output: &mut Output, status: StatusCode, reason: &str, headers: &HeaderMap) {
    output.put_slice(b"HTTP/1.1 ");
    output.put_slice(status.as_str().as_bytes());
    output.put_slice(b" ");
    output.put_slice(reason.as_bytes());
    output.put_slice(b"\r\n");
    for (name, value) in headers {
        write_name(output, name);
        output.put_slice(b": ");
        output.put_slice(value.as_bytes());
        output.put_slice(b"\r\n");
    }
    output.put_slice(b"\r\n");
}

/// Writes a field name as the specifications spell it. Clients of hixie-75 compare `Upgrade` and `Connection` byte for
/// byte.
fn write_name(output: &mut Output, name: &HeaderName) {
    for (i, word) in name.as_str().split('-').enumerate() {
        if i > 0 {
            output.put_slice(b"-");
        }
        match (word, word.as_bytes()) {
            ("websocket", _) => output.put_slice(b"WebSocket"),
            (_, [first, rest @ ..]) => {
                output.put_slice(&[first.to_ascii_uppercase()]);
                output.put_slice(rest);
            }
            (_, []) => {}
        }
    }
}
