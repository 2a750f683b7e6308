//! The handshake as seen by the application, and the heads that remain after it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, Uri};

use super::{Driver, State};
use crate::config::ServerConfig;
use crate::config::settings::Settings;
use crate::error::HandshakeError;
use crate::error::usage::{AcceptError, UsageError};
use crate::framing::Protocol;
use crate::framing::hybi::Role;
use crate::handshake::Negotiated;
use crate::handshake::server_request::Handshake;
use crate::handshake::server_side::{self, Reply, ServerHandshake};
use crate::version::Version;

impl Handshake {
    /// Accepts the handshake. Returns the response for the HTTP stack to send, 101 or on HTTP/2
    /// 200, and the driver of the open connection. Further headers may be added to the response. On
    /// HTTP/1.1 the stack should send [`Version::reason_phrase`] with it.
    ///
    /// The driver of a hixie-76 connection opens only with the 8 bytes that follow the head: they
    /// must be its first input.
    ///
    /// # Errors
    ///
    /// If the configuration does not allow the version, the head exceeds its limits, or its budget
    /// is used up. The response to send is [`HandshakeError::to_response`]. The observer is
    /// notified.
    pub fn accept(self, config: &ServerConfig) -> Result<(Response<()>, Driver), HandshakeError> {
        let settings = config.settings();
        match self.check_head_limits(settings).map_err(HandshakeError::from).and_then(|()| self.negotiate(settings)) {
            Ok(negotiated) => Ok(Driver::accepted(config.clone().into_settings(), self.uri(), negotiated)),
            Err(error) => {
                config.report_refusal(&error);
                Err(error)
            }
        }
    }
}

impl Driver {
    /// Creates the driver of a handshake that an HTTP stack answers.
    fn accepted(settings: Arc<Settings>, uri: &Uri, negotiated: Negotiated) -> (Response<()>, Self) {
        let Negotiated { version, protocol, keys, pipeline, response } = negotiated;
        let mut driver = Self::negotiated(settings, version, protocol, uri.path());
        match keys {
            Some(keys) => driver.state = State::ServerHandshake(Box::new(ServerHandshake::waiting_for_body(keys))),
            None => driver.open_as(Protocol::new(version, Role::Server, pipeline, &driver.settings)),
        }
        (response, driver)
    }

    /// Creates a driver with a negotiated handshake that is yet to open.
    pub(super) fn negotiated(
        settings: Arc<Settings>,
        version: Version,
        protocol: Option<Box<str>>,
        path: &str,
    ) -> Self {
        let mut driver = Self::with_state(settings, State::Closed);
        driver.version = Some(version);
        driver.set_path(path);
        if protocol.is_some() {
            driver.extras.heads_mut().protocol = protocol;
        }
        if !version.is_hixie() {
            driver.output.begin_frames();
        }
        driver
    }

