//! The CPU time of other processes. It is read from the processes rather than from the sums of
//! `/proc/stat`, as many kernels exclude interrupts from the time of a process, so that the packets
//! of the measurement itself would count as foreign.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use websocket_bench::process::{UTIME, stat_fields, ticks};

/// The other processes, and the CPU time of each and of its children that have ended.
pub(crate) struct Foreign {
    at: Instant,
    spent: HashMap<u32, Duration>,
    /// The time that a hypervisor, if any, gave to other machines.
    stolen: Duration,
}

impl Foreign {
    /// Reads all processes but the given ones.
    pub(crate) fn look(ours: &[u32]) -> Self {
        let mut spent = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // The process has ended meanwhile.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            if !ours.contains(&pid) {
                // utime, stime, cutime, cstime.
                spent.insert(pid, stat_fields(&stat).skip(UTIME).take(4).map(ticks).sum());
            }
        }
        Self { at: Instant::now(), spent, stolen: stolen() }
    }

    /// Returns the share of one processor that other processes used until a second snapshot.
    pub(crate) fn until(&self, later: &Self) -> f64 {
        let sum = |look: &Self| look.spent.values().sum::<Duration>();
        // A process that has ended is in neither sum; its parent includes all of its time.
        let spent = sum(later).saturating_sub(sum(self)) + later.stolen.saturating_sub(self.stolen);
        spent.as_secs_f64() / (later.at - self.at).as_secs_f64()
    }
}

fn stolen() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    // cpu user nice system idle iowait irq softirq steal
    stat.lines().next().and_then(|line| line.split_ascii_whitespace().nth(8)).map_or(Duration::ZERO, ticks)
}
