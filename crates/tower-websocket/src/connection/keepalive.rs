//! The timers of an open connection: pings for a silent peer, the idle timeout, and a peer that has stopped reading.

use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;
use websocket_driver::{self as driver, Timeout, Timeouts, TimerEvent, TransportEnd, Version};

use super::{Connection, KeepalivePong, Patience};
use crate::background::Worker;
use crate::background::ticker::{Tick, TickerHandle};
use crate::transport::tcp;

/// The output from which on the kernel may hold much of it.
const BULK: u64 = 64 * 1024;

/// What the kernel has sent of what it had taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KernelProgress {
    Sent,
    /// Its buffer was full, and is full.
    Unknown,
    None,
}

/// The driver's timers, which are told the time when the [ticker](crate::background::ticker) looks, and only then.
#[derive(Debug)]
pub(super) struct Keepalive {
    timers: driver::Keepalive,
    /// The milliseconds for which the transport has taken nothing of what waits to be written: the peer is not reading, and
    /// cannot be pinged.
    stalled: u32,
    /// The bytes that the transport had taken at the last tick, modulo 2³²: enough to see a difference.
    written: u32,
    handle: TickerHandle,
}

impl Keepalive {
    /// For a connection that opens now, if the configuration has any timers.
    fn new(timeouts: &Timeouts, version: Version, connection: Weak<dyn Tick>) -> Option<Self> {
        let pings = timeouts.ping_interval.map(|interval| interval.min(timeouts.pong));
        let shortest = [pings, timeouts.idle].into_iter().flatten().min()?;
        let timers = driver::Keepalive::new(version, Instant::now().into());
        Some(Self { timers, stalled: 0, written: 0, handle: TickerHandle::register(&connection, shortest) })
    }

    /// Returns whether there is something to do.
    fn is_due(&self, timeouts: &Timeouts, now: Instant) -> bool {
        // Asked of a copy, since it is returned once.
        !matches!(self.timers.clone().poll(timeouts, now.into()), TimerEvent::Never | TimerEvent::At(_))
    }

    /// Adds the time since the last tick, unless the transport has made progress or has none to make. Returns how long it has
    /// made none.
    fn stalled(&mut self, written: u64, has_output: bool, since: Duration) -> Duration {
        let written = written as u32;
        let has_progress = !has_output || written != self.written;
        self.written = written;
        let since = u32::try_from(since.as_millis()).unwrap_or(u32::MAX);
        self.stalled = if has_progress { 0 } else { self.stalled.saturating_add(since) };
        Duration::from_millis(self.stalled.into())
    }

