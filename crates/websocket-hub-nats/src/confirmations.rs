//! Confirmation that the server has received what was sent to it. NATS confirms nothing, but
//! handles the data of a connection in order: once a node's message to itself has returned, the
//! server has everything that was sent before. One such echo serves all waiting tasks.

use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use async_nats::{Client, Subject};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::sleep;

use crate::events::Events;
use crate::sync::lock;
use crate::wire::Control;

/// The time after which an echo is repeated.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    waiting: Mutex<Vec<oneshot::Sender<u64>>>,
    wanted: Notify,
    /// The number of the last echo that was received.
    echoed: watch::Sender<u64>,
}

impl Confirmations {
    /// Waits until the server has everything that was sent before. Returns the number of
    /// connections so far: if it has grown, the data may have been lost with an earlier connection.
    /// Returns `None` if the client has ended.
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

    /// Records that an echo was received.
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
                    // The echo may have been lost with the connection.
                    _ = events.changed() => {}
                    () = sleep(RETRY) => {
                        batch.retain(|waiting| !waiting.is_closed());
                        lock(&self.waiting).retain(|waiting| !waiting.is_closed());
                    }
                }
            }
            let connections = Events::connections(client);
            for waiting in batch {
                // Tasks that no longer wait need no notification.
                let _ = waiting.send(connections);
            }
        }
    }
}
