//! RFC 6455 §10.4: limits on what a peer and an application can make the driver hold.

use bytes::{Buf, BufMut};
use websocket_driver::{Config, Event, ProtocolError as E, SendError, ServerConfig, Version};
use websocket_tests::wire::{Frame, Handshake, LengthForm, VERSIONS, frames, hixie_text};

use crate::session::{Session, binary, failed, ping, text};

fn with(limit: impl FnOnce(ServerConfig) -> ServerConfig) -> Session {
    Session::open_with(Version::Hybi13, limit(Config::server()))
}

#[test]
fn frame_over_limit_fails_before_its_payload() {
    for limit in [0, 1, 125, 126, 1000, 65_535, 65_536, 100_000] {
        for form in [LengthForm::Shortest, LengthForm::Bits16, LengthForm::Bits64] {
            let size = limit as u64 + 1;
            let frame = Frame::binary("").announcing(size).length_form(form);
            let minimal = Frame::binary("").announcing(size);
            if frame.header() != minimal.header() {
                continue;
            }
            let mut session = with(|config| config.max_frame_size(limit));
            assert_eq!(session.feed(Frame::binary(vec![7; limit]).bytes()), [binary(vec![7; limit])]);
            let header = frame.header();
            let events = session.feed(&header[..header.len() - 4]);
            session.assert_failed(&events, E::FrameTooBig { size, limit }, 1009);
        }
    }
}

#[test]
fn message_over_limit_fails_at_the_exceeding_length() {
    let limit = 100;
    for opcode in [1, 2] {
        let mut session = with(|config| config.max_message_size(limit));
        let whole = frames([
            Frame::new(opcode, "x".repeat(60)).more(),
            Frame::continuation("").more(),
            Frame::continuation("y".repeat(40)),
        ]);
        assert_eq!(session.feed(whole).len(), 1);
        let begun = [Frame::new(opcode, "x".repeat(60)).more(), Frame::continuation("x".repeat(40)).more()];
        assert_eq!(session.feed(frames(begun)), []);
        let header = Frame::continuation("").announcing(1).header();
        let events = session.feed(&header[..2]);
        session.assert_failed(&events, E::MessageTooBig { size: 101, limit }, 1009);
    }
}

#[test]
fn control_frames_do_not_count_towards_message_limits() {
    let mut session = with(|config| config.max_message_size(0).max_frame_size(0));
    let sent = frames([Frame::text("").more(), Frame::ping([b'x'; 125]), Frame::continuation("")]);
    assert_eq!(session.feed(sent), [ping([b'x'; 125]), text("")]);
    session.written();
    let events = session.feed(&Frame::text("x").header()[..2]);
    session.assert_failed(&events, E::FrameTooBig { size: 1, limit: 0 }, 1009);
}

#[test]
fn default_message_limit_is_0x3ffffff_bytes() {
    let limit = 0x3ff_ffff;
    let mut session = Session::open(Version::Hybi13);
    assert_eq!(session.feed(Frame::binary("").announcing(limit).header()), []);
    assert_eq!(session.driver.missing(), 0x3ff_ffff);
    let mut session = Session::open(Version::Hybi13);
    let events = session.feed(Frame::binary("").announcing(limit + 1).header());
    session.assert_failed(&events, E::FrameTooBig { size: limit + 1, limit: 0x3ff_ffff }, 1009);
}

#[test]
fn empty_fragments_are_limited() {
    for limit in [2, 1000] {
        let mut session = with(|config| config.max_fragments(limit));
        session.feed(Frame::text("").more().bytes());
        session.feed(Frame::continuation("").more().bytes().repeat(limit - 2));
        assert_eq!(session.feed(Frame::continuation("").bytes()), [text("")]);
        session.feed(Frame::binary("").more().bytes());
        assert_eq!(session.feed(Frame::continuation("").more().bytes().repeat(limit - 1)), []);
        let events = session.feed(Frame::continuation("").bytes());
        session.assert_failed(&events, E::TooManyFragments { limit }, 1009);
    }
}

#[test]
fn fragment_over_limit_fails_at_its_header() {
    // The data that follows is not valid UTF-8, which must not be reported if it arrives in pieces.
    let header = Frame::continuation(b"\xff\xff").more().bytes();
    for cut in 6..=header.len() {
        let mut session = with(|config| config.max_fragments(1));
        assert_eq!(session.feed(Frame::text("a").more().bytes()), []);
        let events = session.feed(&header[..cut]);
        session.assert_failed(&events, E::TooManyFragments { limit: 1 }, 1009);
    }
}

