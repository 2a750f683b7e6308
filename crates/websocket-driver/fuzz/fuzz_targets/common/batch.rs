use arbitrary::Arbitrary;
use websocket_driver::{Batch, Driver, Event};

use crate::app::App;

/// What a reader does next, repeated.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Step {
    /// The number of messages to read before the batch is returned, at least one so that reading
    /// ends.
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

/// Reads like `tower_websocket::WebSocket`, and sometimes returns a batch that still contains
/// messages.
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
            // Called while the batch is in use, to find out whether to defer writing.
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

/// Takes the next message from the batch.
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
