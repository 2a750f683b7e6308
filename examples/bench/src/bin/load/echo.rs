//! Echo and broadcast.

use websocket_bench::measurement::Measurement;

use crate::Options;
use crate::exchange::Exchange;
use crate::window::Window;

/// Every connection sends a batch, and the next one when all replies have arrived.
pub(crate) fn echo(options: &Options, exchange: &mut Exchange) -> Result<Measurement, String> {
    let mut window = Window::new(options)?;
    for number in 0..exchange.len() {
        exchange.send(number)?;
    }
    loop {
        exchange.turn(|_| true)?;
        if let Some(measured) = window.tick(exchange.received)? {
            exchange.finish()?;
            return Ok(measured);
        }
    }
}

/// More than the buffers of the kernel for a connection that reads nothing, and those of a server
/// before it drops messages.
const FULL: usize = 8 << 20;

/// Broadcasts until the buffers of the connections that read nothing are full. One connection
/// reads.
pub(crate) fn fill(options: &Options) -> Result<(), String> {
    let mut exchange = Exchange::open(&Options { connections: 1, ..options.clone() }, true)?;
    (0..FULL.div_ceil(options.size * options.in_flight)).try_for_each(|_| say_to_all(&mut exchange))
}

/// The first connection sends a batch, and waits until all connections, itself included, have
/// received it.
fn say_to_all(exchange: &mut Exchange) -> Result<(), String> {
    for number in 1..exchange.len() {
        exchange.expect(number);
    }
    exchange.send(0)?;
    exchange.finish()
}

/// The first connection sends a batch, and the next one when all connections, itself included, have
/// received it.
pub(crate) fn broadcast(options: &Options, exchange: &mut Exchange) -> Result<Measurement, String> {
    let mut window = Window::new(options)?;
    loop {
        say_to_all(exchange)?;
        if let Some(measured) = window.tick(exchange.received)? {
            return Ok(measured);
        }
    }
}
