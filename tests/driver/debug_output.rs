//! The `Debug` output of types that contain data of peers must not reveal secrets.

use std::fmt::Debug;

use bytes::Buf;
use http::{HeaderName, HeaderValue};
use websocket_driver::{
    Config, Driver, Event, PreparedMessage, ProtocolError, Proxy, ResponseError, ServerConfig, Version,
};
use websocket_tests::wire::{Frame, Handshake};

use crate::session::Session;

#[track_caller]
fn confirm(value: &impl Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        // Also as numbers, and as base64 of "user:s3cret".
        for secret in ["s3cret", "115, 51", "dXNlcjpzM2NyZXQ"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

fn config() -> ServerConfig {
    Config::server().protocols(["s3cret"])
}

#[test]
fn server_shows_no_payload_and_no_credentials() {
    for version in [Version::Hybi13, Version::Hixie75] {
        let handshake = Handshake::of(version)
            .with("Cookie", "session=s3cret")
            .with("Authorization", "Bearer s3cret")
            .with("Sec-WebSocket-Protocol", "s3cret")
            .with("X-Token", "s3cret");
        let handshake = Handshake { target: "/?token=s3cret".into(), ..handshake };
        let mut driver = Driver::server(config().allow_drafts(true));
        driver.receive(&handshake.bytes()[..handshake.bytes().len() - 10]);
        confirm(&driver);
        assert_eq!(driver.poll_event(), None);
        driver.receive(&handshake.bytes()[handshake.bytes().len() - 10..]);
        assert_eq!(driver.poll_event(), Some(Event::Connect));
        driver.send("s3cret").unwrap();
        confirm(&driver);
        // Headers read by the library itself are marked as sensitive.
        let headers = driver.request().unwrap().headers();
        assert!(headers["cookie"].is_sensitive() && headers["authorization"].is_sensitive());
        assert!(!headers["upgrade"].is_sensitive());
        driver.start().unwrap();
        assert_eq!(driver.poll_event(), Some(Event::Open));
        driver.send("s3cret").unwrap();
        driver.receive(&Frame::text("s3cret").unmasked().bytes()[..5]);
        confirm(&driver);
    }
    let mut session = Session::open(Version::Hybi13);
    let fragments = [Frame::text("s3cret").mask([0; 4]).more(), Frame::ping("s3cret").mask([0; 4])];
    session.feed(fragments.map(|frame| frame.bytes()).concat());
    session.driver.receive(&Frame::continuation("s3cret").mask([0; 4]).bytes()[..9]);
    confirm(&session.driver);
}

#[test]
fn client_and_proxy_show_no_credentials() {
    let url = "ws://user:s3cret@example.com/?token=s3cret".parse().unwrap();
    let config = Config::client().protocols(["s3cret"]);
    confirm(&config);
    let mut driver = Driver::client(&url, config).unwrap();
    driver.set_header(HeaderName::from_static("x-token"), HeaderValue::from_static("s3cret")).unwrap();
    confirm(&driver);
    let mut proxy = Proxy::new(driver, &url, &"http://user:s3cret@proxy.example:3128".parse().unwrap()).unwrap();
    confirm(&proxy);
    proxy.start();
    confirm(&proxy);
    let length = proxy.output().remaining();
    proxy.output().advance(length);
    proxy.receive(&b"HTTP/1.1 200 OK\r\nSet-Cookie: s3cret\r\n\r\ns3cret"[..]);
    assert_eq!(proxy.poll(), Some(Ok(())));
    confirm(&proxy);
    assert!(proxy.headers()["set-cookie"].is_sensitive());
}

#[test]
fn refused_response_shows_no_header_and_no_body() {
    let mut driver = Driver::client(&"ws://example.com/".parse().unwrap(), Config::client()).unwrap();
    driver.start().unwrap();
    let response = b"HTTP/1.1 403 Forbidden\r\nX-Token: s3cret\r\nContent-Length: 6\r\n\r\ns3cret";
    driver.receive(&response[..]);
    let Some(Event::Error(ProtocolError::Response(error))) = driver.poll_event() else { panic!("no refusal") };
    confirm(&error);
    confirm(&driver);
    let ResponseError { headers, body, .. } = &*error;
    assert_eq!((&headers["x-token"], &body[..]), (&HeaderValue::from_static("s3cret"), &b"s3cret"[..]));
}

#[test]
fn prepared_message_shows_its_length() {
    let prepared = PreparedMessage::new("s3cret");
    confirm(&prepared);
    assert_eq!(format!("{prepared:?}"), r#"PreparedMessage { kind: "text", len: 6, .. }"#);
    // A message itself is a value, and displayed.
    assert!(format!("{:?}", prepared.message()).contains("s3cret"));
}
