//! The life of a client's connection: messages sent early, closing, and the end of the transport
//! (RFC 6455 §7).

use websocket_driver::{CloseCode, Event, ReadyState, ResponseFault, SendError};
use websocket_tests::wire::Frame;

use crate::session::{Client, Reply, closed, config, failed, mask, refusal, text};

#[test]
fn messages_sent_before_the_open_follow_it_in_order() {
    let mut client = Client::new(config());
    client.driver.send("before the start").unwrap();
    client.driver.send_ping("a ping").unwrap();
    assert_eq!(client.written(), b"", "nothing goes out before the request");
    client.driver.start().unwrap();
    client.driver.send(vec![7; 10_000]).unwrap();
    client.driver.send_pong("a pong").unwrap();
    let request = client.written();
    assert!(request.starts_with(b"GET ") && request.ends_with(b"\r\n\r\n"), "nor with it");
    client.feed(&Reply::right().bytes()[..20]);
    assert_eq!(client.written(), b"", "nor before the answer");
    client.driver.send("last").unwrap();
    assert_eq!(client.feed(&Reply::right().bytes()[20..]), [Event::Open]);
    let frames = client.frames();
    assert!(frames.iter().map(|frame| frame.key).eq((0..5).map(mask)));
    let sent: Vec<(u8, &[u8])> = frames.iter().map(|frame| (frame.first, &frame.payload[..])).collect();
    let large = [7; 10_000];
    assert_eq!(
        sent,
        [(0x81, &b"before the start"[..]), (0x89, b"a ping"), (0x82, &large[..]), (0x8a, b"a pong"), (0x81, b"last")]
    );
}

#[test]
fn messages_waiting_for_the_open_are_bounded_and_checked() {
    let mut client = Client::new(config().max_output(1000));
    assert_eq!(client.driver.send_ping(vec![0; 126]), Err(SendError::ControlTooLong));
    client.driver.send(vec![0; 1000]).unwrap();
    assert_eq!(client.driver.send("more"), Err(SendError::OutputFull));
    client.driver.start().unwrap();
    client.written();
    assert_eq!(client.feed(Reply::right().bytes()), [Event::Open]);
    assert_eq!(client.frames().len(), 1);
}

#[test]
fn close_before_the_open_ends_it_at_once() {
    for started in [false, true] {
        let mut client = if started { Client::started(config()) } else { Client::new(config()) };
        client.driver.send("never").unwrap();
        client.driver.start_close(CloseCode::GOING_AWAY, "changed my mind").unwrap();
        assert_eq!(client.events(), [closed(1001, "changed my mind")]);
        assert!(client.driver.is_closed() && !client.driver.expects_eof());
        assert_eq!(client.written(), b"");
        assert_eq!(client.feed(Reply::right().then(b"\x81\x01x")), []);
        assert_eq!(client.eof(), []);
        assert_eq!(client.driver.send("late"), Err(SendError::Closed));
        assert!(client.driver.start().is_err());
        assert_eq!(client.written(), b"");
    }
}

#[test]
fn server_data_before_the_request_is_received_after_it() {
    let mut client = Client::new(config());
    assert_eq!(client.feed(Reply::right().then(b"\x81\x05Hello")), []);
    client.driver.start().unwrap();
    assert_eq!(client.events(), [Event::Open, text("Hello")]);
}

#[test]
fn client_closes_and_waits_for_the_end_of_the_transport() {
    let mut client = Client::open();
    client.driver.start_close(CloseCode::NORMAL, "bye").unwrap();
    assert_eq!(client.driver.ready_state(), ReadyState::Closing);
    assert_eq!(client.sent(), [(8, b"\x03\xe8bye".to_vec())]);
    // A second close does nothing, whatever its code.
    client.driver.start_close(CloseCode::GOING_AWAY, "again").unwrap();
    assert_eq!(
        client.driver.start_close(CloseCode::ABNORMAL, ""),
        Err(SendError::InvalidCloseCode(CloseCode::ABNORMAL))
    );
    assert_eq!(client.driver.send("late"), Err(SendError::Closed));
    assert_eq!(client.driver.send_ping("late"), Err(SendError::Closed));
    // Messages in flight are still received, but pings are not answered any more.
    let under_way = [Frame::text("under way").unmasked().bytes(), Frame::ping("x").unmasked().bytes()].concat();
    assert_eq!(client.feed(under_way), [text("under way"), Event::Ping("x".into())]);
    assert!(!client.driver.is_closed() && !client.driver.expects_eof());
    assert_eq!(client.feed(Frame::close(1000, "yes").unmasked().bytes()), [closed(1000, "yes")]);
    assert_eq!(client.written(), b"");
    assert!(client.driver.is_closed() && client.driver.expects_eof());
    assert_eq!(client.feed(Frame::text("behind").unmasked().bytes()), []);
    assert!(client.driver.expects_eof());
    assert_eq!(client.eof(), []);
    assert!(client.driver.is_closed() && !client.driver.expects_eof());
}

