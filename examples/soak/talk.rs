//! Conversations of well-behaved raw peers.

use std::ops::Range;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::Instant;
use tower_websocket::Version;

use crate::ledger::End;
use crate::raw::{PATIENCE, Raw, Step};
use crate::script::Script;
use crate::wire::Incoming;

/// How a peer talks.
#[derive(Debug, Clone)]
pub(super) struct Habit {
    /// When it stops sending.
    pub(super) until: Instant,
    /// The pause between bursts in milliseconds.
    pub(super) gap: Range<u64>,
    /// The number of messages per burst.
    pub(super) burst: Range<u32>,
    /// The maximum number of bytes without an echo.
    pub(super) window: usize,
    /// Whether it waits for outstanding echoes before it closes.
    pub(super) is_patient: bool,
    pub(super) reading: Reading,
    /// Whether sends are dropped at any time.
    pub(super) cancels: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Reading {
    /// Everything at once.
    Eager,
    /// A little occasionally.
    Sips,
    /// Nothing for long, then much.
    Gulps,
    /// 32 KiB per second.
    Throttled,
}

/// The reading behaviour.
#[derive(Debug)]
struct Thirst {
    reading: Reading,
    /// Nothing is read before this time.
    next: Instant,
    /// The rest of a gulp.
    gulp: usize,
}

const SIP: usize = 4 * 1024;
/// The pause after a sip, for 32 KiB per second.
const THROTTLE: Duration = Duration::from_millis(125);
const GULP: usize = 512 * 1024;
const DROUGHT: Duration = Duration::from_millis(1500);
/// The silence after which a gulp ends.
const SWALLOW: Duration = Duration::from_millis(300);

impl Habit {
    pub(super) fn gap(&self, rng: &mut StdRng) -> Duration {
        Duration::from_millis(rng.random_range(self.gap.clone()))
    }

    pub(super) fn burst(&self, rng: &mut StdRng) -> u32 {
        rng.random_range(self.burst.clone())
    }
}

impl Thirst {
    fn new(reading: Reading) -> Self {
        Self { reading, next: Instant::now(), gulp: GULP }
    }

    /// Returns the number of bytes to read now, and when that changes.
    fn room(&mut self, now: Instant) -> (usize, Option<Instant>) {
        match self.reading {
            Reading::Eager => (64 * 1024, None),
            _ if now < self.next => (0, Some(self.next)),
            Reading::Sips | Reading::Throttled => (SIP, None),
            Reading::Gulps if now >= self.next + SWALLOW || self.gulp == 0 => {
                (self.next, self.gulp) = (now + DROUGHT, GULP);
                (0, Some(self.next))
            }
            Reading::Gulps => (self.gulp.min(64 * 1024), Some(self.next + SWALLOW)),
        }
    }

    fn has_read(&mut self, bytes: usize, rng: &mut StdRng) {
        let now = Instant::now();
        match self.reading {
            Reading::Eager => {}
            Reading::Sips => self.next = now + Duration::from_millis(rng.random_range(20..100)),
            Reading::Throttled => self.next = now + THROTTLE * bytes as u32 / SIP as u32,
            Reading::Gulps => (self.next, self.gulp) = (now, self.gulp.saturating_sub(bytes)),
        }
    }
}

/// Sends the script's messages, checks the echoes, and closes.
pub(super) async fn talk(raw: &mut Raw, script: &mut Script, habit: &Habit) -> Result<End, String> {
    let mut thirst = Thirst::new(habit.reading);
    let mut next = Instant::now();
    let mut closed = None;
    let limit = habit.until + PATIENCE;
    loop {
        let now = Instant::now();
        let mut wake = limit;
        if closed.is_none() && now < habit.until {
            let has_room = script.outstanding() < habit.window;
            if now >= next && has_room {
                for _ in 0..habit.burst(&mut raw.rng) {
                    raw.say(&script.line());
                }
                next = now + habit.gap(&mut raw.rng);
            }
            wake = if has_room { next.min(habit.until) } else { habit.until };
        } else if closed.is_none() && (!habit.is_patient || script.is_complete()) {
            let code = raw.close_code();
            raw.close(code);
            closed = Some(code);
        }

        let (room, changes) = thirst.room(now);
        wake = changes.map_or(wake, |changes| wake.min(changes));
        match raw.step(wake, room).await {
            Ok(Step::Read(bytes)) => thirst.has_read(bytes, &mut raw.rng),
            Ok(Step::Wrote) => {}
            Ok(Step::Time) if Instant::now() >= limit => return Err(format!("stuck, closed by {closed:?}")),
            Ok(Step::Time) => {}
            Ok(Step::Ended) if raw.version() == Version::Hixie75 => {
                return Ok(closed.map_or(End::ByServer(1005), End::Closed));
            }
            Ok(Step::Ended) => return Ok(End::Lost("ended without a close".into())),
            Err(error) => return Ok(End::Lost(error.to_string())),
        }
        while let Some(incoming) = raw.take()? {
            match incoming {
                Incoming::Message { is_text, data } => script.echoed(is_text, &data)?,
                Incoming::Close(code) => {
                    let code = code.unwrap_or(1005);
                    if closed.is_none() {
                        raw.close(code);
                    }
                    raw.finish().await?;
                    return Ok(if closed == Some(code) { End::Closed(code) } else { End::ByServer(code) });
                }
                Incoming::Ping(_) | Incoming::Pong(_) => {}
            }
        }
    }
}
