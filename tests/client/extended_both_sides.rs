//! The client driver against the server driver on HTTP/2, in memory: the heads are passed as
//! values, the rest as bytes in any chunking (RFC 8441 §5).

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use permessage_deflate::PermessageDeflate;
use proptest::prelude::*;
use websocket_driver::{
    ClientConfig, CloseCode, Config, Driver, Event, HandshakeError as E, Message, ProtocolError, ServerConfig, Version,
    is_handshake,
};

use crate::both_sides::pump_in;
use crate::session::{cases, uri};

/// Returns both sides after the request and its response.
fn deflate<S>(config: Config<S>, compress: bool) -> Config<S> {
    if compress { config.extension(PermessageDeflate::new()).unwrap() } else { config }
}

fn connect(client: ClientConfig, server: ServerConfig) -> (Driver, Driver) {
    let mut client = Driver::client(&uri("wss://example.com/chat?x=1"), client).expect("a URL");
    let request = client.extended_connect().expect("the first call");
    assert!(is_handshake(&request));
    let (response, mut server) = websocket_tests::accept(&request, server).expect("a handshake");
    assert_eq!(response.status(), StatusCode::OK);
    client.receive_response(response.map(|()| Bytes::new())).expect("an answer is waited for");
    assert_eq!((client.poll_event(), server.poll_event()), (Some(Event::Open), Some(Event::Open)));
    assert_eq!((client.version(), server.version()), (Some(Version::Hybi13), Some(Version::Hybi13)));
    (client, server)
}

#[test]
fn messages_of_every_size_are_transmitted_both_ways() {
    for step in [1, 7, 16 * 1024, usize::MAX] {
        let (mut client, mut server) = connect(Config::client(), Config::server());
        for length in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            for message in [Message::text("a".repeat(length)), Message::binary(vec![7; length])] {
                client.send(message.clone()).unwrap();
                server.send(message.clone()).unwrap();
                let told = pump_in(&mut client, &mut server, &[step]);
                let expected = vec![Event::Message(message)];
                assert_eq!(told, (expected.clone(), expected), "{length} bytes, {step} at a time");
            }
        }
    }
}

#[test]
fn subprotocol_and_extension_are_negotiated() {
    let client = deflate(Config::client().protocols(["b", "a"]), true);
    let (mut client, mut server) = connect(client, deflate(Config::server().protocols(["a", "c"]), true));
    assert_eq!((client.protocol(), server.protocol()), (Some("a"), Some("a")));
    let agreed = &client.response().expect("the response").headers()[header::SEC_WEBSOCKET_EXTENSIONS];
    assert!(agreed.as_bytes().starts_with(b"permessage-deflate"));
    for _ in 0..3 {
        let message = Message::text("hello ".repeat(1000));
        client.send(message.clone()).unwrap();
        server.send(message.clone()).unwrap();
        let told = pump_in(&mut client, &mut server, &[11]);
        assert_eq!(told, (vec![Event::Message(message.clone())], vec![Event::Message(message)]));
    }
}

#[test]
fn either_side_closes_and_the_server_ends_the_stream_first() {
    for server_closes in [false, true] {
        let (mut client, mut server) = connect(Config::client(), Config::server());
        let closing = if server_closes { &mut server } else { &mut client };
        closing.start_close(CloseCode::GOING_AWAY, "bye").unwrap();
        let (at_client, at_server) = pump_in(&mut client, &mut server, &[usize::MAX]);
        for told in [at_client, at_server] {
            assert!(matches!(&told[..], [Event::Close(close)] if close.code == CloseCode::GOING_AWAY), "{told:?}");
        }
        assert!(server.is_closed() && !server.expects_eof());
        assert!(client.is_closed() && client.expects_eof());
    }
}

/// Returns a server's refusal of this request, and the client's error for it.
fn refused(request: &Request<()>, mut client: Driver) -> (E, ProtocolError) {
    let error = websocket_tests::accept(request, Config::server()).expect_err("a refusal");
    client.receive_response(error.to_response().map(Bytes::from)).expect("an answer is waited for");
    let Some(Event::Error(told)) = client.poll_event() else { panic!("no error") };
    (error, told)
}

#[test]
fn server_refusal_reports_the_reason_to_the_client() {
    let asked = || {
        let mut client = Driver::client(&uri("ws://example.com/"), Config::client()).expect("a URL");
        (client.extended_connect().expect("the first call"), client)
    };
    let (mut request, client) = asked();
    request.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("14"));
    let (error, told) = refused(&request, client);
    assert!(matches!(error, E::UnsupportedVersion { .. }));
    let ProtocolError::Response(told) = told else { panic!("{told:?}") };
    assert_eq!(told.status, Some(StatusCode::UPGRADE_REQUIRED));
    assert_eq!(told.body, format!("{error}\n"));
    let (mut request, client) = asked();
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("a b"));
    let (error, told) = refused(&request, client);
    assert_eq!(error, E::InvalidProtocol);
    assert!(told.to_string().contains("400"), "{told}");
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let message = prop_oneof![
        "\\PC{0,80}".prop_map(|text| Message::text(text.as_str())),
        (any::<u8>(), 0..20_000usize).prop_map(|(byte, length)| Message::binary(vec![byte; length])),
    ];
    prop::collection::vec(message, 0..6)
}

fn send(driver: &mut Driver, messages: &[Message]) {
    messages.iter().for_each(|message| driver.send(message.clone()).expect("room"));
}

fn heard(messages: &[Message]) -> Vec<Event> {
    messages.iter().cloned().map(Event::Message).collect()
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn all_actions_of_either_side_are_received_by_the_other_in_any_chunking(
        of_client in messages(),
        of_server in messages(),
        steps in prop::collection::vec(1..3000usize, 1..6),
        compress in any::<bool>(),
        early in any::<bool>(),
    ) {
        let mut client = Driver::client(&uri("ws://example.com/"), deflate(Config::client().max_output(usize::MAX), compress)).unwrap();
        if early {
            send(&mut client, &of_client);
        }
        let request = client.extended_connect().unwrap();
        let (response, mut server) = websocket_tests::accept(&request, deflate(Config::server().max_output(usize::MAX), compress)).unwrap();
        let response = response.map(|()| Bytes::new());
        // The server does not have to wait for the client any more.
        send(&mut server, &of_server);
        client.receive_response(response).unwrap();
        if !early {
            send(&mut client, &of_client);
        }
        let (mut at_client, mut at_server) = pump_in(&mut client, &mut server, &steps);
        prop_assert_eq!((at_client.remove(0), at_server.remove(0)), (Event::Open, Event::Open));
        prop_assert_eq!(at_client, heard(&of_server));
        prop_assert_eq!(at_server, heard(&of_client));
    }
}
