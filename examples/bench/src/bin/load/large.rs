//! Large messages, and the memory that a server needs for them.

use std::time::Instant;

use websocket_bench::measurement::Measurement;
use websocket_bench::process::{CpuTime, peak_resident, reset_peak_resident};

use crate::Options;
use crate::exchange::Exchange;

const MIB: u64 = 1 << 20;

/// Every connection sends one batch. The measurement lasts until all replies have arrived.
pub(crate) fn large(options: &Options, exchange: &mut Exchange) -> Result<Measurement, String> {
    let memory = |error| format!("the server's memory cannot be read: {error}");
    let time = |pid| CpuTime::of(pid).map_err(|error| format!("cannot read the CPU time: {error}"));
    reset_peak_resident(options.pid).map_err(memory)?;
    let (begun, server, load) = (Instant::now(), time(options.pid)?, time(std::process::id())?);
    for number in 0..exchange.len() {
        exchange.send(number)?;
    }
    exchange.finish()?;
    let seconds = begun.elapsed().as_secs_f64();
    let server = time(options.pid)?.since(server);
    Ok(Measurement {
        messages: (exchange.len() * options.in_flight * options.size) as u64 / MIB,
        seconds,
        server: server.total.as_secs_f64(),
        server_user: server.user.as_secs_f64(),
        load: time(std::process::id())?.since(load).total.as_secs_f64(),
        peak_bytes: peak_resident(options.pid).map_err(memory)? as f64,
        ..Measurement::default()
    })
}
