//! A complete run: a server, and peers that connect and disconnect until the time has elapsed.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower_websocket::CloseCode;

use crate::ledger::{Ledger, Watch};
use crate::memory;
use crate::own::Pool;
use crate::peer;
use crate::server::{Addresses, MAX_CONTROL_RATE, Server};

/// The state shared by the peers of a run.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) ledger: Arc<Ledger>,
    pub(super) open: Addresses,
    /// The addresses with a limited rate of control frames.
    pub(super) guarded: Addresses,
    /// HTTP/2 connections to the first two stacks.
    pub(super) pools: [Pool; 2],
    pub(super) seconds: u64,
}

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) connections: usize,
    pub(super) seconds: u64,
    pub(super) seed: u64,
}

/// Figures observed outside of the connections.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) peak_open: usize,
    pub(super) peak_budget: usize,
    pub(super) peak_held: usize,
    /// The duration of the shutdown, and the number of sockets that were cut.
    pub(super) drained_in: Duration,
    pub(super) cut: usize,
    /// Resources left at the end, which should be none.
    pub(super) open: usize,
    pub(super) budget: usize,
    pub(super) tasks: usize,
    pub(super) panics: usize,
}

/// The time limit for sockets to end, and then for tasks.
const DRAIN: Duration = Duration::from_secs(30);

impl Run {
    /// Runs in a separate runtime, so that everything is freed afterwards.
    ///
    /// `show` is called with the time since the start and the number of open sockets.
    pub(super) fn run(
        self,
        threads: Option<usize>,
        show: impl FnMut(Duration, usize),
    ) -> Result<(Arc<Ledger>, Outcome), Box<dyn Error>> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = threads {
            builder.worker_threads(threads);
        }
        let runtime = builder.enable_all().build()?;
        let result = runtime.block_on(self.perform(show));
        runtime.shutdown_timeout(Duration::from_secs(10));
        result
    }

    async fn perform(self, mut show: impl FnMut(Duration, usize)) -> Result<(Arc<Ledger>, Outcome), Box<dyn Error>> {
        let ledger = Arc::new(Ledger::default());
        let server = Server::new();
        let config = server.config(Watch(ledger.clone()))?;
        let open = server.start(&config)?;
        let guarded = server.start(&config.max_control_rate(Some(MAX_CONTROL_RATE)))?;
        let pools = Default::default();
        let stage = Arc::new(Stage { ledger: ledger.clone(), open, guarded, pools, seconds: self.seconds });

        let begun = Instant::now();
        let until = begun + Duration::from_secs(self.seconds);
        let mut places = JoinSet::new();
        for place in 0..self.connections {
            // They start over the first tenth of the time, not all at once.
            let first = begun + Duration::from_millis(self.seconds * 100) * place as u32 / self.connections as u32;
            places.spawn(fill(stage.clone(), self.seed.wrapping_add((place as u64) << 32), first, until));
        }
        drop(stage);

        let mut outcome = Outcome::default();
        while Instant::now() < until {
            let open = server.shutdown.open_sockets();
            show(begun.elapsed(), open);
            sleep(Duration::from_millis(50)).await;
            outcome.peak_open = outcome.peak_open.max(open);
            outcome.peak_budget = outcome.peak_budget.max(server.budget.used());
            outcome.peak_held = outcome.peak_held.max(memory::held());
        }
        show(begun.elapsed(), server.shutdown.open_sockets());
        let ending = Instant::now();
        ledger.is_ending.store(true, Ordering::SeqCst);
        server.shutdown.begin(CloseCode::GOING_AWAY, "the soak is over")?;
        outcome.cut = server.shutdown.wait(DRAIN).await;
        outcome.drained_in = ending.elapsed();
        let drain = async {
            while let Some(joined) = places.join_next().await {
                outcome.panics += usize::from(joined.is_err())
            }
        };
        if timeout(DRAIN * 2, drain).await.is_err() {
            outcome.panics += places.len();
        }
        drop(places);
        server.stop.cancel();
        outcome.tasks = left(DRAIN).await;
        (outcome.open, outcome.budget) = (server.shutdown.open_sockets(), server.budget.used());
        Ok((ledger, outcome))
    }
}

/// Runs one peer after another.
async fn fill(stage: Arc<Stage>, seed: u64, first: Instant, until: Instant) {
    let mut rng = StdRng::seed_from_u64(seed);
    sleep_until(first).await;
    while Instant::now() < until {
        peer::run(&stage, &mut rng).await;
        sleep(Duration::from_millis(rng.random_range(0..20))).await;
    }
}

/// Waits until all tasks have ended, and returns the number of those left. Each thread, including
/// that of `main`, may have one background task of the library.
async fn left(limit: Duration) -> usize {
    let metrics = Handle::current().metrics();
    let until = Instant::now() + limit;
    loop {
        let tasks = metrics.num_alive_tasks().saturating_sub(metrics.num_workers() + 1);
        if tasks == 0 || Instant::now() >= until {
            return tasks;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
