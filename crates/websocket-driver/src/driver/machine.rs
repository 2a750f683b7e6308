//! The constructors, inputs and outputs of the driver.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use http::Uri;

use super::optional::OptionalState;
use super::unfinished::SendState;
use super::{Driver, State};
use crate::config::settings::Settings;
use crate::config::values::{Limits, Timeouts};
use crate::config::{ClientConfig, ServerConfig};
use crate::driver::pending::PendingEvents;
use crate::error::ProtocolError;
use crate::error::cause::{CloseCause, Timeout, TransportEnd};
use crate::event::Event;
use crate::framing::allowance::Allowance;
use crate::framing::fast::fragmented_text::FragmentedText;
use crate::framing::fast::fragments::Fragments;
use crate::framing::fast::frame::FastFrame;
use crate::framing::output::Output;
use crate::handshake::client_error::ClientError;
use crate::handshake::client_side::ClientHandshake;
use crate::handshake::request::ask;
use crate::handshake::server_side::ServerHandshake;
use crate::handshake::url::Target;
use crate::message::Message;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::utf8::InvalidUtf8;
use crate::ready_state::ReadyState;

impl Driver {
    /// Creates a server's driver for a connection that nothing was read from. It reads the head of
    /// the request and returns [`Event::Connect`].
    #[must_use]
    pub fn server(config: ServerConfig) -> Self {
        Self::with_state(config.into_settings(), State::ServerHandshake(Box::new(ServerHandshake::reading())))
    }

    /// Creates a client's driver for a connection to a `ws:` or `wss:` URL (RFC 6455). The caller
    /// provides the transport: TCP, or TLS over it, to the URL's host.
    ///
    /// Call [`start`](Self::start) next, which writes the request. The user and password of the
    /// URL, if any, are sent as its `Authorization`; the subprotocols and extensions of the
    /// configuration are offered in it.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the URL cannot be one of a WebSocket, or a subprotocol of the
    /// configuration is invalid.
    pub fn client(url: &Uri, config: ClientConfig) -> Result<Self, ClientError> {
        let mut nonce = [0; 16];
        let settings = config.into_settings();
        (settings.random)(&mut nonce);
        let asked = ask(Target::websocket(url)?, &settings, nonce)?;
        let mut driver = Self::with_state(settings, State::ClientHandshake(Box::new(ClientHandshake::new(asked))));
        driver.set_path(url.path());
        Ok(driver)
    }

    /// Receives bytes from the transport.
    pub fn receive(&mut self, data: impl Into<BytesMut>) {
        let data = data.into();
        if self.input.is_empty() {
            self.input = data;
        } else {
            self.input.unsplit(data);
        }
    }

    /// Returns the buffer of the bytes that were received and not parsed yet, for transports that
    /// can read straight into a buffer: append to it, as [`receive`](Self::receive) does, and poll
    /// events. An empty buffer may be replaced by another one at any time, so that one buffer can
    /// serve many connections.
    ///
    /// If [`Event::Connect`] turns out to be plain HTTP, the buffer holds what follows the head.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Reports that the transport ended cleanly.
    pub fn receive_eof(&mut self) {
        self.receive_end(TransportEnd::Ended);
    }

    /// Reports that the transport ended, failed or was dropped by the caller. Input received
    /// earlier is still processed; if it contains a close frame, that is the
    /// [cause](Self::close_cause).
    pub fn receive_end(&mut self, end: TransportEnd) {
        self.extras.end_or_default().set_transport(end.into());
    }

    /// Reports that nothing can be written to the transport any more, although there may be more to
    /// read. The output is dropped, and nothing more is sent. A close frame that is still received
    /// is the [cause](Self::close_cause); otherwise it is `write_end`.
    pub fn receive_write_end(&mut self, write_end: TransportEnd) {
        let cause = write_end.into();
        let end = self.extras.end_or_default();
        if matches!(self.state, State::Open(_)) {
            end.set_write_end(cause);
        } else {
            // Without the rest of a handshake there is nothing to receive.
            end.set_transport(cause);
        }
        self.stop_sending();
        self.discard_output();
    }

    /// Handles an expired timer. [`Timeout::Idle`] starts a close with 1001; any other ends the
    /// connection, like [`receive_end`](Self::receive_end). [`Keepalive`](crate::Keepalive)
    /// computes when timers expire.
    pub fn expire(&mut self, timeout: Timeout) {
        if timeout == Timeout::Idle {
            let close = CloseFrame { code: CloseCode::GOING_AWAY, reason: "idle timeout expired".into() };
            self.begin_to_close(close, CloseCause::Timeout(timeout));
        } else {
            self.receive_end(TransportEnd::TimedOut(timeout));
        }
    }

    /// Returns the next event, or `None` if more input is needed. When an event is returned, the
    /// answer to it is in the output: the pong for a ping, the close frame for a close or an error.
    // Baseline: echo-text-32.
    #[inline(always)]
    pub fn poll_event(&mut self) -> Option<Event> {
        // As before every wait for the peer.
        let is_waiting = self.input.is_empty()
            && !self.has_ended()
            && self.fast_limit().is_some()
            && (self.holds_nothing() || self.settle().is_ok());
        if is_waiting { None } else { self.poll_next_event() }
    }

