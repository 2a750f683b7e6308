//! The memory of a connection: counted, bounded, and charged to a shared budget.

use bytes::{Buf, BytesMut};
use permessage_deflate::PermessageDeflate;
use websocket_driver::{
    Budget, CloseCode, Config, Driver, Event, HandshakeError, ProtocolError, ServerConfig, Version,
};
use websocket_tests::accept;
use websocket_tests::wire::{Answer, Frame, Handshake, VERSIONS, hixie_text};

use crate::session::Session;

const KIB: usize = 1024;

/// Opens a connection with this budget, and returns what it has charged.
fn open(version: Version, config: ServerConfig) -> (Session, Budget, usize) {
    let budget = Budget::new(1 << 30);
    let mut session = Session::open_with(version, config.budget(&budget));
    // Writes the digest of draft 76.
    session.events();
    let idle = budget.used();
    assert_eq!(idle, session.driver.memory(), "{version}");
    (session, budget, idle)
}

fn compressed(budget: &Budget) -> Session {
    let config = Config::server().extension(PermessageDeflate::new()).unwrap().budget(budget);
    let handshake = Handshake::of(Version::Hybi13).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let (_, driver) = accept(&handshake.request(), config).unwrap();
    let mut session = Session { driver };
    assert_eq!(session.events(), [Event::Open]);
    session
}

#[test]
fn idle_connection_holds_only_itself() {
    for version in VERSIONS {
        let (_, _, idle) = open(version, Config::server());
        assert!((100..2 * KIB).contains(&idle), "{version}: {idle}");
    }
}

#[test]
fn fragments_are_charged_until_the_message_is_dropped() {
    let (mut session, budget, idle) = open(Version::Hybi13, Config::server());
    session.feed(Frame::binary(vec![0; 100 * KIB]).more().bytes());
    assert!((100 * KIB..300 * KIB).contains(&(budget.used() - idle)), "{}", budget.used());
    for _ in 0..9 {
        session.feed(Frame::continuation(vec![0; 100 * KIB]).more().bytes());
    }
    assert!((1000 * KIB..3000 * KIB).contains(&(budget.used() - idle)), "{}", budget.used());
    assert_eq!(session.feed(Frame::continuation("").bytes()).len(), 1);
    // The message is owned by the application now.
    assert_eq!(budget.used(), idle);
}

#[test]
fn incomplete_input_is_charged() {
    for version in VERSIONS {
        let (mut session, budget, idle) = open(version, Config::server());
        let whole = if version.is_hixie() {
            hixie_text("x".repeat(50 * KIB))
        } else {
            Frame::text("x".repeat(50 * KIB)).bytes()
        };
        session.feed(&whole[..40 * KIB]);
        assert!((39 * KIB..200 * KIB).contains(&(budget.used() - idle)), "{version}: {}", budget.used());
        session.feed(&whole[40 * KIB..]);
        assert_eq!(budget.used(), idle, "{version}");
    }
}

#[test]
fn lent_empty_buffer_is_not_charged() {
    let (mut session, budget, idle) = open(Version::Hybi13, Config::server());
    *session.driver.input() = BytesMut::with_capacity(128 * KIB);
    session.driver.output().lend(BytesMut::with_capacity(128 * KIB));
    assert_eq!(session.events(), []);
    assert_eq!(budget.used(), idle);
    // An input buffer with the start of a frame cannot be taken away.
    session.driver.input().extend_from_slice(b"\x81");
    session.events();
    assert!(budget.used() >= idle + 128 * KIB, "{}", budget.used());
    *session.driver.input() = BytesMut::from(&b"\x81"[..]);
    session.driver.charge();
    assert!(budget.used() <= idle + 64, "{}", budget.used());
}

#[test]
fn output_is_charged_until_it_is_written() {
    for version in VERSIONS {
        let (mut session, budget, idle) = open(version, Config::server());
        session.driver.send("x".repeat(100 * KIB)).unwrap();
        session.driver.send("short").unwrap();
        session.driver.charge();
        assert!(budget.used() >= idle + 100 * KIB, "{version}: {}", budget.used());
        let output = session.driver.output();
        output.advance(60 * KIB);
        session.driver.charge();
        assert!((40 * KIB..60 * KIB).contains(&(budget.used() - idle)), "{version}: {}", budget.used() - idle);
        session.written();
        session.driver.output().reclaim();
        session.driver.charge();
        assert_eq!(budget.used(), idle, "{version}");
    }
}

#[test]
fn messages_sent_before_the_handshake_are_charged() {
    let budget = Budget::new(1 << 30);
    let mut session = Session::reading(Config::server().budget(&budget));
    session.driver.send("x".repeat(100 * KIB)).unwrap();
    session.events();
    assert!(budget.used() >= 100 * KIB, "{}", budget.used());
    let mut client = Driver::client(&"ws://example.com/".parse().unwrap(), Config::client().budget(&budget)).unwrap();
    let before = budget.used();
    client.send("x".repeat(100 * KIB)).unwrap();
    client.poll_event();
    assert!(budget.used() >= before + 100 * KIB, "{}", budget.used());
    drop((session, client));
    assert_eq!(budget.used(), 0);
}