    /// Adds a header to a server's response or a client's request.
    ///
    /// # Errors
    ///
    /// [`ReservedHeader`](UsageError::ReservedHeader) for headers that the handshake itself writes,
    /// and [`AlreadyAnswered`](UsageError::AlreadyAnswered) after [`start`](Self::start).
    pub fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), UsageError> {
        match &mut self.state {
            State::ServerHandshake(server) => server.set_header(name, value),
            State::ClientHandshake(client) => client.set_header(name, value),
            _ => Err(UsageError::AlreadyAnswered),
        }
    }

    /// Writes this side's part of the handshake to the output: a client's request or a server's
    /// response.
    ///
    /// A server refuses an invalid request here: [`Event::Error`](crate::Event::Error) and
    /// [`Event::Close`](crate::Event::Close) follow.
    ///
    /// # Errors
    ///
    /// [`NotRequested`](UsageError::NotRequested) before [`Event::Connect`](crate::Event::Connect),
    /// and [`AlreadyAnswered`](UsageError::AlreadyAnswered) if called twice.
    pub fn start(&mut self) -> Result<(), UsageError> {
        if let State::ClientHandshake(client) = &mut self.state {
            return client.start(&mut self.output);
        }
        match self.answer() {
            Ok(Reply { response, pipeline, is_open }) => {
                server_side::write_answer(&mut self.output, &response, self.version);
                if is_open {
                    self.open(pipeline);
                }
                Ok(())
            }
            Err(AcceptError::Usage(error)) => Err(error),
            Err(AcceptError::Refused(error)) => {
                server_side::write_refusal(&mut self.output, &error);
                self.end_with_error(error.into());
                Ok(())
            }
        }
    }

    /// Refuses a request that could be accepted, instead of [`start`](Self::start): writes the
    /// given response to the output and closes the connection.
    /// [`Event::Error`](crate::Event::Error) and [`Event::Close`](crate::Event::Close) follow. If
    /// an HTTP stack sends the response, let it refuse the request.
    ///
    /// # Errors
    ///
    /// Same as [`start`](Self::start).
    pub fn refuse(&mut self, response: Response<impl AsRef<[u8]>>) -> Result<(), UsageError> {
        if let Err(AcceptError::Usage(error)) = self.answer() {
            return Err(error);
        }
        let (head, body) = response.into_parts();
        server_side::write_last_response(&mut self.output, head.status, head.headers, body.as_ref());
        self.end_with_error(HandshakeError::Refused(head.status).into());
        Ok(())
    }

    /// Returns the reason why a request that was read cannot be accepted and [`start`](Self::start)
    /// will refuse it. Returns `None` if it can be accepted or was not read yet.
    #[must_use]
    pub fn refusal(&self) -> Option<&HandshakeError> {
        match &self.state {
            State::ServerHandshake(handshake) => handshake.refusal(),
            _ => None,
        }
    }

    /// Returns a client's request for an HTTP/2 stack to send, instead of [`start`](Self::start): a
    /// CONNECT request, to which the stack adds the pseudo-header `:protocol` with the value
    /// `websocket` (RFC 8441 §5). Pass the response to
    /// [`receive_response`](Self::receive_response). From then on the bytes of the stream are the
    /// transport.
    ///
    /// The stack must know that the server accepts such requests (RFC 8441 §3).
    ///
    /// # Errors
    ///
    /// Same as [`start`](Self::start). In addition, [`NotRequested`](UsageError::NotRequested) on a
    /// server, and [`ReservedHeader`](UsageError::ReservedHeader) for a header that HTTP/2 does not
    /// allow (RFC 9113 §8.2.2).
    pub fn extended_connect(&mut self) -> Result<Request<()>, UsageError> {
        match &mut self.state {
            State::ClientHandshake(client) => client.extended_connect(),
            State::ServerHandshake(_) => Err(UsageError::NotRequested),
            _ => Err(UsageError::AlreadyAnswered),
        }
    }

    /// Receives the response to [`extended_connect`](Self::extended_connect). If it is a refusal,
    /// that is, its status is not 2xx, it should contain the first bytes of its body.
    /// [`Event::Open`](crate::Event::Open) or [`Event::Error`](crate::Event::Error) follows.
    ///
    /// # Errors
    ///
    /// [`NotRequested`](UsageError::NotRequested) if no response is expected.
    pub fn receive_response(&mut self, response: Response<Bytes>) -> Result<(), UsageError> {
        let State::ClientHandshake(client) = &mut self.state else {
            return Err(UsageError::NotRequested);
        };
        let outcome = client.receive_response(response)?;
        self.connected(outcome);
        Ok(())
    }

    /// Returns the version of the protocol, once a valid request is known.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Returns the negotiated subprotocol (RFC 6455 §1.9).
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.extras.heads()?.protocol.as_deref()
    }

    /// Takes the negotiated subprotocol out of the driver, to keep it or to free its memory.
    pub fn take_protocol(&mut self) -> Option<Box<str>> {
        self.extras.take_from_heads(|heads| heads.protocol.take())
    }

    /// Returns the request that [`Driver::server`] has read, from
    /// [`Event::Connect`](crate::Event::Connect) on.
    #[must_use]
    pub fn request(&self) -> Option<&Request<()>> {
        self.extras.heads()?.request.as_deref()
    }

    /// Takes the request out of the driver, to keep it or to free its memory.
    pub fn take_request(&mut self) -> Option<Request<()>> {
        self.extras.take_from_heads(|heads| heads.request.take()).map(|request| *request)
    }

    /// Returns the response that a client has read, from [`Event::Open`](crate::Event::Open) on.
    #[must_use]
    pub fn response(&self) -> Option<&Response<()>> {
        self.extras.heads()?.response.as_deref()
    }

    /// Takes the response out of the driver, to keep it or to free its memory.
    pub fn take_response(&mut self) -> Option<Response<()>> {
        self.extras.take_from_heads(|heads| heads.response.take()).map(|response| *response)
    }
}
