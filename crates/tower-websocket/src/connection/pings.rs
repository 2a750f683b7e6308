use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many pings may be unanswered: a peer that answers none must not make a table grow.
const MAX: usize = 16;

/// The pings of a connection whose pongs somebody waits for. Each has a number of its own for its payload.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    last: u64,
    waker: VecDeque<WakerSlot>,
}

#[derive(Debug)]
struct WakerSlot {
    number: u64,
    sent: Instant,
    /// `None` where only an observer is told.
    answered: Option<oneshot::Sender<Duration>>,
}

impl Pings {
    /// The payload of a ping that leaves now.
    pub(crate) fn start(&mut self, answered: Option<oneshot::Sender<Duration>>) -> Bytes {
        let is_wanted = |ping: &WakerSlot| ping.answered.as_ref().is_none_or(|answered| !answered.is_closed());
        self.waker.retain(is_wanted);
        if self.waker.len() == MAX {
            self.waker.pop_front();
        }
        self.last += 1;
        self.waker.push_back(WakerSlot { number: self.last, sent: Instant::now(), answered });
        Bytes::copy_from_slice(&self.last.to_be_bytes())
    }

    /// Takes a pong, and returns how long it took if it is the answer to one of these, and whether nobody waits for it but an
    /// observer. It answers those before as well, as a peer may answer the latest alone (RFC 6455 §5.5.3).
    pub(crate) fn answer(&mut self, pong: &[u8]) -> Option<(Duration, bool)> {
        let number = u64::from_be_bytes(pong.try_into().ok()?);
        let at = self.waker.iter().position(|ping| ping.number == number)?;
        let now = Instant::now();
        let mut time = None;
        for ping in self.waker.drain(..=at) {
            let passed = now - ping.sent;
            time = Some((passed, ping.answered.is_none()));
            if let Some(answered) = ping.answered {
                // Who waited may have gone.
                let _ = answered.send(passed);
            }
        }
        time
    }
}
