//! permessage-deflate between the two drivers, with every combination of options (RFC 7692).

use bytes::Buf;
use permessage_deflate::{PermessageDeflate, WindowBits};
use proptest::prelude::*;
use websocket_driver::{Config, Driver, Event, Message};

use crate::both_sides::{open, pump_in};
use crate::session::cases;

const WINDOWS: [u8; 3] = [8, 10, 15];

/// The negotiated options of one side.
#[derive(Debug, Clone, Copy)]
struct Options {
    no_takeover: bool,
    request_no_takeover: bool,
    window: u8,
    request_window: u8,
}

impl Options {
    fn all() -> Vec<Self> {
        let flags = [false, true];
        let windows = WINDOWS.iter().flat_map(|&window| WINDOWS.map(|request_window| (window, request_window)));
        let all = windows.flat_map(|(window, request_window)| {
            flags.iter().flat_map(move |&no_takeover| {
                flags.map(|request_no_takeover| Self { no_takeover, request_no_takeover, window, request_window })
            })
        });
        all.collect()
    }

    fn deflate(self) -> PermessageDeflate {
        let bits = |bits| WindowBits::new(bits).unwrap();
        PermessageDeflate::new()
            .no_context_takeover(self.no_takeover)
            .request_no_context_takeover(self.request_no_takeover)
            .max_window_bits(bits(self.window))
            .request_max_window_bits(bits(self.request_window))
    }
}

fn with<S>(config: Config<S>, deflate: PermessageDeflate) -> Config<S> {
    config.max_output(usize::MAX).extension(deflate).unwrap()
}

/// Returns the extensions in the response.
fn agreed(client: &Driver) -> Option<String> {
    let header = client.response()?.headers().get("sec-websocket-extensions")?;
    Some(header.to_str().unwrap().to_owned())
}

/// Returns the extensions that must be negotiated (RFC 7692 §7.1).
fn expected(client: Options, server: Options) -> Option<String> {
    // zlib cannot use a window of 256 bytes.
    if client.request_window == 8 {
        return None;
    }
    let mut header = "permessage-deflate".to_owned();
    if client.request_no_takeover || server.no_takeover {
        header += "; server_no_context_takeover";
    }
    if client.no_takeover || server.request_no_takeover {
        header += "; client_no_context_takeover";
    }
    let of_server = client.request_window.min(server.window);
    if of_server < 15 {
        header += &format!("; server_max_window_bits={of_server}");
    }
    let of_client = client.window.min(server.request_window);
    if of_client < 15 {
        header += &format!("; client_max_window_bits={of_client}");
    }
    Some(header)
}

/// Sends a message, transfers it, and returns its encoded length.
fn send(from: &mut Driver, to: &mut Driver, message: &Message) -> usize {
    from.send(message.clone()).unwrap();
    let output = from.output();
    let bytes = output.copy_to_bytes(output.remaining());
    let length = bytes.len();
    to.receive(bytes);
    assert_eq!(to.poll_event(), Some(Event::Message(message.clone())));
    assert_eq!(to.poll_event(), None);
    length
}

#[test]
fn every_combination_of_options_negotiates_and_carries_messages() {
    // It has repetitions within a window of 1 KiB, and others at longer distances.
    let words: String = (0..2000).map(|i| format!("word {} ", i * i % 89)).collect();
    let message = Message::text(words);
    for of_client in Options::all() {
        for of_server in Options::all() {
            let (mut client, mut server) = open(
                with(Config::client(), of_client.deflate()),
                with(Config::server(), of_server.deflate()),
                usize::MAX,
            );
            let told = agreed(&client);
            let expected = expected(of_client, of_server);
            assert_eq!(told, expected, "{of_client:?} {of_server:?}");
            let context = format!("{of_client:?} {of_server:?} {told:?}");
            let is_agreed = expected.is_some();
            let takeover = |name: &str| !expected.as_ref().is_some_and(|header| header.contains(name));
            let directions = [
                (of_client.window.min(of_server.request_window), takeover("client_no_context_takeover")),
                (of_server.window.min(of_client.request_window), takeover("server_no_context_takeover")),
            ];
            for (side, (window, keeps)) in directions.into_iter().enumerate() {
                let (from, to) = if side == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
                let small = Message::text("a small one that is compressed, and compressed, and compressed again");
                let lengths = [&message, &small, &small].map(|message| send(from, to, message));
                let compresses = is_agreed && window > 8;
                assert_eq!(lengths[0] < message.len() / 2, compresses, "{lengths:?} {context}");
                // The second time it is in the context, if that is kept.
                assert_eq!(lengths[2] < lengths[1], compresses && keeps, "{lengths:?} {context}");
            }
        }
    }
}

