//! Messages that are received in pieces.

use proptest::prelude::*;
use websocket_driver::{CompletedHandshake, Config, Driver, Event, MessageKind, ProtocolError, ServerConfig, Version};
use websocket_tests::driver::joined;
use websocket_tests::wire::{Frame, VERSIONS, frames, server_frames};

use crate::session::{Session, binary, cases, closed, failed, ping, text};

/// An event as the tests compare it.
#[derive(Debug, PartialEq)]
enum Part {
    Chunk(&'static str, Vec<u8>, bool),
    Other(Event),
}

fn parts(events: Vec<Event>) -> Vec<Part> {
    let part = |event| match event {
        Event::Chunk(chunk) => {
            let kind = if chunk.kind == MessageKind::Text { "text" } else { "binary" };
            Part::Chunk(kind, chunk.data.to_vec(), chunk.is_final)
        }
        other => Part::Other(other),
    };
    events.into_iter().map(part).collect()
}

fn more(kind: &'static str, data: impl AsRef<[u8]>) -> Part {
    Part::Chunk(kind, data.as_ref().to_vec(), false)
}

fn last(kind: &'static str, data: impl AsRef<[u8]>) -> Part {
    Part::Chunk(kind, data.as_ref().to_vec(), true)
}

fn streaming(config: ServerConfig, limit: u64) -> Session {
    let mut session = Session::open_with(Version::Hybi13, config);
    session.driver.stream_messages(Some(limit));
    session
}

/// The header of a masked frame whose payload is still to come.
fn header(first: u8, len: u64) -> Vec<u8> {
    [&[first, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat()
}

#[test]
fn chunks_are_returned_as_they_arrive() {
    let mut session = streaming(Config::server(), u64::MAX);
    let frame = Frame::text("Grüße").bytes();
    // The mask is in the first six bytes; the character is cut.
    assert_eq!(parts(session.feed(&frame[..5])), []);
    assert_eq!(parts(session.feed(&frame[5..6])), [more("text", "")]);
    assert_eq!(parts(session.feed(&frame[6..9])), [more("text", b"Gr\xc3")]);
    assert_eq!(parts(session.feed(&frame[9..])), [last("text", b"\xbc\xc3\x9fe")]);
    let whole = [Frame::binary([1, 2]).more(), Frame::continuation([3]), Frame::text("")];
    assert_eq!(parts(session.feed(frames(whole))), [more("binary", [1, 2]), last("binary", [3]), last("text", "")]);
}

#[test]
fn chunks_need_neither_size_limits_nor_memory() {
    let config = Config::server().max_message_size(100).max_frame_size(100).max_fragments(2).max_memory(300 * 1024);
    let mut session = streaming(config, 8 << 30);
    let piece = vec![0; 64 * 1024];
    assert_eq!(parts(session.feed(header(0x02, 1 << 30))), [more("binary", "")]);
    for _ in 0..(1 << 30) / piece.len() {
        let events = session.feed(&piece);
        assert!(matches!(&events[..], [Event::Chunk(chunk)] if chunk.data.len() == piece.len()), "{events:?}");
        assert_eq!(session.driver.missing(), 0);
    }
    let rest = frames([Frame::continuation(""), Frame::continuation("x")].map(Frame::more));
    assert_eq!(parts(session.feed(rest)), [more("binary", "x")]);
    assert_eq!(parts(session.feed(Frame::continuation("").bytes())), [last("binary", "")]);
}

#[test]
fn streamed_message_over_its_limit_closes_with_1009() {
    let too_big = |size| ProtocolError::MessageTooBig { size, limit: 10 };
    let frame_too_big = ProtocolError::FrameTooBig { size: 11, limit: 10 };
    let mut session = streaming(Config::server(), 10);
    assert_eq!(parts(session.feed(Frame::binary([7; 10]).bytes())), [last("binary", [7; 10])]);
    // By its header, before any of its payload has arrived.
    let events = session.feed(&Frame::binary([7; 11]).bytes()[..6]);
    session.assert_failed(&events, frame_too_big, 1009);
    let mut session = streaming(Config::server(), 10);
    let events = session.feed(frames([Frame::binary([7; 6]).more(), Frame::continuation([7; 5])]));
    assert_eq!(parts(events[..1].to_vec()), [more("binary", [7; 6])]);
    session.assert_failed(&events[1..], too_big(11), 1009);
}

#[test]
fn streamed_text_fails_at_its_first_invalid_byte() {
    let wrong = [&[b'a'; 50][..], b"\xe2\x82"].concat();
    for cut in 0..=wrong.len() {
        let mut session = streaming(Config::server(), 1000);
        let input = frames([Frame::text(&wrong[..cut]).more(), Frame::continuation(&wrong[cut..]).more()]);
        assert!(session.feed(input).iter().all(|event| matches!(event, Event::Chunk(_))));
        // Not a continuation byte; the rest of the frame has not arrived.
        let events = session.feed(&Frame::continuation([b'!'; 100]).bytes()[..7]);
        session.assert_failed(&events, ProtocolError::InvalidUtf8, 1007);
    }
    let mut session = streaming(Config::server(), 1000);
    let events = session.feed(Frame::text(&wrong).bytes());
    session.assert_failed(&events, ProtocolError::InvalidUtf8, 1007);
}

#[test]
fn invalid_text_is_replaced_in_pieces() {
    let payload = b"a\xffb\xe2\x82\xacc\xe2\x82";
    for cut in 0..=payload.len() {
        let mut session = streaming(Config::server().replace_invalid_utf8(true), 1000);
        let events = session.feed(frames([Frame::text(&payload[..cut]).more(), Frame::continuation(&payload[cut..])]));
        assert_eq!(joined(events).0, [text("a\u{fffd}b€c\u{fffd}")], "{cut}");
    }
}

#[test]
fn control_frames_and_close_pass_between_chunks() {
    let mut session = streaming(Config::server(), 1000);
    let input =
        frames([Frame::binary("a").more(), Frame::ping("p"), Frame::continuation("b").more(), Frame::close(3000, "x")]);
    assert_eq!(
        parts(session.feed(input)),
        [more("binary", "a"), Part::Other(ping("p")), more("binary", "b"), Part::Other(closed(3000, "x"))]
    );
}

#[test]
fn streaming_ends_when_it_is_switched_off_between_messages() {
    let mut session = streaming(Config::server(), 1000);
    assert_eq!(parts(session.feed(Frame::binary("a").more().bytes())), [more("binary", "a")]);
    // The message that has begun goes on in pieces.
    session.driver.stream_messages(None);
    assert_eq!(parts(session.feed(Frame::continuation("b").bytes())), [last("binary", "b")]);
    assert_eq!(session.feed(Frame::binary("c").bytes()), [binary("c")]);
    assert_eq!(session.feed(frames([Frame::binary("d").more(), Frame::continuation("e")])), [binary("de")]);
}

#[test]
fn message_that_is_partly_assembled_can_be_streamed() {
    for is_switched_back in [false, true] {
        let mut session = Session::open(Version::Hybi13);
        let second = Frame::continuation("ße!").bytes();
        assert_eq!(session.feed(frames([Frame::text(b"Gr\xc3").more(), Frame::continuation(b"\xbc").more()])), []);
        assert_eq!(session.feed(&second[..7]), []);
        session.driver.stream_messages(Some(100));
        if is_switched_back {
            session.driver.stream_messages(None);
            assert_eq!(session.feed(&second[7..]), [text("Grüße!")]);
        } else {
            assert_eq!(parts(session.events()), [more("text", "Grü"), more("text", b"\xc3")]);
            assert_eq!(parts(session.feed(&second[7..])), [last("text", b"\x9fe!")]);
        }
    }
    // What was received already counts.
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.feed(Frame::binary([7; 11]).more().bytes()), []);
    session.driver.stream_messages(Some(10));
    let events = session.events();
    session.assert_failed(&events, ProtocolError::MessageTooBig { size: 11, limit: 10 }, 1009);
}

#[test]
fn header_that_only_a_stream_admits_is_not_read_for_a_whole_message() {
    let mut session = streaming(Config::server().max_message_size(10), 1 << 30);
    session.driver.receive(&header(0x82, 1 << 20)[..]);
    assert!(!session.driver.has_frame());
    session.driver.stream_messages(None);
    assert_eq!(parts(session.events()), [more("binary", "")]);
    let payload = vec![7; 1 << 20];
    assert!(parts(session.feed(&payload)) == [last("binary", &payload)]);
    let error = ProtocolError::FrameTooBig { size: 1 << 20, limit: 10 };
    let config = Config::server().max_message_size(10).max_frame_size(10);
    let mut session = Session::open_with(Version::Hybi13, config);
    assert_eq!(session.feed(header(0x82, 1 << 20)), failed(error, 1009));
}

#[test]
fn skipped_message_is_read_and_checked_to_its_end() {
    let mut session = streaming(Config::server(), 100);
    session.driver.skip_message();
    assert_eq!(parts(session.feed(Frame::text("a").more().bytes())), [more("text", "a")]);
    session.driver.skip_message();
    let rest = [Frame::continuation("b").more(), Frame::ping("p"), Frame::continuation("c"), Frame::text("d")];
    assert_eq!(parts(session.feed(frames(rest))), [Part::Other(ping("p")), last("text", "d")]);
    for (rest, error, code) in [
        (vec![0xff], ProtocolError::InvalidUtf8, 1007),
        (vec![7; 100], ProtocolError::MessageTooBig { size: 101, limit: 100 }, 1009),
    ] {
        assert_eq!(parts(session.feed(Frame::text("a").more().bytes())), [more("text", "a")]);
        session.driver.skip_message();
        session.written();
        let events = session.feed(Frame::continuation(rest).bytes());
        session.assert_failed(&events, error, code);
        session = streaming(Config::server(), 100);
    }
}

#[test]
fn streaming_is_the_same_in_the_drafts_with_fragments_and_whole_in_the_others() {
    for version in VERSIONS {
        let mut session = Session::open(version);
        session.driver.stream_messages(Some(100));
        if version.is_hixie() {
            assert_eq!(session.feed(b"\0hello\xff"), [text("hello")], "{version}");
        } else {
            assert_eq!(parts(session.feed(Frame::text("hello").bytes())), [last("text", "hello")], "{version}");
        }
    }
}

#[test]
fn client_receives_in_pieces() {
    let mut driver = Driver::after_handshake(CompletedHandshake::new(), Config::client());
    driver.stream_messages(Some(10));
    driver.receive(&b"\x02\x02ab\x80\x01c"[..]);
    let events = std::iter::from_fn(|| driver.poll_event()).collect();
    assert_eq!(parts(events), [Part::Other(Event::Open), more("binary", "ab"), last("binary", "c")]);
}

#[test]
fn chunks_spend_the_allowance_of_their_frames() {
    let mut session = streaming(Config::server(), 1000);
    session.driver.grant(0);
    session.driver.receive(&frames([Frame::binary("a").more(), Frame::continuation("b"), Frame::binary("c")])[..]);
    for expected in [more("binary", "a"), last("binary", "b"), last("binary", "c")] {
        assert_eq!(session.events(), []);
        session.driver.grant(1);
        assert_eq!(parts(session.events()), [expected]);
        assert!(session.driver.is_exhausted());
        // A message of which a part was returned goes on in pieces, also when the turn is over.
        session.driver.stream_messages(None);
        session.driver.stream_messages(Some(1000));
    }
}

/// Frames of messages, with control frames between them.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::collection::vec(prop::sample::select(vec!["a", "ü", "€", "😀", "xyz", ""]), 1..6);
    let binary = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5);
    let cut = |opcode: u8, pieces: Vec<Vec<u8>>| {
        let count = pieces.len();
        let frames_of = pieces.into_iter().enumerate().flat_map(move |(i, piece)| {
            let frame = Frame::new(if i == 0 { opcode } else { 0 }, piece);
            let frame = if i + 1 < count { frame.more() } else { frame };
            [frame, Frame::ping("between")]
        });
        frames(frames_of)
    };
    let text = text.prop_map(move |pieces| cut(1, pieces.into_iter().map(|piece| piece.as_bytes().to_vec()).collect()));
    let binary = binary.prop_map(move |pieces| cut(2, pieces));
    prop::collection::vec(prop_oneof![text, binary], 1..5).prop_map(|messages| messages.concat())
}

proptest! {
    #![proptest_config(cases(500))]

    /// However the bytes are cut, broken or not, the chunks are the messages.
    #[test]
    fn chunks_are_the_whole_messages(
        mut bytes in messages(),
        cuts in prop::collection::vec(1usize..80, 1..200),
        broken in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        if let Some((at, byte)) = broken {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut whole = Session::open(Version::Hybi13);
        let expected = whole.feed(&bytes);
        let mut session = streaming(Config::server(), 0x3ff_ffff);
        let (mut events, mut rest) = (Vec::new(), &bytes[..]);
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            events.extend(session.feed(piece));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(joined(events).0, expected);
        prop_assert_eq!(server_frames(&session.written()), server_frames(&whole.written()));
    }
}
