mod accounts;
mod lifecycle;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, Uri};

use crate::batch::Batch;
use crate::budget::Charge;
use crate::cause::{CloseCause, Timeout};
use crate::client::Connecting;
use crate::close::{CloseCode, CloseFrame};
use crate::config::Config;
use crate::end::End;
use crate::error::{HandshakeError, ProtocolError, SendError};
use crate::event::Event;
use crate::handshake;
use crate::handshake::client::ask;
use crate::hybi::{self, Hybi, Opcode, Plain};
use crate::message::{Message, MessageRef};
use crate::news::News;
use crate::observer::Observed;
use crate::opening::{self, Answered, Opening};
use crate::output::Output;
use crate::prepared::PreparedMessage;
use crate::protocol::Protocol;
use crate::queue::Command;
use crate::ready_state::ReadyState;
use crate::url::{Target, UrlError};
use crate::utf8::{InvalidUtf8, Utf8Bytes};
use crate::version::Version;

/// The protocol of one connection, from the first byte of its handshake to the last of its closing.
///
/// It has no socket, no clock and no runtime: bytes go in, events and bytes come out. *After every input or command,
/// poll events until there are none, then write the output, then drop the transport if the driver
/// [is closed](Self::is_closed).*
///
/// 1. Constructors: [`from_request`](Self::from_request) where an HTTP stack has read the request,
///    [`server`](Self::server) where nobody has, [`client`](Self::client) for the other side. Go on with *commands* or
///    *inputs*.
/// 2. Inputs: [`receive`](Self::receive) (or [`input`](Self::input), to read into its buffer without a copy) and
///    [`receive_eof`](Self::receive_eof). Go on with *outputs*.
/// 3. Commands: for the handshake [`set_header`](Self::set_header), then [`accept`](Self::accept) or
///    [`start`](Self::start), or a client's [`extended_connect`](Self::extended_connect); for messages [`send`](Self::send), [`text`](Self::text), [`binary`](Self::binary),
///    [`ping`](Self::ping), [`pong`](Self::pong), [`close`](Self::close). Go on with *outputs*.
/// 4. Outputs: [`poll_event`](Self::poll_event) and [`output`](Self::output).
///
/// Input is parsed only while events are polled, so nothing piles up inside: who stops polling, stops the peer.
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
#[derive(Debug)]
pub struct Driver {
    config: Config,
    state: State,
    input: BytesMut,
    output: Output,
    /// The transport has ended; what is left of the input still counts.
    eof: bool,
    close_sent: bool,
    may_compress: bool,
    news: News,
    /// The payload of the answer to the latest ping, where it could not be given yet.
    held_pong: Option<Box<Bytes>>,
    version: Option<Version>,
    heads: Option<Box<Heads>>,
    /// A client whose closing handshake is done.
    expects_eof: bool,
    end: Option<Box<End>>,
    /// Boxed, as what else many connections do without.
    charge: Option<Box<Charge>>,
    observed: Option<Box<Observed>>,
}

/// What a handshake leaves behind, mostly to be taken.
#[derive(Debug, Default)]
struct Heads {
    protocol: Option<Box<str>>,
    request: Option<Box<Request<()>>>,
    response: Option<Box<Response<()>>>,
}

#[derive(Debug)]
enum State {
    /// A server's handshake.
    Opening(Box<Opening>),
    /// A client's.
    Connecting(Box<Connecting>),
    Open(Protocol),
    Closed,
}

impl Driver {
    /// A driver for a connection that nothing was read from. It reads the head of the request and tells so by
    /// [`Event::Connect`].
    pub fn server(config: Config) -> Self {
        Self::new(config, Opening::reading())
    }

    /// A driver for a request that an HTTP stack has read. It chooses the protocol by the request's headers.
    ///
    /// Call [`accept`](Self::accept) next, for the response. A request that asks for no WebSocket is refused there;
    /// [`is_handshake`](crate::is_handshake) tells beforehand.
    pub fn from_request<B>(request: &Request<B>, config: Config) -> Self {
        let answer = handshake::answer(request, &config);
        let mut driver = Self::new(config, Opening::requested(answer));
        driver.set_path(request.uri().path());
        driver.learn_agreement();
        driver
    }

