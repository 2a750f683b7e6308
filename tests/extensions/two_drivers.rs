//! The drivers of a client and a server, with extensions on both sides.

use bytes::Buf;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{ClientConfig, Config, Driver, Event, Message, ServerConfig};
use websocket_tests::chain::chain;
use websocket_tests::wire::ACCEPT;

use crate::checksum::{Checksum, sum};
use crate::options::{bits, long, options, short};
use crate::peer::{EXTENSIONS, noise, prose};
use crate::puff::Puff;

/// Two drivers and the negotiated extensions.
struct Pair {
    client: Driver,
    server: Driver,
    agreed: Option<String>,
}

fn with<S>(config: Config<S>, extensions: &[&str]) -> Config<S> {
    extensions.iter().fold(config, |config, words| match *words {
        "checksum" => config.extension(Checksum::new()).unwrap(),
        words => config.extension(options(words).threshold(0)).unwrap(),
    })
}

impl Pair {
    fn open(client: ClientConfig, server: ServerConfig) -> Self {
        let mut pair = Self { client: connecting(client), server: Driver::server(server), agreed: None };
        pair.server.receive(&take(&mut pair.client)[..]);
        assert_eq!(pair.server.poll_event(), Some(Event::Connect));
        pair.server.start().unwrap();
        assert_eq!(pair.server.poll_event(), Some(Event::Open));
        let answer = take(&mut pair.server);
        let head = std::str::from_utf8(&answer).unwrap();
        let line = head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case(EXTENSIONS)));
        pair.agreed = line.map(|(_, value)| value.to_owned());
        pair.client.receive(&answer[..]);
        assert_eq!(pair.client.poll_event(), Some(Event::Open));
        pair
    }

    /// Sends a message in each direction, transferring a limited number of bytes at a time.
    #[track_caller]
    fn exchange(&mut self, message: &Message, step: usize) {
        for _ in 0..2 {
            // Each is the sender once.
            std::mem::swap(&mut self.client, &mut self.server);
            let (from, to) = (&mut self.client, &mut self.server);
            from.send(message.clone()).unwrap();
            let mut events = Vec::new();
            for piece in take(from).chunks(step) {
                to.receive(piece);
                events.extend(std::iter::from_fn(|| to.poll_event()));
            }
            assert!(events == [Event::Message(message.clone())], "{} bytes, {step} at a time", message.len());
        }
    }
}

/// Returns a client that has sent its request, with the key of the example in RFC 6455 §1.3.
fn connecting(config: ClientConfig) -> Driver {
    let config = config.random(|bytes| {
        let len = bytes.len().min(16);
        bytes[..len].copy_from_slice(&b"the sample nonce"[..len]);
    });
    let mut client = Driver::client(&"ws://example.com/chat".parse().unwrap(), config).unwrap();
    client.start().unwrap();
    client
}

fn take(driver: &mut Driver) -> Vec<u8> {
    let output = driver.output();
    output.copy_to_bytes(output.remaining()).to_vec()
}

#[test]
fn messages_pass_both_extensions_in_both_directions() {
    for (client, server, agreed) in [
        (["", "checksum"], ["", "checksum"], "permessage-deflate, x-checksum"),
        (["checksum", ""], ["", "checksum"], "permessage-deflate, x-checksum"),
        (["", "checksum"], ["checksum", ""], "x-checksum, permessage-deflate"),
    ] {
        let mut pair = Pair::open(with(Config::client(), &client), with(Config::server(), &server));
        assert_eq!(pair.agreed.as_deref(), Some(agreed));
        for step in [1, 7, 1000, usize::MAX] {
            for len in [0, 1, 100, 126, 5000, 70_000] {
                pair.exchange(&Message::text(prose(len)), step);
                pair.exchange(&Message::binary(noise(len, 1)), step);
            }
        }
    }
}

#[test]
fn client_message_has_both_bits_and_is_masked() {
    let mut pair = Pair::open(with(Config::client(), &["", "checksum"]), with(Config::server(), &["", "checksum"]));
    pair.client.send(prose(90)).unwrap();
    let frame = take(&mut pair.client);
    assert_eq!(frame[0], 0x81 | 0x40 | 0x20);
    assert!(frame[1] > 0x80 && frame[1] < 0x80 | 126);
    let payload: Vec<u8> = frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let (deflated, checksum) = payload.split_last_chunk::<4>().unwrap();
    assert_eq!(*checksum, sum(deflated));
    assert_eq!(Puff::fresh(deflated).unwrap(), prose(90).as_bytes());
}

