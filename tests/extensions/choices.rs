//! What a server compresses: the options, the negotiated parameters, and the application's choice
//! per message.

use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Driver, Event, Message, Version};
use websocket_tests::wire::{Frame, Handshake};

use crate::options::{long, options};
use crate::peer::{Deflater, EXTENSIONS, OFFER, Server, Written, noise, prose, text};
use crate::puff::Puff;

/// Returns a server with these options that has accepted a client's offer.
fn agreed(server: &str, offer: &str) -> Server {
    let server = Server::open(Config::server().extension(options(server)).unwrap(), &[&long(offer)]);
    assert!(server.answered.is_some());
    server
}

#[test]
fn server_message_is_compressed_in_one_frame_with_rsv1() {
    let mut server = Server::deflate(PermessageDeflate::new());
    let mut puff = Puff::default();
    for len in [64, 100, 1000, 32_768, 100_000, 1 << 20] {
        let Written { first, payload } = server.send(prose(len));
        assert_eq!(first, 0xc1);
        assert!(payload.len() < len * 4 / 5, "{} of {len}", payload.len());
        assert_eq!(puff.message(&payload).unwrap(), prose(len).as_bytes());
        let Written { first, payload } = server.send(noise(len, 4));
        assert_eq!((first, puff.message(&payload).unwrap()), (0xc2, noise(len, 4)));
    }
}

#[test]
fn server_compresses_to_sizes_that_just_fill_its_buffers() {
    // If the output ends exactly at the end of a 32 KiB buffer, the flush must not be mistaken for
    // incomplete, nor the reverse.
    for (level, len) in [(0, 32_700..32_800), (6, 32_730..32_790), (0, 65_480..65_540)] {
        let mut server = Server::deflate(PermessageDeflate::new().level(level));
        let mut puff = Puff::default();
        for len in len {
            let payload = server.send(noise(len, len as u64)).payload;
            assert_eq!(puff.message(&payload).unwrap(), noise(len, len as u64), "{len}");
        }
    }
}

#[test]
fn control_frames_are_never_compressed() {
    let mut server = Server::deflate(PermessageDeflate::new().threshold(0));
    server.driver.send_ping("x".repeat(100)).unwrap();
    server.driver.send_pong("x".repeat(100)).unwrap();
    server.driver.start_close(1000.into(), &"x".repeat(100)).unwrap();
    let firsts: Vec<u8> = server.frames().iter().map(|frame| frame.first).collect();
    assert_eq!(firsts, [0x89, 0x8a, 0x88]);
}

#[test]
fn message_below_the_threshold_is_not_compressed() {
    for (threshold, len, first) in [
        (64, 63, 0x81),
        (64, 64, 0xc1),
        (0, 0, 0xc1),
        (1, 0, 0x81),
        (1, 1, 0xc1),
        (1000, 999, 0x81),
        (1000, 1000, 0xc1),
    ] {
        let mut server = Server::deflate(PermessageDeflate::new().threshold(threshold));
        let written = server.send("x".repeat(len));
        assert_eq!(written.first, first, "{len} bytes with a threshold of {threshold}");
        if first == 0x81 {
            assert_eq!(written.payload, "x".repeat(len).as_bytes());
        }
    }
    assert_eq!(Server::deflate(PermessageDeflate::new()).send("x".repeat(63)).first, 0x81, "64 by default");
    assert_eq!(Server::deflate(PermessageDeflate::new()).send("x".repeat(64)).first, 0xc1, "64 by default");
}

#[test]
fn empty_message_is_never_compressed_to_nothing() {
    for server in ["", "nct"] {
        let mut server = Server::deflate(options(server).threshold(0));
        let mut puff = Puff::default();
        for message in ["", "", "Hello", "", &prose(3000), "", ""] {
            let Written { first, payload } = server.send(message);
            assert!(first == 0x81 || !payload.is_empty(), "RFC 7692 §7.2.3.6");
            let came = if first == 0xc1 { puff.message(&payload).unwrap() } else { payload };
            assert_eq!(came, message.as_bytes());
        }
    }
}

#[test]
fn application_decides_about_compression_per_message() {
    let mut server = Server::deflate(PermessageDeflate::new());
    let mut puff = Puff::default();
    for may_compress in [true, false, true, true, false, true] {
        server.driver.set_compression(may_compress);
        let Written { first, payload } = server.send(prose(300));
        assert_eq!(first == 0xc1, may_compress);
        let came = if may_compress { puff.message(&payload).unwrap() } else { payload };
        assert_eq!(came, prose(300).as_bytes());
    }
}

#[test]
fn application_decision_applies_to_messages_queued_before_the_handshake() {
    let config = Config::server().extension(PermessageDeflate::new()).unwrap();
    let mut server = Server { driver: Driver::server(config), answered: None };
    let message = Message::text(prose(300));
    server.driver.set_compression(false);
    server.driver.send(message.clone()).unwrap();
    server.driver.set_compression(true);
    server.driver.send(message).unwrap();
    let events = server.feed(Handshake::of(Version::Hybi13).with(EXTENSIONS, OFFER).bytes());
    assert_eq!(events, [Event::Connect, Event::Open]);
    let written = server.bytes();
    let at = written.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(written[at], 0x81);
    assert_eq!(written[at + 4 + 300], 0xc1);
}

