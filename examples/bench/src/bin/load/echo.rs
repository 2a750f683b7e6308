//! Messages, back and forth or to all.

use websocket_bench::measurement::Measurement;

use crate::Options;
use crate::exchange::Exchange;
use crate::window::Window;

/// Every connection sends a batch, and the next when all of it is back.
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

/// The first connection sends a batch, and the next when all have got all of it, itself included.
pub(crate) fn broadcast(options: &Options, exchange: &mut Exchange) -> Result<Measurement, String> {
    let mut window = Window::new(options)?;
    loop {
        for number in 1..exchange.len() {
            exchange.expect(number);
        }
        exchange.send(0)?;
        exchange.finish()?;
        if let Some(measured) = window.tick(exchange.received)? {
            return Ok(measured);
        }
    }
}
