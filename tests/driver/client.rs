//! The client driver against the server driver, in memory (RFC 6455 §4.1, §5).

use bytes::Buf;
use websocket_driver::{CloseCode, Config, Driver, Event, Message, Version};

/// Carries bytes between the two, `step` at a time, until neither has any more, and collects what each tells.
fn pump(client: &mut Driver, server: &mut Driver, step: usize) -> (Vec<Event>, Vec<Event>) {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    loop {
        let carried = carry(client, server, step) + carry(server, client, step);
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

fn carry(from: &mut Driver, to: &mut Driver, step: usize) -> usize {
    let output = from.output();
    let bytes = output.copy_to_bytes(output.remaining().min(step));
    let len = bytes.len();
    if len > 0 {
        to.receive(bytes);
    }
    len
}

fn open(client: Config, server: Config, step: usize) -> (Driver, Driver) {
    let mut client = Driver::client(&"ws://example.com/chat?x=1".parse().unwrap(), client).unwrap();
    let mut server = Driver::server(server);
    client.start().unwrap();
    let (at_client, at_server) = pump(&mut client, &mut server, step);
    assert_eq!(at_client, [Event::Open]);
    assert_eq!(at_server, [Event::Connect, Event::Open]);
    (client, server)
}

#[test]
fn messages_of_every_size_come_through_both_ways_in_any_chunking() {
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
    client.ping("one").unwrap();
    server.ping("two").unwrap();
    let (at_client, at_server) = pump(&mut client, &mut server, usize::MAX);
    assert_eq!(at_client, [Event::Ping("two".into()), Event::Pong("one".into())]);
    assert_eq!(at_server, [Event::Ping("one".into()), Event::Pong("two".into())]);
    client.close(CloseCode::GOING_AWAY, "bye").unwrap();
    let (at_client, at_server) = pump(&mut client, &mut server, usize::MAX);
    assert!(matches!(&at_client[..], [Event::Close(close)] if close.code == CloseCode::GOING_AWAY));
    assert!(matches!(&at_server[..], [Event::Close(close)] if close.reason == "bye"));
    // The server ends the transport first.
    assert!(server.is_closed() && !server.expects_eof());
    assert!(client.is_closed() && client.expects_eof());
    client.receive_eof();
    assert!(!client.expects_eof());
}