#[test]
fn control_frame_over_limit_fails_alike_with_and_without_has_frame() {
    for asked in 0..3 {
        let mut session = with(|config| config.max_frame_rate(Some(2)).max_control_rate(Some(1)));
        assert_eq!(session.feed(Frame::pong("").bytes()).len(), 1);
        session.driver.receive(&Frame::pong("").bytes()[..]);
        assert!((0..asked).all(|_| session.driver.has_frame()));
        let events = session.events();
        session.assert_failed(&events, E::TooManyControlFrames { limit: 1 }, 1008);
    }
}

#[test]
fn text_of_1_mib_in_65536_fragments_is_joined_in_linear_time() {
    let message = "sixteen bytes €".repeat(1 << 16);
    assert_eq!("sixteen bytes €".len(), 17);
    // Split within characters.
    let parts = message.as_bytes().chunks(17 * 16 + 1).flat_map(|part| part.chunks(17));
    let count = parts.clone().count();
    assert!(count > 1 << 16);
    let sent = frames(parts.zip(1..).map(|(part, i)| {
        let frame = Frame::new(u8::from(i == 1), part);
        if i < count { frame.more() } else { frame }
    }));
    assert_eq!(Session::open(Version::Hybi13).feed(&sent), [text(&message)]);
    let mut session = Session::open(Version::Hybi13);
    let events: Vec<_> = sent.chunks(10).flat_map(|piece| session.feed(piece)).collect();
    assert_eq!(events, [text(&message)]);
}

#[test]
fn message_byte_by_byte_is_read_in_linear_time() {
    let message = "€".repeat(100_000);
    let frame = [Frame::text(&message), Frame::binary(&message)];
    let expected = [text(&message), binary(&message)];
    for (frame, event) in frame.into_iter().zip(expected) {
        let bytes = frame.bytes();
        assert_eq!(Session::open(Version::Hybi13).feed_slowly(&bytes), [(bytes.len(), event)]);
    }
}

#[test]
fn hixie_text_byte_by_byte_is_read_in_linear_time() {
    // The search for the end is fast, so only a long text shows the difference.
    let message = "x".repeat(2 << 20);
    let bytes = hixie_text(&message);
    let mut session = Session::open(Version::Hixie75);
    let (last, first) = bytes.split_last().unwrap();
    for byte in first {
        session.driver.input().put_u8(*byte);
        assert_eq!(session.driver.poll_event(), None);
    }
    assert_eq!(session.feed([*last]), [text(&message)]);
}

#[test]
fn hixie_text_over_limit_fails_without_its_end() {
    for version in [Version::Hixie76, Version::Hixie75] {
        for (config, error) in [
            (Config::server().max_frame_size(100), E::FrameTooBig { size: 101, limit: 100 }),
            (Config::server().max_message_size(100), E::MessageTooBig { size: 101, limit: 100 }),
        ] {
            let mut session = Session::open_with(version, config);
            let longest = "x".repeat(100);
            assert_eq!(session.feed(hixie_text(&longest)), [text(&longest)]);
            let events = session.feed_slowly([&[0x00], &[b'x'; 200][..]].concat());
            assert_eq!(events, failed(error, 1009).map(|event| (102, event)));
            assert!(session.driver.input().is_empty());
        }
    }
}

/// Each invalid byte is replaced by three.
#[test]
fn hixie_text_is_checked_after_its_invalid_bytes_are_replaced() {
    for version in [Version::Hixie75, Version::Hixie76] {
        for (bytes, size) in [
            (&[0x80; 10][..], 30),
            (b"valid \xfe", 9),
            (b"\xe2\x82", 3),
            (b"\xe2\x82\xe2\x82", 6),
            (b"\xf0\x9f\x98x\xc0\xaf", 10),
        ] {
            let limited = |limit| Session::open_with(version, Config::server().max_message_size(limit));
            let replaced = String::from_utf8_lossy(bytes);
            assert_eq!(replaced.len(), size);
            assert_eq!(limited(size).feed(hixie_text(bytes)), [text(&replaced)]);
            let error = E::MessageTooBig { size: size as u64, limit: size - 1 };
            assert_eq!(limited(size - 1).feed(hixie_text(bytes)), failed(error, 1009));
        }
    }
}

