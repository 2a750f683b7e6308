use std::fmt;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::error::ProtocolError;
use crate::error::cause::CloseCause;
use crate::version::Version;

/// Receives notifications about connections, to count, log or trace them. Set it with
/// [`Config::observer`](crate::Config::observer). It is called from where the connection is polled,
/// so it must not block.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use websocket_driver::{CloseCause, Config, ConnectionObserver, Observer, ConnectionOpened};
///
/// /// Counts open connections.
/// #[derive(Default)]
/// struct Open(Arc<AtomicUsize>);
///
/// struct One(Arc<AtomicUsize>);
///
/// impl Observer for Open {
///     fn opened(&self, _: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Box::new(One(self.0.clone()))
///     }
/// }
///
/// impl ConnectionObserver for One {
///     fn closed(&mut self, _: &CloseCause) {
///         self.0.fetch_sub(1, Ordering::Relaxed);
///     }
/// }
///
/// let config = Config::server().observer(Open::default());
/// ```
///
/// A tuple of two observers is an observer.
///
/// A panic of an observer is caught: the connection goes on, and its observer is dropped.
///
/// Observed connections process short messages on the general path, to count them. Connections
/// without an observer have no extra cost.
pub trait Observer: Send + Sync + 'static {
    /// Called when a connection has opened. Returns the observer of that connection.
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver>;

    /// Called when a handshake is refused or fails.
    fn refused(&self, _error: &ProtocolError) {}
}

/// Receives notifications about one connection.
pub trait ConnectionObserver: Send {
    /// Called with the traffic since the previous call: before each wait for the peer, after each
    /// flush, and at the end.
    fn passed(&mut self, _traffic: &Traffic) {}

    /// Called when a ping is answered, with its round-trip time.
    fn answered(&mut self, _round_trip: Duration) {}

    /// Called once when the connection has ended. No other call follows.
    fn closed(&mut self, _cause: &CloseCause) {}
}

/// A connection that has just opened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ConnectionOpened<'a> {
    /// Whether this side is the client.
    pub is_client: bool,
    /// The version of the protocol.
    pub version: Version,
    /// The negotiated subprotocol.
    pub protocol: Option<&'a str>,
    /// The path of the URL, without the query, which may contain secrets.
    pub path: &'a str,
}

/// The amount of data received and sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// The number of complete messages received.
    pub messages_received: u64,
    /// The number of messages accepted for sending.
    pub messages_sent: u64,
    /// The payload bytes of the messages received, after decompression.
    pub payload_received: u64,
    /// The payload bytes of the messages sent, before compression.
    pub payload_sent: u64,
    /// The bytes of the frames received, including headers and control frames.
    pub wire_received: u64,
    /// The bytes written: frames and, if the driver writes it, the handshake.
    pub wire_sent: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.messages_received += other.messages_received;
        self.messages_sent += other.messages_sent;
        self.payload_received += other.payload_received;
        self.payload_sent += other.payload_sent;
        self.wire_received += other.wire_received;
        self.wire_sent += other.wire_sent;
    }
}

/// Calls an observer, and catches its panic.
fn contain<R>(call: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Reports the refusal of a handshake.
pub(crate) fn refused(observer: &dyn Observer, error: &ProtocolError) {
    contain(|| observer.refused(error));
}

/// The observer of a connection. It is dropped when it panics, and when the connection has ended.
struct Contained(Option<Box<dyn ConnectionObserver>>);

impl Contained {
    fn open(observer: &dyn Observer, opened: &ConnectionOpened<'_>) -> Self {
        Self(contain(|| observer.opened(opened)))
    }

    fn notify(&mut self, notify: impl FnOnce(&mut dyn ConnectionObserver)) {
        self.0 = self.0.take().and_then(|mut observer| {
            contain(move || {
                notify(&mut *observer);
                observer
            })
        });
    }
}

impl ConnectionObserver for Contained {
    fn passed(&mut self, traffic: &Traffic) {
        self.notify(|observer| observer.passed(traffic));
    }

    fn answered(&mut self, round_trip: Duration) {
        self.notify(|observer| observer.answered(round_trip));
    }

    fn closed(&mut self, cause: &CloseCause) {
        let observer = self.0.take();
        contain(move || {
            if let Some(mut observer) = observer {
                observer.closed(cause);
            }
        });
    }
}

/// Notifies both observers, the first one first. One that panics does not affect the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        Box::new((Contained::open(&self.0, opened), Contained::open(&self.1, opened)))
    }

    fn refused(&self, error: &ProtocolError) {
        refused(&self.0, error);
        refused(&self.1, error);
    }
}

impl ConnectionObserver for (Contained, Contained) {
    fn passed(&mut self, traffic: &Traffic) {
        self.0.passed(traffic);
        self.1.passed(traffic);
    }

    fn answered(&mut self, round_trip: Duration) {
        self.0.answered(round_trip);
        self.1.answered(round_trip);
    }

    fn closed(&mut self, cause: &CloseCause) {
        self.0.closed(cause);
        self.1.closed(cause);
    }
}

/// The observer of one connection, with the traffic that was not reported yet.
pub(crate) struct Observed {
    path: Box<str>,
    connection: Option<Contained>,
    pub(crate) traffic: Traffic,
    /// The part of all bytes written that was reported.
    written: u64,
}

impl Observed {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.into(), connection: None, traffic: Traffic::default(), written: 0 }
    }

    pub(crate) fn set_path(&mut self, path: &str) {
        self.path = path.into();
    }

    pub(crate) fn opened(
        &mut self,
        observer: &dyn Observer,
        is_client: bool,
        version: Version,
        protocol: Option<&str>,
    ) {
        let opened = ConnectionOpened { is_client, version, protocol, path: &self.path };
        self.connection = Some(Contained::open(observer, &opened));
    }

    /// Replaces the observer of the open connection.
    pub(crate) fn wrap(&mut self, wrap: impl FnOnce(Box<dyn ConnectionObserver>) -> Box<dyn ConnectionObserver>) {
        self.connection = self.connection.take().map(|connection| Contained(Some(wrap(Box::new(connection)))));
    }

    pub(crate) fn sent(&mut self, messages: u64, bytes: usize) {
        self.traffic.messages_sent += messages;
        self.traffic.payload_sent += bytes as u64;
    }

    /// Counts bytes consumed from the input.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.traffic.wire_received += bytes as u64;
    }

    /// Counts a received message.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received_chunk(bytes, true);
    }

    /// Counts a received piece of a message.
    pub(crate) fn received_chunk(&mut self, bytes: usize, is_final: bool) {
        self.traffic.messages_received += u64::from(is_final);
        self.traffic.payload_received += bytes as u64;
    }

    /// Reports the traffic. `written` is the total number of bytes written so far.
    pub(crate) fn report(&mut self, written: u64) {
        self.traffic.wire_sent += written - self.written;
        self.written = written;
        if let Some(connection) = &mut self.connection
            && self.traffic != Traffic::default()
        {
            connection.passed(&std::mem::take(&mut self.traffic));
        }
    }

    pub(crate) fn answered(&mut self, round_trip: Duration) {
        if let Some(connection) = &mut self.connection {
            connection.answered(round_trip);
        }
    }

    pub(crate) fn closed(&mut self, cause: &CloseCause) {
        if let Some(mut connection) = self.connection.take() {
            connection.closed(cause);
        }
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("path", &self.path).field("traffic", &self.traffic).finish_non_exhaustive()
    }
}
