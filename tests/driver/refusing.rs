//! Valid handshakes that the application refuses.

use bytes::Buf;
use http::{HeaderValue, Response, StatusCode, header};
use websocket_driver::{
    CloseCause, CloseCode, Config, Driver, Event, HandshakeError, ProtocolError, SendError, UsageError,
};
use websocket_tests::wire::{Answer, Frame, Handshake, VERSIONS};

use crate::session::Session;

fn forbidden() -> Response<&'static str> {
    let mut response = Response::new("not you\n");
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Returns a session that has read its request.
fn requested(handshake: &Handshake) -> Session {
    let mut session = Session::reading(Config::server().allow_drafts(true));
    session.driver.receive(&handshake.bytes()[..]);
    assert_eq!(session.driver.poll_event(), Some(Event::Connect));
    session
}

#[test]
fn refusal_is_written_as_given_and_closes_the_connection() {
    for version in VERSIONS {
        let mut session = requested(&Handshake::of(version));
        session.driver.refuse(forbidden()).unwrap();
        let error = ProtocolError::from(HandshakeError::Refused(StatusCode::FORBIDDEN));
        assert_eq!(session.driver.poll_event(), Some(Event::Error(error.clone())), "{version}");
        let Some(Event::Close(close)) = session.driver.poll_event() else { panic!("no close") };
        assert_eq!(close.code, CloseCode::PROTOCOL_ERROR);
        assert_eq!(session.events(), [], "{version}");
        assert!(session.driver.is_closed());
        assert_eq!(session.driver.close_cause(), Some(&CloseCause::Protocol(error)));
        let written = session.written();
        let (answer, length) = Answer::read(&written).unwrap();
        assert_eq!((answer.status, answer.reason.as_str()), (403, "Forbidden"));
        assert_eq!(answer.all("content-type"), ["text/plain"]);
        assert_eq!(answer.all("content-length"), ["8"]);
        assert_eq!(answer.all("connection"), ["close"]);
        assert_eq!(answer.headers.len(), 3, "{answer:?}");
        assert_eq!(written[length..], *b"not you\n");
    }
}

#[test]
fn refusal_is_followed_by_nothing() {
    let mut session = requested(&Handshake::of(websocket_driver::Version::Hybi13));
    session.driver.send("too early").unwrap();
    session.driver.refuse(forbidden()).unwrap();
    session.driver.receive(&Frame::text("hello").bytes()[..]);
    assert!(!session.events().iter().any(|event| matches!(event, Event::Open | Event::Message(_))));
    assert_eq!(session.driver.send("too late"), Err(SendError::Closed));
    assert!(session.written().ends_with(b"\r\n\r\nnot you\n"));
}

#[test]
fn refusal_is_only_possible_once_and_at_the_right_time() {
    let mut session = Session::reading(Config::server());
    assert_eq!(session.driver.refuse(forbidden()), Err(UsageError::NotRequested));
    assert_eq!(session.written(), []);
    // The request is available nevertheless.
    let hybi = Handshake::of(websocket_driver::Version::Hybi13);
    assert_eq!(session.feed(hybi.bytes()), [Event::Connect, Event::Open]);
    session.written();
    assert_eq!(session.driver.refuse(forbidden()), Err(UsageError::AlreadyAnswered));
    assert_eq!(session.written(), []);
    assert!(!session.driver.is_closed());
    let mut session = requested(&hybi);
    session.driver.refuse(forbidden()).unwrap();
    assert_eq!(session.driver.refuse(forbidden()), Err(UsageError::AlreadyAnswered));
    assert_eq!(session.driver.start(), Err(UsageError::AlreadyAnswered));
    let answers = session.written().windows(9).filter(|bytes| bytes == b"HTTP/1.1 ").count();
    assert_eq!(answers, 1);
    let mut client = Driver::client(&"ws://example.com/".parse().unwrap(), Config::client()).unwrap();
    assert!(client.refuse(forbidden()).is_err());
    assert!(!client.output().has_remaining());
}

#[test]
fn invalid_request_is_refused_in_the_same_way() {
    let handshake = Handshake::of(websocket_driver::Version::Hybi13).without("Sec-WebSocket-Key");
    let mut session = requested(&handshake);
    session.driver.refuse(forbidden()).unwrap();
    assert!(session.written().starts_with(b"HTTP/1.1 403 "));
}

#[test]
fn refusal_framing_follows_its_body_whatever_its_headers() {
    let mut response = forbidden();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
    response.headers_mut().append(header::CONTENT_LENGTH, HeaderValue::from_static("2"));
    response.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    let mut session = requested(&Handshake::of(websocket_driver::Version::Hybi13));
    session.driver.refuse(response).unwrap();
    let written = session.written();
    let (answer, length) = Answer::read(&written).unwrap();
    assert_eq!(answer.all("content-length"), ["8"]);
    // Together with a length it would enable request smuggling (RFC 9112 §6.1).
    assert!(answer.all("transfer-encoding").is_empty(), "{answer:?}");
    assert_eq!(answer.all("connection"), ["close"]);
    assert_eq!(written[length..], *b"not you\n");
}

#[test]
fn refusal_by_the_driver_has_a_length() {
    let mut session = Session::reading(Config::server());
    session.feed(Handshake::hybi("99").bytes());
    let written = session.written();
    let (answer, length) = Answer::read(&written).unwrap();
    assert_eq!(answer.status, 426);
    assert_eq!(answer.all("content-length"), [(written.len() - length).to_string()]);
    // RFC 9110 §15.5.22 requires the first, and closing the connection the second.
    assert_eq!(answer.all("connection"), ["Upgrade", "close"]);
}