#[test]
fn hixie_length_over_limit_fails_at_the_exceeding_byte() {
    for version in [Version::Hixie76, Version::Hixie75] {
        let open = || Session::open_with(version, Config::server().max_frame_size(1000));
        // 1000 is 7 * 128 + 104.
        let longest = [&[0x80, 0x87, 104][..], &[0; 1000], &hixie_text("in step")].concat();
        assert_eq!(open().feed(longest), [text("in step")]);
        for (length, size, count) in [(&[0x87, 105][..], 1001, 3), (&[0x88, 0x80], 1024, 3), (&[0xff, 0xff], 16_383, 3)]
        {
            let events = open().feed_slowly([&[0x80], length, &[0x00; 9]].concat());
            assert_eq!(events, failed(E::FrameTooBig { size, limit: 1000 }, 1009).map(|event| (count, event)));
        }
    }
}

#[test]
fn output_over_limit_is_refused_until_there_is_room() {
    for version in VERSIONS {
        let mut session = Session::open_with(version, Config::server().max_output(1000));
        // A single message may exceed the limit, otherwise a large one could never be sent.
        session.driver.send("x".repeat(5000)).unwrap();
        assert!(session.driver.is_output_full());
        assert_eq!(session.driver.send(""), Err(SendError::OutputFull));
        if !version.is_hixie() {
            assert_eq!(session.driver.send_ping(""), Err(SendError::OutputFull));
            assert_eq!(session.driver.send(&b"x"[..]), Err(SendError::OutputFull));
        }
        let waiting = session.driver.output().remaining();
        session.driver.output().advance(waiting - 1000);
        assert_eq!(session.driver.send("x"), Err(SendError::OutputFull));
        session.driver.output().advance(1);
        assert!(!session.driver.is_output_full());
        session.driver.send("y").unwrap();
        assert_eq!(session.driver.send("z"), Err(SendError::OutputFull));
        let written = session.written();
        assert!(written.ends_with(b"y") || written.ends_with(b"y\xff"));
        assert_eq!(session.driver.send("z"), Ok(()));
    }
}

#[test]
fn close_is_sent_if_the_output_is_full() {
    let mut session = with(|config| config.max_output(10));
    session.driver.send("more than ten bytes").unwrap();
    session.driver.start_close(1001.into(), "").unwrap();
    assert_eq!(session.frames().len(), 2);
}

#[test]
fn empty_messages_sent_early_are_limited() {
    for version in VERSIONS {
        let config = Config::server().allow_drafts(true).max_output(10_000);
        let mut session = Session::reading(config);
        let count = (0..20_000).take_while(|_| session.driver.send("").is_ok()).count();
        assert!((10..1000).contains(&count), "{count}");
        assert_eq!(session.driver.send("x"), Err(SendError::OutputFull));
        assert_eq!(session.driver.send_ping("x"), Err(SendError::OutputFull));
        // Messages are accepted again once it is open and the output was written.
        session.feed(Handshake::of(version).bytes());
        session.written();
        session.driver.send("x").unwrap();
    }
}

#[test]
fn limits_of_usize_max_mean_none() {
    for version in VERSIONS {
        for max in [usize::MAX, usize::MAX - 1, usize::MAX - 20] {
            let config = Config::server()
                .allow_drafts(true)
                .max_message_size(max)
                .max_frame_size(max)
                .max_fragments(max)
                .max_head_size(max)
                .max_output(max)
                .replace_invalid_utf8(true);
            let mut session = Session::reading(config);
            session.driver.send("early").unwrap();
            assert_eq!(session.feed(Handshake::of(version).bytes()), [Event::Connect, Event::Open]);
            if version.is_hixie() {
                assert_eq!(session.feed(hixie_text(b"x\xfe")), [text("x\u{fffd}")]);
                continue;
            }
            assert_eq!(session.feed(Frame::text(b"x\xff").bytes()), [text("x\u{fffd}")]);
            session.feed(Frame::binary("0123456789").more().bytes());
            // The maximum length, which exceeds a signed 64-bit integer together with the bytes
            // received before.
            assert_eq!(session.feed(Frame::continuation("").announcing(u64::MAX >> 1).header()), []);
            assert_eq!(session.driver.missing(), usize::MAX >> 1);
            assert!(session.driver.input().capacity() < 1 << 16, "reserved for what was only announced");
            assert_eq!(session.feed(b"it goes on"), []);
            assert_eq!(session.driver.missing(), (usize::MAX >> 1) - 10);
        }
    }
}

#[test]
fn header_limit_may_be_raised() {
    for max in [10_000, usize::MAX] {
        let mut session = Session::reading(Config::server().max_headers(max));
        assert_eq!(session.feed(Handshake::of(Version::Hybi13).bytes()), [Event::Connect, Event::Open]);
    }
}
