//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1), in one pass over the bytes.

use crate::params::Params;
use crate::token::is_token_byte;

/// One extension in a header: its name and parameters. An offer can have several entries of the
/// same name.
pub type HeaderEntry = (String, Params);

/// A `Sec-WebSocket-Extensions` header that violates the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid Sec-WebSocket-Extensions header at byte {at}")]
#[non_exhaustive]
pub struct HeaderError {
    /// The offset of the offending byte in its line.
    pub at: usize,
}

/// Parses the lines of a `Sec-WebSocket-Extensions` header as one list (RFC 6455 §9.1). Empty list
/// elements are skipped (RFC 9110 §5.6.1).
///
/// ```
/// use websocket_driver_extensions::parse_header;
///
/// let entries = parse_header([b"foo; a; b=1, bar; c=\"x\"".as_slice(), b"foo"])?;
/// assert_eq!(entries.len(), 3);
/// assert_eq!(entries[0].1.get_all("b").next(), Some(Some("1")));
/// # Ok::<(), websocket_driver_extensions::HeaderError>(())
/// ```
///
/// # Errors
///
/// [`HeaderError`] if a line violates the grammar.
pub fn parse_header<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<HeaderEntry>, HeaderError> {
    let mut entries = Vec::new();
    for line in lines {
        Parser { line, at: 0 }.list(&mut entries)?;
    }
    Ok(entries)
}

/// Returns the value of the header, or `None` if there are no entries, since the header must not be
/// empty.
pub fn write_header<'a>(entries: impl IntoIterator<Item = (&'a str, &'a Params)>) -> Option<String> {
    let entries: Vec<String> = entries.into_iter().map(|(name, params)| format!("{name}{params}")).collect();
    if entries.is_empty() { None } else { Some(entries.join(", ")) }
}

/// A parser that never backtracks, so that its time is linear for any input.
struct Parser<'a> {
    line: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn list(&mut self, entries: &mut Vec<HeaderEntry>) -> Result<(), HeaderError> {
        loop {
            self.space();
            if !matches!(self.peek(), None | Some(b',')) {
                entries.push(self.entry()?);
            }
            match self.peek() {
                None => return Ok(()),
                Some(b',') => self.at += 1,
                Some(_) => return Err(self.error()),
            }
        }
    }

    fn entry(&mut self) -> Result<HeaderEntry, HeaderError> {
        let name = self.token()?;
        let mut params = Params::new();
        self.space();
        while self.peek() == Some(b';') {
            self.at += 1;
            self.space();
            let name = self.token()?;
            self.space();
            let value = if self.peek() == Some(b'=') {
                self.at += 1;
                self.space();
                Some(if self.peek() == Some(b'"') { self.quoted()? } else { self.token()? })
            } else {
                None
            };
            params.push(name, value);
            self.space();
        }
        Ok((name, params))
    }

    fn token(&mut self) -> Result<String, HeaderError> {
        let rest = &self.line[self.at..];
        let len = rest.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(rest.len());
        match std::str::from_utf8(&rest[..len]) {
            Ok(token) if len > 0 => {
                self.at += len;
                Ok(token.to_owned())
            }
            _ => Err(self.error()),
        }
    }

    /// Parses a quoted string. The unquoted value must be a token (RFC 6455 §9.1).
    fn quoted(&mut self) -> Result<String, HeaderError> {
        self.at += 1;
        let mut value = String::new();
        loop {
            match self.peek() {
                Some(b'"') if !value.is_empty() => {
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => self.at += 1,
                _ => {}
            }
            match self.peek() {
                Some(byte) if is_token_byte(byte) => value.push(char::from(byte)),
                _ => return Err(self.error()),
            }
            self.at += 1;
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn error(&self) -> HeaderError {
        HeaderError { at: self.at }
    }
}
