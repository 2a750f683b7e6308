use arbitrary::Arbitrary;
use websocket_driver::{Batch, Driver, Event};

use crate::app::App;

/// What a reader does next, over and over.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Step {
    /// How many messages are read before the batch is taken back: one at least, or else the reading might never end.
    messages: u8,
    how: u8,
}

impl Step {
    fn is(self, bit: u8) -> bool {
        self.how & 1 << bit != 0
    }
}

/// How messages are taken off a batch.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Way {
    Owned,
    Borrowed,
    Both,
}

/// Reads as `tower_websocket::WebSocket` does, and now and then takes the batch back with messages still in it.
pub fn by_batch(steps: &[Step; 4], way: Way) -> impl FnMut(&mut Driver, &mut App) {
    let (mut batch, mut steps) = (Batch::default(), steps.iter().cycle());
    move |driver, app| {
        for step in &mut steps {
            for message in 0..step.messages.max(1) {
                let is_borrowed = match way {
                    Way::Owned => false,
                    Way::Borrowed => true,
                    Way::Both => step.is(message % 8),
                };
                if !next(driver, app, &mut batch, is_borrowed) {
                    break;
                }
            }
            // Asked while the batch is lent, to know whether it is better to write later.
            if step.is(0) {
                driver.has_frame();
            }
            driver.take_back(&mut batch);
            if step.is(1) {
                driver.has_frame();
            }
            if !step.is(2) {
                driver.lend(&mut batch);
                if batch.has_next() && !step.is(3) {
                    continue;
                }
                driver.take_back(&mut batch);
            }
            match driver.poll_event() {
                Some(event) => app.take(driver, event),
                None => break,
            }
        }
        assert!(!batch.has_next());
    }
}

/// Takes the next message off the batch.
fn next(driver: &mut Driver, app: &mut App, batch: &mut Batch, is_borrowed: bool) -> bool {
    let has_next = batch.has_next();
    let mut had = false;
    if is_borrowed {
        batch.visit(|message| {
            app.look(driver, message);
            had = true;
            false
        });
    } else {
        had = batch.next().map(|message| app.take(driver, Event::Message(message))).is_some();
    }
    assert!(has_next || !had);
    had
}
