//! The transitions of the driver: opening, answering pings and closes, failing, ending.

use bytes::Bytes;
use websocket_driver_extensions::Pipeline;

use super::unfinished::SendState;
use super::{Driver, State};
use crate::driver::pending::PendingEvents;
use crate::error::cause::CloseCause;
use crate::error::chain::ErrorChain;
use crate::error::usage::{AcceptError, UsageError};
use crate::error::{HandshakeError, ProtocolError, SendError};
use crate::framing::Protocol;
use crate::framing::hybi::Role;
use crate::framing::hybi::control::check_close;
use crate::handshake::client_side::Outcome;
use crate::handshake::server_side::{self, Reply};
use crate::message::close::{CloseCode, CloseFrame};
use crate::version::Version;

impl Driver {
    pub(super) fn record_agreement(&mut self) {
        if let State::ServerHandshake(server) = &self.state
            && let Some((version, protocol)) = server.negotiated()
        {
            self.version = Some(version);
            if let Some(protocol) = protocol.map(Into::into) {
                self.extras.heads_mut().protocol = Some(protocol);
            }
        }
    }

    pub(super) fn answer(&mut self) -> Result<Reply, AcceptError> {
        match &mut self.state {
            State::ServerHandshake(server) => server.answer(),
            _ => Err(UsageError::AlreadyAnswered.into()),
        }
    }

    /// Continues the handshake with the input. Returns whether its state has changed.
    pub(super) fn open_further(&mut self) -> bool {
        if let State::ClientHandshake(client) = &mut self.state {
            let has_ended = self.extras.end().is_some_and(|end| end.has_transport());
            return match client.read(&mut self.input, has_ended, &self.settings) {
                Some(outcome) => {
                    self.connected(outcome);
                    true
                }
                None => false,
            };
        }
        let State::ServerHandshake(server) = &mut self.state else {
            return false;
        };
        match server.read_head(&mut self.input, &self.settings) {
            Ok(Some(request)) => {
                self.set_path(request.uri().path());
                self.extras.heads_mut().request = Some(Box::new(request));
                self.news.add(PendingEvents::CONNECT);
                self.record_agreement();
                return true;
            }
            Ok(None) => {}
            Err(error) => {
                let error = HandshakeError::Head(error);
                server_side::write_refusal(&mut self.output, &error);
                self.end_with_error(error.into());
                return true;
            }
        }
        match server.read_body(&mut self.input) {
            Some(digest) => {
                self.output.put_slice(&digest);
                self.open(None);
                true
            }
            None => false,
        }
    }

