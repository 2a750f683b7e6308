//! The limit of open files.

use std::error::Error;

/// Other open files: the listeners, those of the runtime, the standard streams.
#[cfg(unix)]
const OTHERS: u64 = 100;

/// Raises the limit so that there is room for both ends of this number of connections.
#[cfg(unix)]
pub(super) fn make_room_for(connections: usize) -> Result<(), Box<dyn Error>> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    // Ended connections are closed slightly later than new ones are opened.
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