#[test]
fn deflate_memory_is_charged() {
    let budget = Budget::new(1 << 30);
    let mut session = compressed(&budget);
    let idle = budget.used();
    session.driver.send("hello ".repeat(100)).unwrap();
    session.written();
    session.driver.charge();
    let deflating = budget.used();
    // 32 KiB of window, and zlib's tables for finding matches.
    assert!(deflating > idle + 64 * KIB, "{idle}, then {deflating}");
    session.feed(Frame::text(b"\xf2\x48\xcd\xc9\xc9\x07\x00").rsv(0x40).bytes());
    assert!(budget.used() > deflating + 16 * KIB, "{deflating}, then {}", budget.used());
    drop(session);
    assert_eq!(budget.used(), 0);
}

#[test]
fn charge_is_returned_when_a_connection_is_dropped_in_any_state() {
    let budget = Budget::new(1 << 30);
    let config = || Config::server().budget(&budget).allow_drafts(true);
    for version in VERSIONS {
        let handshake = Handshake::of(version);
        let mut reading = Session::reading(config());
        reading.feed(&handshake.bytes()[..30]);
        let requested = accept(&handshake.request(), config());
        let mut refused = Session::reading(config());
        refused.feed(b"no HTTP\r\n\r\n");
        let open = Session::open_with(version, config());
        let mut closing = Session::open_with(version, config());
        closing.driver.start_close(CloseCode::NORMAL, "").unwrap();
        closing.events();
        let mut failed = Session::open_with(version, config());
        failed.feed(Frame::binary(vec![0; 1000]).unmasked().bytes());
        let mut ended = Session::open_with(version, config());
        ended.eof();
        drop((reading, requested, refused, open, closing, failed, ended));
        assert_eq!(budget.used(), 0, "{version}");
    }
    // A copy of the configuration charges nothing.
    drop(config());
    assert_eq!(budget.used(), 0);
}

#[test]
fn spent_budget_refuses_handshakes_with_503_and_keeps_open_connections() {
    for version in VERSIONS {
        let budget = Budget::with_retry_after(64 * KIB, std::time::Duration::from_millis(7900));
        let config = || Config::server().allow_drafts(true).budget(&budget);
        let mut session = Session::open_with(version, config());
        assert!(!budget.is_spent());
        session.driver.send("x".repeat(64 * KIB)).unwrap();
        session.events();
        session.driver.charge();
        assert!(budget.is_spent());
        let error = HandshakeError::Busy { retry_after: 7 };
        let refused = accept(&Handshake::of(version).request(), config()).unwrap_err();
        assert_eq!(refused, error, "{version}");
        assert_eq!(refused.to_response().headers()["retry-after"], "7");
        let mut reading = Session::reading(config());
        let events = reading.feed(Handshake::of(version).bytes());
        assert_eq!(events[1], Event::Error(ProtocolError::from(error)), "{version}");
        let written = reading.written();
        let (answer, _) = Answer::read(&written).unwrap();
        assert_eq!((answer.status, answer.all("retry-after")), (503, vec!["7"]));
        drop(reading);
        // An open connection is not affected.
        session.driver.send("more").unwrap();
        session.written();
        let sent = if version.is_hixie() { hixie_text("hi") } else { Frame::text("hi").bytes() };
        assert_eq!(session.feed(sent).len(), 1);
        session.driver.output().reclaim();
        session.driver.charge();
        assert!(!budget.is_spent());
        Session::open_with(version, config());
    }
}

#[test]
fn budget_of_zero_refuses_everyone() {
    let budget = Budget::new(0);
    let refused = accept(&Handshake::of(Version::Hybi13).request(), Config::server().budget(&budget));
    assert!(matches!(refused, Err(HandshakeError::Busy { retry_after: 10 })));
    assert_eq!((budget.used(), budget.max()), (0, 0));
}

#[test]
fn memory_is_bounded_for_a_single_connection() {
    let limit = 200 * KIB;
    let mut session = Session::open_with(Version::Hybi13, Config::server().max_memory(limit));
    // Exactly at the limit.
    session.feed(Frame::binary(vec![0; 90 * KIB]).more().bytes());
    assert!(!session.driver.is_closed());
    // Queued output counts as well.
    session.driver.send(vec![0; 150 * KIB]).unwrap();
    let events = session.events();
    let Some(Event::Error(ProtocolError::TooMuchMemory { size, limit: 204_800 })) = events.first() else {
        panic!("{events:?}")
    };
    assert!(*size > limit as u64);
    assert_eq!(session.driver.close_frame().unwrap().code, CloseCode::MESSAGE_TOO_BIG);
    // Messages sent before are still written.
    assert_eq!(session.frames().last().unwrap().close_code(), Some(1009));
}