#[test]
fn deflate_of_one_side_alone_compresses_nothing() {
    fn with_or_without<S>(config: Config<S>, has_deflate: bool) -> Config<S> {
        if has_deflate { with(config, PermessageDeflate::new()) } else { config.max_output(usize::MAX) }
    }
    for (of_client, of_server) in [(false, true), (true, false), (false, false)] {
        let client = with_or_without(Config::client(), of_client);
        let (mut client, mut server) = open(client, with_or_without(Config::server(), of_server), usize::MAX);
        assert_eq!(agreed(&client), None);
        let message = Message::text("x".repeat(1000));
        assert_eq!(send(&mut client, &mut server, &message), 1008);
        assert_eq!(send(&mut server, &mut client, &message), 1004);
    }
}

#[test]
fn messages_queued_before_the_open_are_compressed_as_negotiated() {
    let message = Message::text("x".repeat(10_000));
    for is_agreed in [false, true] {
        let server = if is_agreed { with(Config::server(), PermessageDeflate::new()) } else { Config::server() };
        let mut client =
            Driver::client(&"ws://example.com/".parse().unwrap(), with(Config::client(), PermessageDeflate::new()))
                .unwrap();
        let mut server = Driver::server(server);
        client.send(message.clone()).unwrap();
        client.set_compression(false);
        client.send(message.clone()).unwrap();
        client.start().unwrap();
        let (at_client, at_server) = pump_in(&mut client, &mut server, &[100]);
        assert_eq!(at_client, [Event::Open]);
        let message = Event::Message(message.clone());
        assert_eq!(at_server, [Event::Connect, Event::Open, message.clone(), message]);
    }
}

#[test]
fn server_cannot_inflate_beyond_the_limit_of_the_client() {
    // CVE-2026-54464.
    let (mut client, mut server) = open(
        with(Config::client(), PermessageDeflate::new()).max_message_size(10_000),
        with(Config::server(), PermessageDeflate::new()),
        usize::MAX,
    );
    server.send(vec![0; 10_000]).unwrap();
    server.send(vec![0; 10_001]).unwrap();
    let (at_client, at_server) = pump_in(&mut client, &mut server, &[usize::MAX]);
    assert_eq!(at_client[0], Event::Message(Message::binary(vec![0; 10_000])));
    assert!(matches!(&at_client[1..], [Event::Error(_), Event::Close(close)] if close.code == 1009));
    assert!(matches!(&at_server[..], [Event::Close(close)] if close.code == 1009));
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        "[ab]{0,300}".prop_map(Message::text),
        "\\PC{0,100}".prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::binary),
        (any::<u8>(), 0..70_000usize).prop_map(|(byte, length)| Message::binary(vec![byte; length])),
    ]
}

fn side() -> impl Strategy<Value = PermessageDeflate> {
    let options = prop::sample::select(Options::all());
    (options, 0..=9u8, 1..=9u8, prop::sample::select(&[0, 64, 1000][..])).prop_map(
        |(options, level, memory, threshold)| options.deflate().level(level).mem_level(memory).threshold(threshold),
    )
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn messages_are_transmitted_under_any_options_in_any_chunking(
        (of_client, of_server) in (side(), side()),
        messages in prop::collection::vec((any::<bool>(), any::<bool>(), message()), 0..12),
        steps in prop::collection::vec(prop_oneof![1..20usize, 1..5000usize], 1..6),
    ) {
        let (mut client, mut server) = open(with(Config::client(), of_client), with(Config::server(), of_server), steps[0]);
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        for (by_client, may_compress, message) in messages {
            let (from, expected) =
                if by_client { (&mut client, &mut to_server) } else { (&mut server, &mut to_client) };
            from.set_compression(may_compress);
            from.send(message.clone()).unwrap();
            expected.push(Event::Message(message));
        }
        let (at_client, at_server) = pump_in(&mut client, &mut server, &steps);
        prop_assert_eq!(at_client, to_client);
        prop_assert_eq!(at_server, to_server);
    }
}