    /// A driver for a client's connection to a `ws:` or `wss:` URL, of RFC 6455. The transport is the caller's: TCP, or TLS
    /// over it, to the URL's host.
    ///
    /// Call [`start`](Self::start) next, which writes the request. The user and password of the URL, if there are any, go
    /// into its `Authorization`; the subprotocols and extensions of the configuration are offered in it.
    ///
    /// # Errors
    ///
    /// Where the URL cannot be one of a WebSocket.
    pub fn client(url: &Uri, config: Config) -> Result<Self, UrlError> {
        let mut nonce = [0; 16];
        (config.settings().random)(&mut nonce);
        let asked = ask(Target::websocket(url)?, &config, nonce)?;
        let mut driver = Self::with_state(config, State::Connecting(Box::new(Connecting::new(asked))));
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
            State::Open(protocol) if !self.input.is_empty() => {
                let before = self.input.len();
                let has_frame = protocol.has_frame(&mut self.input, self.config.settings());
                if let Some(observed) = &mut self.observed {
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
        if let Some(limit) = self.plain_limit() {
            batch.fill(&mut self.input, limit);
        }
    }

    /// Takes back what [`lend`](Self::lend) gave, if it gave anything.
    #[inline]
    pub fn take_back(&mut self, batch: &mut Batch) {
        if batch.is_lent() && batch.empty(&mut self.input) {
            self.fail(ProtocolError::InvalidUtf8);
        }
    }

    /// Takes the end of the transport.
    pub fn receive_eof(&mut self) {
        self.receive_end(CloseCause::Ended);
    }

    /// Takes another end of the transport than one in order: one that failed, or that the caller gives up, since a time was
    /// over for instance. What came before still counts: a close in it is the cause then.
    pub fn receive_end(&mut self, cause: CloseCause) {
        self.eof = true;
        self.end.get_or_insert_default().set_transport(cause);
    }

    /// Takes it that a time is over: a connection without messages is closed, with 1001; any other that a peer let pass is given
    /// up, as by [`receive_end`](Self::receive_end). [`Keepalive`](crate::Keepalive) tells when that is.
    pub fn expire(&mut self, timeout: Timeout) {
        let cause = CloseCause::Timeout(timeout);
        if timeout == Timeout::Idle {
            let close = CloseFrame { code: CloseCode::GOING_AWAY, reason: "idle for too long".into() };
            self.begin_to_close(close, cause);
        } else {
            self.receive_end(cause);
        }
    }

    /// Adds a header to a server's response or a client's request.
    ///
    /// # Errors
    ///
    /// [`ReservedHeader`](HandshakeError::ReservedHeader) for those that the handshake itself writes, and
    /// [`AlreadyAnswered`](HandshakeError::AlreadyAnswered) after [`start`](Self::start) or [`accept`](Self::accept).
    pub fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), HandshakeError> {
        match &mut self.state {
            State::Opening(opening) => opening.set_header(name, value),
            State::Connecting(connecting) => connecting.set_header(name, value),
            _ => Err(HandshakeError::AlreadyAnswered),
        }
    }

    /// Writes this side's part of the handshake to the output: a client's request, a server's response.
    ///
    /// A request that cannot have a WebSocket is refused there, with [`Event::Error`] and [`Event::Close`].
    ///
    /// # Errors
    ///
    /// [`NotRequested`](HandshakeError::NotRequested) before [`Event::Connect`], and
    /// [`AlreadyAnswered`](HandshakeError::AlreadyAnswered) when called twice.
    pub fn start(&mut self) -> Result<(), HandshakeError> {
        if let State::Connecting(connecting) = &mut self.state {
            return connecting.start(&mut self.output);
        }
        match self.answer() {
            Ok(Answered { response, pipeline, is_open }) => {
                opening::write_answer(&mut self.output, &response, self.version);
                if is_open {
                    self.open(pipeline);
                }
                Ok(())
            }
            Err(error @ (HandshakeError::NotRequested | HandshakeError::AlreadyAnswered)) => Err(error),
            Err(error) => {
                opening::write_refusal(&mut self.output, &error);
                self.end_with_error(error.into());
                Ok(())
            }
        }
    }

    /// Refuses a request that could be accepted, in place of [`start`](Self::start): writes this answer to the output, and closes.
    /// [`Event::Error`] and [`Event::Close`] follow. Where an HTTP stack answers, it is left to that.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn refuse(&mut self, response: Response<impl AsRef<[u8]>>) -> Result<(), HandshakeError> {
        if let Err(error @ (HandshakeError::NotRequested | HandshakeError::AlreadyAnswered)) = self.answer() {
            return Err(error);
        }
        let (head, body) = response.into_parts();
        opening::write_last_response(&mut self.output, head.status, head.headers, body.as_ref());
        self.end_with_error(HandshakeError::Refused(head.status).into());
        Ok(())
    }

