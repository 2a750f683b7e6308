//! The timers of an open connection: pings for a silent peer, the idle timeout, and detection of a
//! peer that has stopped reading.

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
use crate::background::ticker::{Tick, TickTime, TickerHandle};
use crate::transport::tcp;

/// The amount of written output from which on the kernel's buffer may contain much of it.
const BULK: u64 = 64 * 1024;

/// The progress that the kernel has made with sending its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KernelProgress {
    Sent,
    /// The buffer was full, and still is.
    Unknown,
    None,
}

/// The driver's timers. The current time is passed to them only when the
/// [ticker](crate::background::ticker) visits.
#[derive(Debug)]
pub(super) struct Keepalive {
    timers: driver::Keepalive,
    /// The number of milliseconds for which the transport has accepted none of the waiting output:
    /// the peer is not reading and cannot be pinged.
    stalled: u32,
    /// The bytes that the transport had accepted at the last tick, modulo 2³², to detect a
    /// difference.
    written: u32,
    handle: TickerHandle,
}

/// The activity since the last tick of the timers.
///
/// | | `counts_messages` | `is_active` | `is_due` |
/// |---|---|---|---|
/// | without timers, or after they have ended | ignored | ignored | ignored |
/// | with timers, no idle timeout | no | any | any |
/// | with an idle timeout | yes | any | any |
#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// Whether messages are reported to the idle timer.
    counts_messages: bool,
    /// Whether something was received since the last tick, or the transport has accepted output
    /// that it had refused.
    pub(super) is_active: bool,
    /// Whether a timer has expired that the receiver must handle.
    is_due: bool,
}

impl Keepalive {
    /// Creates the timers of a connection that opens now, if the configuration has any.
    fn new(timeouts: &Timeouts, version: Version, connection: Weak<dyn Tick>) -> Option<Self> {
        let pings = timeouts.ping_interval.map(|interval| interval.min(timeouts.pong));
        let shortest = [pings, timeouts.idle].into_iter().flatten().min()?;
        let timers = driver::Keepalive::new(version, Instant::now().into());
        let handle = TickerHandle::register(&connection, shortest);
        Some(Self { timers, stalled: 0, written: 0, handle })
    }

    /// Returns whether a timer is due.
    fn is_due(&self, timeouts: &Timeouts, now: Instant) -> bool {
        // Polls a copy, since the event is returned only once.
        !matches!(self.timers.clone().poll(timeouts, now.into()), TimerEvent::Never | TimerEvent::At(_))
    }

    /// Adds the time since the last tick, unless the transport has made progress or there is no
    /// output. Returns for how long there was no progress.
    fn stalled(&mut self, written: u64, has_output: bool, since: Duration) -> Duration {
        let written = written as u32;
        let has_progress = !has_output || written != self.written;
        self.written = written;
        self.stalled = if has_progress { 0 } else { self.stalled.saturating_add(millis(since)) };
        Duration::from_millis(self.stalled.into())
    }

