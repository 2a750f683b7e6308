//! The events of the connection. The client library drops events while 128 of them wait, so what is
//! lost is counted here, and never derived from a single event.

use std::future::ready;
use std::sync::atomic::Ordering;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Events {
    /// The number of connections that were lost.
    pub(crate) losses: u64,
    /// The number of times that the client library dropped messages.
    pub(crate) overflows: u64,
}

impl Events {
    /// Returns options whose events are counted.
    pub(crate) fn count(options: ConnectOptions) -> (ConnectOptions, watch::Receiver<Self>) {
        let (sender, events) = watch::channel(Self::default());
        let options = options.event_callback(move |event| {
            // Every event wakes the waiting tasks, since the relevant ones may have been dropped.
            sender.send_modify(|events| match event {
                Event::Disconnected => events.losses += 1,
                Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => events.overflows += 1,
                _ => {}
            });
            ready(())
        });
        (options, events)
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(client: &Client) -> u64 {
        client.statistics().connects.load(Ordering::Relaxed)
    }
}
