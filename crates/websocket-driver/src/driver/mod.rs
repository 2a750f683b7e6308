mod accounts;
mod choosing;
mod close_info;
mod handshaking;
mod lifecycle;
mod optional;
mod pending;
mod replies;
mod resuming;
mod sending;

use std::fmt;

use bytes::{Buf, BytesMut};
use http::{Request, Response, Uri};

use self::optional::OptionalState;
use crate::config::Config;
use crate::driver::close_info::CloseInfo;
use crate::driver::pending::PendingEvents;
use crate::error::ProtocolError;
use crate::error::cause::{CloseCause, Timeout, TransportEnd};
use crate::event::Event;
use crate::framing::Protocol;
use crate::framing::allowance::Allowance;
use crate::framing::fast::batch::Batch;
use crate::framing::fast::fragments::Fragments;
use crate::framing::fast::frame::FastFrame;
use crate::framing::output::Output;
use crate::handshake::client_error::ClientError;
use crate::handshake::client_side::ClientHandshake;
use crate::handshake::request::ask;
use crate::handshake::server_side::ServerHandshake;
use crate::handshake::url::Target;
use crate::message::close::{CloseCode, CloseFrame};
use crate::message::utf8::InvalidUtf8;
use crate::ready_state::ReadyState;
use crate::version::Version;

/// The protocol of one connection, from the first byte of its handshake to the last of its closing.
///
/// It has no socket, clock or runtime: bytes go in, events and bytes come out. *After every input or command, poll events until
/// there are none, then write the output, then drop the transport if the driver [is closed](Self::is_closed).*
///
/// 1. Constructors: [`Handshake::accept`](crate::Handshake::accept) if an HTTP stack has read the request, otherwise
///    [`server`](Self::server); [`client`](Self::client) for the other side; [`after_handshake`](Self::after_handshake) if the
///    handshake was done elsewhere.
/// 2. Inputs: [`receive`](Self::receive) (or [`input`](Self::input), to read into its buffer without a copy) and
///    [`receive_eof`](Self::receive_eof).
/// 3. Commands: for the handshake [`set_header`](Self::set_header), then [`start`](Self::start), [`refuse`](Self::refuse) or a
///    client's [`extended_connect`](Self::extended_connect); for messages [`send`](Self::send), [`text`](Self::text),
///    [`binary`](Self::binary), [`send_ping`](Self::send_ping), [`send_pong`](Self::send_pong) and
///    [`start_close`](Self::start_close).
/// 4. Outputs: [`poll_event`](Self::poll_event) and [`output`](Self::output).
///
/// Input is parsed only while events are polled, so nothing piles up inside: a caller that stops polling stops the peer.
///
/// # For runtimes
///
/// What serves many connections has more to it:
///
/// - [`lend`](Self::lend) and [`take_back`](Self::take_back) let messages be received, [`begin_replies`](Self::begin_replies)
///   and [`commit`](Self::commit) let them be answered while the driver is not locked.
/// - [`grant`](Self::grant) and [`is_exhausted`](Self::is_exhausted) bound the work until others get their turn.
/// - [`Output::lend`], [`Output::reclaim`] and [`Output::shrink`] let connections that are idle or blocked do without a buffer.
/// - [`Output::end_position`] and [`Output::flushed_position`] show when a message is written,
///   [`discard_output`](Self::discard_output) gives up what cannot be written.
/// - [`tick`](Self::tick), [`charge`](Self::charge), [`report`](Self::report) and [`conclude`](Self::conclude) serve limits by
///   the second, budgets and observers.
///
/// # Examples
///
/// ```
/// use bytes::Buf;
/// use websocket_driver::{Config, Driver, Event};
///
/// let mut driver = Driver::server(Config::server());
/// driver.receive(
///     &b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
///        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"[..],
/// );
/// assert_eq!(driver.poll_event(), Some(Event::Connect));
/// assert_eq!(driver.request().unwrap().uri(), "/chat");
/// driver.start()?;
/// assert_eq!(driver.poll_event(), Some(Event::Open));
/// driver.text("hello")?;
///
/// let output = driver.output();
/// let written = output.copy_to_bytes(output.remaining());
/// assert!(written.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// assert!(written.ends_with(b"\x81\x05hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Driver {
    config: Config,
    state: State,
    input: BytesMut,
    output: Output,
    close_sent: bool,
    may_compress: bool,
    news: PendingEvents,
    version: Option<Version>,
    heads: Option<Box<Heads>>,
    end: Option<Box<CloseInfo>>,
    extras: OptionalState,
    allowance: Allowance,
}

