//! The memory and the CPU time of idle connections.

use std::thread::sleep;
use std::time::{Duration, Instant};

use websocket_bench::measurement::Measurement;
use websocket_bench::process::{CpuTime, resident};

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
    exchange.answer_pings(REST)?;
    let idle = memory()?;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / options.connections as f64;
    let measured = Measurement { idle_bytes: each(idle), ..Measurement::default() };
    if options.watch > 0.0 {
        return Ok(Measurement { idle_bytes: measured.idle_bytes, ..watch(options, &mut exchange)? });
    }
    for _ in 0..options.batches {
        for number in 0..exchange.len() {
            exchange.send(number)?;
        }
        exchange.finish()?;
    }
    exchange.answer_pings(REST)?;
    Ok(Measurement { used_bytes: each(memory()?), ..measured })
}

/// Measures the CPU time of the server while its pings are answered.
fn watch(options: &Options, exchange: &mut Exchange) -> Result<Measurement, String> {
    let period = Duration::try_from_secs_f64(options.watch).map_err(|error| error.to_string())?;
    let look = || -> Result<_, String> {
        let of = |pid| CpuTime::of(pid).map_err(|error| format!("the CPU time cannot be read: {error}"));
        Ok((Instant::now(), of(options.pid)?, of(std::process::id())?))
    };
    let (start, server, load) = look()?;
    exchange.answer_pings(period)?;
    let (end, server_end, load_end) = look()?;
    let server = server_end.since(server);
    Ok(Measurement {
        seconds: (end - start).as_secs_f64(),
        server: server.total.as_secs_f64(),
        server_user: server.user.as_secs_f64(),
        load: load_end.since(load).total.as_secs_f64(),
        ..Measurement::default()
    })
}
