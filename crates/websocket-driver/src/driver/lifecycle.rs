//! What the driver does on its own account: open, answer pings and closes, fail, end.

use bytes::Bytes;
use websocket_driver_extensions::Pipeline;

use super::{Driver, State};
use crate::driver::pending::PendingEvents;
use crate::error::cause::CloseCause;
use crate::error::chain::ErrorChain;
use crate::error::usage::{AcceptError, UsageError};
use crate::error::{HandshakeError, ProtocolError, SendError};
use crate::framing::Protocol;
use crate::framing::hybi::{self, Role};
use crate::handshake::client_side::Outcome;
use crate::handshake::server_side::{self, Reply};
use crate::message::close::{CloseCode, CloseFrame};
use crate::version::Version;

impl Driver {
    pub(super) fn record_agreement(&mut self) {
        if let State::ServerHandshake(opening) = &self.state
            && let Some((version, protocol)) = opening.negotiated()
        {
            self.version = Some(version);
            if let Some(protocol) = protocol.map(Into::into) {
                self.heads_mut().protocol = Some(protocol);
            }
        }
    }

    pub(super) fn answer(&mut self) -> Result<Reply, AcceptError> {
        match &mut self.state {
            State::ServerHandshake(opening) => opening.answer(),
            _ => Err(UsageError::AlreadyAnswered.into()),
        }
    }

    /// Reads on with what the handshake needs next; tells whether that brought anything about.
    pub(super) fn open_further(&mut self) -> bool {
        if let State::ClientHandshake(connecting) = &mut self.state {
            let has_ended = self.end.as_ref().is_some_and(|end| end.has_transport());
            return match connecting.read(&mut self.input, has_ended, &self.settings) {
                Some(outcome) => {
                    self.connected(outcome);
                    true
                }
                None => false,
            };
        }
        let State::ServerHandshake(opening) = &mut self.state else {
            return false;
        };
        match opening.read_head(&mut self.input, &self.settings) {
            Ok(Some(request)) => {
                self.set_path(request.uri().path());
                self.heads_mut().request = Some(Box::new(request));
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
        match opening.read_body(&mut self.input) {
            Some(digest) => {
                self.output.put_slice(&digest);
                self.open(None);
                true
            }
            None => false,
        }
    }

    /// Takes what came of a client's handshake.
    pub(super) fn connected(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Negotiated(response, agreed) => {
                self.version = Some(Version::Hybi13);
                let heads = self.heads_mut();
                (heads.protocol, heads.response) = (agreed.protocol, Some(Box::new(response)));
                self.open(agreed.pipeline);
            }
            Outcome::Failed(error) => self.end_with_error(error.into()),
        }
    }

    pub(super) fn open(&mut self, pipeline: Option<Box<Pipeline>>) {
        let Some(version) = self.version else {
            return;
        };
        let (role, queue) = match std::mem::replace(&mut self.state, State::Closed) {
            State::ServerHandshake(opening) => (Role::Server, opening.queue),
            State::ClientHandshake(connecting) => (Role::Client, connecting.queue),
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

    /// Begins to frame messages, once the handshake is complete.
    pub(super) fn open_as(&mut self, protocol: Protocol) {
        self.state = State::Open(protocol);
        self.news.add(PendingEvents::OPEN);
    }

    /// Closes because of a message that was queued before the version was known, and cannot be sent.
    fn close_undeliverable(&mut self, error: SendError) {
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
        if self.close_sent {
            return;
        }
        // Where much waits to be written, pings are not answered one by one: the latest is, once the answer before it has left
        // (RFC 6455 §5.5.3). So a peer that sends pings and reads nothing cannot make the output grow.
        if self.output.is_long() || self.extras.holds_pong() {
            // Copied, since it would hold the read buffer.
            self.extras.hold_pong(Bytes::copy_from_slice(data));
        } else if let State::Open(protocol) = &self.state {
            // A ping has no more bytes than a pong may have, and only protocols with pings come here.
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

    /// RFC 6455 §5.5.1: a close is answered by one with the same code, unless it is the answer itself.
    pub(super) fn answer_close(&mut self, close: CloseFrame) {
        if let State::Open(protocol) = &self.state
            && !self.close_sent
        {
            protocol.close(&close.code.into(), &self.settings, &mut self.output);
        }
        // RFC 6455 §7.1.1: the server is the first to end the transport.
        if matches!(&self.state, State::Open(protocol) if protocol.is_client()) {
            self.end.get_or_insert_default().expect_transport();
        }
        self.end(close.clone(), CloseCause::Remote(close));
    }

    /// Begins to close, with a code and a reason that can be sent.
    pub(super) fn begin_to_close(&mut self, close: CloseFrame, cause: CloseCause) {
        match &self.state {
            State::ServerHandshake(_) | State::ClientHandshake(_) => self.end(close, cause),
            State::Open(protocol) if !self.close_sent => {
                protocol.close(&close, &self.settings, &mut self.output);
                let has_closing_handshake = protocol.has_closing_handshake();
                self.end.get_or_insert_default().set_cause(cause.clone());
                self.close_sent = true;
                self.extras.take_pong();
                if !has_closing_handshake {
                    self.end(close, cause);
                }
            }
            _ => {}
        }
    }

    /// RFC 6455 §7.1.7: the peer is told why, and nothing is read any more.
    pub(super) fn fail(&mut self, error: ProtocolError) {
        if let State::Open(protocol) = &self.state
            && !self.close_sent
        {
            let close = CloseFrame { code: error.close_code(), reason: ErrorChain(&error).to_string().into() };
            let without_reason = CloseFrame::from(close.code);
            let close = if hybi::check_close(&close).is_ok() { &close } else { &without_reason };
            protocol.close(close, &self.settings, &mut self.output);
        }
        self.end_with_error(error);
    }

    pub(super) fn end_of_transport(&mut self) {
        self.end.get_or_insert_default().set_unanswered();
        let cause = self.close_cause().cloned().unwrap_or(CloseCause::Ended);
        let close = match &self.state {
            State::Open(protocol) if cause == CloseCause::Ended => protocol.end_of_transport(),
            _ => CloseCode::ABNORMAL.into(),
        };
        // Where an end is the protocol's way to close.
        let is_close = close.code != CloseCode::ABNORMAL;
        let cause = if is_close { CloseCause::Remote(close.clone()) } else { cause };
        self.end(close, cause);
    }

    pub(super) fn end_with_error(&mut self, error: ProtocolError) {
        let close = CloseFrame { code: error.close_code(), reason: ErrorChain(&error).to_string().into() };
        if !matches!(self.state, State::Open(_)) {
            self.tell_refused(&error);
        }
        self.end.get_or_insert_default().set_error(error.clone());
        self.end(close, error.into());
    }

    /// The last step of all ends. An earlier cause holds.
    pub(super) fn end(&mut self, close: CloseFrame, cause: CloseCause) {
        self.state = State::Closed;
        self.extras.take_pong();
        let end = self.end.get_or_insert_default();
        end.set_frame(close);
        end.set_cause(cause);
        self.news.add(PendingEvents::CLOSE);
    }
}