#[test]
fn every_pair_of_options_negotiates_as_specified() {
    let flags = [false, true];
    let all = flags.into_iter().flat_map(|own| flags.map(|request| (own, request)));
    for (own, request) in all.clone() {
        for (servers_own, servers_request) in all.clone() {
            for (client_bits, server_bits) in
                [((15, 15), (15, 15)), ((10, 12), (9, 11)), ((8, 13), (14, 10)), ((15, 9), (8, 15))]
            {
                let deflate = |own, request, (max, request_max): (u8, u8)| {
                    PermessageDeflate::new()
                        .threshold(0)
                        .no_context_takeover(own)
                        .request_no_context_takeover(request)
                        .max_window_bits(bits(max))
                        .request_max_window_bits(bits(request_max))
                };
                let client = Config::client().extension(deflate(own, request, client_bits)).unwrap();
                let server = Config::server().extension(deflate(servers_own, servers_request, server_bits)).unwrap();
                let mut pair = Pair::open(client, server);
                let windows = [server_bits.0.min(client_bits.1), client_bits.0.min(server_bits.1)];
                let asked = [client_bits.1 < 15 || server_bits.0 < 15, windows[1] < 15];
                let parts = [
                    (request || servers_own).then(|| "; snct".to_owned()),
                    (own || servers_request).then(|| "; cnct".to_owned()),
                    asked[0].then(|| format!("; smwb={}", windows[0])),
                    asked[1].then(|| format!("; cmwb={}", windows[1])),
                ];
                let expected = parts.into_iter().flatten().fold("deflate".to_owned(), |all, part| all + &part);
                assert_eq!(short(&pair.agreed.clone().unwrap()), expected);
                for len in [0, 300, 300, 20_000, 300] {
                    pair.exchange(&Message::text(prose(len)), usize::MAX);
                }
            }
        }
    }
}

#[test]
fn client_continues_without_declined_extensions() {
    let mut pair = Pair::open(with(Config::client(), &["", "checksum"]), with(Config::server(), &[]));
    assert_eq!(pair.agreed, None);
    pair.exchange(&Message::text(prose(300)), usize::MAX);
    // zlib cannot compress with a window of 8 bits.
    let mut pair =
        Pair::open(with(Config::client(), &["rmwb=8", "checksum"]), with(Config::server(), &["", "checksum"]));
    assert_eq!(pair.agreed.as_deref(), Some("x-checksum"));
    pair.exchange(&Message::text(prose(300)), usize::MAX);
}

#[test]
fn client_fails_on_an_invalid_response_and_names_it() {
    for (offered, answer, names) in [
        (&[""][..], "deflate; cmwb", &["permessage-deflate", "client_max_window_bits"][..]),
        (&[""], "deflate; smwb=16", &["permessage-deflate", "server_max_window_bits=16"]),
        (&["mwb=10"], "deflate; cmwb=11", &["permessage-deflate", "client_max_window_bits=11"]),
        (&["rnct"], "deflate", &["permessage-deflate", "server_no_context_takeover"]),
        (&[""], "deflate; unknown=1", &["permessage-deflate", "unknown=1"]),
        (&[""], "x-checksum", &["x-checksum"]),
        (&[], "deflate", &["permessage-deflate"]),
        (&["", "checksum"], "deflate, deflate", &["permessage-deflate"]),
        (&[""], "deflate;", &["Sec-WebSocket-Extensions"]),
    ] {
        let mut client = connecting(with(Config::client(), offered));
        let answer = long(answer);
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n"
        );
        client.receive(head.as_bytes());
        let events: Vec<Event> = std::iter::from_fn(|| client.poll_event()).collect();
        let [Event::Error(error), Event::Close(_)] = &events[..] else { panic!("{answer}: {events:?}") };
        assert!(names.iter().all(|name| chain(&error).contains(name)), "{answer}: {error}");
        assert!(client.is_closed());
    }
}

#[test]
fn bomb_from_a_server_is_1009_for_the_client() {
    let mut pair = Pair::open(
        with(Config::client(), &[""]).max_message_size(100_000),
        with(Config::server(), &[""]).max_output(usize::MAX),
    );
    pair.server.send(vec![0; 8 << 20]).unwrap();
    let bomb = take(&mut pair.server);
    assert!(bomb.len() < 10_000);
    pair.client.receive(&bomb[..]);
    let events: Vec<Event> = std::iter::from_fn(|| pair.client.poll_event()).collect();
    let [Event::Error(_), Event::Close(close)] = &events[..] else { panic!("{} events", events.len()) };
    assert_eq!(u16::from(close.code), 1009);
}
