use bytes::{Buf, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use websocket_driver_extensions::Pipeline;

use crate::config::settings::Settings;
use crate::error::HandshakeError;
use crate::error::head::HeadError;
use crate::error::usage::{AcceptError, UsageError};
use crate::framing::output::Output;
use crate::handshake::head::{self, HeadReader};
use crate::handshake::queue::Queue;
use crate::handshake::server_request::Handshake;
use crate::handshake::{self, Negotiated, hixie};
use crate::version::Version;

/// The handshake of a server's connection.
#[derive(Debug)]
pub(crate) struct ServerHandshake {
    stage: Stage,
    /// The headers that the application adds to the response.
    headers: HeaderMap,
    /// Messages and control frames sent before the handshake is complete.
    pub(crate) queue: Queue,
}

#[derive(Debug)]
enum Stage {
    /// The head of the request is being received.
    Head(HeadReader),
    /// The head was read, and this is the result of the negotiation.
    Requested(Result<Negotiated, HandshakeError>),
    /// The handshake was answered. The 8 bytes after a hixie-76 request are yet to be received.
    Body { keys: [u8; 8] },
    /// The request was answered.
    Answered,
}

/// The response to a request.
pub(crate) struct Reply {
    pub(crate) response: Response<()>,
    pub(crate) pipeline: Option<Box<Pipeline>>,
    /// Whether the connection is open once the response is sent.
    pub(crate) is_open: bool,
}

impl ServerHandshake {
    /// Creates a handshake that reads the request itself.
    pub(crate) fn reading() -> Self {
        Self::new(Stage::Head(HeadReader::default()))
    }

    /// Creates a handshake that expects the 8 bytes after a hixie-76 request that was answered.
    pub(crate) fn waiting_for_body(keys: [u8; 8]) -> Self {
        Self::new(Stage::Body { keys })
    }

    /// Reads the head of the request, if it was not read yet.
    pub(crate) fn read_head(
        &mut self,
        input: &mut BytesMut,
        settings: &Settings,
    ) -> Result<Option<Request<()>>, HeadError> {
        let Stage::Head(reader) = &mut self.stage else {
            return Ok(None);
        };
        let Settings { max_head_size, max_headers, .. } = *settings;
        head::check_method(input, max_head_size)?;
        let Some(head) = reader.read(input, max_head_size)? else {
            return Ok(None);
        };
        let request = head::parse_request(&head, max_headers)?;
        let negotiated = Handshake::parse(&request).and_then(|handshake| {
            // No client of the drafts uses a transfer coding, which would have to be decoded.
            if handshake.has_trailing_bytes() && request.headers().contains_key(header::TRANSFER_ENCODING) {
                return Err(HandshakeError::Body);
            }
            handshake.negotiate(settings)
        });
        self.stage = Stage::Requested(negotiated);
        Ok(Some(request))
    }

    /// Reads the 8 bytes after a hixie-76 head, if they are next, and returns the 16 bytes that
    /// answer them.
    pub(crate) fn read_body(&mut self, input: &mut BytesMut) -> Option<[u8; 16]> {
        let Stage::Body { keys } = self.stage else {
            return None;
        };
        let body = *input.first_chunk::<{ hixie::BODY }>()?;
        input.advance(body.len());
        Some(hixie::digest(keys, body))
    }

    /// Returns the negotiated version and subprotocol, once the request was read.
    pub(crate) fn negotiated(&self) -> Option<(Version, Option<&str>)> {
        match &self.stage {
            Stage::Requested(Ok(negotiated)) => Some((negotiated.version, negotiated.protocol.as_deref())),
            _ => None,
        }
    }

    /// Returns the reason why the request cannot be accepted, once it was read.
    pub(crate) fn refusal(&self) -> Option<&HandshakeError> {
        match &self.stage {
            Stage::Requested(Err(error)) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), UsageError> {
        if handshake::is_reserved(&name) {
            return Err(UsageError::ReservedHeader(name));
        }
        if let Stage::Body { .. } | Stage::Answered = self.stage {
            return Err(UsageError::AlreadyAnswered);
        }
        self.headers.append(name, value);
        Ok(())
    }

    /// Selects an offered subprotocol, or none, instead of the previous selection. Does nothing if
    /// the request is refused.
    pub(crate) fn set_protocol(&mut self, name: Option<&str>) -> Result<(), UsageError> {
        let negotiated = match &mut self.stage {
            Stage::Requested(Ok(negotiated)) => negotiated,
            Stage::Requested(Err(_)) => return Ok(()),
            Stage::Head(_) => return Err(UsageError::NotRequested),
            Stage::Body { .. } | Stage::Answered => return Err(UsageError::AlreadyAnswered),
        };
        let header =
            if negotiated.version == Version::Hixie75 { hixie::PROTOCOL_75 } else { header::SEC_WEBSOCKET_PROTOCOL };
        let headers = negotiated.response.headers_mut();
        // Was part of a request header, so it is valid in a response header.
        match name.and_then(|name| HeaderValue::from_str(name).ok()) {
            Some(name) => drop(headers.insert(header, name)),
            None => drop(headers.remove(header)),
        }
        negotiated.protocol = name.map(Into::into);
        Ok(())
    }

    /// Returns the response to the request.
    pub(crate) fn answer(&mut self) -> Result<Reply, AcceptError> {
        match std::mem::replace(&mut self.stage, Stage::Answered) {
            Stage::Requested(negotiated) => {
                let Negotiated { keys, mut response, pipeline, .. } = negotiated?;
                for (name, value) in &self.headers {
                    response.headers_mut().append(name, value.clone());
                }
                let is_open = keys.is_none();
                if let Some(keys) = keys {
                    self.stage = Stage::Body { keys };
                }
                Ok(Reply { response, pipeline, is_open })
            }
            stage @ Stage::Head(_) => {
                self.stage = stage;
                Err(UsageError::NotRequested.into())
            }
            stage @ (Stage::Body { .. } | Stage::Answered) => {
                self.stage = stage;
                Err(UsageError::AlreadyAnswered.into())
            }
        }
    }

    fn new(stage: Stage) -> Self {
        Self { stage, headers: HeaderMap::new(), queue: Queue::default() }
    }
}

/// Writes the response that accepts the handshake.
pub(crate) fn write_answer(output: &mut Output, response: &Response<()>, version: Option<Version>) {
    let reason = version.map_or("", Version::reason_phrase);
    head::write_response(output, response.status(), reason, response.headers());
}

/// Writes the response that refuses the handshake. The connection ends after it.
pub(crate) fn write_refusal(output: &mut Output, error: &HandshakeError) {
    let response = error.to_response();
    write_last_response(output, response.status(), response.headers().clone(), response.body().as_bytes());
}

/// Writes a response with a body. The connection is closed after it.
pub(crate) fn write_last_response(output: &mut Output, status: StatusCode, mut headers: HeaderMap, body: &[u8]) {
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    // Two ways to determine the length would enable request smuggling (RFC 9112 §6.1).
    headers.remove(header::TRANSFER_ENCODING);
    headers.append(header::CONNECTION, HeaderValue::from_static("close"));
    head::write_response(output, status, status.canonical_reason().unwrap_or_default(), &headers);
    output.put_slice(body);
}
