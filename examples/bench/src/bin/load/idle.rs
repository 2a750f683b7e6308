//! The memory of idle connections.

use std::thread::sleep;
use std::time::Duration;

use websocket_bench::measurement::Measurement;
use websocket_bench::process::resident;

use crate::exchange::Exchange;
use crate::{Options, connect};

/// The time in which a server may release temporary memory.
const REST: Duration = Duration::from_millis(500);

pub(crate) fn idle(options: &Options) -> Result<Measurement, String> {
    let memory = || resident(options.pid).map_err(|error| format!("the server's memory cannot be read: {error}"));
    // The first connection includes what a server allocates only once.
    let _first = connect::open(options, 0)?;
    sleep(REST);
    let before = memory()?;
    let mut exchange = Exchange::open(options, false)?;
    sleep(REST);
    let idle = memory()?;
    for number in 0..exchange.len() {
        exchange.send(number)?;
    }
    exchange.finish()?;
    sleep(REST);
    let used = memory()?;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / options.connections as f64;
    Ok(Measurement { idle_bytes: each(idle), used_bytes: each(used), ..Measurement::default() })
}