#[test]
fn declined_compression_leaves_messages_unchanged() {
    let config = Config::server().extension(PermessageDeflate::new()).unwrap().decline_extensions(|_| true);
    let mut server = Server::open(config, &[OFFER]);
    assert_eq!(server.answered, None);
    assert_eq!(server.send(prose(300)), Written { first: 0x81, payload: prose(300).into() });
    assert_eq!(server.feed(Frame::text(prose(300)).bytes()), [text(&prose(300))]);
}

#[test]
fn server_keeps_its_context_unless_either_side_declines() {
    for (options, offer, keeps) in [
        ("", "deflate", true),
        ("", "deflate; cnct", true),
        ("rnct", "deflate", true),
        ("", "deflate; snct", false),
        ("nct", "deflate", false),
        ("nct rnct", "deflate; snct; cnct; cmwb", false),
    ] {
        let mut server = agreed(options, offer);
        let [first, second] = [(); 2].map(|()| server.send(prose(3000)).payload);
        assert_eq!(second.len() < first.len() / 4, keeps, "{options} and {offer}");
        let mut puff = Puff::default();
        assert_eq!(puff.message(&first).unwrap(), prose(3000).as_bytes());
        let second = if keeps { puff.message(&second) } else { Puff::fresh(&second) };
        assert_eq!(second.unwrap(), prose(3000).as_bytes());
    }
}

#[test]
fn server_reads_messages_compressed_with_or_without_context() {
    for (options, offer) in [
        ("", "deflate"),
        ("", "deflate; cnct"),
        ("rnct", "deflate"),
        ("nct", "deflate; snct"),
        ("nct rnct", "deflate; cmwb"),
    ] {
        // A peer that declares to keep no context may be ignored, and one that may keep a context
        // does not have to.
        let is_fresh = options.contains("rnct") || offer.contains("cnct");
        for mut client in [Deflater::new(), Deflater::new().no_takeover()].into_iter().skip(usize::from(is_fresh)) {
            let mut server = agreed(options, offer);
            for len in [100, 5000, 0, 100, 100_000, 100] {
                assert_eq!(server.feed(client.text(prose(len))), [text(&prose(len))]);
            }
        }
    }
}

#[test]
fn server_compresses_within_the_negotiated_window() {
    let message = [&noise(400, 3)[..], prose(70_000).as_bytes(), &noise(400, 3)].concat();
    for bits in 9..=15 {
        for (options, offer) in [
            (format!("mwb={bits}"), "deflate".to_owned()),
            (String::new(), format!("deflate; smwb={bits}")),
            (format!("mwb={bits} nct"), "deflate; smwb=15".to_owned()),
            ("mwb=15".to_owned(), format!("deflate; smwb={bits}; snct")),
        ] {
            for level in [1, 2, 4, 6, 9] {
                let config = Config::server().extension(self::options(&options).level(level)).unwrap();
                let mut server = Server::open(config, &[&long(&offer)]);
                let mut puff = Puff::default();
                assert_eq!(puff.message(&server.send(message.clone()).payload).unwrap(), message);
                let window = 1 << bits;
                assert!(puff.reach <= window, "{} with {options} and {offer} at level {level}", puff.reach);
                assert!(puff.reach > window / 4, "{} with {options} and {offer} at level {level}", puff.reach);
            }
        }
    }
}

#[test]
fn server_with_a_window_of_8_does_not_compress_and_still_inflates() {
    let mut server = agreed("mwb=8", "deflate; cmwb");
    assert_eq!(server.answered.as_deref(), Some("permessage-deflate; server_max_window_bits=8"));
    for _ in 0..3 {
        assert_eq!(server.send(prose(5000)), Written { first: 0x81, payload: prose(5000).into() });
        assert_eq!(server.feed(Deflater::with_window(9).text(prose(5000))), [text(&prose(5000))]);
    }
}

#[test]
fn incompressible_message_is_sent_unchanged_without_context() {
    let mut server = agreed("nct", "deflate");
    assert_eq!(server.send(noise(5000, 1)), Written { first: 0x82, payload: noise(5000, 1) });
    let compressed = server.send(prose(5000));
    assert_eq!(Puff::fresh(&compressed.payload).unwrap(), prose(5000).as_bytes());
    // If the context is kept, the next message may refer to it.
    let mut server = agreed("", "deflate");
    let [first, second] = [(); 2].map(|()| server.send(noise(5000, 1)));
    assert_eq!(first.first, 0xc2);
    assert!(second.payload.len() < 200, "{}", second.payload.len());
}

#[test]
fn level_trades_size_for_time_and_0_does_not_compress() {
    let size = |level| Server::deflate(PermessageDeflate::new().level(level)).send(prose(50_000)).payload.len();
    assert!(size(0) > 50_000);
    assert!(size(1) < 30_000);
    assert!(size(9) < size(1));
    assert_eq!(size(200), size(9), "more than 9 is 9");
    let size = |level| Server::deflate(PermessageDeflate::new().mem_level(level)).send(prose(50_000)).payload.len();
    assert_eq!((size(0), size(200)), (size(1), size(9)), "beyond 1 to 9 is the nearest");
}
