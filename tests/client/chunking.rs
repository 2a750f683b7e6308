//! However the server's bytes are split, the client's events and output are the same.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use websocket_driver::{Event, ProtocolError, ResponseFault};
use websocket_tests::wire::{Frame, frames};

use crate::framing_faults::violations;
use crate::refusals::REFUSED;
use crate::session::{Client, Reply, cases, closed, config, text};

fn from_server(all: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames(all.into_iter().map(Frame::unmasked))
}

/// Data sent by servers: refusals, and accepting responses followed by frames.
static TRANSCRIPTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let conversations = [
        vec![],
        from_server([Frame::text("Hello"), Frame::binary([0xff; 130]), Frame::text(""), Frame::text("€".repeat(60))]),
        from_server([
            Frame::text("κό").more(),
            Frame::ping("1"),
            Frame::continuation("σμ").more(),
            Frame::pong("2"),
            Frame::continuation("ε"),
        ]),
        from_server([Frame::ping("a"), Frame::text("one"), Frame::close(1001, "bye"), Frame::text("discarded")]),
        from_server([Frame::text("one"), Frame::text(b"\xff"), Frame::text("discarded")]),
        from_server([Frame::binary([7; 70_000]), Frame::ping("b")]),
        Frame::text("masked").bytes(),
    ];
    let violations = violations().into_iter().map(|(_, bytes, _)| bytes);
    let opened = conversations.into_iter().chain(violations).map(|frames| Reply::right().then(frames));
    let refused = REFUSED.iter().flat_map(|row| [row.bytes.clone(), [&row.bytes[..], b"behind"].concat()]);
    let endless = Reply::right().with("X", "x".repeat(20_000)).bytes();
    opened.chain(refused).chain([endless]).collect()
});

/// Runs an application that echoes every message. The bytes kept of a response that is not HTTP are
/// omitted, since their number depends on how much was received at once.
fn run(bytes: &[u8], cuts: &[usize]) -> (Vec<Event>, Vec<u8>) {
    let mut client = Client::started(config().protocols(["a", "b"]));
    let (mut events, mut start) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([bytes.len(), usize::MAX]) {
        match bytes.get(start..end) {
            Some(piece) => client.driver.receive(piece),
            None => client.driver.receive_eof(),
        }
        start = end;
        while let Some(mut event) = client.driver.poll_event() {
            match &mut event {
                Event::Message(message) => client.driver.send(message.clone()).unwrap(),
                Event::Error(ProtocolError::Response(error))
                    if matches!(error.fault, ResponseFault::NotHttp | ResponseFault::Head(_)) =>
                {
                    error.body = Bytes::new();
                }
                _ => {}
            }
            events.push(event);
        }
    }
    (events, client.written())
}

#[test]
fn frames_following_the_101_are_parsed() {
    let glued = from_server([Frame::text("first"), Frame::ping("x"), Frame::close(1000, "done")]);
    let mut client = Client::started(config());
    let events = client.feed(Reply::right().then(glued));
    assert_eq!(events, [Event::Open, text("first"), Event::Ping("x".into()), closed(1000, "done")]);
    assert_eq!(client.sent(), [(10, b"x".to_vec()), (8, 1000u16.to_be_bytes().to_vec())]);

    let mut client = Client::started(config());
    assert_eq!(client.feed(Reply::right().then(b"\x81\x05Hel")), [Event::Open]);
    assert_eq!(client.driver.missing(), 2);
    assert_eq!(client.feed("lo"), [text("Hello")]);
}

#[test]
fn byte_by_byte_is_the_same() {
    for transcript in TRANSCRIPTS.iter() {
        let cuts: Vec<usize> = (1..transcript.len()).collect();
        let shown = transcript[..transcript.len().min(300)].escape_ascii();
        assert_eq!(run(transcript, &cuts), run(transcript, &[]), "{shown}");
    }
}

#[test]
fn cut_anywhere_is_the_same() {
    for transcript in TRANSCRIPTS.iter().filter(|transcript| transcript.len() < 400) {
        let expected = run(transcript, &[]);
        for cut in 0..=transcript.len() {
            assert_eq!(run(transcript, &[cut]), expected, "cut at {cut}: {}", transcript.escape_ascii());
        }
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn arbitrary_cuts_are_the_same(
        number in 0..TRANSCRIPTS.len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let transcript = &TRANSCRIPTS[number];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(transcript.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(run(transcript, &cuts), run(transcript, &[]));
    }

    #[test]
    fn arbitrary_bytes_of_a_server_end_closed(
        is_open in any::<bool>(),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
    ) {
        let mut client = if is_open { Client::open() } else { Client::started(config()) };
        let mut events: Vec<Event> = pieces.iter().flat_map(|piece| client.feed(piece)).collect();
        events.extend(client.eof());
        prop_assert!(matches!(events.last(), Some(Event::Close(_))));
        prop_assert!(client.driver.is_closed());
        let closes = events.iter().filter(|event| matches!(event, Event::Close(_)));
        prop_assert_eq!(closes.count(), 1);
        // The output is masked, minimal and complete.
        client.frames();
    }
}
