use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use crate::error::ProtocolError;
use crate::error::cause::CloseCause;
use crate::version::Version;

/// Is told what happens on connections, to count it, log it or trace it: given to
/// [`Config::observer`](crate::Config::observer). It is called where the connection is polled, so it should not block.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use websocket_driver::{CloseCause, Config, ConnectionObserver, Observer, ConnectionOpened};
///
/// /// How many connections are open.
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
/// A pair of observers is one as well, for who has two.
///
/// Connections that are observed take the long way for short messages, so as to count them; those that are not pay nothing.
pub trait Observer: Send + Sync + 'static {
    /// A connection is open. What it gives is told of that connection, until it has ended.
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver>;

    /// A handshake came to nothing.
    fn refused(&self, _error: &ProtocolError) {}
}

/// Is told what happens on one connection.
pub trait ConnectionObserver: Send {
    /// What passed since it was told last: before each wait for the peer, after each flush, and at the end.
    fn passed(&mut self, _traffic: &Traffic) {}

    /// A ping was answered, after so long.
    fn answered(&mut self, _round_trip: Duration) {}

    /// It has ended. It is told once, and nothing comes after it.
    fn closed(&mut self, _cause: &CloseCause) {}
}

/// A connection that has just opened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ConnectionOpened<'a> {
    /// Whether this side is the client.
    pub is_client: bool,
    /// The protocol that is spoken.
    pub version: Version,
    /// The subprotocol that was agreed to.
    pub protocol: Option<&'a str>,
    /// The path of the URL, without the query, which may hold secrets.
    pub path: &'a str,
}

/// How much came and went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages that came whole.
    pub messages_received: u64,
    /// Messages that were taken to be sent.
    pub messages_sent: u64,
    /// The payloads of the former, in bytes, as the application has them: inflated.
    pub payload_received: u64,
    /// The payloads of the latter, before they were compressed.
    pub payload_sent: u64,
    /// The bytes of the frames that came, with their headers, control frames among them.
    pub wire_received: u64,
    /// The bytes that were written, of frames and, where the driver writes it itself, of the handshake.
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

/// Two are told, one after the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        Box::new((self.0.opened(opened), self.1.opened(opened)))
    }

    fn refused(&self, error: &ProtocolError) {
        self.0.refused(error);
        self.1.refused(error);
    }
}

impl ConnectionObserver for (Box<dyn ConnectionObserver>, Box<dyn ConnectionObserver>) {
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

/// An observer at work on one connection.
pub(crate) struct Observed {
    path: Box<str>,
    connection: Option<Box<dyn ConnectionObserver>>,
    pub(crate) traffic: Traffic,
    /// Of what was written in all, what was told.
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
        self.connection = Some(observer.opened(&opened));
    }

    /// Replaces the observer of an open connection.
    pub(crate) fn wrap(&mut self, wrap: impl FnOnce(Box<dyn ConnectionObserver>) -> Box<dyn ConnectionObserver>) {
        self.connection = self.connection.take().map(wrap);
    }

    pub(crate) fn sent(&mut self, messages: u64, bytes: usize) {
        self.traffic.messages_sent += messages;
        self.traffic.payload_sent += bytes as u64;
    }

    /// So many bytes were taken off the input.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.traffic.wire_received += bytes as u64;
    }

    /// A message of so many bytes has come.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.traffic.messages_received += 1;
        self.traffic.payload_received += bytes as u64;
    }

    /// Tells what has passed, of which so much was written in all.
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
