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

/// A client's connection until its handshake is done.
#[derive(Debug)]
pub(crate) struct ClientHandshake {
    stage: Stage,
    /// What the application sent early.
    pub(crate) queue: Queue,
}

#[derive(Debug)]
enum Stage {
    /// Nothing is written yet.
    Prepared(Box<ClientRequest>),
    /// Someone else sends the request, and brings the answer.
    ViaHttp2(Box<ClientRequest>),
    /// The head of the answer is coming.
    Head(Box<ClientRequest>, ResponseReader),
    /// The server refused, and says more in a body.
    Body(Box<(Response<()>, BodyReader)>),
    /// All is told.
    Done,
}

/// What came of the answer.
#[derive(Debug)]
pub(crate) enum Outcome {
    Negotiated(Response<()>, Negotiated),
    Failed(ResponseError),
}

impl ClientHandshake {
    pub(crate) fn new(asked: ClientRequest) -> Self {
        Self { stage: Stage::Prepared(Box::new(asked)), queue: Queue::default() }
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
        let Stage::Prepared(asked) = &mut self.stage else {
            return Err(UsageError::AlreadyAnswered);
        };
        // The user's own takes the place of the one in the URL; other names may be there several times.
        if name == header::AUTHORIZATION {
            asked.request.headers_mut().insert(name, value);
        } else {
            asked.request.headers_mut().append(name, value);
        }
        Ok(())
    }

    /// Writes the request.
    pub(crate) fn start(&mut self, output: &mut Output) -> Result<(), UsageError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Prepared(asked) => {
                head::write_request(output, &asked.request, &asked.path);
                self.stage = Stage::Head(asked, ResponseReader::default());
                Ok(())
            }
            stage => {
                self.stage = stage;
                Err(UsageError::AlreadyAnswered)
            }
        }
    }

    /// The request, for an HTTP/2 stack.
    pub(crate) fn extended_connect(&mut self) -> Result<Request<()>, UsageError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Prepared(mut asked) => match asked.extended_connect() {
                Ok(request) => {
                    self.stage = Stage::ViaHttp2(asked);
                    Ok(request)
                }
                Err(name) => {
                    self.stage = Stage::Prepared(asked);
                    Err(UsageError::ReservedHeader(name))
                }
            },
            stage => {
                self.stage = stage;
                Err(UsageError::AlreadyAnswered)
            }
        }
    }

    /// Takes the answer of an HTTP/2 stack.
    pub(crate) fn answered(&mut self, response: Response<Bytes>) -> Result<Outcome, UsageError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::ViaHttp2(asked) => {
                let (parts, body) = response.into_parts();
                let response = Response::from_parts(parts, ());
                Ok(match asked.check_connected(&response) {
                    Ok(agreed) => Outcome::Negotiated(response, agreed),
                    Err(fault) => Outcome::Failed(failed(fault, Some(response), &body)),
                })
            }
            stage => {
                self.stage = stage;
                Err(UsageError::NotRequested)
            }
        }
    }

    /// Reads on with the answer, once there is enough of it.
    pub(crate) fn read(&mut self, input: &mut BytesMut, eof: bool, settings: &Settings) -> Option<Outcome> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Head(asked, mut reader) => {
                let response = match reader.read(input, settings) {
                    Ok(Some(response)) => response,
                    Ok(None) if eof => return Some(Outcome::Failed(failed(ResponseFault::Ended, None, input))),
                    // Enough for a hint at what it is.
                    Err(ResponseReadError::NotHttp) if input.len() >= 4 || eof => {
                        return Some(Outcome::Failed(failed(ResponseFault::NotHttp, None, input)));
                    }
                    Ok(None) | Err(ResponseReadError::NotHttp) => {
                        self.stage = Stage::Head(asked, reader);
                        return None;
                    }
                    Err(ResponseReadError::Head(error, mut head)) => {
                        head.unsplit(input.split());
                        return Some(Outcome::Failed(failed(ResponseFault::Head(error), None, &head)));
                    }
                };
                match asked.check(&response) {
                    Ok(agreed) => Some(Outcome::Negotiated(response, agreed)),
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
