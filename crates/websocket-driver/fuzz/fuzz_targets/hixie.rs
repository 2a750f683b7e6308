//! What a client of a draft sends: its request, read by the driver or by somebody else, and its frames.

#![no_main]

use common::{Cut, Frames, Options, by_event, check_frames, check_hixie_frames, check_response, run};
use libfuzzer_sys::fuzz_target;
use websocket_driver::{Config, Driver, Event, Version};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    version: u8,
    /// Whether a text is sent before there is a connection.
    is_early: bool,
    /// How much comes of the 8 bytes that the client of hixie-76 sends behind its head.
    body: u8,
    options: Options,
    cut: Cut,
    frames: Frames,
}

const BODY: &[u8; 8] = b"^n:ds[4U";
const DIGEST: &[u8; 16] = b"8jKS'y:G*Co,Wxa-";

fn head(version: Version) -> String {
    let lines = match version {
        Version::Hixie75 => "Origin: http://example.com\r\nWebSocket-Protocol: a\r\n",
        Version::Hixie76 => {
            "Origin: http://example.com\r\nSec-WebSocket-Protocol: a\r\n\
             Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"
        }
        Version::Hybi7 => "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        _ => "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    };
    format!("GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n{lines}\r\n")
}

fn early(mut driver: Driver, input: &Input) -> Driver {
    if input.is_early {
        driver.text("early").expect("a place in the queue");
    }
    driver
}

/// A driver that somebody else gives the request to.
fn requested(head: &str, config: Config, input: &Input) -> Driver {
    let mut reader = Driver::server(config.clone());
    reader.receive(head.as_bytes());
    assert_eq!(reader.poll_event(), Some(Event::Connect));
    let mut driver = early(Driver::from_request(reader.request().expect("a request"), config), input);
    assert_eq!(driver.accept().expect("a handshake").status(), 101);
    driver
}

fuzz_target!(|input: Input| {
    let Input { options, cut, .. } = &input;
    let versions = [Version::Hixie75, Version::Hixie76, Version::Hybi7, Version::Hybi8];
    let version = versions[usize::from(input.version % 4)];
    let head = head(version);
    // The queue is bounded as well, and here it must hold a text.
    let config = options.limit(Config::server()).max_output(usize::MAX).allow_drafts(true).protocols(["a"]);

    let mut behind = Vec::new();
    if version == Version::Hixie76 {
        behind.extend(BODY.iter().take(input.body.into()));
    }
    input.frames.write(true, &mut behind);
    let bytes = [head.as_bytes(), &behind].concat();

    let driver = || early(Driver::server(config.clone()), &input);
    let whole = run(driver(), &bytes, &Cut::NONE, options, by_event);
    assert_eq!(run(driver(), &bytes, cut, options, by_event), whole);

    let given = run(requested(&head, config.clone(), &input), &behind, cut, options, by_event);
    assert_eq!(given.0, whole.0[1..]);
    let (status, written) = check_response(&whole.1);
    assert_eq!((status, written), (101, &given.1[..]));
    let mut messages = input.frames.hixie_messages(options.max_size());
    match version {
        Version::Hixie75 => {
            check_hixie_frames(written, false);
            // A close ends it, as the draft has no closing handshake.
            messages.truncate(options.close_behind().map_or(usize::MAX, |events| events - 1));
        }
        Version::Hixie76 if behind.starts_with(BODY) => {
            check_hixie_frames(written.strip_prefix(DIGEST).expect("the digest"), true);
        }
        // The body is what came in its place, if that was long enough.
        Version::Hixie76 => return assert_eq!(given.0[0] == Event::Open, written.len() >= 16),
        _ => {
            check_frames(written, None, false);
            messages = input.frames.messages(options.max_size());
        }
    }
    assert!(given.0[1..].starts_with(&messages));
});