    pub(super) fn worker(&self) -> &Arc<Worker> {
        self.handle.worker()
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<T> {
    /// Starts the timers, if the configuration has any. `this` will refer to the connection.
    pub(super) fn start_timers(&mut self, this: Weak<dyn Tick>) {
        let timeouts = self.driver.timeouts();
        let version = self.driver.version().unwrap_or(Version::Hybi13);
        self.keepalive = Keepalive::new(&timeouts, version, this);
        self.liveness.counts_messages = self.keepalive.is_some() && timeouts.idle.is_some();
        // The handshake must not count as activity later: it would be dated to the last tick, which
        // was earlier.
        self.liveness.is_active = false;
        if self.driver.is_rate_limited() {
            // Starts to refill the allowance for frames that arrived with the handshake.
            self.driver.tick(Instant::now().into());
        }
        if self.keepalive.is_none() {
            let home = Worker::current();
            self.cold().home = home;
        }
    }

    pub(super) fn tick(&mut self, tick: TickTime) {
        let TickTime { last, now, releases_idle } = tick;
        self.flush_activity(last);
        let has_output = self.has_output();
        let written = self.driver.output().written();
        let timeouts = self.driver.timeouts();
        // Without pings the state of the peer is unknown, and there is no limit.
        let limit = timeouts.ping_interval.map(|interval| interval.saturating_add(timeouts.pong));
        let Some(keepalive) = &mut self.keepalive else {
            return;
        };
        if releases_idle {
            self.driver.release_idle();
        }
        let before = Duration::from_millis(keepalive.stalled.into());
        let stalled = keepalive.stalled(written, has_output, now - last);
        if let Some(limit) = limit {
            if before < limit / 2 && stalled >= limit / 2 {
                self.record_unsent();
            }
            if stalled >= limit {
                if self.kernel_progress() == KernelProgress::Sent {
                    // The peer is reading what the kernel had accepted before.
                    self.keepalive.iter_mut().for_each(|keepalive| keepalive.stalled /= 2);
                } else {
                    // Must be done here, since whatever the application waits for, nothing else
                    // checks the time.
                    self.keepalive = None;
                    self.end(TransportEnd::TimedOut(Timeout::Pong));
                    self.driver.conclude();
                    self.wake_receiver();
                    return;
                }
            }
        }
        // Wakes the receiver once, since it may not be waiting.
        if self.keepalive.as_ref().is_some_and(|keepalive| keepalive.is_due(&timeouts, now))
            && !mem::replace(&mut self.liveness.is_due, true)
        {
            self.wake_receiver();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Called when a message was received or sent.
    #[inline]
    pub(super) fn on_message(&mut self) {
        if self.liveness.counts_messages
            && let Some(keepalive) = &mut self.keepalive
        {
            keepalive.timers.on_message(Instant::now().into());
        }
    }

    /// Returns the payload of a ping that is sent now and whose pong is expected.
    pub(super) fn start_ping(&mut self, answered: Option<oneshot::Sender<Duration>>) -> Bytes {
        self.cold().pings.start(answered)
    }

    /// Handles a pong. Returns whether it is reported to the application.
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

    /// Handles an expired timer, after all input that had arrived by then was received. Returns
    /// whether there was one.
    #[inline]
    pub(super) fn poll_keepalive(&mut self) -> bool {
        let is_due = mem::take(&mut self.liveness.is_due);
        if is_due {
            self.on_timer();
        }
        is_due
    }

    /// Records how much the kernel has yet to send, if it may be much.
    fn record_unsent(&mut self) {
        if self.driver.output().written() < BULK {
            return;
        }
        if let Some(unsent) = self.io.get().and_then(tcp::unsent) {
            self.cold().unsent = Some(unsent);
        }
    }

    /// Returns the kernel's progress since the last call of [`record_unsent`](Self::record_unsent)
    /// or this function.
    fn kernel_progress(&mut self) -> KernelProgress {
        let Some(before) = self.cold.as_ref().and_then(|cold| cold.unsent) else {
            return KernelProgress::None;
        };
        self.record_unsent();
        match self.cold.as_ref().and_then(|cold| cold.unsent) {
            Some(now) if now < before => KernelProgress::Sent,
            Some(u32::MAX) => KernelProgress::Unknown,
            _ => KernelProgress::None,
        }
    }

    /// Returns whether a peer that has not answered a ping is given another timeout.
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
                self.record_unsent();
                // Only observers need the round-trip time, and with it a payload that identifies
                // the ping.
                let is_observed = self.driver.is_observed();
                let data = if is_observed { self.start_ping(None) } else { Bytes::new() };
                // If the output is and stays full, the peer is not reading, and a ping would add
                // nothing. Written output is a sign of life.
                let pinged = self.writable().and_then(|driver| driver.send_ping(data));
                if pinged.is_ok()
                    && let Some(cold) = &mut self.cold
                    && cold.keepalive_pong == KeepalivePong::Hidden
                {
                    cold.keepalive_pong = KeepalivePong::Due;
                }
            }
            TimerEvent::Expired(timeout) => self.expire(timeout),
            // Something was received in the meantime.
            _ => {}
        }
    }

    /// Reports to the timers if something was received since the last call.
    fn flush_activity(&mut self, at: Instant) {
        if mem::take(&mut self.liveness.is_active)
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
