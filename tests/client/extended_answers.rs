//! A client's reaction to the response to its HTTP/2 request (RFC 8441 §5).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version as Http};
use permessage_deflate::PermessageDeflate;
use websocket_driver::{ClientConfig, CloseCode, Event, ReadyState, ResponseError, ResponseFault, SendError, Version};
use websocket_tests::wire::{Frame, frames};

use crate::extended_connect::{asked, ok};
use crate::session::{Client, closed, config, mask, refusal, text};

fn status(status: u16) -> Response<Bytes> {
    let mut response = ok();
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    *response.version_mut() = Http::HTTP_2;
    response
}

fn with(mut response: Response<Bytes>, headers: &[(&'static str, &str)]) -> Response<Bytes> {
    for (name, value) in headers {
        response.headers_mut().append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    response
}

fn refused(config: ClientConfig, response: Response<Bytes>) -> (ResponseError, u16) {
    let name = format!("{response:?}");
    let mut client = asked(config);
    client.driver.send("never").unwrap();
    client.driver.receive_response(response).expect("an answer is waited for");
    let refusal = refusal(&name, &client.events());
    assert!(client.driver.is_closed() && !client.driver.expects_eof(), "{name}");
    assert_eq!(client.written(), b"", "{name}");
    assert_eq!(client.driver.send("late"), Err(SendError::Closed), "{name}");
    refusal
}

fn fault(config: ClientConfig, headers: &[(&'static str, &str)]) -> (ResponseFault, u16) {
    let (error, code) = refused(config, with(status(200), headers));
    assert_eq!(error.status, Some(StatusCode::OK));
    (error.fault, code)
}

#[test]
fn any_2xx_opens() {
    for code in [200, 201, 202, 204, 206, 226, 299] {
        let mut client = asked(config());
        assert_eq!(client.driver.ready_state(), ReadyState::Connecting);
        client.driver.receive_response(with(status(code), &[("x-one", "1")])).unwrap();
        assert_eq!(client.events(), [Event::Open], "{code}");
        assert_eq!(client.driver.ready_state(), ReadyState::Open);
        assert_eq!((client.driver.version(), client.driver.protocol()), (Some(Version::Hybi13), None));
        let response = client.driver.take_response().expect("the response");
        assert_eq!((response.status().as_u16(), response.version()), (code, Http::HTTP_2));
        assert_eq!(response.headers()["x-one"], "1");
        assert!(client.driver.response().is_none());
        assert_eq!(client.written(), b"");
    }
}

/// RFC 8441 §5 has neither a key nor `Upgrade`, so `Sec-WebSocket-Accept` is ignored.
#[test]
fn headers_of_an_http_1_1_response_are_not_required() {
    let mut client = asked(config());
    client.driver.receive_response(with(status(200), &[("sec-websocket-accept", "whatever")])).unwrap();
    assert_eq!(client.events(), [Event::Open]);
}

#[test]
fn any_other_status_refuses_with_its_headers_and_body() {
    for code in [101, 199, 300, 301, 304, 400, 401, 403, 404, 426, 429, 500, 503, 599] {
        let (parts, _) = with(status(code), &[("x-one", "1"), ("set-cookie", "a"), ("set-cookie", "b")]).into_parts();
        let (error, close) = refused(config(), Response::from_parts(parts, Bytes::from_static(b"keep out")));
        assert_eq!((error.fault, close), (ResponseFault::Status, 1002), "{code}");
        assert_eq!((error.status.unwrap().as_u16(), error.version), (code, Some(Http::HTTP_2)));
        assert_eq!(error.headers["x-one"], "1");
        assert_eq!(error.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(error.body, "keep out");
    }
}

#[test]
fn refusal_with_negotiated_headers_is_still_a_refusal() {
    let config = config().protocols(["chat"]);
    let (error, _) = refused(config, with(status(403), &[("sec-websocket-protocol", "chat")]));
    assert_eq!(error.fault, ResponseFault::Status);
}

#[test]
fn long_body_is_kept_up_to_4_kib() {
    for length in [0, 1, 4095, 4096, 4097, 100_000] {
        let long: Vec<u8> = (0..length).map(|i: usize| i as u8).collect();
        let (parts, _) = status(500).into_parts();
        let (error, _) = refused(config(), Response::from_parts(parts, long.clone().into()));
        assert_eq!(error.body[..], long[..length.min(4096)]);
    }
}

#[test]
fn refusal_text_contains_what_users_need() {
    let told = |response| refused(config(), response).0.to_string();
    assert!(told(status(404)).contains("404 Not Found"));
    assert!(told(with(status(401), &[("www-authenticate", "Basic realm=\"x\"")])).contains("Basic realm=\"x\""));
    assert!(told(with(status(302), &[("location", "https://example.org/")])).contains("https://example.org/"));
    assert!(told(with(status(426), &[("sec-websocket-version", "8")])).contains("versions: 8"));
}

#[test]
fn subprotocol_must_have_been_offered() {
    let wrong = |offered: &[&str], headers: &[(&'static str, &str)]| {
        assert_eq!(fault(config().protocols(offered.iter().copied()), headers), (ResponseFault::Protocol, 1002));
    };
    let name = "sec-websocket-protocol";
    wrong(&[], &[(name, "chat")]);
    wrong(&["chat"], &[(name, "Chat")]);
    wrong(&["chat", "mqtt"], &[(name, "chat, mqtt")]);
    wrong(&["chat", "mqtt"], &[(name, "chat"), (name, "mqtt")]);
    for agreed in ["chat", "mqtt"] {
        let mut client = asked(config().protocols(["chat", "mqtt"]));
        client.driver.receive_response(with(status(200), &[(name, agreed)])).unwrap();
        assert_eq!((client.events(), client.driver.protocol()), (vec![Event::Open], Some(agreed)));
    }
    // An empty field is ignored.
    let mut client = asked(config().protocols(["chat"]));
    client.driver.receive_response(with(status(200), &[(name, "")])).unwrap();
    assert_eq!((client.events(), client.driver.protocol()), (vec![Event::Open], None));
}

#[test]
fn extension_must_have_been_offered() {
    let deflate = || config().extension(PermessageDeflate::new()).unwrap();
    let name = "sec-websocket-extensions";
    let rows = [
        (config(), "permessage-deflate"),
        (deflate(), "x-unknown"),
        (deflate(), "permessage-deflate, permessage-deflate"),
        (deflate(), "permessage-deflate; server_max_window_bits=16"),
        (deflate(), "permessage-deflate; unknown"),
    ];
    for (config, value) in rows {
        let (fault, code) = fault(config, &[(name, value)]);
        assert!(matches!(fault, ResponseFault::Extension(_)) && code == 1010, "{value}: {fault:?}, {code}");
    }
    let (fault, code) = fault(deflate(), &[(name, "permessage-deflate; =")]);
    assert!(matches!(fault, ResponseFault::ExtensionHeader(_)) && code == 1010, "{fault:?}, {code}");
}

#[test]
fn negotiated_extension_is_used() {
    for agrees in [true, false] {
        let mut client = asked(config().extension(PermessageDeflate::new()).unwrap());
        client.driver.send("a".repeat(1000)).unwrap();
        let headers = [("sec-websocket-extensions", "permessage-deflate")];
        client.driver.receive_response(with(status(200), if agrees { &headers } else { &[] })).unwrap();
        assert_eq!(client.events(), [Event::Open]);
        let frame = client.frames().remove(0);
        assert_eq!(frame.first, if agrees { 0xc1 } else { 0x81 });
        assert_eq!(frame.payload.len() < 100, agrees);
    }
}

#[test]
fn messages_sent_before_the_open_follow_it_masked_and_in_order() {
    let mut client = Client::new(config());
    client.driver.send("before the request").unwrap();
    client.driver.extended_connect().unwrap();
    client.driver.send_ping("a ping").unwrap();
    client.driver.send(vec![7; 20_000]).unwrap();
    assert_eq!((client.events(), client.written()), (vec![], vec![]), "nothing goes out before the answer");
    client.driver.receive_response(status(200)).unwrap();
    client.driver.send("last").unwrap();
    assert_eq!(client.events(), [Event::Open]);
    let frames = client.frames();
    assert!(frames.iter().map(|frame| frame.key).eq((0..4).map(mask)));
    let sent: Vec<(u8, &[u8])> = frames.iter().map(|frame| (frame.first, &frame.payload[..])).collect();
    let large = [7; 20_000];
    assert_eq!(sent, [(0x81, &b"before the request"[..]), (0x89, b"a ping"), (0x82, &large[..]), (0x81, b"last")]);
}

/// The bytes of the stream may be received before the response is passed on.
#[test]
fn frames_before_the_response_are_returned_after_it() {
    let mut client = asked(config());
    let early = frames([Frame::text("one").unmasked(), Frame::text("two").unmasked()]);
    assert_eq!(client.feed(&early[..7]), []);
    client.driver.receive_response(status(200)).unwrap();
    assert_eq!(client.events(), [Event::Open, text("one")]);
    assert_eq!(client.feed(&early[7..]), [text("two")]);
}

#[test]
fn stream_that_ends_before_the_response_is_a_refusal() {
    let mut client = asked(config());
    client.driver.send("never").unwrap();
    let (error, code) = refusal("ended", &client.eof());
    assert_eq!((error.fault, error.status, code), (ResponseFault::Ended, None, 1006));
    assert!(client.driver.receive_response(status(200)).is_err());
    assert_eq!((client.events(), client.written()), (vec![], vec![]));
}

#[test]
fn open_connection_uses_the_frames_of_rfc_6455() {
    let mut client = asked(config());
    client.driver.receive_response(status(200)).unwrap();
    assert_eq!(client.events(), [Event::Open]);
    assert_eq!(client.feed_slowly(Frame::ping("x").unmasked().bytes()), [Event::Ping("x".into())]);
    assert_eq!(client.sent(), [(10, b"x".to_vec())]);
    client.driver.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(client.sent(), [(8, 1000_u16.to_be_bytes().to_vec())]);
    assert_eq!(client.feed(Frame::close(1000, "").unmasked().bytes()), [closed(1000, "")]);
    assert!(client.driver.expects_eof(), "the server ends the stream first, here too");
    // Clients still mask, and servers do not.
    let mut client = asked(config());
    client.driver.receive_response(status(200)).unwrap();
    assert_eq!(client.events(), [Event::Open]);
    let error = websocket_driver::ProtocolError::MaskedFrame;
    assert_eq!(client.feed(Frame::text("x").bytes()), crate::session::failed(error, 1002));
}
