//! Futures that are dropped at every await point: nothing is lost, duplicated or truncated.
//!
//! The transport transfers one byte at a time, and every operation returns `Pending` once before it
//! does. A future that is polled a number of times and dropped, for all small numbers, is dropped
//! at each of its await points. The outcome must be the same as without cancellation.

use tower_websocket::{CloseFrame, Message, ServerConfig, Version, WebSocket, accept};
use websocket_tests::cancel::FOREVER;
use websocket_tests::insist;
use websocket_tests::wire::{Frame, HIXIE76_CLOSE, Handshake, VERSIONS, frames};

use crate::client::texts_of;
use crate::transports::Trickle;

/// A test of an open socket whose outcome must be the same however often the futures in its body
/// are cancelled. The body awaits futures with `insist!` or `polled` and the number of polls, and
/// records messages in the outcome.
macro_rules! cancel_test {
    ($name:ident, |$socket:ident, $times:ident, $outcome:ident| $body:block) => {
        #[test]
        fn $name() {
            crate::run::run(async || {
                crate::cancellation::nothing_changes(async |version, $times| {
                    let (mut $socket, trickle) = crate::cancellation::open(version, tower_websocket::Config::server()).await;
                    #[allow(unused_mut, reason = "not all tests note messages")]
                    let mut $outcome = crate::cancellation::Outcome::default();
                    $body
                    $outcome.of(&$socket, &trickle)
                })
                .await;
            });
        }
    };
}

mod closing;
mod pings;
mod receiving;
mod sending;
mod shutdown;
mod streams;

/// The outcome of a connection.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    messages: Vec<Message>,
    events: usize,
    close: Option<CloseFrame>,
    written: Vec<u8>,
    is_shut_down: bool,
}

/// Returns everything that a client sends: texts, other frames if the version has them, and a close
/// frame.
fn input(version: Version) -> Vec<u8> {
    let long = "long ".repeat(60);
    let body = match version {
        Version::Hixie75 => texts_of(version, &["", "hello", &long, "Grüße"]),
        Version::Hixie76 => [&texts_of(version, &["", "hello", &long, "Grüße"])[..], &HIXIE76_CLOSE].concat(),
        _ => frames([
            Frame::text(""),
            Frame::text("hel").more(),
            Frame::ping("in between"),
            Frame::continuation("lo"),
            Frame::binary([7; 300]),
            Frame::text(&long),
            Frame::pong("not asked for"),
            Frame::text("Grüße"),
            Frame::close(3000, "bye"),
        ]),
    };
    [Handshake::of(version).bytes(), body].concat()
}

async fn open(version: Version, config: ServerConfig) -> (WebSocket<Trickle>, Trickle) {
    let trickle = Trickle::new(input(version));
    (accept(trickle.clone(), config.allow_drafts(true)).await.expect("a handshake"), trickle)
}

/// Opens a connection of RFC 6455 and writes the response. Returns the length of the response as
/// well.
async fn open_and_flush(times: usize, config: ServerConfig) -> (WebSocket<Trickle>, Trickle, usize) {
    let (mut socket, trickle) = open(Version::Hybi13, config).await;
    insist!(times, socket.flush()).unwrap();
    let head = trickle.written().0.len();
    (socket, trickle, head)
}

impl Outcome {
    fn of(mut self, socket: &WebSocket<Trickle>, trickle: &Trickle) -> Self {
        self.close = socket.close_frame().cloned();
        (self.written, self.is_shut_down) = trickle.written();
        self
    }
}

/// Asserts that the outcome of an undisturbed run is the same as with cancellation.
async fn nothing_changes(test: impl AsyncFn(Version, usize) -> Outcome) {
    for version in VERSIONS {
        let undisturbed = test(version, FOREVER).await;
        assert!(!undisturbed.written.is_empty() && undisturbed.is_shut_down, "{version}");
        for times in (1..=25).chain([100, 1000]) {
            assert_eq!(test(version, times).await, undisturbed, "{version}, {times} polls");
        }
    }
}
