//! Messages in short fragments, which are parsed at once if they have been received completely.

use proptest::prelude::*;
use websocket_driver::{Config, Event, ProtocolError, Version};
use websocket_tests::wire::{Frame, frames};

use crate::session::{Session, binary, cases, failed, ping, text};

/// Splits a message into fragments of these lengths.
fn cut(opcode: u8, payload: impl AsRef<[u8]>, lens: &[usize]) -> Vec<Frame> {
    let mut rest = payload.as_ref();
    let count = lens.len() + 1;
    (0..count)
        .map(|i| {
            let (piece, behind) = rest.split_at(lens.get(i).map_or(rest.len(), |&len| len.min(rest.len())));
            rest = behind;
            let frame = Frame::new(if i == 0 { opcode } else { 0 }, piece).mask([i as u8, 7, 0x5a, 0xff]);
            if i + 1 < count { frame.more() } else { frame }
        })
        .collect()
}

#[test]
fn fragments_of_any_lengths_become_one_message() {
    for len in [0, 1, 20, 47, 48, 49, 125, 300, 1000] {
        let string: String = "añ€😀xyz".chars().cycle().take(len).collect();
        let bytes = string.as_bytes();
        for piece in [0, 1, 5, 8, 9, 16, 125] {
            let lens = vec![piece; bytes.len().checked_div(piece).map_or(3, |count| count + 1)];
            let mut session = Session::open(Version::Hybi13);
            let mut input = frames(cut(1, bytes, &lens));
            input.extend(frames(cut(2, bytes, &lens)));
            input.extend(Frame::ping("behind").bytes());
            let events = session.feed(input);
            assert!(events == [text(&string), binary(bytes), ping("behind")], "{len} in pieces of {piece}: {events:?}");
        }
    }
}

#[test]
fn fragments_of_invalid_utf8_close_with_1007() {
    for (payload, lens) in
        [(&b"\xc3\x28"[..], &[1][..]), (b"abc\xe2\x82", &[4]), (&[0xff; 60], &[30]), (b"\xed\xa0\x80", &[1, 1])]
    {
        let mut session = Session::open(Version::Hybi13);
        let events = session.feed(frames(cut(1, payload, lens)));
        session.assert_failed(&events, ProtocolError::InvalidUtf8, 1007);
    }
}

#[test]
fn invalid_text_precedes_a_later_invalid_frame() {
    let mut session = Session::open(Version::Hybi13);
    let input = frames([Frame::text(b"\xff").more(), Frame::text("no continuation")]);
    assert_eq!(session.feed(input), failed(ProtocolError::InvalidUtf8, 1007));
}

#[test]
fn fragments_are_checked_against_the_limits() {
    let config = Config::server().max_message_size(20).max_fragments(4);
    let all = |lens: &[usize], len| frames(cut(2, vec![7; len], lens));
    let mut session = Session::open_with(Version::Hybi13, config.clone());
    assert_eq!(session.feed(all(&[5, 5, 5], 20)), [binary([7; 20])]);
    let error = ProtocolError::MessageTooBig { size: 21, limit: 20 };
    assert_eq!(session.feed(all(&[5, 5, 5], 21)), failed(error, 1009));
    let mut session = Session::open_with(Version::Hybi13, config);
    let error = ProtocolError::TooManyFragments { limit: 4 };
    assert_eq!(session.feed(all(&[5, 5, 5, 5], 20)), failed(error, 1009));
}

#[test]
fn fragments_count_as_frames_individually() {
    let mut session = Session::open(Version::Hybi13);
    session.driver.receive(&frames(cut(1, "12345678", &[2, 2, 2])).repeat(3)[..]);
    for (granted, received) in [(4, 1), (3, 0), (1, 1), (5, 1)] {
        session.driver.grant(granted);
        assert_eq!(session.events(), vec![text("12345678"); received]);
        assert_eq!(session.driver.is_exhausted(), granted < 5);
    }
}

#[test]
fn first_fragment_counts_as_a_buffered_frame() {
    let mut session = Session::open(Version::Hybi13);
    let fragments = cut(1, "hello", &[2]);
    let first = fragments[0].bytes();
    session.driver.receive(&first[..first.len() - 1]);
    assert!(!session.driver.has_frame());
    session.driver.receive(&first[first.len() - 1..]);
    assert!(session.driver.has_frame());
    assert_eq!(session.driver.poll_event(), None);
    assert!(!session.driver.has_frame());
    assert_eq!(session.feed(fragments[1].bytes()), [text("hello")]);
    // With the rest of the message, the input is left in place.
    session.driver.receive(&frames(fragments)[..]);
    assert!(session.driver.has_frame());
    assert_eq!(session.events(), [text("hello")]);
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-zé€😀]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..10),
        1 => prop::collection::vec(b'a'..=b'z', 100..200),
    ];
    let first = prop_oneof![
        4 => Just(0x01), 2 => Just(0x02), 8 => Just(0x00), 6 => Just(0x80),
        2 => Just(0x81), 1 => Just(0x82), 1 => Just(0x89), 1 => any::<u8>(),
    ];
    (first, piece, any::<[u8; 4]>(), prop::option::weighted(0.3, 0..3_usize)).prop_map(
        |(first, mut piece, key, cut)| {
            // Split within a character that the next fragment may complete.
            piece.truncate(piece.len() - cut.unwrap_or(0).min(piece.len()));
            let bytes = Frame::new(first & 0x0f, piece).mask(key).bytes();
            [&[first], &bytes[1..]].concat()
        },
    )
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn fragments_in_one_read_are_received_as_byte_by_byte(
        frames in prop::collection::vec(frame(), 1..12),
        max_message_size in prop_oneof![Just(1 << 20), 0..60_usize],
        max_fragments in prop_oneof![Just(1000), 0..5_usize],
        asks in any::<bool>(),
    ) {
        let config = Config::server().max_message_size(max_message_size).max_fragments(max_fragments);
        let input = frames.concat();
        let mut slow = Session::open_with(Version::Hybi13, config.clone());
        let expected: Vec<Event> = slow.feed_slowly(&input).into_iter().map(|(_, event)| event).collect();
        let mut fast = Session::open_with(Version::Hybi13, config);
        fast.driver.receive(&input[..]);
        let mut events = Vec::new();
        loop {
            if asks && fast.driver.has_frame() {
                // The query has no side effects.
                prop_assert!(fast.driver.has_frame());
            }
            let Some(event) = fast.driver.poll_event() else { break };
            events.push(event);
        }
        prop_assert_eq!(events, expected);
        prop_assert_eq!(fast.written(), slow.written());
    }
}
