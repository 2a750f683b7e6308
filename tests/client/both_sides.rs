//! The client driver against the server driver, in memory (RFC 6455 §4.1, §5).

use bytes::Buf;
use proptest::prelude::*;
use websocket_driver::{ClientConfig, CloseCode, Config, Driver, Event, Message, ServerConfig, Version};

use crate::session::{cases, uri};

/// Transfers bytes between the two in steps of the given sizes, repeatedly, until neither has any
/// more, and returns the events of both.
pub(crate) fn pump_in(client: &mut Driver, server: &mut Driver, steps: &[usize]) -> (Vec<Event>, Vec<Event>) {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    let mut steps = steps.iter().copied().cycle();
    let mut step = || steps.next().unwrap_or(usize::MAX);
    loop {
        let carried = carry(client, server, step()) + carry(server, client, step());
        while let Some(event) = server.poll_event() {
            if event == Event::Connect {
                server.start().unwrap();
            }
            at_server.push(event);
        }
        at_client.extend(std::iter::from_fn(|| client.poll_event()));
        if carried == 0 && !client.output().has_remaining() && !server.output().has_remaining() {
            return (at_client, at_server);
        }
    }
}

fn pump(client: &mut Driver, server: &mut Driver, step: usize) -> (Vec<Event>, Vec<Event>) {
    pump_in(client, server, &[step])
}

fn carry(from: &mut Driver, to: &mut Driver, step: usize) -> usize {
    let output = from.output();
    let bytes = output.copy_to_bytes(output.remaining().min(step));
    let len = bytes.len();
    if len > 0 {
        to.receive(bytes);
    }
    len
}

pub(crate) fn open(client: ClientConfig, server: ServerConfig, step: usize) -> (Driver, Driver) {
    let mut client = Driver::client(&uri("ws://example.com/chat?x=1"), client).unwrap();
    let mut server = Driver::server(server);
    client.start().unwrap();
    let (at_client, at_server) = pump(&mut client, &mut server, step);
    assert_eq!(at_client, [Event::Open]);
    assert_eq!(at_server, [Event::Connect, Event::Open]);
    (client, server)
}

#[test]
fn messages_of_every_size_are_transmitted_both_ways_in_any_chunking() {
    for step in [1, 7, 4096, usize::MAX] {
        let (mut client, mut server) = open(Config::client(), Config::server(), step);
        assert_eq!(client.version(), Some(Version::Hybi13));
        for len in [0, 1, 62, 63, 125, 126, 127, 16 * 1024, 65_535, 65_536, 100_000] {
            let text = Message::text("ä".repeat(len / 2));
            let bytes = Message::binary(vec![7; len]);
            for message in [text, bytes] {
                client.send(message.clone()).unwrap();
                server.send(message.clone()).unwrap();
                let told = pump(&mut client, &mut server, step);
                let expected = vec![Event::Message(message)];
                assert_eq!(told, (expected.clone(), expected), "{len} bytes, {step} at a time");
            }
        }
    }
}

#[test]
fn subprotocols_and_pings_and_the_close_work_both_ways() {
    let (mut client, mut server) =
        open(Config::client().protocols(["b", "a"]), Config::server().protocols(["a", "c"]), usize::MAX);
    assert_eq!((client.protocol(), server.protocol()), (Some("a"), Some("a")));
    client.send_ping("one").unwrap();
    server.send_ping("two").unwrap();
    let (at_client, at_server) = pump(&mut client, &mut server, usize::MAX);
    assert_eq!(at_client, [Event::Ping("two".into()), Event::Pong("one".into())]);
    assert_eq!(at_server, [Event::Ping("one".into()), Event::Pong("two".into())]);
    client.start_close(CloseCode::GOING_AWAY, "bye").unwrap();
    let (at_client, at_server) = pump(&mut client, &mut server, usize::MAX);
    assert!(matches!(&at_client[..], [Event::Close(close)] if close.code == CloseCode::GOING_AWAY));
    assert!(matches!(&at_server[..], [Event::Close(close)] if close.reason == "bye"));
    // The server closes the transport first.
    assert!(server.is_closed() && !server.expects_eof());
    assert!(client.is_closed() && client.expects_eof());
    client.receive_eof();
    assert!(!client.expects_eof());
}

