//! Reads the start of a response body (RFC 9112 §6).

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};
use memchr::memchr;

/// The number of bytes of a body that are kept. Reading stops there.
pub(crate) const MAX_KEPT: usize = 4 * 1024;

/// The number of bytes of a body that are read, including the framing of chunks.
const MAX_READ: usize = 64 * 1024;

/// The maximum length of a line with the size of a chunk and its extensions (RFC 9112 §7.1.1).
const MAX_SIZE_LINE: usize = 4 * 1024;

/// Reads the start of a body as it arrives.
#[derive(Debug)]
pub(crate) struct BodyReader {
    framing: Framing,
    kept: BytesMut,
    read: usize,
}

/// What ends the body (RFC 9112 §6.3).
#[derive(Debug)]
enum Framing {
    /// The given number of bytes.
    Length(u64),
    /// A chunk without data. The trailer fields that follow it are not needed.
    Chunked(Chunk),
    /// The end of the transport.
    Eof,
}

/// The part of a chunk at the start of the input (RFC 9112 §7.1).
#[derive(Debug)]
enum Chunk {
    /// The line with the size. This number of bytes was searched for its end.
    Size(usize),
    Data(u64),
    /// The line ending after the data.
    End,
}

impl BodyReader {
    pub(crate) fn new(response: &Response<()>) -> Self {
        Self { framing: Framing::of(response), kept: BytesMut::new(), read: 0 }
    }

    /// Consumes input. Returns whether the body is complete, as far as it is kept.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> bool {
        loop {
            if self.kept.len() >= MAX_KEPT || self.read >= MAX_READ {
                return true;
            }
            let (wanted, then) = match &mut self.framing {
                Framing::Length(0) => return true,
                Framing::Eof => (u64::MAX, None),
                Framing::Length(left) | Framing::Chunked(Chunk::Data(left)) => (*left, Some(left)),
                Framing::Chunked(Chunk::Size(searched)) => match size_of_chunk(input, searched) {
                    Ok(None) => return false,
                    Ok(Some((line, size))) => {
                        self.framing = if size == 0 { Framing::Length(0) } else { Framing::Chunked(Chunk::Data(size)) };
                        self.skip(input, line);
                        continue;
                    }
                    Err(Malformed) => {
                        self.framing = Framing::Eof;
                        continue;
                    }
                },
                Framing::Chunked(Chunk::End) => {
                    match input[..] {
                        [b'\r', b'\n', ..] => {
                            self.framing = Framing::Chunked(Chunk::Size(0));
                            self.skip(input, 2);
                        }
                        [] | [b'\r'] => return false,
                        _ => self.framing = Framing::Eof,
                    }
                    continue;
                }
            };
            if input.is_empty() {
                return false;
            }
            let room = MAX_KEPT - self.kept.len();
            let taken = input.len().min(room).min(usize::try_from(wanted).unwrap_or(usize::MAX));
            if let Some(left) = then {
                *left -= taken as u64;
            }
            if matches!(self.framing, Framing::Chunked(Chunk::Data(0))) {
                self.framing = Framing::Chunked(Chunk::End);
            }
            self.kept.extend_from_slice(&input[..taken]);
            self.skip(input, taken);
        }
    }

    /// Returns the bytes kept. If the body ends within its first line, it was not chunked, and
    /// consists of the remaining input.
    pub(crate) fn finish(mut self, input: &[u8]) -> Bytes {
        if self.kept.is_empty() && matches!(self.framing, Framing::Chunked(Chunk::Size(_))) {
            self.kept.extend_from_slice(&input[..input.len().min(MAX_KEPT)]);
        }
        self.kept.freeze()
    }

    /// Returns the number of bytes held.
    pub(crate) fn memory(&self) -> usize {
        self.kept.capacity()
    }

    fn skip(&mut self, input: &mut BytesMut, count: usize) {
        input.advance(count);
        self.read += count;
    }
}

impl Framing {
    fn of(response: &Response<()>) -> Self {
        let headers = response.headers();
        let status = response.status();
        // RFC 9112 §6.3, item 1.
        if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self::Length(0);
        }
        // Items 3 and 4: the last transfer coding decides, and overrides a length.
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let last = list(headers, header::TRANSFER_ENCODING).last();
            let is_chunked = last.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            return if is_chunked { Self::Chunked(Chunk::Size(0)) } else { Self::Eof };
        }
        // Items 5, 6 and 8: identical lengths count as one, and an invalid length as none.
        let mut lengths = list(headers, header::CONTENT_LENGTH);
        let Some(first) = lengths.next().filter(|digits| digits.iter().all(u8::is_ascii_digit)) else {
            return Self::Eof;
        };
        let length = std::str::from_utf8(first).ok().and_then(|digits| digits.parse().ok());
        length.filter(|_| lengths.all(|other| other == first)).map_or(Self::Eof, Self::Length)
    }
}

/// Returns the members of a list that may span several header lines (RFC 9110 §5.6.1).
fn list(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii))
}

/// The body is not correctly chunked.
struct Malformed;

/// Returns the length of the line that the input begins with and the size in it, once the line is
/// complete.
fn size_of_chunk(input: &[u8], searched: &mut usize) -> Result<Option<(usize, u64)>, Malformed> {
    match input.first() {
        None => return Ok(None),
        // httparse would accept a missing size as 0.
        Some(first) if !first.is_ascii_hexdigit() => return Err(Malformed),
        Some(_) => {}
    }
    if memchr(b'\n', &input[*searched..]).is_none() {
        *searched = input.len();
        return if input.len() > MAX_SIZE_LINE { Err(Malformed) } else { Ok(None) };
    }
    match httparse::parse_chunk_size(input) {
        Ok(httparse::Status::Complete((line, size))) if line <= MAX_SIZE_LINE => Ok(Some((line, size))),
        _ => Err(Malformed),
    }
}
