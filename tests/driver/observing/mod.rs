//! The notifications of an observer, without sockets: each event once, and figures that add up.

mod panics;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Buf;
use http::Response;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{
    CloseCause, CloseCode, CloseFrame, Config, ConnectionObserver, ConnectionOpened, Driver, Event, HandshakeError,
    Observer, ProtocolError, ServerConfig, Traffic, Version,
};
use websocket_tests::accept;
use websocket_tests::wire::{ACCEPT, Frame, HYBI, Handshake, VERSIONS, frames, hixie_text};

use crate::session::Session;

/// The notifications in order, with the traffic summed up.
#[derive(Debug, Default)]
struct Told {
    opened: Vec<String>,
    refused: Vec<ProtocolError>,
    answered: Vec<Duration>,
    closed: Vec<CloseCause>,
    traffic: Traffic,
    /// The number of notifications after an end.
    late: usize,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Told>>);

impl Observer for Notes {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        let ConnectionOpened { is_client, version, protocol, path, .. } = opened;
        self.told(|told| told.opened.push(format!("{is_client} {version} {protocol:?} {path}")));
        Box::new(self.clone())
    }

    fn refused(&self, error: &ProtocolError) {
        self.told(|told| told.refused.push(error.clone()));
    }
}

/// An observer for tests that only need one to be present.
pub(crate) fn quiet_observer() -> impl Observer {
    Notes::default()
}

impl ConnectionObserver for Notes {
    fn passed(&mut self, traffic: &Traffic) {
        assert_ne!(*traffic, Traffic::default(), "nothing passed");
        self.told(|told| told.traffic += *traffic);
    }

    fn answered(&mut self, time: Duration) {
        self.told(|told| told.answered.push(time));
    }

    fn closed(&mut self, cause: &CloseCause) {
        self.told(|told| told.closed.push(cause.clone()));
    }
}

impl Notes {
    fn told(&self, note: impl FnOnce(&mut Told)) {
        let mut told = self.0.lock().unwrap();
        told.late += usize::from(!told.closed.is_empty());
        note(&mut told);
    }

