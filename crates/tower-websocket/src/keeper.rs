//! One timer for many connections: a helper task of each thread looks at them from time to time, and wakes those for which something
//! is due. A timer for each would be a seventh of the memory of an idle connection, and the clock would have to be read for every
//! message.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use slab::Slab;
use tokio::runtime::{self, Handle};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use crate::lock::lock;

/// How often it is looked, at least, within the shortest time that a connection goes by.
const LOOKS: u32 = 8;

/// The longest time from one look to the next, in milliseconds: a day.
const LONGEST: u64 = 24 * 60 * 60 * 1000;

/// How many connections are looked at before other tasks have their turn.
const CHUNK: usize = 256;

/// A connection that is looked at.
pub(crate) trait Watched: Send + Sync {
    /// It is `now`, and was `last` when it was looked before.
    fn look(&self, last: Instant, now: Instant);
}

/// A connection's place among those that are looked at, until it is dropped.
pub(crate) struct Seat {
    keeper: Arc<Keeper>,
    key: usize,
}

impl Seat {
    /// Sees to it that the connection is looked at, eight times within `time`, or more often.
    pub(crate) fn take(connection: Weak<dyn Watched>, time: Duration) -> Self {
        let period = period(time);
        if let Some(seat) = Keeper::enter_known(&connection, period) {
            return seat;
        }
        let mut connections = Slab::new();
        let key = connections.insert(connection);
        let keeper = Arc::new(Keeper { period, state: Mutex::new(State { connections, is_over: false }) });
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

/// How long it is from one look to the next: so many milliseconds that there are few such numbers, and as many helpers. Times that
/// are round are whole multiples.
fn period(time: Duration) -> Duration {
    let most = (time / LOOKS).as_millis().clamp(1, LONGEST.into()) as u64;
    let unit = 10_u64.pow(most.ilog10());
    let times = match most / unit {
        5.. => 5,
        2..=4 => 2,
        _ => 1,
    };
    Duration::from_millis(times * unit)
}

thread_local! {
    /// Those of this thread, which may run one runtime after another, or one within another.
    static KEEPERS: RefCell<Vec<(runtime::Id, Weak<Keeper>)>> = const { RefCell::new(Vec::new()) };
}

/// Those connections of a thread that are looked at together.
struct Keeper {
    period: Duration,
    state: Mutex<State>,
}

struct State {
    connections: Slab<Weak<dyn Watched>>,
    /// The helper is gone, as there was nothing to look at.
    is_over: bool,
}

impl Keeper {
    /// Among those that are looked at so often by a helper of this thread, if there is one.
    fn enter_known(connection: &Weak<dyn Watched>, period: Duration) -> Option<Seat> {
        let runtime = Handle::current().id();
        let enter = |keepers: &RefCell<Vec<(_, Weak<Self>)>>| {
            let keepers = keepers.borrow();
            let keepers = keepers.iter().filter(|(id, _)| *id == runtime).filter_map(|(_, keeper)| keeper.upgrade());
            keepers.filter(|keeper| keeper.period == period).find_map(|keeper| keeper.enter(connection))
        };
        KEEPERS.try_with(enter).ok().flatten()
    }

    fn spawn(self: Arc<Self>) {
        // Where the runtime has no timer, that is told to who opens the connection, and not to the helper.
        drop(sleep(Duration::ZERO));
        let runtime = Handle::current();
        // Where the thread is ending, others do without it.
        let _ = KEEPERS.try_with(|keepers| {
            let mut keepers = keepers.borrow_mut();
            keepers.retain(|(_, keeper)| keeper.strong_count() > 0);
            keepers.push((runtime.id(), Arc::downgrade(&self)));
        });
        runtime.spawn(self.keep());
    }

    fn enter(self: Arc<Self>, connection: &Weak<dyn Watched>) -> Option<Seat> {
        let mut state = lock(&self.state);
        let key = (!state.is_over).then(|| state.connections.insert(connection.clone()))?;
        drop(state);
        Some(Seat { keeper: self, key })
    }

    /// The helper: looks, until there is nothing to look at.
    async fn keep(self: Arc<Self>) {
        let mut last = Instant::now();
        loop {
            sleep_until(last + self.period).await;
            if self.is_over() {
                return;
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

    fn is_over(&self) -> bool {
        let mut state = lock(&self.state);
        state.is_over = state.connections.is_empty();
        state.is_over
    }

    /// Looks at some, and tells whether there may be more behind them.
    fn look(&self, from: usize, last: Instant, now: Instant) -> bool {
        let state = lock(&self.state);
        let has_more = state.connections.capacity() > from + CHUNK;
        let some = (from..from + CHUNK).filter_map(|key| state.connections.get(key)?.upgrade());
        // To be dropped without the lock: one that nobody else has any more gives up its seat.
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

    /// How many connections there are for each period.
    fn known() -> Vec<(Duration, usize)> {
        KEEPERS.with_borrow(|keepers| {
            let keepers = keepers.iter().filter_map(|(_, keeper)| keeper.upgrade());
            keepers.map(|keeper| (keeper.period, lock(&keeper.state).connections.len())).collect()
        })
    }

    #[test]
    fn there_are_few_periods_and_round_times_are_multiples_of_them() {
        for (time, expected) in
            [(0, 1), (7, 1), (15, 1), (16, 2), (1000, 100), (10_000, 1000), (20_000, 2000), (60_000, 5000)]
        {
            assert_eq!(period(Duration::from_millis(time)), Duration::from_millis(expected), "{time} ms");
        }
        assert!(period(Duration::MAX) > SECOND * 60 * 60);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_is_forgotten_at_once_and_the_helper_once_all_are() {
        let config = Config::server();
        let mut sockets = Vec::new();
        for _ in 0..100 {
            sockets.push(test::server("/", config.clone()).await);
        }
        assert_eq!(known(), [(2 * SECOND, 100)]);
        let metrics = Handle::current().metrics();
        let tasks = metrics.num_alive_tasks();
        sockets.truncate(1);
        assert_eq!(known(), [(2 * SECOND, 1)]);
        sockets.clear();
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(known(), []);
        assert_eq!(metrics.num_alive_tasks(), tasks - 1);
        let _socket = test::server("/", config).await;
        assert_eq!(known(), [(2 * SECOND, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_looked_at_as_often_as_its_times_want() {
        let mut sockets = Vec::new();
        for interval in [Duration::MAX, SECOND, 20 * SECOND, SECOND] {
            let config = Config::server().ping_interval(Some(interval)).pong_timeout(Duration::MAX);
            sockets.push(test::server("/", config).await);
        }
        let [longest, tenth, two, ..] = known()[..] else { panic!("{:?}", known()) };
        assert_eq!((longest.1, tenth, two), (1, (SECOND / 10, 2), (2 * SECOND, 1)));
        let begun = Instant::now();
        let (mut socket, mut peer) = sockets.pop().unwrap();
        tokio::spawn(async move { socket.recv().await.is_none() });
        peer.expect_ping("").await;
        assert_eq!(begun.elapsed(), SECOND);
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
