// In the order in which the documentation lists their methods; what only runtimes need is last.
mod machine;

mod handshaking;
mod sending;

mod choosing;
mod fragments;
mod resuming;

mod accounts;
mod batching;
mod replies;

mod close_info;
mod lifecycle;
mod optional;
mod pending;
mod unfinished;

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use http::{Request, Response};

use self::optional::OptionalState;
use self::unfinished::SendState;
use crate::config::settings::Settings;
use crate::driver::pending::PendingEvents;
use crate::framing::Protocol;
use crate::framing::allowance::Allowance;
use crate::framing::output::Output;
use crate::handshake::client_side::ClientHandshake;
use crate::handshake::server_side::ServerHandshake;
use crate::version::Version;

/// The protocol state machine of one connection, from the first byte of its handshake to the last
/// of its close.
///
/// It has no socket, clock or runtime: bytes go in, events and bytes come out. *After every input
/// or command, poll events until there are none, then write the output, then drop the transport if
/// the driver [is closed](Self::is_closed).*
///
/// 1. Constructors: [`Handshake::accept`](crate::Handshake::accept) if an HTTP stack has read the request,
///    otherwise [`server`](Self::server); [`client`](Self::client) for the other side;
///    [`after_handshake`](Self::after_handshake) if the handshake was done elsewhere.
/// 2. Inputs: [`receive`](Self::receive) (or [`input`](Self::input), to read into its buffer without a
///    copy) and [`receive_eof`](Self::receive_eof).
/// 3. Commands: for the handshake [`set_header`](Self::set_header), then [`start`](Self::start),
///    [`refuse`](Self::refuse) or a client's [`extended_connect`](Self::extended_connect); for messages
///    [`send`](Self::send), [`send_ping`](Self::send_ping), [`send_pong`](Self::send_pong) and
///    [`start_close`](Self::start_close); for messages in pieces
///    [`stream_messages`](Self::stream_messages) to receive and [`start_message`](Self::start_message) to
///    send them.
/// 4. Outputs: [`poll_event`](Self::poll_event) and [`output`](Self::output).
///
/// Input is parsed only while events are polled, so nothing piles up inside: a caller that stops
/// polling stops the peer.
///
/// # For runtimes
///
/// Runtimes that serve many connections use more of it:
///
/// - [`lend`](Self::lend) and [`take_back`](Self::take_back) let messages be received, [`begin_replies`](Self::begin_replies)
///   and [`commit`](Self::commit) let them be answered while the driver is not locked.
/// - [`grant`](Self::grant) and [`is_exhausted`](Self::is_exhausted) bound the work before the task yields to others.
/// - [`Output::lend`], [`Output::reclaim`] and [`Output::shrink`] let connections that are idle or blocked hold no buffer.
/// - [`Output::end_position`] and [`Output::flushed_position`] show when a message is written,
///   [`discard_output`](Self::discard_output) drops output that cannot be written.
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
/// driver.send("hello")?;
///
/// let output = driver.output();
/// let written = output.copy_to_bytes(output.remaining());
/// assert!(written.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// assert!(written.ends_with(b"\x81\x05hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// In this order, so that sending to many connections in turn reads few cache lines of each.
#[repr(C)]
pub struct Driver {
    settings: Arc<Settings>,
    send_state: SendState,
    may_compress: bool,
    news: PendingEvents,
    version: Option<Version>,
    allowance: Allowance,
    state: State,
    output: Output,
    extras: OptionalState,
    input: BytesMut,
}

/// The results of a handshake, most of which the caller takes.
#[derive(Debug, Default)]
struct Heads {
    protocol: Option<Box<str>>,
    request: Option<Box<Request<()>>>,
    response: Option<Box<Response<()>>>,
}

impl Heads {
    fn is_empty(&self) -> bool {
        self.protocol.is_none() && self.request.is_none() && self.response.is_none()
    }
}

enum State {
    ServerHandshake(Box<ServerHandshake>),
    ClientHandshake(Box<ClientHandshake>),
    Open(Protocol),
    Closed,
}

/// Omits payloads, headers and subprotocols, which may be secret.
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