#[test]
fn server_closes_and_the_client_answers_with_the_same_code_and_waits() {
    let rows: [(Frame, u16, &str, &[u8]); 4] = [
        (Frame::close(1000, ""), 1000, "", b"\x03\xe8"),
        (Frame::close(1012, "restart"), 1012, "restart", b"\x03\xf4"),
        (Frame::close(4999, "own"), 4999, "own", b"\x13\x87"),
        (Frame::new(8, ""), 1005, "", b""),
    ];
    for (frame, code, reason, answer) in rows {
        let mut client = Client::open();
        assert_eq!(client.feed(frame.unmasked().bytes()), [closed(code, reason)]);
        assert_eq!(client.sent(), [(8, answer.to_vec())]);
        assert!(client.driver.is_closed() && client.driver.expects_eof());
        client.driver.start_close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(client.driver.send("late"), Err(SendError::Closed));
        assert_eq!(client.written(), b"");
        assert_eq!(client.eof(), []);
        assert!(!client.driver.expects_eof());
    }
}

#[test]
fn close_without_a_code_has_no_body() {
    let mut client = Client::open();
    client.driver.start_close(CloseCode::NO_STATUS, "").unwrap();
    assert_eq!(client.sent(), [(8, vec![])]);
    assert_eq!(client.feed(Frame::new(8, "").unmasked().bytes()), [closed(1005, "")]);
    assert!(client.driver.expects_eof());
}

#[test]
fn client_whose_response_was_taken_still_waits_for_the_end() {
    let mut client = Client::open();
    assert_eq!(client.driver.take_response().map(|response| response.status().as_u16()), Some(101));
    assert!(client.driver.response().is_none() && client.driver.take_response().is_none());
    client.feed(Frame::close(1000, "").unmasked().bytes());
    assert!(client.driver.expects_eof());
}

#[test]
fn crossing_closes_are_one() {
    let mut client = Client::open();
    client.driver.start_close(CloseCode::NORMAL, "mine").unwrap();
    assert_eq!(client.feed(Frame::close(1001, "yours").unmasked().bytes()), [closed(1001, "yours")]);
    assert_eq!(client.sent(), [(8, b"\x03\xe8mine".to_vec())]);
    assert!(client.driver.expects_eof());
}

#[test]
fn end_that_arrived_with_the_close_is_not_awaited() {
    let mut client = Client::open();
    client.driver.receive(&Frame::close(1000, "").unmasked().bytes()[..]);
    client.driver.receive_eof();
    assert_eq!(client.events(), [closed(1000, "")]);
    assert!(client.driver.is_closed() && !client.driver.expects_eof());
    assert_eq!(client.sent(), [(8, b"\x03\xe8".to_vec())]);
}

#[test]
fn transport_that_ends_without_a_close_counts_as_1006() {
    let partial = Frame::text("Hello").unmasked().bytes();
    for (name, bytes) in [("between frames", &b""[..]), ("in a header", &partial[..1]), ("in a payload", &partial[..4])]
    {
        for closing in [false, true] {
            let mut client = Client::open();
            if closing {
                client.driver.start_close(CloseCode::NORMAL, "").unwrap();
            }
            assert_eq!(client.feed(bytes), [], "{name}");
            assert_eq!(client.eof(), [closed(1006, "")], "{name}");
            assert_eq!(client.sent().len(), usize::from(closing), "{name}");
            assert!(client.driver.is_closed() && !client.driver.expects_eof(), "{name}");
            assert_eq!(client.eof(), [], "{name}");
        }
    }
}

#[test]
fn messages_that_arrived_with_the_end_are_returned_first() {
    let mut client = Client::started(config());
    client.driver.receive(&Reply::right().then(b"\x81\x01a\x81\x01b\x81\x05c")[..]);
    client.driver.receive_eof();
    assert_eq!(client.events(), [Event::Open, text("a"), text("b"), closed(1006, "")]);
}

#[test]
fn transport_that_ends_before_the_response_is_a_refusal() {
    for started in [false, true] {
        let mut client = if started { Client::started(config()) } else { Client::new(config()) };
        client.driver.send("never").unwrap();
        let (error, code) = refusal("ended", &client.eof());
        assert_eq!((error.fault, code), (ResponseFault::Ended, 1006));
        assert_eq!(client.written(), b"");
        assert!(client.driver.start().is_err());
    }
}

#[test]
fn messages_queued_for_a_refused_connection_are_dropped() {
    let mut client = Client::started(config());
    client.driver.send("secret").unwrap();
    client.feed(Reply::status("403 Forbidden").with("Content-Length", "0").bytes());
    assert_eq!(client.written(), b"");
}

#[test]
fn failure_after_a_local_close_sends_no_second_one() {
    let mut client = Client::open();
    client.driver.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(client.sent().len(), 1);
    let error = websocket_driver::ProtocolError::MaskedFrame;
    assert_eq!(client.feed(Frame::text("x").bytes()), failed(error, 1002));
    assert_eq!(client.written(), b"");
    assert!(client.driver.is_closed());
}