/// What a handshake leaves behind, mostly to be taken.
#[derive(Default)]
struct Heads {
    protocol: Option<Box<str>>,
    request: Option<Box<Request<()>>>,
    response: Option<Box<Response<()>>>,
}

enum State {
    /// A server's handshake.
    ServerHandshake(Box<ServerHandshake>),
    /// A client's.
    ClientHandshake(Box<ClientHandshake>),
    Open(Protocol),
    Closed,
}

impl Driver {
    /// A driver for a connection that nothing was read from. It reads the head of the request and tells so by
    /// [`Event::Connect`].
    #[must_use]
    pub fn server(config: Config) -> Self {
        Self::new(config, ServerHandshake::reading())
    }

    /// A driver for a client's connection to a `ws:` or `wss:` URL, of RFC 6455. The transport is the caller's: TCP, or TLS
    /// over it, to the URL's host.
    ///
    /// Call [`start`](Self::start) next, which writes the request. The user and password of the URL, if there are any, go
    /// into its `Authorization`; the subprotocols and extensions of the configuration are offered in it.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the URL cannot be one of a WebSocket, or a subprotocol of the configuration is invalid.
    pub fn client(url: &Uri, config: Config) -> Result<Self, ClientError> {
        let mut nonce = [0; 16];
        (config.settings().random)(&mut nonce);
        let asked = ask(Target::websocket(url)?, &config, nonce)?;
        let mut driver = Self::with_state(config, State::ClientHandshake(Box::new(ClientHandshake::new(asked))));
        driver.set_path(url.path());
        Ok(driver)
    }

    /// Takes bytes from the transport.
    pub fn receive(&mut self, data: impl Into<BytesMut>) {
        let data = data.into();
        if self.input.is_empty() {
            self.input = data;
        } else {
            self.input.unsplit(data);
        }
    }

    /// The bytes received and not parsed yet, for transports that can read straight into a buffer: append to it, as
    /// [`receive`](Self::receive) does, and poll events. An empty buffer may be replaced by another one at any time,
    /// so that one buffer can serve many connections.
    ///
    /// Where [`Event::Connect`] turns out to be plain HTTP, this is what follows its head.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// How many bytes are missing of the frame that is coming, as far as its length is known; else 0. It has been held
    /// against the limits; it is still only what the peer announced.
    #[must_use]
    pub fn missing(&self) -> usize {
        match &self.state {
            State::Open(protocol) => protocol.missing(&self.input),
            _ => 0,
        }
    }

    /// Whether a whole frame has come and was not parsed yet, or one that is wrong, so that
    /// [`poll_event`](Self::poll_event) has something to tell without more input, and it may be worth to wait with writing.
    #[inline]
    pub fn has_frame(&mut self) -> bool {
        match &mut self.state {
            // The header of an empty frame may have been taken off already.
            State::Open(protocol) if !self.input.is_empty() || protocol.has_header() => {
                let before = self.input.len();
                let has_frame = protocol.has_frame(&mut self.input, self.config.settings());
                if let Some(observed) = self.extras.observed() {
                    observed.took(before - self.input.len());
                }
                has_frame
            }
            _ => false,
        }
    }

    /// Lends the input to a batch, where it begins with messages that need no driver to be read; else does nothing.
    #[inline]
    pub fn lend(&mut self, batch: &mut Batch) {
        if !self.input.is_empty() {
            self.lend_input(batch);
        }
    }

