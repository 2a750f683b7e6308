//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1), in one pass over the bytes.

use crate::params::Params;
use crate::token::is_token_byte;

/// One extension of a header: its name and its parameters. In an offer a name may stand several times.
pub type HeaderEntry = (String, Params);

/// The header does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid Sec-WebSocket-Extensions header at byte {at}")]
#[non_exhaustive]
pub struct HeaderError {
    /// Where it goes wrong.
    pub at: usize,
}

/// Reads the lines of a `Sec-WebSocket-Extensions` header, which count as one list (RFC 6455 §9.1).
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
/// Where the grammar is broken. An element of the list may be empty (RFC 9110 §5.6.1).
pub fn parse_header<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<HeaderEntry>, HeaderError> {
    let mut entries = Vec::new();
    for line in lines {
        Parser { line, at: 0 }.list(&mut entries)?;
    }
    Ok(entries)
}

/// Writes a header, without its name; `None` where there is nothing to write, since the header may not be empty.
pub fn write_header<'a>(entries: impl IntoIterator<Item = (&'a str, &'a Params)>) -> Option<String> {
    let entries: Vec<String> = entries.into_iter().map(|(name, params)| format!("{name}{params}")).collect();
    if entries.is_empty() { None } else { Some(entries.join(", ")) }
}

/// Never goes back, so its time is linear whatever the bytes.
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
        let start = self.at;
        while self.peek().is_some_and(is_token_byte) {
            self.at += 1;
        }
        match &self.line[start..self.at] {
            [] => Err(self.error()),
            token => Ok(String::from_utf8_lossy(token).into_owned()),
        }
    }

    /// A quoted string, whose value must be a token once it is unquoted (RFC 6455 §9.1).
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
