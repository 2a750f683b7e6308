//! Hundreds of connections at once on four threads, with everything that may go wrong with them, at
//! random.
//!
//! `STRESS_SEED` sets the seed, and `STRESS_SECONDS` the duration. The scheduling of the threads is
//! random as well, so a failed seed may have to be run several times.

mod io;
mod observer;
mod random;
mod session;

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::JoinSet;

use self::random::Random;

/// The number of sessions open at once.
const SESSIONS: u64 = 100;

/// The time without the end of any session after which the threads are considered deadlocked.
const LIMIT: Duration = Duration::from_secs(180);

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Ends the process if no session ends for long, since threads that wait for a lock do not observe
/// timeouts.
fn watch(ended: Arc<AtomicU64>, seed: u64) {
    thread::spawn(move || {
        let mut before = u64::MAX;
        loop {
            let now = ended.load(Ordering::Relaxed);
            if now == before {
                eprintln!("nothing happens any more, after {now} sessions with STRESS_SEED={seed}");
                std::process::exit(1);
            }
            before = now;
            thread::sleep(LIMIT);
        }
    });
}

#[test]
fn connections_lose_nothing_and_hang_nowhere() {
    let seed = variable("STRESS_SEED", 1);
    let end = Instant::now() + Duration::from_secs(variable("STRESS_SECONDS", 8));
    let ended = Arc::new(AtomicU64::new(0));
    watch(ended.clone(), seed);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(observer::PANIC) {
            hook(info);
        }
    }));
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sessions = JoinSet::new();
        let mut started = 0;
        while started < SESSIONS || Instant::now() < end {
            if started >= SESSIONS {
                join_next(&mut sessions, seed).await;
                ended.fetch_add(1, Ordering::Relaxed);
            }
            let random = Random::new(seed.wrapping_mul(1 << 32).wrapping_add(started));
            sessions.spawn(session::run(random));
            started += 1;
        }
        while !sessions.is_empty() {
            join_next(&mut sessions, seed).await;
            ended.fetch_add(1, Ordering::Relaxed);
        }
        println!("{started} sessions");
    });
}

async fn join_next(sessions: &mut JoinSet<()>, seed: u64) {
    if let Some(Err(error)) = sessions.join_next().await {
        panic!("a session has failed, with STRESS_SEED={seed}: {error}");
    }
}