    /// Answers the handshake by a response for an HTTP stack to send, 101 or on HTTP/2 200; nothing is written to the
    /// output. On HTTP/1.1 the stack should send [`Version::reason_phrase`] with it.
    ///
    /// In hixie-76 the driver then still needs the 8 bytes that follow the head, as its first input, and is
    /// [`Connecting`](ReadyState::Connecting) until they have come.
    ///
    /// # Errors
    ///
    /// Why the request is refused: send [`HandshakeError::to_response`]. The driver is closed then. Also those of
    /// [`start`](Self::start).
    pub fn accept(&mut self) -> Result<Response<()>, HandshakeError> {
        match self.answer() {
            Ok(Answered { response, pipeline, is_open }) => {
                if is_open {
                    self.open(pipeline);
                }
                Ok(response)
            }
            Err(error) => {
                if !matches!(error, HandshakeError::NotRequested | HandshakeError::AlreadyAnswered) {
                    self.end_with_error(error.clone().into());
                }
                Err(error)
            }
        }
    }

    /// A client's request for an HTTP/2 stack to send, in place of [`start`](Self::start): a CONNECT, to which the stack adds
    /// the pseudo-header `:protocol` with the value `websocket` (RFC 8441 §5). Its answer goes to
    /// [`receive_response`](Self::receive_response), and from there on the bytes of the stream are the transport.
    ///
    /// The stack must know that the server takes such requests (RFC 8441 §3).
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); [`NotRequested`](HandshakeError::NotRequested) of a server, and
    /// [`ReservedHeader`](HandshakeError::ReservedHeader) for a header that HTTP/2 has no place for (RFC 9113 §8.2.2).
    pub fn extended_connect(&mut self) -> Result<Request<()>, HandshakeError> {
        match &mut self.state {
            State::Connecting(connecting) => connecting.extended_connect(),
            State::Opening(_) => Err(HandshakeError::NotRequested),
            _ => Err(HandshakeError::AlreadyAnswered),
        }
    }

    /// Takes the answer to [`extended_connect`](Self::extended_connect): with the first bytes of its body where that is a
    /// refusal, which has any status but 2xx. [`Event::Open`] or [`Event::Error`] come of it.
    ///
    /// # Errors
    ///
    /// [`NotRequested`](HandshakeError::NotRequested) where no answer is waited for.
    pub fn receive_response(&mut self, response: Response<Bytes>) -> Result<(), HandshakeError> {
        let State::Connecting(connecting) = &mut self.state else {
            return Err(HandshakeError::NotRequested);
        };
        let outcome = connecting.answered(response)?;
        self.connected(outcome);
        Ok(())
    }

    /// Sends a message. Before the handshake is done, it is queued, to go out then.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing of the message was taken.
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let (message, may_compress) = (message.into(), self.may_compress);
        match &mut self.state {
            State::Open(protocol) if !self.close_sent && !is_full(&self.output, &self.config) => {
                let len = message.len();
                protocol.send(message, may_compress, self.config.settings(), &mut self.output)?;
                self.count_sent(1, len);
                Ok(())
            }
            _ => self.command(Command::Message { message, may_compress }),
        }
    }

    /// Sends a message that others send as well, as [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        match &mut self.state {
            State::Open(protocol) if !self.close_sent && !is_full(&self.output, &self.config) => {
                protocol.send_prepared(prepared, self.may_compress, self.config.settings(), &mut self.output)?;
                self.count_sent(1, prepared.message().len());
                Ok(())
            }
            _ => self.send(prepared.message().clone()),
        }
    }

    /// Sends a message that is only borrowed, which copies it, as [`send`](Self::send) does with short ones in any case.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline(always)]
    pub fn send_borrowed<'a>(&mut self, message: impl Into<MessageRef<'a>>) -> Result<(), SendError> {
        let message = message.into();
        let (opcode, payload) = match message {
            MessageRef::Text(text) => (Opcode::Text, text.as_bytes()),
            MessageRef::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let is_sent = self.open_hybi().is_some_and(|(hybi, output)| hybi.send_copy(opcode, payload, output));
        if is_sent { Ok(()) } else { self.send(message) }
    }

    /// Sends a message, if it is a short one that is copied to the output in any case, and nothing is in its way. Else it
    /// does nothing and tells `false`: [`send`](Self::send) it then. It saves moving the message.
    #[inline]
    pub fn send_short(&mut self, message: &Message) -> bool {
        self.open_hybi().is_some_and(|(hybi, output)| hybi.send_short(message, output))
    }

    /// Sends a text message, as [`send`](Self::send) does.
    pub fn text(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), SendError> {
        self.send(Message::text(text))
    }

    /// Sends a binary message, as [`send`](Self::send) does.
    pub fn binary(&mut self, bytes: impl Into<Bytes>) -> Result<(), SendError> {
        self.send(Message::binary(bytes))
    }

    /// Whether the messages sent from here on may be compressed, where an extension does that: they may, by default. A
    /// message that holds a secret beside text that somebody else chose should not be (RFC 7692 §8).
    pub fn set_compression(&mut self, may_compress: bool) {
        self.may_compress = may_compress;
    }

    /// Sends a ping of at most 125 bytes (RFC 6455 §5.5.2). The answer comes as [`Event::Pong`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.command(Command::Ping(data.into()))
    }

    /// Sends a pong of at most 125 bytes that nobody asked for (RFC 6455 §5.5.3). Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn pong(&mut self, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.command(Command::Pong(data.into()))
    }

    /// Begins to close (RFC 6455 §7.1.2). [`Event::Close`] comes when the peer has answered, or at once where its
    /// protocol has no answer or the handshake was not done. [`CloseCode::NO_STATUS`] sends a close frame without a
    /// body. The hixie drafts transmit neither code nor reason. A second close does nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`](SendError::InvalidCloseCode) and [`ReasonTooLong`](SendError::ReasonTooLong).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let close = CloseFrame { code, reason: reason.into() };
        hybi::check_close(&close)?;
        self.begin_to_close(close.clone(), CloseCause::Local(close));
        Ok(())
    }

    /// What happened next, or `None` where more input is needed. Pings are answered, closes are completed, and errors
    /// have their close frame in the output by the time they are told.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        // As before every wait for the peer.
        let is_waiting = self.input.is_empty() && self.holds_nothing() && !self.eof && self.plain_limit().is_some();
        if is_waiting { None } else { self.poll_next_event() }
    }

    #[inline]
    fn poll_next_event(&mut self) -> Option<Event> {
        if let Some(limit) = self.plain_limit() {
            // Apart from all else, so that the message is built where it goes.
            if let Some(plain) = Plain::peek(&self.input, limit) {
                match plain.take(&mut self.input) {
                    Ok(message) => return Some(Event::Message(message)),
                    Err(InvalidUtf8) => self.fail(ProtocolError::InvalidUtf8),
                }
            }
        }
        self.poll_any_event()
    }

    /// How long a message in one frame may be that can be taken as it stands, if it is what comes next.
    #[inline]
    fn plain_limit(&self) -> Option<u16> {
        match &self.state {
            State::Open(protocol) if self.news.is_empty() => protocol.plain_limit(),
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
                    let parsed = protocol.poll(&mut self.input, self.config.settings());
                    if let Some(observed) = &mut self.observed {
                        observed.took(before - self.input.len());
                    }
                    parsed
                }
                State::Opening(_) | State::Connecting(_) => {
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
                    if let (Some(observed), Event::Message(message)) = (&mut self.observed, &event) {
                        observed.received(message.len());
                    }
                    return Some(event);
                }
                Ok(None) if self.eof => self.end_of_transport(),
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
        if self.held_pong.is_some() {
            self.release_pong();
        }
        &mut self.output
    }

    /// Whether bytes wait to be written: [`output`](Self::output) has some.
    #[inline]
    pub fn wants_write(&self) -> bool {
        self.output.has_remaining() || self.held_pong.is_some()
    }

    /// Whether [`Config::max_output`] bytes wait to be written, so that nothing more is taken.
    #[inline]
    pub fn is_output_full(&self) -> bool {
        is_full(&self.output, &self.config)
    }

    /// How far the connection is.
    pub fn ready_state(&self) -> ReadyState {
        match &self.state {
            State::Opening(_) | State::Connecting(_) => ReadyState::Connecting,
            State::Open(_) if self.close_sent => ReadyState::Closing,
            State::Open(_) => ReadyState::Open,
            State::Closed => ReadyState::Closed,
        }
    }

    /// Whether the connection is over: the transport can be dropped when the output is written.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The protocol spoken, once the request is known and can be served.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The subprotocol agreed to (RFC 6455 §1.9).
    pub fn protocol(&self) -> Option<&str> {
        self.heads.as_ref()?.protocol.as_deref()
    }

    /// The request that [`Driver::server`] has read, from [`Event::Connect`] on.
    pub fn request(&self) -> Option<&Request<()>> {
        self.heads.as_ref()?.request.as_deref()
    }

    /// Takes that request, for who wants to keep it longer than the driver, or not at all.
    pub fn take_request(&mut self) -> Option<Request<()>> {
        let request = self.heads.as_mut()?.request.take();
        self.tidy_heads();
        request.map(|request| *request)
    }

    /// The response that a client has read, from [`Event::Open`] on.
    pub fn response(&self) -> Option<&Response<()>> {
        self.heads.as_ref()?.response.as_deref()
    }

    /// Takes that response.
    pub fn take_response(&mut self) -> Option<Response<()>> {
        let response = self.heads.as_mut()?.response.take();
        self.tidy_heads();
        response.map(|response| *response)
    }

    /// Whether the transport should be dropped only when it has ended, though the driver [is closed](Self::is_closed): the
    /// server is the first to close it (RFC 6455 §7.1.1), so a client waits, though not for ever.
    pub fn expects_eof(&self) -> bool {
        self.expects_eof && !self.eof
    }

    /// What the connection was closed with, once [`Event::Close`] has come.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.end.as_ref()?.frame()
    }

    /// Why the connection ended, once it has, or is about to, where this side closes.
    pub fn close_cause(&self) -> Option<&CloseCause> {
        self.end.as_ref()?.cause()
    }

    /// What the driver was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn new(config: Config, opening: Opening) -> Self {
        Self::with_state(config, State::Opening(Box::new(opening)))
    }

    fn with_state(config: Config, state: State) -> Self {
        let settings = config.settings();
        let charge = settings.budget.as_ref().map(|budget| Box::new(Charge::new(budget)));
        let observed = settings.observer.as_ref().map(|_| Observed::new(""));
        Self {
            config,
            state,
            input: BytesMut::new(),
            output: Output::default(),
            eof: false,
            close_sent: false,
            may_compress: true,
            news: News::default(),
            held_pong: None,
            version: None,
            heads: None,
            expects_eof: false,
            end: None,
            charge,
            observed,
        }
    }

    fn heads_mut(&mut self) -> &mut Heads {
        self.heads.get_or_insert_default()
    }

    /// Lets go of what is empty.
    fn tidy_heads(&mut self) {
        self.heads.take_if(|heads| heads.protocol.is_none() && heads.request.is_none() && heads.response.is_none());
    }

    /// What sends a message, if nothing is in its way.
    #[inline]
    fn open_hybi(&mut self) -> Option<(&Hybi, &mut Output)> {
        match &self.state {
            State::Open(Protocol::Hybi(hybi)) if !self.close_sent && !is_full(&self.output, &self.config) => {
                Some((hybi, &mut self.output))
            }
            _ => None,
        }
    }

    fn command(&mut self, command: Command) -> Result<(), SendError> {
        match &mut self.state {
            State::Open(_) if self.close_sent => Err(SendError::Closed),
            State::Open(protocol) => {
                if is_full(&self.output, &self.config) {
                    return Err(SendError::OutputFull);
                }
                command.write(protocol, self.config.settings(), &mut self.output)
            }
            State::Opening(opening) => opening.queue.push(command, self.version, self.config.settings()),
            State::Connecting(connecting) => connecting.queue.push(command, self.version, self.config.settings()),
            State::Closed => Err(SendError::Closed),
        }
    }
}

#[inline]
fn is_full(output: &Output, config: &Config) -> bool {
    output.remaining() >= config.settings().max_output
}
