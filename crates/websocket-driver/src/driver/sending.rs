//! Sending messages, pings, pongs and closes.

use bytes::{Buf, Bytes};

use super::unfinished::SendState;
use super::{Driver, State};
use crate::config::settings::Settings;
use crate::error::SendError;
use crate::error::cause::CloseCause;
use crate::framing::Protocol;
use crate::framing::hybi::control::check_close;
use crate::framing::hybi::{Hybi, Opcode};
use crate::framing::output::Output;
use crate::handshake::queue::Command;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::prepared::PreparedMessage;
use crate::message::prepared_batch::PreparedBatch;
use crate::message::{Message, MessageRef};
use crate::ready_state::ReadyState;

impl Driver {
    /// Sends a message. If the handshake is not complete, the message is queued until then.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. No part of the message is sent.
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        if self.is_output_full() || self.send_state != SendState::Open {
            return self.send_unless_full(message.into());
        }
        self.send_over_limit(message)
    }

    /// Sends a message even if the output is full, for callers that have reserved room for it.
    /// While another message is [unfinished](Self::start_message), this one is held until that one
    /// is finished.
    ///
    /// # Errors
    ///
    /// The errors of [`send`](Self::send) except [`OutputFull`](SendError::OutputFull).
    #[inline]
    pub fn send_over_limit(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let (message, may_compress) = (message.into(), self.may_compress);
        match &mut self.state {
            State::Open(protocol) if self.send_state == SendState::Open => {
                let len = message.len();
                protocol.send(message, may_compress, &self.settings, &mut self.output)?;
                self.count_sent(1, len);
                Ok(())
            }
            _ => self.queue_message(message, may_compress),
        }
    }

    /// Sends a message, unless the connection is open and has no room for it.
    // Baseline: echo-text-32, client-send-1k.
    #[cold]
    fn send_unless_full(&mut self, message: Message) -> Result<(), SendError> {
        match self.send_state {
            SendState::Unfinished => Err(SendError::MessageUnfinished),
            SendState::Open if self.ready_state() == ReadyState::Open => Err(SendError::OutputFull),
            SendState::Open | SendState::Closed => self.send_over_limit(message),
        }
    }

    /// Queues a message until the handshake is complete, or the unfinished message is finished.
    // Baseline: echo-text-32, client-send-1k.
    #[cold]
    fn queue_message(&mut self, message: Message, may_compress: bool) -> Result<(), SendError> {
        if self.has_unfinished_message() {
            self.hold_message(message);
            return Ok(());
        }
        self.command(Command::Message { message, may_compress })
    }

    /// Sends a prepared message, which many connections can share, like [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        match &mut self.state {
            State::Open(protocol) if self.send_state == SendState::Open && !is_full(&self.output, &self.settings) => {
                protocol.send_prepared(prepared, self.may_compress, &self.settings, &mut self.output)?;
                self.count_sent(1, prepared.message().len());
                Ok(())
            }
            _ => self.send(prepared.message().clone()),
        }
    }

    /// Sends a batch of prepared messages at once, if they have at most 64 KiB in all, and the
    /// connection is open, has room for them, and can share their encoding with other connections.
    /// Otherwise does nothing and returns `false`: [send](Self::send_prepared) the messages
    /// individually.
    pub fn send_joined(&mut self, batch: &PreparedBatch) -> bool {
        let limit = self.settings.max_output;
        let is_sent = match &mut self.state {
            State::Open(protocol) if self.send_state == SendState::Open && batch.can_be_joined() => {
                protocol.send_joined(batch, self.may_compress, limit, &mut self.output)
            }
            _ => false,
        };
        if is_sent {
            self.count_sent(batch.messages().len() as u64, batch.len());
        }
        is_sent
    }

    /// Sends a copy of a borrowed message, like [`send`](Self::send), which also copies short
    /// messages.
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send).
    #[inline]
    pub fn send_borrowed<'a>(&mut self, message: impl Into<MessageRef<'a>>) -> Result<(), SendError> {
        let message = message.into();
        let (opcode, payload) = match message {
            MessageRef::Text(text) => (Opcode::Text, text.as_bytes()),
            MessageRef::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let is_sent = self.open_hybi().is_some_and(|(hybi, output)| hybi.send_copy(opcode, payload, output));
        if is_sent { Ok(()) } else { self.send(message) }
    }

    /// Sends a short message by copying it to the output, if the fast path applies. Otherwise does
    /// nothing and returns `false`: call [`send`](Self::send) instead. This avoids moving the
    /// message.
    #[inline]
    pub fn send_short(&mut self, message: &Message) -> bool {
        self.open_hybi().is_some_and(|(hybi, output)| hybi.send_short(message, output))
    }

    /// Sets whether messages sent from now on may be compressed, if compression was negotiated.
    /// Default: `true`. Disable it for messages that contain both a secret and text that an
    /// attacker can choose (RFC 7692 §8).
    pub fn set_compression(&mut self, may_compress: bool) {
        self.may_compress = may_compress;
    }

    /// Sends a ping of at most 125 bytes (RFC 6455 §5.5.2). The answer is received as
    /// [`Event::Pong`](crate::Event::Pong).
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send), except [`MessageUnfinished`](SendError::MessageUnfinished),
    /// and [`ControlTooLong`](SendError::ControlTooLong).
    pub fn send_ping(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.command(Command::Ping(data.into()))
    }

    /// Sends an unsolicited pong of at most 125 bytes (RFC 6455 §5.5.3). Pings are answered
    /// automatically.
    ///
    /// # Errors
    ///
    /// Same as [`send_ping`](Self::send_ping).
    pub fn send_pong(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.command(Command::Pong(data.into()))
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2). A second call does nothing.
    ///
    /// [`Event::Close`](crate::Event::Close) follows when the peer has answered, or at once if its
    /// protocol has no answer or the opening handshake is not complete. [`CloseCode::NO_STATUS`]
    /// sends a close frame without a body. The hixie drafts transmit neither code nor reason.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`](SendError::InvalidCloseCode) and
    /// [`ReasonTooLong`](SendError::ReasonTooLong).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let close = CloseFrame { code, reason: reason.into() };
        check_close(&close)?;
        self.begin_to_close(close.clone(), CloseCause::Local(close));
        Ok(())
    }

    /// Returns whether [`Config::max_output`](crate::Config::max_output) bytes are waiting to be
    /// written, so that no message is accepted.
    #[inline]
    #[must_use]
    pub fn is_output_full(&self) -> bool {
        is_full(&self.output, &self.settings)
    }

    /// Returns the protocol and the output, if messages can be sent immediately.
    #[inline]
    fn open_hybi(&mut self) -> Option<(&Hybi, &mut Output)> {
        match &self.state {
            State::Open(Protocol::Hybi(hybi))
                if self.send_state == SendState::Open && !is_full(&self.output, &self.settings) =>
            {
                Some((hybi, &mut self.output))
            }
            _ => None,
        }
    }

    pub(super) fn command(&mut self, command: Command) -> Result<(), SendError> {
        match &mut self.state {
            State::Open(_) if self.send_state == SendState::Closed => Err(SendError::Closed),
            State::Open(protocol) => {
                if is_full(&self.output, &self.settings) {
                    return Err(SendError::OutputFull);
                }
                command.write(protocol, &self.settings, &mut self.output)
            }
            State::ServerHandshake(opening) => opening.queue.push(command, self.version, &self.settings),
            State::ClientHandshake(connecting) => connecting.queue.push(command, self.version, &self.settings),
            State::Closed => Err(SendError::Closed),
        }
    }
}

#[inline]
fn is_full(output: &Output, settings: &Settings) -> bool {
    output.remaining() >= settings.max_output
}
