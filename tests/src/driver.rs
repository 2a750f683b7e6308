//! The events of a driver.

use websocket_driver::{Driver, Event, Message, MessageKind};

/// Returns the events until there are no more. A handshake is accepted.
///
/// # Panics
///
/// If the handshake was answered before.
pub fn events(driver: &mut Driver) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = driver.poll_event() {
        if event == Event::Connect {
            driver.start().expect("the first start");
        }
        events.push(event);
    }
    events
}

/// Joins the chunks of each message, so that runs with different cuts can be compared with whole
/// messages. Returns the chunks of an unfinished message as well.
///
/// # Panics
///
/// If a text is not UTF-8.
pub fn joined(events: Vec<Event>) -> (Vec<Event>, Vec<u8>) {
    let (mut all, mut message) = (Vec::new(), Vec::new());
    for event in events {
        let Event::Chunk(chunk) = event else {
            all.push(event);
            continue;
        };
        message.extend_from_slice(&chunk.data);
        if chunk.is_final {
            let bytes = std::mem::take(&mut message);
            all.push(Event::Message(match chunk.kind {
                MessageKind::Text => Message::text(String::from_utf8(bytes).expect("checked")),
                MessageKind::Binary => Message::binary(bytes),
            }));
        }
    }
    (all, message)
}
