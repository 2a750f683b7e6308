//! One timer for many connections.
//!
//! A timer per connection would be a seventh of the memory of an idle connection, and the clock
//! would have to be read for every message. Instead, open connections are visited several times per
//! shortest timeout.

use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout_at};

use super::Worker;
use super::queue::Queue;
use crate::sync::{AtomicBool, Mutex, lock};

/// The minimum number of ticks per shortest timeout of a connection.
const TICKS: u32 = 8;

/// The maximum period in milliseconds: a day.
const MAX_PERIOD: u64 = 24 * 60 * 60 * 1000;

/// The number of connections visited before yielding to other tasks.
const CHUNK: usize = 256;

/// The time between two releases of idle memory, or slightly more, as ticks determine it.
const RELEASE_INTERVAL: Duration = Duration::from_secs(30);

/// A connection that is visited by a [`Ticker`].
pub(crate) trait Tick: Send + Sync {
    fn tick(self: Arc<Self>, tick: TickTime);
}

/// The time of a tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TickTime {
    /// The time of the previous tick.
    pub(crate) last: Instant,
    pub(crate) now: Instant,
    /// Whether connections release [idle memory](websocket_driver::Driver::release_idle) at this tick.
    pub(crate) releases_idle: bool,
}

/// The registration of a connection with a ticker. Dropping it removes the connection.
pub(crate) struct TickerHandle {
    worker: Arc<Worker>,
    // 32 bits, to keep connections small.
    wheel: u32,
    key: u32,
}

impl TickerHandle {
    /// Registers a connection, to be visited at least [`TICKS`] times within `timeout`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one without a timer.
    pub(crate) fn register(connection: &Weak<dyn Tick>, timeout: Duration) -> Self {
        // Panics here, rather than in the background task, if the runtime has no timer.
        drop(sleep(Duration::ZERO));
        let period = period(timeout);
        let handle = Self::register_with(Worker::current_or_new(), connection, period);
        if !lock(&handle.worker.ticker.wheels).is_closed {
            return handle;
        }
        // The worker has just ended. If its successor has ended too, so has the runtime.
        Self::register_with(Worker::current_or_new(), connection, period)
    }

    fn register_with(worker: Arc<Worker>, connection: &Weak<dyn Tick>, period: Duration) -> Self {
        let (wheel, key) = worker.ticker.insert(connection, period);
        // There are few periods, and fewer than 2³² connections in a process.
        Self { worker, wheel: wheel as u32, key: key as u32 }
    }

    /// Returns the worker that visits the connection.
    pub(crate) fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }
}

impl Drop for TickerHandle {
    fn drop(&mut self) {
        let mut wheels = lock(&self.worker.ticker.wheels);
        let connections = &mut wheels.wheels[self.wheel as usize].connections;
        connections.remove(self.key as usize);
        // Frees the capacity that many connections at once have needed.
        if connections.is_empty() && connections.capacity() > CHUNK {
            *connections = Slab::new();
        }
    }
}

impl fmt::Debug for TickerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TickerHandle").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Returns the period for a timeout: one of few numbers of milliseconds, so that many connections
/// share a wheel. Round timeouts are multiples of it.
fn period(timeout: Duration) -> Duration {
    let most = (timeout / TICKS).as_millis().clamp(1, MAX_PERIOD.into()) as u64;
    let unit = 10_u64.pow(most.ilog10());
    let times = match most / unit {
        5.. => 5,
        2..=4 => 2,
        _ => 1,
    };
    Duration::from_millis(times * unit)
}

/// The connections of a worker, grouped by period.
#[derive(Default)]
pub(super) struct Ticker {
    wheels: Mutex<Wheels>,
    /// Notified when a wheel gets its first connection.
    started: Notify,
    /// Whether there were connections and none is left.
    has_become_empty: AtomicBool,
}

#[derive(Default)]
struct Wheels {
    /// Never removed, since handles refer to them by index.
    wheels: Vec<Wheel>,
    is_closed: bool,
}

struct Wheel {
    period: Duration,
    last: Instant,
    last_release: Instant,
    connections: Slab<Weak<dyn Tick>>,
}

impl Wheel {
    /// Returns the tick that is due, if there is one.
    fn tick(&mut self, now: Instant) -> Option<TickTime> {
        if self.last + self.period > now || self.connections.is_empty() {
            return None;
        }
        let releases_idle = now - self.last_release >= RELEASE_INTERVAL;
        if releases_idle {
            self.last_release = now;
        }
        Some(TickTime { last: mem::replace(&mut self.last, now), now, releases_idle })
    }
}

impl Wheels {
    fn is_empty(&self) -> bool {
        self.wheels.iter().all(|wheel| wheel.connections.is_empty())
    }
}