#[test]
fn server_sees_the_request_of_the_client() {
    let mut client =
        Driver::client(&uri("wss://user:secret@[::1]:8443/a?b"), Config::client().protocols(["x", "y"])).unwrap();
    client.set_header(http::header::ORIGIN, http::HeaderValue::from_static("https://example.com")).unwrap();
    client.start().unwrap();
    let mut server = Driver::server(Config::server());
    pump(&mut client, &mut server, 1);
    let request = server.request().unwrap();
    assert_eq!(request.uri(), "/a?b");
    assert_eq!(request.headers()["host"], "[::1]:8443");
    assert_eq!(request.headers()["authorization"], "Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(request.headers()["origin"], "https://example.com");
    let handshake = websocket_driver::Handshake::parse(request).expect("a handshake");
    assert_eq!(handshake.protocols().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((client.protocol(), server.protocol()), (None, None));
    assert_eq!(client.response().unwrap().headers()["upgrade"], "websocket");
}

/// An action of one side.
#[derive(Debug, Clone)]
enum Act {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        "\\PC{0,80}".prop_map(Act::Text),
        (any::<u8>(), 0..20_000usize).prop_map(|(byte, length)| Act::Binary(vec![byte; length])),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(Act::Ping),
    ]
}

fn perform(driver: &mut Driver, act: &Act) {
    match act {
        Act::Text(text) => driver.send(text.clone()).unwrap(),
        Act::Binary(bytes) => driver.send(bytes.clone()).unwrap(),
        Act::Ping(data) => driver.send_ping(data.clone()).unwrap(),
    }
}

/// Returns the events of the other side.
fn heard(acts: &[Act]) -> Vec<Event> {
    let event = |act: &Act| match act {
        Act::Text(text) => Event::Message(Message::text(text.as_str())),
        Act::Binary(bytes) => Event::Message(Message::binary(bytes.clone())),
        Act::Ping(data) => Event::Ping(data.clone().into()),
    };
    acts.iter().map(event).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn all_actions_of_either_side_are_received_by_the_other_in_any_chunking(
        of_client in prop::collection::vec(act(), 0..6),
        of_server in prop::collection::vec(act(), 0..6),
        steps in prop::collection::vec(1..3000usize, 1..6),
        early in any::<bool>(),
    ) {
        let mut client = Driver::client(&uri("ws://example.com/"), Config::client().max_output(usize::MAX)).unwrap();
        let mut server = Driver::server(Config::server().max_output(usize::MAX));
        if early {
            of_client.iter().for_each(|act| perform(&mut client, act));
            of_server.iter().for_each(|act| perform(&mut server, act));
        }
        client.start().unwrap();
        let (mut at_client, mut at_server) = pump_in(&mut client, &mut server, &steps);
        if !early {
            of_client.iter().for_each(|act| perform(&mut client, act));
            of_server.iter().for_each(|act| perform(&mut server, act));
            let told = pump_in(&mut client, &mut server, &steps);
            at_client.extend(told.0);
            at_server.extend(told.1);
        }
        prop_assert_eq!(at_client.remove(0), Event::Open);
        prop_assert_eq!(at_server.drain(..2).collect::<Vec<_>>(), [Event::Connect, Event::Open]);
        let is_pong = |event: &Event| matches!(event, Event::Pong(_));
        let pings = |acts: &[Act]| acts.iter().any(|act| matches!(act, Act::Ping(_)));
        // Of several waiting pings, only the latest has to be answered.
        prop_assert_eq!(at_client.iter().any(is_pong), pings(&of_client));
        prop_assert_eq!(at_server.iter().any(is_pong), pings(&of_server));
        at_client.retain(|event| !is_pong(event));
        at_server.retain(|event| !is_pong(event));
        // Pings may overtake messages, and other pings among those.
        let is_ping = |event: &Event| matches!(event, Event::Ping(_));
        let apart = |events: Vec<Event>| {
            let (mut pings, messages) = events.into_iter().partition::<Vec<_>, _>(is_ping);
            pings.sort_by_key(|ping| format!("{ping:?}"));
            (pings, messages)
        };
        prop_assert_eq!(apart(at_client), apart(heard(&of_server)));
        prop_assert_eq!(apart(at_server), apart(heard(&of_client)));
    }
}
