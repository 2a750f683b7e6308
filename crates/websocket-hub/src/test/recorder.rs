//! A member without a connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tower_websocket::{CloseCode, Message, PreparedBatch, PreparedMessage, SendError};

use crate::delivery::outlet::Outlet;
use crate::hub::Hub;
use crate::member::Member;
use crate::position::Position;
use crate::sync::lock;

/// The timeout for expected messages.
const LIMIT: Duration = Duration::from_secs(10);

/// The time without a message after which none is expected any more.
const SILENCE: Duration = Duration::from_millis(200);

/// Records the messages that a member receives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    received: Mutex<Vec<Message>>,
    /// The number of messages in each write.
    writes: Mutex<Vec<usize>>,
    closed: Mutex<Option<(CloseCode, String)>>,
    changed: Notify,
}

/// A member that records the messages it receives.
#[derive(Debug)]
pub(crate) struct TestMember {
    pub(crate) member: Member,
    recorder: Recorder,
    taken: usize,
}

impl Outlet for Recorder {
    fn try_send(&self, messages: &[&PreparedMessage]) -> Result<usize, SendError> {
        lock(&self.0.received).extend(messages.iter().map(|message| message.message().clone()));
        lock(&self.0.writes).push(messages.len());
        self.0.changed.notify_waiters();
        Ok(messages.len())
    }

    fn try_send_joined(&self, batch: &PreparedBatch) -> Result<usize, SendError> {
        self.try_send(&batch.messages().iter().collect::<Vec<_>>())
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async { true })
    }

    fn close(&self, code: CloseCode, reason: &str) {
        *lock(&self.0.closed) = Some((code, reason.to_owned()));
        self.0.changed.notify_waiters();
    }
}

impl TestMember {
    pub(crate) fn new(hub: &Hub) -> Self {
        Self::of(hub, None)
    }

    pub(crate) fn of(hub: &Hub, user: Option<&str>) -> Self {
        let recorder = Recorder::default();
        Self { member: hub.join_outlet(recorder.clone(), user), recorder, taken: 0 }
    }

    /// Returns the next message.
    pub(crate) async fn next(&mut self, what: &str) -> Message {
        let inner = &self.recorder.0;
        let next = async {
            loop {
                let changed = inner.changed.notified();
                if let Some(message) = lock(&inner.received).get(self.taken) {
                    return message.clone();
                }
                changed.await;
            }
        };
        let message = timeout(LIMIT, next).await.unwrap_or_else(|_| panic!("{what}: no message within {LIMIT:?}"));
        self.taken += 1;
        message
    }

    /// Returns the next message, split into the position and text that the suite's frame consists
    /// of.
    pub(crate) async fn next_framed(&mut self, what: &str) -> (Position, String) {
        let message = self.next(what).await;
        let text = message.as_text().unwrap_or_else(|| panic!("{what}: the message is not text"));
        let (position, text) = text.split_once(' ').unwrap_or_else(|| panic!("{what}: the message has no frame"));
        (position.parse().unwrap_or_else(|_| panic!("{what}: malformed position")), text.to_owned())
    }

    /// Returns the number of messages in each write.
    #[cfg(test)]
    pub(crate) fn writes(&self) -> Vec<usize> {
        lock(&self.recorder.0.writes).clone()
    }

    /// Checks that nothing else arrives.
    pub(crate) async fn expect_nothing(&mut self, what: &str) {
        tokio::time::sleep(SILENCE).await;
        let received = lock(&self.recorder.0.received).len();
        assert_eq!(received, self.taken, "{what}: unexpected message");
    }

    /// Waits until the connection was closed.
    pub(crate) async fn closed(&self, what: &str) -> (CloseCode, String) {
        let inner = &self.recorder.0;
        let closed = async {
            loop {
                let changed = inner.changed.notified();
                if let Some(closed) = lock(&inner.closed).clone() {
                    return closed;
                }
                changed.await;
            }
        };
        timeout(LIMIT, closed).await.unwrap_or_else(|_| panic!("{what}: not closed within {LIMIT:?}"))
    }
}