    // Baseline: echo-text-32.
    #[inline(never)]
    fn poll_next_event(&mut self) -> Option<Event> {
        // A separate function, so that the message is constructed in the caller's return slot.
        if let Some(limit) = self.fast_limit()
            && let Some(plain) = FastFrame::peek(&self.input, limit)
            && !self.allowance.is_exhausted()
        {
            self.allowance.spend_one();
            match plain.take(&mut self.input) {
                Ok(message) => return Some(Event::Message(message)),
                Err(InvalidUtf8) => self.fail(ProtocolError::InvalidUtf8),
            }
        }
        if let Some(&[0x01 | 0x02, _]) = self.input.first_chunk() {
            return self.poll_fragments();
        }
        self.poll_any_event()
    }

    /// Returns the next event, if the input may begin with a message of several frames.
    fn poll_fragments(&mut self) -> Option<Event> {
        match self.take_fragments() {
            Some(Ok(message)) => return Some(Event::Message(message)),
            Some(Err(InvalidUtf8)) => self.fail(ProtocolError::InvalidUtf8),
            None => {}
        }
        self.poll_any_event()
    }

    fn take_fragments(&mut self) -> Option<Result<Message, InvalidUtf8>> {
        let (limit, max_fragments) = (self.fast_limit()?, self.settings.max_fragments);
        let mut text = FragmentedText::EMPTY;
        if text.read(&self.input, limit, max_fragments) {
            return self.allowance.try_spend(text.count().into()).then(|| text.take(&mut self.input));
        }
        let fragments = Fragments::peek(&self.input, limit, max_fragments)?;
        self.allowance.try_spend(fragments.count().into()).then(|| fragments.take(&mut self.input))
    }

    /// Returns whether the transport has ended. The rest of the input is still processed.
    #[inline]
    fn has_ended(&self) -> bool {
        self.extras.end().is_some_and(|end| end.has_transport())
    }

    /// Returns the longest payload of the fast path, if it applies to what is received next.
    #[inline]
    pub(super) fn fast_limit(&self) -> Option<u16> {
        match &self.state {
            State::Open(protocol) if self.news.is_empty() => protocol.fast_limit(),
            _ => None,
        }
    }

    fn poll_any_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.news.next(&mut self.extras) {
                if event == Event::Open {
                    self.tell_opened();
                }
                return Some(event);
            }
            let parsed = match &mut self.state {
                State::Open(protocol) => {
                    let before = self.input.len();
                    let parsed = protocol.poll(&mut self.input, &self.settings, &mut self.allowance);
                    if let Some(observed) = self.extras.observed() {
                        observed.took(before - self.input.len());
                    }
                    parsed
                }
                State::ServerHandshake(_) | State::ClientHandshake(_) => {
                    if self.open_further() {
                        continue;
                    }
                    Ok(None)
                }
                State::Closed => {
                    // After a close everything else is discarded (RFC 6455 §1.4).
                    self.input.clear();
                    return None;
                }
            };
            match parsed {
                Ok(Some(Event::Ping(data))) => {
                    self.answer_ping(&data);
                    return Some(Event::Ping(data));
                }
                Ok(Some(Event::Close(close))) => self.answer_close(close),
                Ok(Some(event)) => {
                    if let Some(observed) = self.extras.observed() {
                        match &event {
                            Event::Message(message) => observed.received(message.len()),
                            Event::Chunk(chunk) => observed.received_chunk(chunk.data.len(), chunk.is_final),
                            _ => {}
                        }
                    }
                    return Some(event);
                }
                Ok(None) if self.has_ended() && !self.is_exhausted() => self.end_of_transport(),
                Ok(None) => match self.settle() {
                    Ok(()) => return None,
                    Err(error) => self.fail(error),
                },
                Err(error) => self.fail(error),
            }
        }
    }

    /// Returns the bytes to write to the transport. Advance it by what was written.
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        if self.extras.holds_pong() {
            self.release_pong();
        }
        &mut self.output
    }

    /// Returns whether [`output`](Self::output) has any bytes.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.output.has_remaining() || self.extras.holds_pong()
    }

    /// Drops the output, because the transport takes no more, and returns whether there was any.
    pub fn discard_output(&mut self) -> bool {
        let has_pong = self.extras.take_pong().is_some();
        self.output.discard() || has_pong
    }

    /// Returns the state of the connection.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        match &self.state {
            State::ServerHandshake(_) | State::ClientHandshake(_) => ReadyState::Connecting,
            State::Open(_) if self.send_state == SendState::Closed => ReadyState::Closing,
            State::Open(_) => ReadyState::Open,
            State::Closed => ReadyState::Closed,
        }
    }

    /// Returns whether the connection has ended: the transport can be dropped when the output is
    /// written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns whether a [closed](Self::is_closed) client should still wait, with a timeout, for
    /// the server to close the transport first (RFC 6455 §7.1.1).
    #[must_use]
    pub fn expects_eof(&self) -> bool {
        self.extras.end().is_some_and(|end| end.expects_transport())
    }

    /// Returns the code and reason of the close, once [`Event::Close`] was returned.
    #[must_use]
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.extras.end()?.frame()
    }

    /// Returns why the connection ended, or is about to end because this side closes it.
    #[must_use]
    pub fn close_cause(&self) -> Option<&CloseCause> {
        self.extras.end()?.cause()
    }

    /// Returns the limits of its configuration.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.settings.limits()
    }

    /// Returns the timeouts of its configuration, for a caller that has a clock.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.settings.timeouts()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn with_state(settings: Arc<Settings>, state: State) -> Self {
        let extras = OptionalState::new(&settings);
        Self {
            settings,
            state,
            input: BytesMut::new(),
            output: Output::default(),
            send_state: SendState::Open,
            may_compress: true,
            news: PendingEvents::default(),
            version: None,
            extras,
            allowance: Allowance::UNLIMITED,
        }
    }
}
