//! Published vulnerabilities of other WebSocket libraries, each shown to be absent. Those
//! concerning clients, compression and timers are elsewhere: `tests/threats/README.md` lists all
//! with their tests.

use bytes::{Buf, BytesMut};
use proptest::prelude::*;
use websocket_driver::{Config, Event, HandshakeError, HeadError, ProtocolError as E, SendError, Version};
use websocket_tests::wire::{Frame, Handshake, VERSIONS, hixie_text};

use crate::session::{Session, cases, failed, text};

const HIXIE: [Version; 2] = [Version::Hixie76, Version::Hixie75];

#[test]
fn cve_2026_54463_endless_length_of_zeros_is_refused() {
    for version in HIXIE {
        for limit in [0, 1000, 0x3ff_ffff, usize::MAX] {
            let mut session = Session::open_with(version, Config::server().max_frame_size(limit));
            let events = session.feed_slowly([0x80; 1000]);
            // 10 bytes of 7 bits encode every 64-bit length.
            assert_eq!(events, failed(E::LengthUnterminated, 1002).map(|event| (11, event)), "{limit}");
            assert!(session.driver.is_closed() && session.driver.input().is_empty());
        }
    }
}

#[test]
fn cve_2026_54466_growing_length_is_refused() {
    for version in HIXIE {
        for (limit, count) in [(0, 2), (126, 2), (127, 3), (16_383, 4), (0x3ff_ffff, 5)] {
            let mut session = Session::open_with(version, Config::server().max_frame_size(limit));
            let events = session.feed_slowly([&[0x81], &[0xff; 1000][..]].concat());
            assert_eq!(events.len(), 2);
            assert!(
                matches!(events[0], (at, Event::Error(E::FrameTooBig { .. })) if at == count),
                "{limit}: {events:?}"
            );
            assert!(session.driver.is_closed() && session.driver.input().is_empty());
        }
    }
}

