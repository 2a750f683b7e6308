use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response};

use crate::config::settings::Settings;
use crate::error::response::{ResponseError, ResponseFault};
use crate::error::usage::UsageError;
use crate::framing::output::Output;
use crate::handshake::body::{BodyReader, MAX_KEPT};
use crate::handshake::head::{self, ResponseReadError, ResponseReader};
use crate::handshake::is_reserved;
use crate::handshake::queue::Queue;
use crate::handshake::request::{ClientRequest, Negotiated};

/// The handshake of a client's connection.
#[derive(Debug)]
pub(crate) struct ClientHandshake {
    stage: Stage,
    /// Messages and control frames sent before the handshake is complete.
    pub(crate) queue: Queue,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was written yet.
    Prepared(Box<ClientRequest>),
    /// An HTTP/2 stack sends the request and receives the response.
    ViaHttp2(Box<ClientRequest>),
    /// The head of the response is being received.
    Head(Box<ClientRequest>, ResponseReader),
    /// The server has refused, and the body of its response is being received.
    Body(Box<(Response<()>, BodyReader)>),
    /// The outcome was returned.
    Done,
}

/// The outcome of a handshake.
#[derive(Debug)]
pub(crate) enum Outcome {
    Negotiated(Response<()>, Negotiated),
    Failed(ResponseError),
}

impl ClientHandshake {
    pub(crate) fn new(client: ClientRequest) -> Self {
        Self { stage: Stage::Prepared(Box::new(client)), queue: Queue::default() }
    }

    /// Returns the number of bytes held.
    pub(crate) fn memory(&self) -> usize {
        let body = match &self.stage {
            Stage::Body(refusal) => refusal.1.memory(),
            _ => 0,
        };
        self.queue.memory() + body
    }

    pub(crate) fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), UsageError> {
        if is_reserved(&name) || name == header::HOST {
            return Err(UsageError::ReservedHeader(name));
        }
        let Stage::Prepared(client) = &mut self.stage else {
            return Err(UsageError::AlreadyAnswered);
        };
        // Replaces credentials from the URL. Other headers may be repeated.
        if name == header::AUTHORIZATION {
            client.request.headers_mut().insert(name, value);
        } else {
            client.request.headers_mut().append(name, value);
        }
        Ok(())
    }

    /// Writes the request.
    pub(crate) fn start(&mut self, output: &mut Output) -> Result<(), UsageError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Prepared(client) => {
                head::write_request(output, &client.request, &client.path);
                self.stage = Stage::Head(client, ResponseReader::default());
                Ok(())
            }
            stage => {
                self.stage = stage;
                Err(UsageError::AlreadyAnswered)
            }
        }
    }

    /// Returns the request for an HTTP/2 stack.
    pub(crate) fn extended_connect(&mut self) -> Result<Request<()>, UsageError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Prepared(mut client) => match client.extended_connect() {
                Ok(request) => {
                    self.stage = Stage::ViaHttp2(client);
                    Ok(request)
                }
                Err(name) => {
                    self.stage = Stage::Prepared(client);
                    Err(UsageError::ReservedHeader(name))
                }
            },
            stage => {
                self.stage = stage;
                Err(UsageError::AlreadyAnswered)
            }
        }
    }

    /// Receives the response from an HTTP/2 stack.
    pub(crate) fn receive_response(&mut self, response: Response<Bytes>) -> Result<Outcome, UsageError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::ViaHttp2(client) => {
                let (parts, body) = response.into_parts();
                let response = Response::from_parts(parts, ());
                Ok(match client.check_connected(&response) {
                    Ok(negotiated) => Outcome::Negotiated(response, negotiated),
                    Err(fault) => Outcome::Failed(failed(fault, Some(response), &body)),
                })
            }
            stage => {
                self.stage = stage;
                Err(UsageError::NotRequested)
            }
        }
    }

    /// Reads the response. Returns the outcome once it is known.
    pub(crate) fn read(&mut self, input: &mut BytesMut, eof: bool, settings: &Settings) -> Option<Outcome> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Head(client, mut reader) => {
                let response = match reader.read(input, settings) {
                    Ok(Some(response)) => response,
                    Ok(None) if eof => return Some(Outcome::Failed(failed(ResponseFault::Ended, None, input))),
                    // Four bytes are enough for `ResponseError::hint`.
                    Err(ResponseReadError::NotHttp) if input.len() >= 4 || eof => {
                        return Some(Outcome::Failed(failed(ResponseFault::NotHttp, None, input)));
                    }
                    Ok(None) | Err(ResponseReadError::NotHttp) => {
                        self.stage = Stage::Head(client, reader);
                        return None;
                    }
                    Err(ResponseReadError::Head(error, mut head)) => {
                        head.unsplit(input.split());
                        return Some(Outcome::Failed(failed(ResponseFault::Head(error), None, &head)));
                    }
                };
                match client.check(&response) {
                    Ok(negotiated) => Some(Outcome::Negotiated(response, negotiated)),
                    Err(ResponseFault::Status) => {
                        let body = BodyReader::new(&response);
                        self.stage = Stage::Body(Box::new((response, body)));
                        self.read(input, eof, settings)
                    }
                    Err(fault) => Some(Outcome::Failed(failed(fault, Some(response), &[]))),
                }
            }
            Stage::Body(mut refusal) => {
                if !refusal.1.read(input) && !eof {
                    self.stage = Stage::Body(refusal);
                    return None;
                }
                let (response, body) = *refusal;
                Some(Outcome::Failed(failed(ResponseFault::Status, Some(response), &body.finish(input))))
            }
            stage => {
                self.stage = stage;
                eof.then(|| Outcome::Failed(ResponseError::new(ResponseFault::Ended)))
            }
        }
    }
}

fn failed(fault: ResponseFault, response: Option<Response<()>>, body: &[u8]) -> ResponseError {
    let body = Bytes::copy_from_slice(&body[..body.len().min(MAX_KEPT)]);
    match response {
        None => ResponseError { body, ..ResponseError::new(fault) },
        Some(response) => {
            let (parts, ()) = response.into_parts();
            ResponseError {
                fault,
                status: Some(parts.status),
                version: Some(parts.version),
                headers: parts.headers,
                body,
            }
        }
    }
}