impl Ticker {
    fn insert(&self, connection: &Weak<dyn Tick>, period: Duration) -> (usize, usize) {
        let mut wheels = lock(&self.wheels);
        let index = match wheels.wheels.iter().position(|wheel| wheel.period == period) {
            Some(index) => index,
            None => {
                let now = Instant::now();
                wheels.wheels.push(Wheel { period, last: now, last_release: now, connections: Slab::new() });
                wheels.wheels.len() - 1
            }
        };
        let wheel = &mut wheels.wheels[index];
        if wheel.connections.is_empty() {
            wheel.last = Instant::now();
            self.started.notify_one();
        }
        (index, wheel.connections.insert(connection.clone()))
    }

    /// Returns the time of the next tick of any wheel.
    fn next(&self) -> Option<Instant> {
        let wheels = lock(&self.wheels);
        let busy = wheels.wheels.iter().filter(|wheel| !wheel.connections.is_empty());
        busy.map(|wheel| wheel.last + wheel.period).min()
    }

    fn was_used(&self) -> bool {
        !lock(&self.wheels).wheels.is_empty()
    }

    /// Visits the connections. Never returns.
    pub(super) async fn run(&self) {
        loop {
            let next = self.next();
            self.has_become_empty.store(next.is_none() && self.was_used(), Ordering::Relaxed);
            let Some(next) = next else {
                self.started.notified().await;
                continue;
            };
            if timeout_at(next, self.started.notified()).await.is_ok() {
                continue;
            }
            let now = Instant::now();
            let mut index = 0;
            while let Some(tick) = self.due(index, now) {
                if let Some(tick) = tick {
                    self.tick(index, tick).await;
                }
                index += 1;
            }
        }
    }

    /// Returns the tick of a wheel, if it is due, or `None` after the last wheel.
    fn due(&self, index: usize, now: Instant) -> Option<Option<TickTime>> {
        let mut wheels = lock(&self.wheels);
        Some(wheels.wheels.get_mut(index)?.tick(now))
    }

    async fn tick(&self, wheel: usize, tick: TickTime) {
        let mut from = 0;
        loop {
            let (chunk, has_more) = self.chunk(wheel, from);
            for connection in chunk {
                // A panic is a bug in this crate, and must not affect other connections.
                let _ = catch_unwind(AssertUnwindSafe(|| connection.tick(tick)));
            }
            if !has_more {
                return;
            }
            from += CHUNK;
            yield_now().await;
        }
    }

    /// Returns a chunk of connections, and whether there may be more after it. They must be dropped
    /// without the lock, since dropping the last reference to a connection removes it from the
    /// wheel.
    fn chunk(&self, wheel: usize, from: usize) -> (Vec<Arc<dyn Tick>>, bool) {
        let wheels = lock(&self.wheels);
        let connections = &wheels.wheels[wheel].connections;
        let chunk = (from..from + CHUNK).filter_map(|key| connections.get(key)?.upgrade()).collect();
        (chunk, connections.capacity() > from + CHUNK)
    }

    pub(super) fn has_become_empty(&self) -> bool {
        self.has_become_empty.load(Ordering::Relaxed)
    }

    /// Closes the ticker and the queue, if both are empty. Returns whether they are closed.
    pub(super) fn close_if_empty<E>(&self, queue: &Queue<E>) -> bool {
        let mut wheels = lock(&self.wheels);
        wheels.is_closed |= wheels.is_empty() && queue.close_if_empty();
        wheels.is_closed
    }