    pub(super) fn worker(&self) -> &Arc<Worker> {
        self.handle.worker()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<T> {
    /// Starts the timers, if the configuration has any. `this` is where the connection will be.
    pub(super) fn opened(&mut self, this: Weak<dyn Tick>) {
        let timeouts = self.driver.timeouts();
        self.keepalive = Keepalive::new(&timeouts, self.driver.version().unwrap_or(Version::Hybi13), this);
        self.counts_messages = self.keepalive.is_some() && timeouts.idle.is_some();
        // The request is no sign of life beyond now: it would count as of the last tick, which was earlier.
        self.is_active = false;
        if self.driver.is_rate_limited() {
            // Frames that arrived with the handshake are made up for from here on.
            self.driver.tick(Instant::now().into());
        }
        if self.keepalive.is_none() {
            let home = Worker::current();
            self.cold().home = home;
        }
    }

    pub(super) fn tick(&mut self, last: Instant, now: Instant) {
        self.flush_activity(last);
        let has_output = self.has_output();
        let written = self.driver.output().written();
        let timeouts = self.driver.timeouts();
        // Without pings nothing is known of the peer, and it is waited for.
        let limit = timeouts.ping_interval.map(|interval| interval.saturating_add(timeouts.pong));
        let Some(keepalive) = &mut self.keepalive else {
            return;
        };
        let before = Duration::from_millis(keepalive.stalled.into());
        let stalled = keepalive.stalled(written, has_output, now - last);
        if let Some(limit) = limit {
            if before < limit / 2 && stalled >= limit / 2 {
                self.note_unsent();
            }
            if stalled >= limit {
                if self.kernel_progress() == KernelProgress::Sent {
                    // The peer reads what the kernel had taken before.
                    self.keepalive.iter_mut().for_each(|keepalive| keepalive.stalled /= 2);
                } else {
                    // Whatever the application waits for: nobody else looks at the time.
                    self.keepalive = None;
                    self.end(TransportEnd::TimedOut(Timeout::Pong));
                    self.driver.conclude();
                    self.wake_receiver();
                    return;
                }
            }
        }
        // It is told once, and nobody may be there to do it.
        if self.keepalive.as_ref().is_some_and(|keepalive| keepalive.is_due(&timeouts, now))
            && !mem::replace(&mut self.is_due, true)
        {
            self.wake_receiver();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// A message was received or sent.
    #[inline]
    pub(super) fn on_message(&mut self) {
        if self.counts_messages
            && let Some(keepalive) = &mut self.keepalive
        {
            keepalive.timers.on_message(Instant::now().into());
        }
    }

    /// Returns the payload of a ping that leaves now, and whose pong is waited for.
    pub(super) fn start_ping(&mut self, answered: Option<oneshot::Sender<Duration>>) -> Bytes {
        self.cold().pings.start(answered)
    }

    /// Takes a pong. Returns whether it is reported to the application.
    pub(super) fn on_pong(&mut self, data: &[u8]) -> bool {
        let Some(cold) = &mut self.cold else {
            return true;
        };
        let mut is_keepalive = data.is_empty();
        if let Some((time, is_unattended)) = cold.pings.answer(data) {
            self.driver.report_round_trip(time);
            is_keepalive = is_unattended;
        }
        if !is_keepalive || cold.keepalive_pong != KeepalivePong::Due {
            return true;
        }
        cold.keepalive_pong = KeepalivePong::Hidden;
        false
    }

    /// Handles a timer that has expired, once all that had arrived by then was received. Returns whether there was one.
    #[inline]
    pub(super) fn poll_keepalive(&mut self) -> bool {
        let is_due = mem::take(&mut self.is_due);
        if is_due {
            self.on_timer();
        }
        is_due
    }

    /// Notes how much the kernel has yet to send, if it may be much.
    fn note_unsent(&mut self) {
        if self.driver.output().written() < BULK {
            return;
        }
        if let Some(unsent) = self.io.get().and_then(tcp::unsent) {
            self.cold().unsent = Some(unsent);
        }
    }

    /// Returns what the kernel has done since [`note_unsent`](Self::note_unsent), or this, was called last.
    fn kernel_progress(&mut self) -> KernelProgress {
        let Some(before) = self.cold.as_ref().and_then(|cold| cold.unsent) else {
            return KernelProgress::None;
        };
        self.note_unsent();
        match self.cold.as_ref().and_then(|cold| cold.unsent) {
            Some(now) if now < before => KernelProgress::Sent,
            Some(u32::MAX) => KernelProgress::Unknown,
            _ => KernelProgress::None,
        }
    }

    /// Returns whether a peer that has not answered a ping is waited for once more.
    fn has_patience(&mut self) -> bool {
        if self.patience == Patience::Two {
            self.patience = Patience::Last;
            return true;
        }
        match self.kernel_progress() {
            KernelProgress::Sent => true,
            KernelProgress::Unknown => mem::replace(&mut self.patience, Patience::Last) == Patience::One,
            KernelProgress::None => false,
        }
    }

    #[cold]
    fn on_timer(&mut self) {
        let now = Instant::now();
        self.flush_activity(now);
        let timeouts = self.driver.timeouts();
        match self
            .keepalive
            .as_mut()
            .map_or(TimerEvent::Never, |keepalive| keepalive.timers.poll(&timeouts, now.into()))
        {
            TimerEvent::Ping => {
                self.note_unsent();
                // With a number, so that the answer is known, only if somebody is told of it.
                let is_observed = self.driver.is_observed();
                let data = if is_observed { self.start_ping(None) } else { Bytes::new() };
                // If the output is full and stays so, the peer is not reading, and a ping would tell nothing more. When it
                // is written, that is the sign of life.
                let pinged = self.writable().and_then(|driver| driver.send_ping(data));
                if pinged.is_ok()
                    && let Some(cold) = &mut self.cold
                    && cold.keepalive_pong == KeepalivePong::Hidden
                {
                    cold.keepalive_pong = KeepalivePong::Due;
                }
            }
            TimerEvent::Expired(timeout) => self.expire(timeout),
            // Something was received meanwhile.
            _ => {}
        }
    }

    /// Reports that something was received, if it was since this was called last.
    fn flush_activity(&mut self, at: Instant) {
        if mem::take(&mut self.is_active)
            && let Some(keepalive) = &mut self.keepalive
        {
            keepalive.timers.on_receive(at.into());
            if self.patience == Patience::Last {
                self.patience = Patience::Two;
            }
        }
    }

    fn expire(&mut self, timeout: Timeout) {
        if timeout == Timeout::Pong && self.has_patience() {
            if let Some(keepalive) = &mut self.keepalive {
                keepalive.timers.on_receive(Instant::now().into());
            }
            return;
        }
        self.keepalive = None;
        if timeout != Timeout::Idle {
            return self.end(TransportEnd::TimedOut(timeout));
        }
        self.driver.expire(timeout);
        if self.closing.is_none() {
            self.begin_closing(None);
        }
    }
}