    fn take(&self) -> Told {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn config(&self) -> ServerConfig {
        Config::server().allow_drafts(true).observer(self.clone())
    }
}

fn counts(traffic: &Traffic) -> [u64; 6] {
    [
        traffic.messages_received,
        traffic.payload_received,
        traffic.wire_received,
        traffic.messages_sent,
        traffic.payload_sent,
        traffic.wire_sent,
    ]
}

#[test]
fn opening_is_reported_with_the_path_and_without_the_query() {
    for version in VERSIONS {
        let notes = Notes::default();
        let mut handshake = Handshake::of(version);
        handshake.target = "/chat/room?token=secret".into();
        let _session = Session::open_with(version, notes.config());
        assert_eq!(notes.take().opened, [format!("false {version} None {}", Handshake::of(version).target)]);
        let mut session = Session::reading(notes.config().protocols(["chat"]));
        let name = if version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" };
        session.feed(handshake.with(name, "chat").bytes());
        assert_eq!(notes.take().opened, [format!("false {version} Some(\"chat\") /chat/room")]);
    }
}

#[test]
fn every_byte_and_every_message_is_counted() {
    for version in HYBI {
        let notes = Notes::default();
        let mut session = Session::open_with(version, notes.config());
        let mut wire = 0;
        for frame in [
            Frame::text("hello"),
            Frame::binary(vec![7; 300]),
            Frame::text("frag").more(),
            Frame::ping("in between"),
            Frame::continuation("ment"),
            Frame::pong("unasked"),
        ] {
            wire += frame.bytes().len() as u64;
            session.feed(frame.bytes());
        }
        session.driver.send("short").unwrap();
        session.driver.send(vec![7; 40_000]).unwrap();
        session.driver.send_ping("ours").unwrap();
        let mut output = session.written().len() as u64;
        session.events();
        assert_eq!(counts(&notes.0.lock().unwrap().traffic), [3, 5 + 300 + 8, wire, 2, 40_005, output], "{version}");
        let close = Frame::close(1000, "bye").bytes();
        session.feed(&close);
        output += session.written().len() as u64;
        drop(session);
        let told = notes.take();
        assert_eq!(counts(&told.traffic), [3, 313, wire + close.len() as u64, 2, 40_005, output], "{version}");
        assert_eq!(told.closed, [CloseCause::Remote(CloseFrame { code: CloseCode::NORMAL, reason: "bye".into() })]);
    }
    for version in [Version::Hixie75, Version::Hixie76] {
        let notes = Notes::default();
        let mut session = Session::open_with(version, notes.config());
        // Includes a frame that is skipped.
        let sent = [&hixie_text("hello")[..], b"\x80\x02xx", &hixie_text("Grüße")].concat();
        session.feed(&sent);
        session.driver.send("short").unwrap();
        session.written();
        drop(session);
        let told = notes.take();
        // The driver writes the digest of draft 76 as well.
        let digest = if version == Version::Hixie76 { 16 } else { 0 };
        assert_eq!(counts(&told.traffic), [2, 12, sent.len() as u64, 1, 5, 7 + digest], "{version}");
    }
}

#[test]
fn unwritten_output_is_not_reported_and_nothing_twice() {
    let notes = Notes::default();
    let mut session = Session::open_with(Version::Hybi13, notes.config());
    session.driver.send("0123456789").unwrap();
    session.driver.report();
    assert_eq!(counts(&notes.0.lock().unwrap().traffic), [0, 0, 0, 1, 10, 0]);
    session.driver.output().advance(5);
    session.driver.report();
    session.driver.report();
    assert_eq!(counts(&notes.0.lock().unwrap().traffic), [0, 0, 0, 1, 10, 5]);
    drop(session);
    let told = notes.take();
    assert_eq!(counts(&told.traffic), [0, 0, 0, 1, 10, 5]);
    assert_eq!(told.closed, [CloseCause::Dropped]);
    assert_eq!(told.late, 0);
}

#[test]
fn refused_messages_are_not_counted_and_queued_ones_are() {
    let notes = Notes::default();
    let mut session = Session::reading(notes.config().max_output(1000));
    session.driver.send("early").unwrap();
    session.driver.send_ping("no message").unwrap();
    session.feed(Handshake::of(Version::Hybi13).bytes());
    session.driver.send(vec![0; 2000]).unwrap();
    session.driver.send(vec![0; 2000]).unwrap_err();
    session.driver.send_prepared(&websocket_driver::PreparedMessage::new("no")).unwrap_err();
    session.written();
    session.driver.send_prepared(&websocket_driver::PreparedMessage::new("prepared")).unwrap();
    session.driver.send_borrowed("borrowed").unwrap();
    session.driver.start_close(CloseCode::NORMAL, "").unwrap();
    session.driver.send("too late").unwrap_err();
    session.written();
    drop(session);
    let told = notes.take();
    assert_eq!((told.traffic.messages_sent, told.traffic.payload_sent), (4, 5 + 2000 + 8 + 8));
    // A hixie connection does not accept binary messages.
    let mut session = Session::open_with(Version::Hixie76, notes.config());
    session.driver.send(&b"no"[..]).unwrap_err();
    session.events();
    assert_eq!(notes.take().traffic.messages_sent, 0);
}

#[test]
fn compressed_messages_are_counted_before_and_after_compression() {
    let notes = Notes::default();
    let config = notes.config().extension(PermessageDeflate::new()).unwrap();
    let handshake = Handshake::of(Version::Hybi13).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let (_, driver) = accept(&handshake.request(), config).unwrap();
    let mut session = Session { driver };
    session.events();
    let text = "again and ".repeat(1000);
    session.driver.send(text).unwrap();
    let written = session.written();
    assert!(written.len() < 200);
    let (frame, _) = compressed(&written);
    let sent = Frame::text(frame).rsv(0x40).bytes();
    assert_eq!(session.feed(&sent).len(), 1);
    session.events();
    let told = notes.take();
    assert_eq!(counts(&told.traffic), [1, 10_000, sent.len() as u64, 1, 10_000, written.len() as u64]);
}

/// Returns the payload of a short server frame.
fn compressed(bytes: &[u8]) -> (&[u8], usize) {
    assert_eq!(bytes[0], 0xc1);
    let start = if bytes[1] == 126 { 4 } else { 2 };
    (&bytes[start..], start)
}

#[test]
fn short_messages_are_counted_instead_of_batched() {
    let notes = Notes::default();
    let mut session = Session::open_with(Version::Hybi13, notes.config());
    let sent = frames((0..100).map(|_| Frame::text("x")));
    session.driver.receive(&sent[..]);
    let mut batch = websocket_driver::Batch::default();
    session.driver.lend(&mut batch);
    assert!(!batch.is_lent());
    assert_eq!(session.events().len(), 100);
    assert_eq!(counts(&notes.take().traffic)[..3], [100, 100, sent.len() as u64]);
    assert!(!session.driver.send_short(&websocket_driver::Message::text("x")));
}

#[test]
fn every_end_is_reported_once_and_last() {
    for version in VERSIONS {
        let end = |end: fn(&mut Session)| {
            let notes = Notes::default();
            let mut session = Session::open_with(version, notes.config());
            end(&mut session);
            session.events();
            session.written();
            session.driver.conclude();
            session.driver.conclude();
            assert!(!session.driver.is_observed());
            session.driver.report();
            session.driver.report_round_trip(Duration::from_secs(1));
            session.feed("anything");
            drop(session);
            let told = notes.take();
            assert_eq!((told.opened.len(), told.closed.len(), told.late), (1, 1, 0), "{version}");
            assert!(told.refused.is_empty());
            told.closed[0].kind()
        };
        assert_eq!(end(|_| {}), "dropped");
        assert_eq!(end(|session| session.driver.start_close(CloseCode::NORMAL, "").unwrap()), "local");
        assert_eq!(end(|session| session.driver.receive_end(websocket_driver::TransportEnd::Reset)), "reset");
        assert_eq!(end(|session| session.driver.expire(websocket_driver::Timeout::Pong)), "timeout");
        let eof = if version == Version::Hixie75 { "remote" } else { "ended" };
        assert_eq!(end(|session| session.driver.receive_eof()), eof);
    }
}

#[test]
fn round_trip_is_reported() {
    let notes = Notes::default();
    let mut session = Session::open_with(Version::Hybi13, notes.config());
    session.driver.report_round_trip(Duration::from_millis(7));
    assert_eq!(notes.take().answered, [Duration::from_millis(7)]);
}

#[test]
fn failed_handshake_is_reported_as_refused_once() {
    let notes = Notes::default();
    let hybi = || Handshake::of(Version::Hybi13);
    let mut wrong = Session::reading(notes.config());
    wrong.feed(hybi().without("Sec-WebSocket-Key").bytes());
    drop(wrong);
    let mut no_http = Session::reading(notes.config());
    no_http.feed(b"no HTTP\r\n\r\n");
    drop(no_http);
    accept(&hybi().without("Host").request(), notes.config()).unwrap_err();
    let mut refused = Session::reading(notes.config());
    refused.driver.receive(&hybi().bytes()[..]);
    assert_eq!(refused.driver.poll_event(), Some(Event::Connect));
    refused.driver.refuse(Response::new("")).unwrap();
    refused.events();
    drop(refused);
    let told = notes.take();
    assert!(told.opened.is_empty() && told.closed.is_empty());
    let kinds: Vec<_> = told
        .refused
        .iter()
        .map(|error| match error {
            ProtocolError::Handshake(error) => (**error).clone(),
            error => panic!("{error}"),
        })
        .collect();
    assert!(
        matches!(
            &kinds[..],
            [HandshakeError::MissingKey, HandshakeError::Head(_), HandshakeError::Host, HandshakeError::Refused(_)]
        ),
        "{kinds:?}"
    );
}

#[test]
fn client_is_observed_as_client() {
    let notes = Notes::default();
    let config = || {
        Config::client().observer(notes.clone()).random(|bytes| match bytes.len() {
            16 => bytes.copy_from_slice(b"the sample nonce"),
            _ => bytes.fill(0),
        })
    };
    let url = "ws://example.com/feed?secret=1".parse().unwrap();
    let mut session = Session { driver: Driver::client(&url, config()).unwrap() };
    session.driver.start().unwrap();
    let request = session.written().len() as u64;
    let answer = format!(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n\x01"
    );
    session.feed([answer.trim_end_matches('\x01').as_bytes(), &Frame::text("hi").unmasked().bytes()].concat());
    session.driver.send("hello").unwrap();
    session.written();
    session.events();
    let told = notes.take();
    assert_eq!(told.opened, ["true 13 None /feed".replace("13", Version::Hybi13.as_str())]);
    assert_eq!(counts(&told.traffic), [1, 2, 4, 1, 5, request + 11]);
    let mut session = Session { driver: Driver::client(&url, config()).unwrap() };
    session.driver.start().unwrap();
    session.feed("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    drop(session);
    let told = notes.take();
    assert!(matches!(told.refused[..], [ProtocolError::Response(_)]), "{:?}", told.refused);
    assert!(told.opened.is_empty() && told.closed.is_empty());
}

#[test]
fn client_that_closes_before_polling_is_observed_as_client() {
    let notes = Notes::default();
    let config = Config::client().observer(notes.clone()).random(|bytes| match bytes.len() {
        16 => bytes.copy_from_slice(b"the sample nonce"),
        _ => bytes.fill(0),
    });
    let mut driver = Driver::client(&"ws://example.com/".parse().unwrap(), config).unwrap();
    let request = driver.extended_connect().unwrap();
    assert_eq!(request.method(), http::Method::CONNECT);
    driver.receive_response(Response::new(bytes::Bytes::new())).unwrap();
    // The connection opens and ends before either is reported.
    driver.receive_eof();
    while driver.poll_event().is_some() {}
    assert!(!driver.output().has_remaining());
    let told = notes.take();
    assert_eq!(told.opened.len(), 1);
    assert!(told.opened[0].starts_with("true "), "{:?}", told.opened);
}
