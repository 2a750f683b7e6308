//! Two drivers, and the bytes between them.

use bytes::Buf;
use http::Uri;
use websocket_driver::{Config, Driver, Event};

/// A client and a server that have shaken hands.
pub(crate) fn open() -> (Driver, Driver) {
    let url = Uri::from_static("ws://example.com/");
    let mut client = Driver::client(&url, Config::client()).expect("a URL");
    let mut server = Driver::server(Config::server());
    client.start().expect("a request");
    pass(&mut client, &mut server);
    assert_eq!(server.poll_event(), Some(Event::Connect));
    server.start().expect("an answer");
    assert_eq!(server.poll_event(), Some(Event::Open));
    pass(&mut server, &mut client);
    assert_eq!(client.poll_event(), Some(Event::Open));
    (client, server)
}

/// Moves what one has written to the other, with the one copy that a socket makes.
pub(crate) fn pass(from: &mut Driver, to: &mut Driver) {
    let output = from.output();
    while output.has_remaining() {
        let chunk = output.chunk();
        let length = chunk.len();
        to.input().extend_from_slice(chunk);
        output.advance(length);
    }
}

/// Forgets what was written.
pub(crate) fn discard(driver: &mut Driver) {
    let output = driver.output();
    output.advance(output.remaining());
}

/// Has a driver read bytes, and counts the messages.
pub(crate) fn read(driver: &mut Driver, bytes: &[u8]) -> usize {
    driver.input().extend_from_slice(bytes);
    let mut messages = 0;
    while let Some(event) = driver.poll_event() {
        messages += usize::from(matches!(event, Event::Message(_)));
    }
    messages
}