    fn lend_input(&mut self, batch: &mut Batch) {
        let allowance = self.allowance.for_batch();
        if allowance > 0
            && let Some(limit) = self.fast_limit()
        {
            batch.fill(&mut self.input, limit, allowance);
            if batch.is_lent() && self.extras.has_charge() {
                // Whoever handles the messages may take long.
                self.charge_with(self.memory() + batch.memory());
            }
        }
    }

    /// Takes back what [`lend`](Self::lend) gave, if it gave anything.
    #[inline]
    pub fn take_back(&mut self, batch: &mut Batch) {
        if batch.is_lent() {
            self.take_back_input(batch);
        }
    }

    fn take_back_input(&mut self, batch: &mut Batch) {
        let (left, is_invalid) = batch.empty(&mut self.input);
        self.allowance.spend_batch(left);
        if is_invalid {
            self.fail(ProtocolError::InvalidUtf8);
        }
    }

    /// Allows the driver to parse this many frames from now on, instead of any number, as it does by default. `u32::MAX`
    /// stands for any number again.
    ///
    /// Every frame counts, also a fragment, an empty frame, a ping and a pong, and every message that a [`Batch`] hands out.
    /// When the number is used up, [`poll_event`](Self::poll_event) returns `None` and [`lend`](Self::lend) lends nothing,
    /// although whole frames may have been received; events that are due without a further frame are still returned.
    /// [`has_frame`](Self::has_frame) and [`missing`](Self::missing) are not affected.
    ///
    /// A runtime bounds its work before it lets others run by this: one read may hold thousands of frames. Call it while
    /// nothing is lent.
    #[inline]
    pub fn grant(&mut self, frames: u32) {
        self.allowance = Allowance::new(frames);
    }