    pub(super) fn close(&self) {
        lock(&self.wheels).is_closed = true;
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;
    use websocket_driver::Config;

    use super::*;
    use crate::test;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns the periods of this thread's worker, with the number of their connections.
    fn wheels() -> Vec<(Duration, usize)> {
        let worker = Worker::current().unwrap();
        let wheels = lock(&worker.ticker.wheels);
        wheels.wheels.iter().map(|wheel| (wheel.period, wheel.connections.len())).collect()
    }

    #[test]
    fn period_is_one_of_few_and_divides_round_timeouts() {
        for (timeout, expected) in
            [(0, 1), (7, 1), (15, 1), (16, 2), (1000, 100), (10_000, 1000), (20_000, 2000), (60_000, 5000)]
        {
            assert_eq!(period(Duration::from_millis(timeout)), Duration::from_millis(expected), "{timeout} ms");
        }
        assert_eq!(period(Duration::MAX), Duration::from_millis(50_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_connections_are_removed_and_the_task_ends_without_any() {
        let metrics = Handle::current().metrics();
        let tasks = metrics.num_alive_tasks();
        let mut sockets = Vec::new();
        for _ in 0..100 {
            sockets.push(test::server("/", Config::server()).await);
        }
        assert_eq!(wheels(), [(2 * SECOND, 100)]);
        assert_eq!(metrics.num_alive_tasks(), tasks + 1);
        sockets.truncate(1);
        assert_eq!(wheels(), [(2 * SECOND, 1)]);
        sockets.clear();
        assert_eq!(wheels(), [(2 * SECOND, 0)]);
        sleep(3 * SECOND).await;
        assert_eq!(metrics.num_alive_tasks(), tasks);
        let _socket = test::server("/", Config::server()).await;
        assert_eq!(wheels(), [(2 * SECOND, 1)]);
        assert_eq!(metrics.num_alive_tasks(), tasks + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn empty_wheel_frees_its_capacity() {
        let worker = Worker::current().unwrap();
        let connection: Weak<dyn Tick> = Weak::<Recorder>::new();
        let handles: Vec<_> = (0..10 * CHUNK).map(|_| TickerHandle::register(&connection, SECOND)).collect();
        drop(handles);
        assert!(lock(&worker.ticker.wheels).wheels[0].connections.capacity() <= CHUNK);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_tick_as_often_as_their_timeouts_need() {
        let mut sockets = Vec::new();
        for interval in [Duration::MAX, SECOND, 20 * SECOND, SECOND] {
            let config = Config::server().ping_interval(Some(interval)).pong_timeout(Duration::MAX);
            sockets.push(test::server("/", config).await);
        }
        assert_eq!(wheels(), [(period(Duration::MAX), 1), (SECOND / 10, 2), (2 * SECOND, 1)]);
        let begun = Instant::now();
        let (mut socket, mut peer) = sockets.pop().unwrap();
        tokio::spawn(async move { socket.recv().await.is_none() });
        peer.expect_ping("").await;
        assert_eq!(begun.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn every_one_of_many_connections_ticks() {
        let mut peers = Vec::new();
        for _ in 0..3 * CHUNK + 1 {
            let (mut socket, peer) = test::server("/", Config::server()).await;
            tokio::spawn(async move { socket.recv().await.is_none() });
            peers.push(peer);
        }
        for peer in &mut peers {
            peer.expect_ping("").await;
        }
    }

    /// Records its ticks, and panics in them if `panics` is set.
    struct Recorder {
        panics: bool,
        ticks: Mutex<Vec<TickTime>>,
    }

    impl Tick for Recorder {
        fn tick(self: Arc<Self>, tick: TickTime) {
            lock(&self.ticks).push(tick);
            assert!(!self.panics, "injected panic");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn panic_in_a_tick_leaves_other_connections_ticking() {
        let begun = Instant::now();
        let recorders = [true, false].map(|panics| Arc::new(Recorder { panics, ticks: Mutex::default() }));
        let _handles = recorders.each_ref().map(|recorder| {
            let recorder: Arc<dyn Tick> = recorder.clone();
            TickerHandle::register(&Arc::downgrade(&recorder), 8 * SECOND)
        });
        sleep(SECOND * 5 / 2).await;
        for recorder in recorders {
            let expected = [(begun, begun + SECOND), (begun + SECOND, begun + 2 * SECOND)];
            let is_close = |(tick, (last, now)): (&TickTime, &(Instant, Instant))| {
                tick.last - *last <= SECOND / 100 && tick.now - *now <= SECOND / 100
            };
            let ticks = lock(&recorder.ticks);
            assert!(ticks.len() == 2 && ticks.iter().zip(&expected).all(is_close), "{ticks:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_memory_is_released_every_30_s() {
        let recorder = Arc::new(Recorder { panics: false, ticks: Mutex::default() });
        let connection: Arc<dyn Tick> = recorder.clone();
        let begun = Instant::now();
        let _handle = TickerHandle::register(&Arc::downgrade(&connection), 80 * SECOND);
        sleep(95 * SECOND).await;
        let ticks = lock(&recorder.ticks);
        let releases = ticks.iter().filter(|tick| tick.releases_idle).map(|tick| (tick.now - begun).as_secs());
        assert_eq!(releases.collect::<Vec<_>>(), [30, 60, 90]);
        assert_eq!(ticks.len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn first_connection_of_a_shorter_period_does_not_wait_for_a_longer_one() {
        let recorders = [80, 8].map(|_| Arc::new(Recorder { panics: false, ticks: Mutex::default() }));
        let mut handles = Vec::new();
        for (recorder, timeout) in recorders.iter().zip([800, 8]) {
            let recorder: Arc<dyn Tick> = recorder.clone();
            handles.push(TickerHandle::register(&Arc::downgrade(&recorder), timeout * SECOND));
            sleep(SECOND * 3 / 2).await;
        }
        assert_eq!(recorders.map(|recorder| lock(&recorder.ticks).len()), [0, 1]);
    }
}
