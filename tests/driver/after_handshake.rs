//! Drivers of connections whose handshake was performed elsewhere, and subprotocols selected by the
//! application.

use std::sync::{Arc, Mutex};

use bytes::Buf;
use websocket_driver::{
    Budget, CloseCode, CompletedHandshake, Config, ConnectionObserver, ConnectionOpened, Driver, Event, Message,
    Observer, ReadyState, UsageError, Version,
};
use websocket_tests::wire::{Answer, Frame, Handshake, ServerFrame, VERSIONS, server_frames};

/// Returns everything that a driver has written.
fn written(driver: &mut Driver) -> Vec<u8> {
    let output = driver.output();
    output.copy_to_bytes(output.remaining()).into()
}

#[test]
fn server_after_handshake_opens_at_once() {
    let mut driver = Driver::after_handshake(CompletedHandshake::new().protocol("chat"), Config::server());
    assert_eq!((driver.ready_state(), driver.version()), (ReadyState::Open, Some(Version::Hybi13)));
    assert_eq!(driver.protocol(), Some("chat"));
    assert!(driver.request().is_none() && driver.response().is_none());
    driver.receive(&Frame::text("hello").bytes()[..]);
    assert_eq!(driver.poll_event(), Some(Event::Open));
    assert_eq!(driver.poll_event(), Some(Event::Message(Message::text("hello"))));
    driver.send("hi").unwrap();
    driver.receive(&[Frame::ping("?").bytes(), Frame::close(1000, "").bytes()].concat()[..]);
    assert_eq!(driver.poll_event(), Some(Event::Ping("?".into())));
    assert!(matches!(driver.poll_event(), Some(Event::Close(close)) if close.code == CloseCode::NORMAL));
    let expected = [ServerFrame::text("hi"), ServerFrame::pong("?"), ServerFrame::close(1000, "")];
    let mut frames = server_frames(&written(&mut driver));
    // Pongs overtake queued messages.
    frames.sort_by_key(|frame| frame.opcode == 8);
    frames[..2].sort_by_key(|frame| frame.opcode);
    assert_eq!(frames[..2], expected[..2]);
    assert_eq!(frames[2].close_code(), Some(1000));
    // Only clients mask.
    let mut driver = Driver::after_handshake(CompletedHandshake::new(), Config::server());
    driver.receive(&Frame::text("hello").unmasked().bytes()[..]);
    assert_eq!(driver.poll_event(), Some(Event::Open));
    assert!(matches!(driver.poll_event(), Some(Event::Error(_))));
}

#[test]
fn client_after_handshake_masks_and_waits_for_the_server_to_end() {
    let config = Config::client().random(|bytes| bytes.fill(7));
    let mut driver = Driver::after_handshake(CompletedHandshake::new(), config);
    assert_eq!((driver.poll_event(), driver.protocol()), (Some(Event::Open), None));
    driver.send("hi").unwrap();
    assert_eq!(written(&mut driver), Frame::text("hi").mask([7; 4]).bytes());
    driver.receive(&Frame::close(1000, "").unmasked().bytes()[..]);
    assert!(matches!(driver.poll_event(), Some(Event::Close(_))));
    assert!(driver.expects_eof());
}

/// Records the notifications of each connection.
struct Told(Arc<Mutex<Vec<String>>>);

struct Ignored;

impl Observer for Told {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        let side = if opened.is_client { "client" } else { "server" };
        self.0.lock().unwrap().push(format!("{side} {} {:?}", opened.path, opened.protocol));
        Box::new(Ignored)
    }
}

impl ConnectionObserver for Ignored {}

#[test]
fn driver_after_handshake_is_observed_and_charged() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let budget = Budget::new(1);
    let observed = Config::server().observer(Told(told.clone())).budget(&budget);
    let server = CompletedHandshake::new().path("/rooms/1").protocol("chat");
    let client = Config::client().observer(Told(told.clone())).budget(&budget);
    for (mut driver, expected) in [
        (Driver::after_handshake(server, observed), "server /rooms/1 Some(\"chat\")"),
        (Driver::after_handshake(CompletedHandshake::new(), client), "client  None"),
    ] {
        assert_eq!(driver.poll_event(), Some(Event::Open));
        assert_eq!(told.lock().unwrap().pop().as_deref(), Some(expected));
        driver.charge();
        assert!(budget.used() > 0);
    }
    assert_eq!(budget.used(), 0);
}

#[test]
fn selected_protocol_replaces_that_of_the_configuration() {
    for version in VERSIONS {
        let name = if version == Version::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" };
        // Hixie clients offer a single name.
        let offered = if version.is_hixie() { "b" } else { "a, b" };
        for (configured, chosen, expected) in [
            (&["b"][..], Some("b"), Some("b")),
            (&[], Some("b"), Some("b")),
            (&["b"], None, None),
            (&["b"], Some("c"), None),
            (&["a"], Some("b"), Some("b")),
        ] {
            let config = Config::server().allow_drafts(true).protocols(configured.iter().copied());
            let mut driver = Driver::server(config);
            assert_eq!(driver.set_protocol(chosen), Err(UsageError::NotRequested));
            driver.receive(&Handshake::of(version).with(name, offered).bytes()[..]);
            assert_eq!(driver.poll_event(), Some(Event::Connect));
            driver.set_protocol(chosen).unwrap();
            assert_eq!(driver.protocol(), expected);
            driver.start().unwrap();
            assert_eq!(driver.set_protocol(chosen), Err(UsageError::AlreadyAnswered));
            let (answer, _) = Answer::read(&written(&mut driver)).unwrap();
            assert_eq!(answer.all(name), Vec::from_iter(expected), "{version}");
            assert_eq!((driver.poll_event(), driver.protocol()), (Some(Event::Open), expected));
        }
    }
}

#[test]
fn selected_protocol_of_a_refused_request_is_ignored() {
    let mut driver = Driver::server(Config::server());
    driver.receive(&Handshake::hybi("12").with("Sec-WebSocket-Protocol", "chat").bytes()[..]);
    assert_eq!(driver.poll_event(), Some(Event::Connect));
    driver.set_protocol(Some("chat")).unwrap();
    assert_eq!(driver.protocol(), None);
    driver.start().unwrap();
    assert_eq!(Answer::read(&written(&mut driver)).unwrap().0.status, 426);
}
