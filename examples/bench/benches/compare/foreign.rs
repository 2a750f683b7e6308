//! What other processes spend meanwhile. From the processes, rather than from the sums of `/proc/stat`: many kernels keep
//! the interrupts out of a process's time, and our own packets would count as somebody else's there.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use websocket_bench::process::{UTIME, stat_fields, ticks};

/// Processes that are not ours, and what they and their children that ended have spent.
pub(crate) struct Foreign {
    at: Instant,
    spent: HashMap<u32, Duration>,
    /// What the machine below this one, if there is one, gave to others.
    stolen: Duration,
}

impl Foreign {
    /// Looks at all processes but these.
    pub(crate) fn look(ours: &[u32]) -> Self {
        let mut spent = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // One that ends while it is looked at is not there any more.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            if !ours.contains(&pid) {
                // utime, stime, cutime, cstime.
                spent.insert(pid, stat_fields(&stat).skip(UTIME).take(4).map(ticks).sum());
            }
        }
        Self { at: Instant::now(), spent, stolen: stolen() }
    }

    /// The part of one processor that others have used up to a second look.
    pub(crate) fn until(&self, later: &Self) -> f64 {
        let sum = |look: &Self| look.spent.values().sum::<Duration>();
        // A process that ended is in neither sum of the second look, but its parent has its time, all of it.
        let spent = sum(later).saturating_sub(sum(self)) + later.stolen.saturating_sub(self.stolen);
        spent.as_secs_f64() / (later.at - self.at).as_secs_f64()
    }
}

fn stolen() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    // cpu user nice system idle iowait irq softirq steal
    stat.lines().next().and_then(|line| line.split_ascii_whitespace().nth(8)).map_or(Duration::ZERO, ticks)
}