    /// Applies the outcome of a client's handshake.
    pub(super) fn connected(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Negotiated(response, negotiated) => {
                self.version = Some(Version::Hybi13);
                let heads = self.extras.heads_mut();
                (heads.protocol, heads.response) = (negotiated.protocol, Some(Box::new(response)));
                self.open(negotiated.pipeline);
            }
            Outcome::Failed(error) => self.end_with_error(error.into()),
        }
    }

    pub(super) fn open(&mut self, pipeline: Option<Box<Pipeline>>) {
        let Some(version) = self.version else {
            return;
        };
        let (role, queue) = match std::mem::replace(&mut self.state, State::Closed) {
            State::ServerHandshake(server) => (Role::Server, server.queue),
            State::ClientHandshake(client) => (Role::Client, client.queue),
            state => {
                self.state = state;
                return;
            }
        };
        let mut protocol = Protocol::new(version, role, pipeline, &self.settings);
        if !version.is_hixie() {
            self.output.begin_frames();
        }
        let (messages, bytes) = queue.messages();
        let drained = queue.drain(&mut protocol, &self.settings, &mut self.output);
        self.count_sent(messages, bytes);
        self.open_as(protocol);
        if let Err(error) = drained {
            self.close_undeliverable(error);
        }
    }

    /// Starts to frame messages, once the handshake is complete.
    pub(super) fn open_as(&mut self, protocol: Protocol) {
        self.state = State::Open(protocol);
        self.news.add(PendingEvents::OPEN);
    }

    /// Closes because of a message that was queued before the version was known and cannot be sent.
    pub(super) fn close_undeliverable(&mut self, error: SendError) {
        let code = match &error {
            SendError::Extension(error) => error.close_code().into(),
            _ => CloseCode::UNSUPPORTED_DATA,
        };
        let close = CloseFrame { code, reason: ErrorChain(&error).to_string().into() };
        if let State::Open(protocol) = &self.state {
            protocol.close(&close, &self.settings, &mut self.output);
        }
        self.end(close.clone(), CloseCause::Local(close));
    }

    pub(super) fn answer_ping(&mut self, data: &[u8]) {
        if self.send_state == SendState::Closed {
            return;
        }
        // If much output is waiting, only the latest ping is answered, once the previous pong has
        // been written (RFC 6455 §5.5.3). Otherwise a peer that sends pings and reads nothing could
        // make the output grow.
        if self.output.is_long() || self.extras.holds_pong() {
            // Copied, since it would keep the read buffer alive.
            self.extras.hold_pong(Bytes::copy_from_slice(data));
        } else if let State::Open(protocol) = &self.state {
            // Cannot fail: a ping is no longer than a pong may be, and protocols without pings do
            // not get here.
            let _ = protocol.pong(data, &self.settings, &mut self.output);
        }
    }

    pub(super) fn release_pong(&mut self) {
        if self.output.has_ahead() && self.output.is_long() {
            return;
        }
        if let State::Open(protocol) = &self.state
            && let Some(data) = self.extras.take_pong()
        {
            let _ = protocol.pong(&data, &self.settings, &mut self.output);
        }
    }

    /// Answers a close frame with the same code, unless it is itself the answer (RFC 6455 §5.5.1).
    pub(super) fn answer_close(&mut self, close: CloseFrame) {
        if let State::Open(protocol) = &self.state
            && self.send_state != SendState::Closed
        {
            protocol.close(&close.code.into(), &self.settings, &mut self.output);
        }
        // The server closes the transport first (RFC 6455 §7.1.1).
        if matches!(&self.state, State::Open(protocol) if protocol.is_client()) {
            self.extras.end_or_default().expect_transport();
        }
        self.end(close.clone(), CloseCause::Remote(close));
    }

    /// Starts the closing handshake with a valid code and reason.
    pub(super) fn begin_to_close(&mut self, close: CloseFrame, cause: CloseCause) {
        match &self.state {
            State::ServerHandshake(_) | State::ClientHandshake(_) => self.end(close, cause),
            State::Open(protocol) if self.send_state != SendState::Closed => {
                protocol.close(&close, &self.settings, &mut self.output);
                let has_closing_handshake = protocol.has_closing_handshake();
                self.extras.end_or_default().set_cause(cause.clone());
                self.stop_sending();
                self.extras.take_pong();
                if !has_closing_handshake {
                    self.end(close, cause);
                }
            }
            _ => {}
        }
    }

    /// Fails the connection (RFC 6455 §7.1.7): sends a close frame with the error, and stops
    /// reading.
    pub(super) fn fail(&mut self, error: ProtocolError) {
        if let State::Open(protocol) = &self.state
            && self.send_state != SendState::Closed
        {
            let close = CloseFrame { code: error.close_code(), reason: ErrorChain(&error).to_string().into() };
            let without_reason = CloseFrame::from(close.code);
            let close = if check_close(&close).is_ok() { &close } else { &without_reason };
            protocol.close(close, &self.settings, &mut self.output);
        }
        self.end_with_error(error);
    }

    pub(super) fn end_of_transport(&mut self) {
        self.extras.end_or_default().set_unanswered();
        let cause = self.close_cause().cloned().unwrap_or(CloseCause::Ended);
        let close = match &self.state {
            State::Open(protocol) if cause == CloseCause::Ended => protocol.end_of_transport(),
            _ => CloseCode::ABNORMAL.into(),
        };
        // In some drafts the end of the transport is a regular close.
        let is_close = close.code != CloseCode::ABNORMAL;
        let cause = if is_close { CloseCause::Remote(close.clone()) } else { cause };
        self.end(close, cause);
    }

    pub(super) fn end_with_error(&mut self, error: ProtocolError) {
        let close = CloseFrame { code: error.close_code(), reason: ErrorChain(&error).to_string().into() };
        if !matches!(self.state, State::Open(_)) {
            self.tell_refused(&error);
        }
        self.extras.end_or_default().set_error(error.clone());
        self.end(close, error.into());
    }

    /// Ends the connection; every end goes through here. An earlier cause takes precedence.
    pub(super) fn end(&mut self, close: CloseFrame, cause: CloseCause) {
        self.state = State::Closed;
        self.stop_sending();
        self.extras.take_pong();
        let end = self.extras.end_or_default();
        end.set_frame(close);
        end.set_cause(cause);
        self.news.add(PendingEvents::CLOSE);
    }

    /// Accepts no more messages, and drops those held behind an unfinished message.
    pub(super) fn stop_sending(&mut self) {
        self.send_state = SendState::Closed;
        self.extras.take_unfinished();
    }
}
