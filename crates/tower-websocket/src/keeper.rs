//! One timer for all the connections of a thread: a helper task looks at them from time to time, and wakes those for which
//! something is due. A timer for each would take more memory than anything else that an idle connection has, and the clock would
//! have to be read for every message.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use slab::Slab;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{self, Handle};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::Connection;
use crate::lock::lock;

/// How often it is looked within the shortest time that a connection goes by.
const LOOKS: u32 = 8;

/// How many connections are looked at before other tasks have their turn.
const CHUNK: usize = 256;

/// A connection that is looked at.
trait Watched: Send + Sync {
    /// It is `now`, and was `last` when it was looked before.
    fn look(&self, last: Instant, now: Instant);
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Watched for Mutex<Connection<T>> {
    fn look(&self, last: Instant, now: Instant) {
        lock(self).look(last, now);
    }
}

/// A connection's place among those that are looked at, until it is dropped.
pub(crate) struct Seat {
    keeper: Arc<Keeper>,
    key: usize,
}

impl Seat {
    /// Sees to it that the connection is looked at, some times within `time`.
    pub(crate) fn take<T>(connection: &Weak<Mutex<Connection<T>>>, time: Duration) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Timers go by milliseconds.
        let period = (time / LOOKS).max(Duration::from_millis(1));
        let connection: Weak<dyn Watched> = connection.clone();
        if let Some(keeper) = Keeper::known()
            && let Some(key) = keeper.enter(&connection, period)
        {
            return Self { keeper, key };
        }
        let keeper = Keeper::begin(period);
        let key = lock(&keeper.state).connections.insert(connection);
        keeper.clone().spawn();
        Self { keeper, key }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.keeper.state).connections.remove(self.key);
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("key", &self.key).finish_non_exhaustive()
    }
}

thread_local! {
    /// A thread may run one runtime after another, or one within another.
    static KEEPER: RefCell<Option<(runtime::Id, Weak<Keeper>)>> = const { RefCell::new(None) };
}

/// The connections that one helper looks at.
struct Keeper {
    state: Mutex<State>,
    /// It must look more often than before.
    hastened: Notify,
}

struct State {
    connections: Slab<Weak<dyn Watched>>,
    /// How long it is from one look to the next.
    period: Duration,
    /// The helper is gone, as there was nothing to look at.
    is_over: bool,
}

impl Keeper {
    /// That of this thread.
    fn known() -> Option<Arc<Self>> {
        let runtime = Handle::current().id();
        let known = KEEPER.try_with(|keeper| match &*keeper.borrow() {
            Some((id, keeper)) if *id == runtime => keeper.upgrade(),
            _ => None,
        });
        known.ok().flatten()
    }

    fn begin(period: Duration) -> Arc<Self> {
        let state = Mutex::new(State { connections: Slab::new(), period, is_over: false });
        Arc::new(Self { state, hastened: Notify::new() })
    }

    fn spawn(self: Arc<Self>) {
        // Where the runtime has no timer, that is told to who opens the connection, and not to the helper.
        drop(sleep(Duration::ZERO));
        let runtime = Handle::current();
        // Where the thread is ending, others do without it.
        let _ = KEEPER.try_with(|known| *known.borrow_mut() = Some((runtime.id(), Arc::downgrade(&self))));
        runtime.spawn(self.keep());
    }

    fn enter(&self, connection: &Weak<dyn Watched>, period: Duration) -> Option<usize> {
        let mut state = lock(&self.state);
        if state.is_over {
            return None;
        }
        if period < state.period {
            state.period = period;
            self.hastened.notify_one();
        }
        Some(state.connections.insert(connection.clone()))
    }

    /// The helper: looks, until there is nothing to look at.
    async fn keep(self: Arc<Self>) {
        let mut last = Instant::now();
        while let Some(period) = self.period() {
            if timeout_at(last + period, self.hastened.notified()).await.is_ok() {
                continue;
            }
            let now = Instant::now();
            let mut from = 0;
            while self.look(from, last, now) {
                from += CHUNK;
                yield_now().await;
            }
            last = now;
        }
    }

    fn period(&self) -> Option<Duration> {
        let mut state = lock(&self.state);
        state.is_over = state.connections.is_empty();
        (!state.is_over).then_some(state.period)
    }

    /// Looks at some, and tells whether there may be more behind them.
    fn look(&self, from: usize, last: Instant, now: Instant) -> bool {
        let state = lock(&self.state);
        let has_more = state.connections.capacity() > from + CHUNK;
        let some = (from..from + CHUNK).filter_map(|key| state.connections.get(key)?.upgrade());
        // One that is dropped here, as nobody else has it any more, gives up its seat.
        let some: Vec<_> = some.collect();
        drop(state);
        for connection in some {
            connection.look(last, now);
        }
        has_more
    }
}

#[cfg(test)]
mod tests {
    use websocket_driver::Config;

    use super::*;
    use crate::test;

    const SECOND: Duration = Duration::from_secs(1);

    fn known() -> Option<(usize, Duration)> {
        let keeper = Keeper::known()?;
        let state = lock(&keeper.state);
        Some((state.connections.len(), state.period))
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_is_forgotten_at_once_and_the_helper_once_all_are() {
        let config = Config::server();
        let mut sockets = Vec::new();
        for _ in 0..100 {
            sockets.push(test::server("/", config.clone()).await);
        }
        assert_eq!(known(), Some((100, 20 * SECOND / LOOKS)));
        let metrics = Handle::current().metrics();
        let tasks = metrics.num_alive_tasks();
        sockets.truncate(1);
        assert_eq!(known().map(|(count, _)| count), Some(1));
        sockets.clear();
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(known(), None);
        assert_eq!(metrics.num_alive_tasks(), tasks - 1);
        let _socket = test::server("/", config).await;
        assert_eq!(known().map(|(count, _)| count), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_with_a_shorter_time_is_pinged_in_time() {
        let (mut slow, _peer) = test::server("/", Config::server()).await;
        let slow = tokio::spawn(async move { slow.recv().await.is_none() });
        tokio::time::sleep(SECOND).await;
        let config = Config::server().ping_interval(Some(SECOND));
        let (mut fast, mut peer) = test::server("/", config).await;
        let begun = Instant::now();
        let fast = tokio::spawn(async move { fast.recv().await.is_none() });
        peer.expect_ping("").await;
        let time = begun.elapsed();
        assert!(time >= SECOND && time <= SECOND + SECOND / LOOKS, "{time:?}");
        fast.abort();
        slow.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_many_are_looked_at() {
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
}
