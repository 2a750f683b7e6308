use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The maximum number of unanswered pings, so that a peer that answers none cannot make the table
/// grow.
const MAX: usize = 16;

/// The pings of a connection whose pongs are expected. Each has a unique number as its payload.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    last: u64,
    pending: VecDeque<PendingPing>,
}

#[derive(Debug)]
struct PendingPing {
    number: u64,
    sent: Instant,
    /// `None` if only an observer is notified.
    answered: Option<oneshot::Sender<Duration>>,
}

impl Pings {
    /// Returns the payload of a ping that is sent now.
    pub(crate) fn start(&mut self, answered: Option<oneshot::Sender<Duration>>) -> Bytes {
        let is_wanted = |ping: &PendingPing| ping.answered.as_ref().is_none_or(|answered| !answered.is_closed());
        self.pending.retain(is_wanted);
        if self.pending.len() == MAX {
            self.pending.pop_front();
        }
        self.last += 1;
        self.pending.push_back(PendingPing { number: self.last, sent: Instant::now(), answered });
        Bytes::copy_from_slice(&self.last.to_be_bytes())
    }

    /// Handles a pong. If it answers one of these pings, returns the round-trip time, and whether
    /// only an observer is notified. It also answers earlier pings, since a peer may answer only
    /// the latest (RFC 6455 §5.5.3).
    pub(crate) fn answer(&mut self, pong: &[u8]) -> Option<(Duration, bool)> {
        let number = u64::from_be_bytes(pong.try_into().ok()?);
        let at = self.pending.iter().position(|ping| ping.number == number)?;
        let now = Instant::now();
        let mut time = None;
        for ping in self.pending.drain(..=at) {
            let elapsed = now - ping.sent;
            time = Some((elapsed, ping.answered.is_none()));
            if let Some(answered) = ping.answered {
                // The caller may have stopped waiting.
                let _ = answered.send(elapsed);
            }
        }
        time
    }
}
