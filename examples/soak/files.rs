//! How many sockets the process may have.

use std::error::Error;

/// What else is open: the listeners, the runtime's own, the standard streams.
const OTHERS: u64 = 100;

/// Raises the limit so that both ends of so many connections have room.
#[cfg(unix)]
pub(super) fn make_room_for(connections: usize) -> Result<(), Box<dyn Error>> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    // Those that have ended are closed a little later than others are opened.
    let needed = connections as u64 * 2 + connections as u64 / 4 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let maximum = limit.maximum.unwrap_or(needed);
    if maximum < needed {
        let message = "connections need so many files, of which the system allows";
        return Err(format!("{connections} {message} {maximum}: {needed} (`ulimit -Hn`)").into());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(maximum), maximum: limit.maximum })?;
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn make_room_for(_: usize) -> Result<(), Box<dyn Error>> {
    Ok(())
}
