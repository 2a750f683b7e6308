use bytes::{Buf, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use websocket_driver_extensions::Pipeline;

use crate::config::{Config, Settings};
use crate::error::HandshakeError;
use crate::handshake::{self, Answer, hixie};
use crate::head_error::HeadError;
use crate::http::head::{self, HeadReader};
use crate::output::Output;
use crate::queue::Queue;
use crate::version::Version;

/// A server's connection until its handshake is done.
#[derive(Debug)]
pub(crate) struct Opening {
    stage: Stage,
    /// What the application adds to the response.
    headers: HeaderMap,
    /// What it sent early.
    pub(crate) queue: Queue,
}

#[derive(Debug)]
enum Stage {
    /// The head of the request is coming.
    Head(HeadReader),
    /// It has come, and this is what it is worth.
    Requested(Result<Answer, HandshakeError>),
    /// It is answered; the 8 bytes behind a hixie-76 request are still to come.
    Body { keys: [u8; 8] },
}

/// An answer that was given.
pub(crate) struct Answered {
    pub(crate) response: Response<()>,
    pub(crate) pipeline: Option<Box<Pipeline>>,
    /// Whether the connection is open with it.
    pub(crate) is_open: bool,
}

impl Opening {
    /// Reads the request itself.
    pub(crate) fn reading() -> Self {
        Self::new(Stage::Head(HeadReader::default()))
    }

    /// Has been given the request.
    pub(crate) fn requested(answer: Result<Answer, HandshakeError>) -> Self {
        Self::new(Stage::Requested(answer))
    }

    /// Reads the head of the request, if that is what comes next.
    pub(crate) fn read_head(
        &mut self,
        input: &mut BytesMut,
        config: &Config,
    ) -> Result<Option<Request<()>>, HeadError> {
        let Stage::Head(reader) = &mut self.stage else {
            return Ok(None);
        };
        head::check_method(input)?;
        let Settings { max_head_size, max_headers, .. } = *config.settings();
        let Some(head) = reader.read(input, max_head_size)? else {
            return Ok(None);
        };
        let request = head::parse_request(&head, max_headers)?;
        self.stage = Stage::Requested(handshake::answer(&request, config).and_then(|answer| {
            // The transfer coding would have to be taken off, and no client of the drafts uses it.
            match answer.keys.is_some() && request.headers().contains_key(header::TRANSFER_ENCODING) {
                true => Err(HandshakeError::Body),
                false => Ok(answer),
            }
        }));
        Ok(Some(request))
    }

    /// Reads the 8 bytes behind a hixie-76 head and gives the 16 that answer them, if that is what comes next.
    pub(crate) fn read_body(&mut self, input: &mut BytesMut) -> Option<[u8; 16]> {
        let Stage::Body { keys } = self.stage else {
            return None;
        };
        let body = *input.first_chunk::<{ hixie::BODY }>()?;
        input.advance(body.len());
        Some(hixie::digest(keys, body))
    }

    /// What was agreed, once the request has come.
    pub(crate) fn agreed(&self) -> Option<(Version, Option<&str>)> {
        match &self.stage {
            Stage::Requested(Ok(answer)) => Some((answer.version, answer.protocol.as_deref())),
            _ => None,
        }
    }

    pub(crate) fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), HandshakeError> {
        if handshake::is_reserved(&name) {
            return Err(HandshakeError::ReservedHeader(name));
        }
        if let Stage::Body { .. } = self.stage {
            return Err(HandshakeError::AlreadyAnswered);
        }
        self.headers.append(name, value);
        Ok(())
    }

    /// Agrees to a subprotocol that was offered, or to none, instead of what was chosen before. A request that is refused agrees to
    /// none.
    pub(crate) fn set_protocol(&mut self, name: Option<&str>) -> Result<(), HandshakeError> {
        let answer = match &mut self.stage {
            Stage::Requested(Ok(answer)) => answer,
            Stage::Requested(Err(_)) => return Ok(()),
            Stage::Head(_) => return Err(HandshakeError::NotRequested),
            Stage::Body { .. } => return Err(HandshakeError::AlreadyAnswered),
        };
        let header =
            if answer.version == Version::Hixie75 { hixie::PROTOCOL_75 } else { header::SEC_WEBSOCKET_PROTOCOL };
        let headers = answer.response.headers_mut();
        // It was part of a header of the request, so it is valid in one.
        match name.and_then(|name| HeaderValue::from_str(name).ok()) {
            Some(name) => drop(headers.insert(header, name)),
            None => drop(headers.remove(header)),
        }
        answer.protocol = name.map(Into::into);
        Ok(())
    }

    /// The answer to the request.
    pub(crate) fn answer(&mut self) -> Result<Answered, HandshakeError> {
        match std::mem::replace(&mut self.stage, Stage::Requested(Err(HandshakeError::AlreadyAnswered))) {
            Stage::Requested(answer) => {
                let Answer { keys, mut response, pipeline, .. } = answer?;
                for (name, value) in &self.headers {
                    response.headers_mut().append(name, value.clone());
                }
                let is_open = keys.is_none();
                if let Some(keys) = keys {
                    self.stage = Stage::Body { keys };
                }
                Ok(Answered { response, pipeline, is_open })
            }
            stage @ Stage::Head(_) => {
                self.stage = stage;
                Err(HandshakeError::NotRequested)
            }
            stage @ Stage::Body { .. } => {
                self.stage = stage;
                Err(HandshakeError::AlreadyAnswered)
            }
        }
    }

    fn new(stage: Stage) -> Self {
        Self { stage, headers: HeaderMap::new(), queue: Queue::default() }
    }
}

/// Writes the answer that opens a connection.
pub(crate) fn write_answer(output: &mut Output, response: &Response<()>, version: Option<Version>) {
    let reason = version.map_or("", Version::reason_phrase);
    head::write_response(output, response.status(), reason, response.headers());
}

/// Writes the answer that refuses one, after which the connection ends.
pub(crate) fn write_refusal(output: &mut Output, error: &HandshakeError) {
    let response = error.to_response();
    write_last_response(output, response.status(), response.headers().clone(), response.body().as_bytes());
}

/// Writes a response with a body, behind which the connection is closed.
pub(crate) fn write_last_response(output: &mut Output, status: StatusCode, mut headers: HeaderMap, body: &[u8]) {
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    // A second way to tell the length is a way to smuggle (RFC 9112 §6.1).
    headers.remove(header::TRANSFER_ENCODING);
    headers.append(header::CONNECTION, HeaderValue::from_static("close"));
    head::write_response(output, status, status.canonical_reason().unwrap_or_default(), &headers);
    output.put_slice(body);
}
