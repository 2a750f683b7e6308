//! Exceeded limits as causes, with figures.

use permessage_deflate::PermessageDeflate;
use websocket_driver::{CloseCause, Config, Limit, LimitExceeded, Version};
use websocket_tests::wire::{Frame, Handshake, frames};

use super::{cause, limit};
use crate::session::Session;

#[test]
fn exceeded_limit_is_reported_with_maximum_and_size() {
    let binary = |size| Frame::binary(vec![0; size]).bytes();
    let fragments = frames([Frame::text("").more(), Frame::continuation("").more(), Frame::continuation("")]);
    let message = frames([Frame::text([b'x'; 60]).more(), Frame::continuation([b'x'; 41])]);
    let texts = Frame::text("").bytes().repeat(4);
    let pings = Frame::ping("").bytes().repeat(4);
    let config = Config::server;
    for (config, bytes, expected, code) in [
        (config().max_frame_size(100), binary(101), limit(Limit::FrameSize, 100, 101), 1009),
        (config().max_frame_size(100), binary(70_000), limit(Limit::FrameSize, 100, 70_000), 1009),
        (config().max_message_size(100), message, limit(Limit::MessageSize, 100, 101), 1009),
        (config().max_fragments(2), fragments, limit(Limit::Fragments, 2, 3), 1009),
        (config().max_frame_rate(Some(3)), texts, limit(Limit::FrameRate, 3, 4), 1008),
        (config().max_control_rate(Some(3)), pings, limit(Limit::ControlRate, 3, 4), 1008),
    ] {
        let mut session = Session::open_with(Version::Hybi13, config);
        session.feed(bytes);
        assert_eq!(*cause(&session), expected);
        assert_eq!(session.frames().last().unwrap().close_code(), Some(code), "{expected}");
        assert_eq!(session.driver.close_frame().unwrap().code, code);
        let CloseCause::Limit(exceeded) = expected else { unreachable!() };
        assert!(exceeded.size > exceeded.max);
        for number in [exceeded.size, exceeded.max] {
            assert!(cause(&session).to_string().contains(&number.to_string()), "{}", cause(&session));
        }
    }
}

#[test]
fn exceeded_limit_of_hixie_is_reported_alike() {
    for version in [Version::Hixie75, Version::Hixie76] {
        let long = [&[0x00], &[b'x'; 101][..]].concat();
        for (config, bytes, expected) in [
            (Config::server().max_frame_size(100), &long[..], limit(Limit::FrameSize, 100, 101)),
            (Config::server().max_message_size(100), &long, limit(Limit::MessageSize, 100, 101)),
            // A frame that is skipped.
            (Config::server().max_frame_size(100), b"\x80\x81\x00", limit(Limit::FrameSize, 100, 128)),
            (Config::server().max_frame_rate(Some(2)), b"\x00\xff\x00\xff\x00", limit(Limit::FrameRate, 2, 3)),
        ] {
            let mut session = Session::open_with(version, config);
            session.feed(bytes);
            assert_eq!(*cause(&session), expected, "{version}");
        }
    }
}

#[test]
fn message_over_limit_after_inflating_is_reported_as_limit() {
    let config = Config::server().max_message_size(100).extension(PermessageDeflate::new()).unwrap();
    let handshake = Handshake::of(Version::Hybi13).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let (_, driver) = websocket_tests::accept(&handshake.request(), config).unwrap();
    let mut session = Session { driver };
    session.events();
    // 300 bytes of "a", compressed.
    let deflated = b"\x4a\x4c\x1c\x05\xc4\x02\x00\x00";
    session.feed(Frame::binary(deflated).rsv(0x40).bytes());
    assert_eq!(*cause(&session), limit(Limit::MessageSize, 100, 101));
}

#[test]
fn exceeded_memory_limit_is_reported_with_the_size() {
    let config = Config::server().max_memory(20_000);
    let mut session = Session::open_with(Version::Hybi13, config);
    session.feed(Frame::binary(vec![0; 30_000]).more().bytes());
    let CloseCause::Limit(LimitExceeded { limit: Limit::Memory, max: 20_000, size }) = *cause(&session) else {
        panic!("{}", cause(&session))
    };
    assert!((30_000..100_000).contains(&size), "{size}");
    assert_eq!(session.frames()[0].close_code(), Some(1009));
}