#[test]
fn cve_2026_54466_length_beyond_64_bits_does_not_wrap_around() {
    for version in HIXIE {
        // 2^64 and 2^70 - 1, without any limit.
        for length in [
            &[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ] {
            let mut session = Session::open_with(version, Config::server().max_frame_size(usize::MAX));
            let events = session.feed([&[0x80], length, &hixie_text("out of step").repeat(100)].concat());
            assert!(!events.contains(&text("out of step")));
            assert!(session.driver.input().is_empty());
        }
    }
}

#[test]
fn cve_2026_54465_endless_head_is_refused_at_its_limit() {
    let begun = b"GET / HTTP/1.1\r\nHost: example.com\r\n";
    for endless in [&b"x"[..], b"X-Header: y\r\n", b"a:\r\n", b" ", b"\r", b"\0", b"\xff", b"\r\r\n\r"] {
        let mut session = Session::reading(Config::server());
        session.feed(begun);
        let mut fed = begun.len();
        while !session.driver.is_closed() {
            session.feed(endless);
            fed += endless.len();
            assert!(session.driver.input().len() <= 16 * 1024);
            assert!(fed <= 16 * 1024 + endless.len(), "{endless:x?}");
        }
        assert!(session.written().starts_with(b"HTTP/1.1 400 "));
    }
}

#[test]
fn cve_2026_54465_endless_empty_lines_are_not_held() {
    let mut session = Session::reading(Config::server());
    for _ in 0..10_000 {
        session.feed(b"\r\n\r\n\r\n\r\n\r\n");
        assert!(session.driver.input().len() <= 16 * 1024);
    }
}

#[test]
fn cve_2024_37890_many_headers_do_not_crash_the_upgrade() {
    let many = |count: usize| {
        let lines: String = (0..count).map(|i| format!("x{i}:\r\n")).collect();
        let head = Handshake::of(Version::Hybi13).head();
        [&head[..head.len() - 2], lines.as_bytes(), b"\r\n"].concat()
    };
    let mut session = Session::reading(Config::server());
    let error = HandshakeError::Head(HeadError::TooManyHeaders { limit: 100 });
    assert_eq!(session.feed(many(1000)), failed(error.into(), 1002));
    let mut session = Session::reading(Config::server());
    let error = HandshakeError::Head(HeadError::TooLarge { limit: 16 * 1024 });
    assert_eq!(session.feed(many(10_000)), failed(error.into(), 1002));
    // Applications may raise the limits. More fields than fit into `HeaderMap` are still the peer's
    // fault.
    for count in [20_000, 33_000, 50_000] {
        let mut session = Session::reading(Config::server().max_headers(100_000).max_head_size(1 << 20));
        assert_eq!(session.feed(many(count)).len(), 2);
    }
}

#[test]
fn cve_2026_48779_tiny_fragments_do_not_pin_their_read_buffers() {
    let mut session = Session::open(Version::Hybi13);
    session.feed(Frame::binary("x").more().bytes());
    for _ in 0..2000 {
        // Each read has a separate buffer, which could not be reclaimed if a fragment referenced
        // it.
        let mut buffer = BytesMut::with_capacity(4096);
        buffer.extend_from_slice(&Frame::continuation("x").more().bytes());
        let start = buffer.as_ptr();
        session.driver.receive(buffer);
        assert_eq!(session.events(), []);
        let mut buffer = std::mem::take(session.driver.input());
        assert!(buffer.is_empty() && buffer.try_reclaim(4096));
        assert_eq!(buffer.as_ptr(), start);
    }
}

#[test]
fn cve_2026_12151_endless_empty_fragments_are_refused() {
    let mut session = Session::open(Version::Hybi13);
    session.feed(Frame::text("").more().bytes());
    let empty = Frame::continuation("").more().bytes().repeat(1024);
    let events = (0..).map(|_| session.feed(&empty)).take(1 << 10).find(|events| !events.is_empty());
    assert_eq!(events.unwrap(), failed(E::TooManyFragments { limit: 128 * 1024 }, 1009));
}

#[test]
fn cve_2020_27813_64_bit_length_does_not_overflow() {
    for begun in [&b""[..], &Frame::binary("begun").more().bytes()] {
        for length in [u64::MAX >> 1, (u64::MAX >> 1) - 4, u64::from(u32::MAX), u64::from(u32::MAX) + 1, 1 << 62] {
            let frame = if begun.is_empty() { Frame::binary("") } else { Frame::continuation("") };
            let mut session = Session::open(Version::Hybi13);
            session.feed(begun);
            let events = session.feed(frame.announcing(length).header());
            session.assert_failed(&events, E::FrameTooBig { size: length, limit: 0x3ff_ffff }, 1009);
        }
        for length in [u64::MAX, u64::MAX - 4, 1 << 63] {
            let frame = if begun.is_empty() { Frame::binary("") } else { Frame::continuation("") };
            let mut session = Session::open(Version::Hybi13);
            session.feed(begun);
            let events = session.feed(&frame.announcing(length).header()[..3]);
            session.assert_failed(&events, E::LengthTopBit, 1002);
        }
    }
}

#[test]
fn cve_2026_19204_payload_of_an_unknown_opcode_is_not_held() {
    for opcode in (3..=7).chain(11..=15) {
        let mut session = Session::open(Version::Hybi13);
        let header = Frame::new(opcode, "").announcing(1 << 40).header();
        let events = session.feed(&header[..1]);
        session.assert_failed(&events, E::UnknownOpcode(opcode), 1002);
        for _ in 0..100 {
            assert_eq!(session.feed([0; 1000]), []);
            assert!(session.driver.input().is_empty());
        }
    }
}

#[test]
fn rustsec_2022_0035_announced_length_alone_allocates_nothing() {
    for opcode in [1, 2] {
        let mut session = Session::open(Version::Hybi13);
        assert_eq!(session.feed(Frame::new(opcode, "").mask([0; 4]).announcing(0x3ff_ffff).header()), []);
        assert_eq!(session.feed([0; 1000]), []);
        assert!(session.driver.input().capacity() < 1 << 16);
    }
}

#[test]
fn rustsec_2020_0043_peer_that_reads_nothing_does_not_grow_the_output() {
    let mut session = Session::open(Version::Hybi13);
    let echo = Frame::binary([7; 1000]).bytes();
    let mut refused = 0;
    for _ in 0..10_000 {
        session.feed(&echo);
        refused += usize::from(session.driver.send(vec![7; 1000]) == Err(SendError::OutputFull));
        session.feed(Frame::ping("").bytes());
    }
    assert!(refused > 5000);
    assert!(session.driver.output().remaining() < 2 << 20);
}

#[test]
fn fastwebsockets_100_message_of_200_mib_in_fragments_is_refused() {
    let mut session = Session::open(Version::Hybi13);
    let part = vec![0; 1 << 20];
    session.feed(Frame::binary(&part).mask([0; 4]).more().bytes());
    let more = Frame::continuation(&part).mask([0; 4]).more().bytes();
    let count = (1..200).find(|_| !session.feed(&more).is_empty());
    assert_eq!(count, Some(63), "64 MiB is one byte too much");
    assert_eq!(session.frames()[0].close_code(), Some(1009));
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn cve_2026_61666_arbitrary_host_does_not_crash_the_server(
        host in prop_oneof!["\\PC{0,20}", "[\\[\\]:@%./0-9a-f]{0,12}", "\\[[0-9a-f:]{0,20}\\](:[0-9]{0,6})?"],
    ) {
        for version in VERSIONS {
            let handshake = Handshake::of(version).set("Host", &host);
            let Ok(value) = http::HeaderValue::from_bytes(host.as_bytes()) else { continue };
            let config = Config::server().allow_drafts(true);
            let mut request = Handshake::of(version).request();
            request.headers_mut().insert("host", value);
            let status = match websocket_tests::accept(&request, config.clone()) {
                Ok((response, _)) => response.status(),
                Err(error) => error.status(),
            };
            prop_assert!(matches!(status.as_u16(), 101 | 400));
            let mut session = Session::reading(config);
            session.feed(handshake.head());
            let written = session.written();
            prop_assert!(written.starts_with(b"HTTP/1.1 101 ") || written.starts_with(b"HTTP/1.1 400 "));
        }
    }
}
