//! What the kernel knows of a process, and what a process asks of the kernel. Linux only.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The time that a process has spent on a processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In its own code and in the kernel on its behalf. While it runs, as of the scheduler's last tick, of 4 ms at most.
    pub total: Duration,
    /// The part of it in its own code, in ticks of 10 ms mostly.
    pub user: Duration,
}

impl CpuTime {
    /// Of a process that runs, all its threads together.
    ///
    /// # Errors
    ///
    /// Where there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let odd = |file: &str| io::Error::other(format!("/proc/{pid}/{file} is not as it should be"));
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

    /// What was spent since an earlier look.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { total: self.total.saturating_sub(earlier.total), user: self.user.saturating_sub(earlier.user) }
    }
}

/// Where utime stands among [`stat_fields`]. Behind it: stime, cutime, cstime.
pub const UTIME: usize = 11;

/// The fields of `/proc/PID/stat` behind the name of the program, which may hold blanks and brackets itself.
pub fn stat_fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rfind(')').map_or("", |at| &stat[at + 1..]).split_ascii_whitespace()
}

/// A field that counts clock ticks.
#[must_use]
pub fn ticks(field: &str) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(field.parse::<u64>().unwrap_or(0) * 1_000_000_000 / per_second)
}

/// The bytes that a process holds in memory.
///
/// # Errors
///
/// Where the kernel does not tell.
pub fn resident(pid: u32) -> io::Result<u64> {
    // Not from `statm`, whose number is too old by up to some hundred kilobytes.
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kilobytes = rollup.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB"));
    match kilobytes.map(|number| number.trim().parse::<u64>()) {
        Some(Ok(kilobytes)) => Ok(kilobytes * 1024),
        _ => Err(io::Error::other("smaps_rollup without Rss")),
    }
}

/// What each program here does first: keep to its processor, if it is told one, end with the program that started it, and
/// allow itself as many open files as it may have.
///
/// # Errors
///
/// Where there is no such processor.
pub fn settle(core: Option<usize>) -> io::Result<()> {
    if let Some(core) = core {
        if core >= CpuSet::MAX_CPU {
            return Err(io::Error::other("there is no such processor"));
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
}
