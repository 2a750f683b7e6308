use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::config::Settings;
use crate::error::{HandshakeError, HeadError};
use crate::handshake::client::{Agreed, Asked};
use crate::handshake::is_reserved;
use crate::http::head::{self, HeadReader};
use crate::output::Output;
use crate::queue::Queue;
use crate::response_error::{ResponseError, ResponseFault};

/// How much of the body of a refusal is kept.
const MAX_BODY: usize = 4 * 1024;

/// How every answer begins.
const HTTP_1: &[u8] = b"HTTP/1.";

/// A client's connection until its handshake is done.
#[derive(Debug)]
pub(crate) struct Connecting {
    stage: Stage,
    /// What the application sent early.
    pub(crate) queue: Queue,
}

#[derive(Debug)]
enum Stage {
    /// Nothing is written yet.
    Prepared(Box<Asked>),
    /// The head of the answer is coming.
    Head(Box<Asked>, HeadReader),
    /// The server refused, and says more in a body of this length, or until the transport ends.
    Body { response: Box<Response<()>>, left: usize },
    /// All is told.
    Done,
}

/// What came of the answer.
#[derive(Debug)]
pub(crate) enum Outcome {
    Agreed(Response<()>, Agreed),
    Failed(ResponseError),
}

impl Connecting {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { stage: Stage::Prepared(Box::new(asked)), queue: Queue::default() }
    }

    pub(crate) fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), HandshakeError> {
        if is_reserved(&name) || name == header::HOST {
            return Err(HandshakeError::ReservedHeader(name));
        }
        let Stage::Prepared(asked) = &mut self.stage else {
            return Err(HandshakeError::AlreadyAnswered);
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
    pub(crate) fn start(&mut self, output: &mut Output) -> Result<(), HandshakeError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Prepared(asked) => {
                head::write_request(output, &asked.request, &asked.path);
                self.stage = Stage::Head(asked, HeadReader::default());
                Ok(())
            }
            stage => {
                self.stage = stage;
                Err(HandshakeError::AlreadyAnswered)
            }
        }
    }

    /// Reads on with the answer, once there is enough of it.
    pub(crate) fn read(&mut self, input: &mut BytesMut, eof: bool, settings: &Settings) -> Option<Outcome> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Head(asked, mut reader) => {
                let seen = input.len().min(HTTP_1.len());
                if input[..seen] != HTTP_1[..seen] {
                    // Enough for a hint at what it is.
                    if input.len() < 4 && !eof {
                        self.stage = Stage::Head(asked, reader);
                        return None;
                    }
                    return Some(Outcome::Failed(failed(ResponseFault::NotHttp, None, input)));
                }
                let response = match read_response(&mut reader, input, settings) {
                    Ok(Some(response)) => response,
                    Ok(None) if eof => return Some(Outcome::Failed(failed(ResponseFault::Ended, None, input))),
                    Ok(None) => {
                        self.stage = Stage::Head(asked, reader);
                        return None;
                    }
                    Err(error) => return Some(Outcome::Failed(failed(ResponseFault::Head(error), None, input))),
                };
                match asked.check(&response) {
                    Ok(agreed) => Some(Outcome::Agreed(response, agreed)),
                    Err(ResponseFault::Status) => {
                        self.stage = Stage::Body { left: body_length(&response), response: Box::new(response) };
                        self.read(input, eof, settings)
                    }
                    Err(fault) => Some(Outcome::Failed(failed(fault, Some(response), &BytesMut::new()))),
                }
            }
            Stage::Body { response, left } if input.len() < left && !eof => {
                self.stage = Stage::Body { response, left };
                None
            }
            Stage::Body { response, left } => {
                input.truncate(left);
                Some(Outcome::Failed(failed(ResponseFault::Status, Some(*response), input)))
            }
            stage => {
                self.stage = stage;
                eof.then(|| Outcome::Failed(ResponseError::new(ResponseFault::Ended)))
            }
        }
    }
}

fn read_response(
    reader: &mut HeadReader,
    input: &mut BytesMut,
    settings: &Settings,
) -> Result<Option<Response<()>>, HeadError> {
    match reader.read(input, settings.max_head_size)? {
        Some(head) => head::parse_response(&head, settings.max_headers).map(Some),
        None => Ok(None),
    }
}

/// How much of the body to wait for. Where no length is given, the end of the transport ends it, or the limit.
fn body_length(response: &Response<()>) -> usize {
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_none || response.status().is_informational() {
        return 0;
    }
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).map_or(MAX_BODY, |length: u64| length.min(MAX_BODY as u64) as usize)
}

fn failed(fault: ResponseFault, response: Option<Response<()>>, body: &BytesMut) -> ResponseError {
    let body = Bytes::copy_from_slice(&body[..body.len().min(MAX_BODY)]);
    match response {
        None => ResponseError { body, ..ResponseError::new(fault) },
        Some(response) => {
            let (parts, ()) = response.into_parts();
            ResponseError { fault, status: Some(parts.status), headers: parts.headers, body }
        }
    }
}
