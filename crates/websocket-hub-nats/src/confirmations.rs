//! Proof that the server has what was sent to it. NATS confirms nothing, but handles what arrives
//! on a connection in order: once a node's message to itself is back, the server has everything
//! that was sent before. One such echo serves all that wait.

use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use async_nats::{Client, Subject};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::sleep;

use crate::events::Events;
use crate::sync::lock;
use crate::wire::Control;

/// The time after which an echo is sent again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    waiting: Mutex<Vec<oneshot::Sender<u64>>>,
    wanted: Notify,
    /// The number of the last echo that is back.
    echoed: watch::Sender<u64>,
}

impl Confirmations {
    /// Waits until the server has what was sent before. Returns the number of connections that
    /// there have been when this was known: if that has grown, what was sent may have been lost
    /// with an earlier one. `None` if the client has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn confirmed(&self) -> Option<u64> {
        let (sender, confirmed) = oneshot::channel();
        lock(&self.waiting).push(sender);
        self.wanted.notify_one();
        confirmed.await.ok()
    }

    /// Notes that an echo is back.
    pub(crate) fn echo(&self, number: u64) {
        self.echoed.send_if_modified(|last| {
            let is_newer = number > *last;
            *last = number.max(*last);
            is_newer
        });
    }

    /// Sends echoes, one at a time, until the client ends.
    pub(crate) async fn run(&self, client: &Client, to: &Subject, mut events: watch::Receiver<Events>) {
        let mut echoed = self.echoed.subscribe();
        for number in 1.. {
            let mut batch = loop {
                self.wanted.notified().await;
                let batch = mem::take(&mut *lock(&self.waiting));
                if !batch.is_empty() {
                    break batch;
                }
            };
            while *echoed.borrow_and_update() < number {
                if client.publish(to.clone(), Control::Echo { number }.to_bytes()).await.is_err() {
                    return;
                }
                tokio::select! {
                    _ = echoed.wait_for(|&last| last >= number) => {}
                    // It may have been lost with the connection.
                    _ = events.changed() => {}
                    () = sleep(RETRY) => {
                        batch.retain(|waiting| !waiting.is_closed());
                        lock(&self.waiting).retain(|waiting| !waiting.is_closed());
                    }
                }
            }
            let connections = Events::connections(client);
            for waiting in batch {
                // Those that do not wait any more need no answer.
                let _ = waiting.send(connections);
            }
        }
    }
}
