//! Statistics of processes, and settings of the current one. Linux only.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The CPU time of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// User and system time. For a running thread, it is up to 4 ms old: the last tick of the
    /// scheduler.
    pub total: Duration,
    /// User time, usually in ticks of 10 ms.
    pub user: Duration,
}

impl CpuTime {
    /// Reads the CPU time of all threads of a running process.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let odd = |file: &str| io::Error::other(format!("/proc/{pid}/{file} has an unexpected format"));
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let user = stat_fields(&stat).nth(UTIME).map(ticks).ok_or_else(|| odd("stat"))?;
        let mut total = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let spent = fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanoseconds = spent.split_ascii_whitespace().next().and_then(|number| number.parse().ok());
            total += Duration::from_nanos(nanoseconds.ok_or_else(|| odd("task/*/schedstat"))?);
        }
        Ok(Self { total, user })
    }

    /// Returns the CPU time since an earlier value.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { total: self.total.saturating_sub(earlier.total), user: self.user.saturating_sub(earlier.user) }
    }
}

/// The index of utime in [`stat_fields`]. It is followed by stime, cutime and cstime.
pub const UTIME: usize = 11;

/// Returns the fields of `/proc/PID/stat` after the name of the program, which may contain spaces
/// and parentheses.
pub fn stat_fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rfind(')').map_or("", |at| &stat[at + 1..]).split_ascii_whitespace()
}

/// Returns the duration of a field in clock ticks.
#[must_use]
pub fn ticks(field: &str) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(field.parse::<u64>().unwrap_or(0) * 1_000_000_000 / per_second)
}

/// Returns the resident memory of a process in bytes.
///
/// # Errors
///
/// If the kernel does not report it.
pub fn resident(pid: u32) -> io::Result<u64> {
    // Not from `statm`, which may be out of date by some hundred kilobytes.
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kilobytes = rollup.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB"));
    match kilobytes.map(|number| number.trim().parse::<u64>()) {
        Some(Ok(kilobytes)) => Ok(kilobytes * 1024),
        _ => Err(io::Error::other("smaps_rollup without Rss")),
    }
}

/// Resets the maximum that [`peak_resident`] returns to the current memory.
///
/// # Errors
///
/// If the process belongs to another user.
pub fn reset_peak_resident(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Returns the maximum of the resident memory of a process in bytes.
///
/// # Errors
///
/// If the kernel does not report it.
pub fn peak_resident(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    match kilobytes.map(str::parse::<u64>) {
        Some(Ok(kilobytes)) => Ok(kilobytes * 1024),
        _ => Err(io::Error::other("status without VmHWM")),
    }
}

/// Returns the maximum number of files, sockets included, that a process may have open.
#[must_use]
pub fn max_open_files() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Prepares the process: pins it to a processor, if one is given, makes it end with its parent, and
/// raises the limit of open files to the maximum.
///
/// # Errors
///
/// If no such processor.
pub fn settle(core: Option<usize>) -> io::Result<()> {
    if let Some(core) = core {
        if core >= CpuSet::MAX_CPU {
            return Err(io::Error::other("no such processor"));
        }
        let mut set = CpuSet::new();
        set.set(core);
        sched_setaffinity(None, &set)?;
    }
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 9 8 20 0 1";
        let mut fields = stat_fields(stat);
        assert_eq!(fields.nth(UTIME), Some("250"));
        assert_eq!(fields.next(), Some("50"));
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let pid = std::process::id();
        assert!(resident(pid).is_ok_and(|bytes| bytes > 100_000));
        assert!(CpuTime::of(pid).is_ok());
        assert!(CpuTime::of(u32::MAX).is_err());
    }

    #[test]
    fn peak_is_that_since_the_reset() {
        let pid = std::process::id();
        let peak = || peak_resident(pid).expect("Linux");
        let memory = std::hint::black_box(vec![1_u8; 64 << 20]);
        let high = peak();
        assert!(high >= 64 << 20);
        drop(memory);
        reset_peak_resident(pid).expect("Linux");
        assert!(peak() + (32 << 20) < high);
    }
}
