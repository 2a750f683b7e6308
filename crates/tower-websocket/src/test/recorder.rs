use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use websocket_driver::{CloseCause, ConnectionObserver, ConnectionOpened, Observer, ProtocolError, Traffic, Version};

use crate::sync::{Mutex, lock};

/// An [observer](crate::Config::observer) that records what happens on the connections, for
/// assertions. Clones share the record.
///
/// ```test_harness
/// use tower_websocket::test::{self, Recorder};
/// use tower_websocket::{CloseCause, Config};
///
/// #[tokio::test]
/// async fn dropped_socket_is_recorded() {
///     let recorder = Recorder::new();
///     let (socket, mut peer) = test::server("/chat", Config::server().observer(recorder.clone())).await;
///     peer.send_text("hello");
///     drop(socket);
///     let recorded = recorder.take();
///     assert_eq!(recorded.opened[0].path, "/chat");
///     assert_eq!(recorded.closed, [CloseCause::Dropped]);
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    recorded: Mutex<Recorded>,
    has_closed: Notify,
}

/// The record of a [`Recorder`], over all of its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The connections opened, in order.
    pub opened: Vec<RecordedOpening>,
    /// The errors of refused handshakes, in order.
    pub refused: Vec<ProtocolError>,
    /// The round-trip times of pings, in order.
    pub round_trips: Vec<Duration>,
    /// The causes of the connections' ends, in order.
    pub closed: Vec<CloseCause>,
    /// The sum of the traffic.
    pub traffic: Traffic,
    /// The number of calls after a connection had ended while no other one was open. Always 0.
    pub late_calls: usize,
}

/// A connection that was opened: an owned [`ConnectionOpened`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedOpening {
    /// Whether this side is the client.
    pub is_client: bool,
    /// The protocol version.
    pub version: Version,
    /// The negotiated subprotocol.
    pub protocol: Option<String>,
    /// The path of the URL, without the query.
    pub path: String,
}

impl Recorder {
    /// Creates an observer with an empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a copy of the record.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        lock(&self.0.recorded).clone()
    }

    /// Returns the record and starts a new one.
    #[must_use]
    pub fn take(&self) -> Recorded {
        mem::take(&mut lock(&self.0.recorded))
    }

    /// Waits until a connection of the record has ended, and returns the cause of the last one.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn closed(&self) -> impl Future<Output = CloseCause> + use<> {
        let shared = self.0.clone();
        async move {
            loop {
                let has_closed = shared.has_closed.notified();
                let last = lock(&shared.recorded).closed.last().cloned();
                match last {
                    Some(cause) => return cause,
                    None => has_closed.await,
                }
            }
        }
    }

    fn record(&self, record: impl FnOnce(&mut Recorded)) {
        let mut recorded = lock(&self.0.recorded);
        let is_late = !recorded.opened.is_empty() && recorded.closed.len() >= recorded.opened.len();
        recorded.late_calls += usize::from(is_late);
        record(&mut recorded);
    }
}

impl Observer for Recorder {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        let ConnectionOpened { is_client, version, protocol, path, .. } = *opened;
        let opening = RecordedOpening { is_client, version, protocol: protocol.map(Into::into), path: path.into() };
        lock(&self.0.recorded).opened.push(opening);
        Box::new(self.clone())
    }

    fn refused(&self, error: &ProtocolError) {
        lock(&self.0.recorded).refused.push(error.clone());
    }
}

impl ConnectionObserver for Recorder {
    fn passed(&mut self, traffic: &Traffic) {
        self.record(|recorded| recorded.traffic += *traffic);
    }

    fn answered(&mut self, round_trip: Duration) {
        self.record(|recorded| recorded.round_trips.push(round_trip));
    }

    fn closed(&mut self, cause: &CloseCause) {
        self.record(|recorded| recorded.closed.push(cause.clone()));
        self.0.has_closed.notify_waiters();
    }
}