    /// Returns whether the frames that were [granted](Self::grant) are used up, so that there may be further events without
    /// further input.
    #[inline]
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.allowance.is_exhausted()
    }

    /// Reports that the transport ended in order.
    pub fn receive_eof(&mut self) {
        self.receive_end(TransportEnd::Ended);
    }

    /// Reports that the transport ended, failed or was dropped by the caller. Input received earlier is still processed; if it
    /// contains a close frame, that is the [cause](Self::close_cause).
    pub fn receive_end(&mut self, end: TransportEnd) {
        self.end.get_or_insert_default().set_transport(end.into());
    }

    /// Reports that nothing can be written to the transport any more, though there may be more to read. What waits to be
    /// written is dropped, and nothing more is sent. A close frame that is still received is the
    /// [cause](Self::close_cause); otherwise it is `write_end`.
    pub fn receive_write_end(&mut self, write_end: TransportEnd) {
        let cause = write_end.into();
        let end = self.end.get_or_insert_default();
        if matches!(self.state, State::Open(_)) {
            end.set_write_end(cause);
        } else {
            // Without the rest of a handshake there is nothing to receive.
            end.set_transport(cause);
        }
        self.close_sent = true;
        self.discard_output();
    }

    /// Takes it that a time is over: a connection without messages is closed, with 1001; any other that a peer let pass is given
    /// up, as by [`receive_end`](Self::receive_end). [`Keepalive`](crate::Keepalive) tells when that is.
    pub fn expire(&mut self, timeout: Timeout) {
        if timeout == Timeout::Idle {
            let close = CloseFrame { code: CloseCode::GOING_AWAY, reason: "idle timeout expired".into() };
            self.begin_to_close(close, CloseCause::Timeout(timeout));
        } else {
            self.receive_end(TransportEnd::TimedOut(timeout));
        }
    }

    /// What happened next, or `None` where more input is needed. Pings are answered, closes are completed, and errors
    /// have their close frame in the output by the time they are told.
    #[inline(always)]
    pub fn poll_event(&mut self) -> Option<Event> {
        // As before every wait for the peer.
        let is_waiting = self.input.is_empty()
            && !self.has_ended()
            && self.fast_limit().is_some()
            && (self.holds_nothing() || self.settle().is_ok());
        if is_waiting { None } else { self.poll_next_event() }
    }

    #[inline(never)]
    fn poll_next_event(&mut self) -> Option<Event> {
        // Apart from all else, so that the message is built where it goes.
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

    /// The next event, if there may be a message in several frames at the beginning of the input.
    #[inline(never)]
    fn poll_fragments(&mut self) -> Option<Event> {
        if let Some(limit) = self.fast_limit()
            && let Some(fragments) = Fragments::peek(&self.input, limit, self.config.settings().max_fragments)
            && self.allowance.try_spend(fragments.count())
        {
            match fragments.take(&mut self.input) {
                Ok(message) => return Some(Event::Message(message)),
                Err(InvalidUtf8) => self.fail(ProtocolError::InvalidUtf8),
            }
        }
        self.poll_any_event()
    }

    /// Whether the transport has ended; what is left of the input still counts.
    #[inline]
    fn has_ended(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.has_transport())
    }

    /// How long a message in one frame may be that can be taken as it stands, if it is what comes next.
    #[inline]
    fn fast_limit(&self) -> Option<u16> {
        match &self.state {
            State::Open(protocol) if self.news.is_empty() => protocol.fast_limit(),
            _ => None,
        }
    }

    fn poll_any_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.news.next(&mut self.end) {
                if event == Event::Open {
                    self.tell_opened();
                }
                return Some(event);
            }
            let parsed = match &mut self.state {
                State::Open(protocol) => {
                    let before = self.input.len();
                    let parsed = protocol.poll(&mut self.input, self.config.settings(), &mut self.allowance);
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
                    if let (Some(observed), Event::Message(message)) = (self.extras.observed(), &event) {
                        observed.received(message.len());
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

    /// The bytes to write to the transport. Advance it by what was written.
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        if self.extras.holds_pong() {
            self.release_pong();
        }
        &mut self.output
    }

    /// Whether bytes wait to be written: [`output`](Self::output) has some.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.output.has_remaining() || self.extras.holds_pong()
    }

    /// Drops all that waits to be written, because the transport takes no more, and returns whether there was anything.
    pub fn discard_output(&mut self) -> bool {
        let has_pong = self.extras.take_pong().is_some();
        self.output.discard() || has_pong
    }

    /// How far the connection is.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        match &self.state {
            State::ServerHandshake(_) | State::ClientHandshake(_) => ReadyState::Connecting,
            State::Open(_) if self.close_sent => ReadyState::Closing,
            State::Open(_) => ReadyState::Open,
            State::Closed => ReadyState::Closed,
        }
    }

    /// Whether the connection is over: the transport can be dropped when the output is written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether the transport should be dropped only when it has ended, though the driver [is closed](Self::is_closed): the
    /// server is the first to close it (RFC 6455 §7.1.1), so a client waits, though not for ever.
    #[must_use]
    pub fn expects_eof(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.expects_transport())
    }

    /// What the connection was closed with, once [`Event::Close`] has come.
    #[must_use]
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.end.as_ref()?.frame()
    }

    /// Why the connection ended, once it has, or is about to, where this side closes.
    #[must_use]
    pub fn close_cause(&self) -> Option<&CloseCause> {
        self.end.as_ref()?.cause()
    }

    /// What the driver was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn new(config: Config, opening: ServerHandshake) -> Self {
        Self::with_state(config, State::ServerHandshake(Box::new(opening)))
    }

    fn with_state(config: Config, state: State) -> Self {
        let extras = OptionalState::new(config.settings());
        Self {
            config,
            state,
            input: BytesMut::new(),
            output: Output::default(),
            close_sent: false,
            may_compress: true,
            news: PendingEvents::default(),
            version: None,
            heads: None,
            end: None,
            extras,
            allowance: Allowance::UNLIMITED,
        }
    }
}

/// Without what the peers say: payloads, headers and subprotocols may be secret.
impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("ready_state", &self.ready_state())
            .field("version", &self.version)
            .field("input", &self.input.len())
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
