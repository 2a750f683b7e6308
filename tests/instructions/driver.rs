//! The hot paths of the driver and the extensions. See README.md.

use std::hint::black_box;
use std::process::ExitCode;

use bytes::{Buf, Bytes};
use http::Uri;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Batch, Config, Driver, Event, ReplyBuffer, Version};
use websocket_driver_extensions::{BoundedBuffer, Extension, Message, Params, Session, parse_header};
use websocket_tests::accept;
use websocket_tests::instructions::{self, HotPath, Turn};
use websocket_tests::wire::{Frame, Handshake, frames, hixie_text};

const ALL: &[HotPath] = &[
    HotPath::new("echo-text-32", 64, 100, || echo(Version::Hybi13, Frame::text([b'x'; 32]).bytes().repeat(64))),
    HotPath::new("echo-binary-1k", 16, 200, || echo(Version::Hybi13, Frame::binary([7; 1024]).bytes().repeat(16))),
    HotPath::new("echo-mixed-16k", 4, 100, || echo(Version::Hybi13, Frame::text(mixed(16 * 1024)).bytes().repeat(4))),
    HotPath::new("echo-fragments-64k", 1, 50, || echo(Version::Hybi13, fragments(64 * 1024, 16))),
    HotPath::new("echo-fragments-20", 16, 100, || echo(Version::Hybi13, text_fragments(20, 4).repeat(16))),
    HotPath::new("echo-hixie-32", 64, 100, || echo(Version::Hixie75, hixie_text([b'x'; 32]).repeat(64))),
    HotPath::new("batch-text-32", 64, 100, || batch(Frame::text([b'x'; 32]).bytes().repeat(64))),
    HotPath::new("batch-fragments-20", 16, 100, || batch(text_fragments(20, 4).repeat(16))),
    HotPath::new("borrowed-text-32", 64, 100, || borrowed(Frame::text([b'x'; 32]).bytes().repeat(64))),
    HotPath::new("borrowed-fragments-20", 16, 100, || borrowed(text_fragments(20, 4).repeat(16))),
    HotPath::new("borrowed-binary-1k", 16, 200, || borrowed(Frame::binary([7; 1024]).bytes().repeat(16))),
    HotPath::new("header-decode", 1000, 20, || receive(Frame::binary([]).bytes().repeat(1000))),
    HotPath::new("client-send-1k", 16, 200, client_send),
    HotPath::new("client-receive-1k", 16, 200, client_receive),
    HotPath::new("handshake-request", 1, 500, handshake_request),
    HotPath::new("handshake-head", 1, 500, handshake_head),
    HotPath::new("extension-header", 1, 1000, extension_header),
    HotPath::new("deflate-1k", 16, 5, deflate),
];

fn main() -> ExitCode {
    instructions::run(ALL)
}

/// Returns a server that echoes.
fn echo(version: Version, input: Vec<u8>) -> Turn {
    let mut server = server(version);
    Box::new(move || {
        server.input().extend_from_slice(&input);
        while let Some(event) = server.poll_event() {
            let Event::Message(message) = event else { panic!("{event:?}") };
            server.send(message).expect("an open connection");
        }
        discard(&mut server);
    })
}

/// Returns a server that echoes with a batch, like `WebSocket::recv` and `send`.
fn batch(input: Vec<u8>) -> Turn {
    let mut server = server(Version::Hybi13);
    let mut batch = Batch::default();
    Box::new(move || {
        server.input().extend_from_slice(&input);
        server.lend(&mut batch);
        for message in &mut batch {
            assert!(server.send_short(&message), "an open connection");
        }
        server.take_back(&mut batch);
        discard(&mut server);
    })
}

/// Returns a server that echoes borrowed messages without the driver, like
/// `WebSocket::for_each_borrowed`.
fn borrowed(input: Vec<u8>) -> Turn {
    let mut server = server(Version::Hybi13);
    let (mut batch, mut replies) = (Batch::default(), ReplyBuffer::default());
    Box::new(move || {
        server.input().extend_from_slice(&input);
        server.lend(&mut batch);
        server.begin_replies(&mut replies);
        batch.visit(|message| {
            replies.send_borrowed(message).expect("an open connection");
            !replies.is_full()
        });
        server.take_back(&mut batch);
        server.commit(&mut replies).expect("an open connection");
        discard(&mut server);
    })
}

fn server(version: Version) -> Driver {
    let request = Handshake::of(version).request();
    let (_, mut server) = accept(&request, Config::server().allow_drafts(true)).expect("a handshake");
    assert_eq!(server.poll_event(), Some(Event::Open));
    server
}

/// Returns a server that only receives.
fn receive(input: Vec<u8>) -> Turn {
    let mut server = server(Version::Hybi13);
    Box::new(move || {
        server.input().extend_from_slice(&input);
        while let Some(event) = server.poll_event() {
            black_box(event);
        }
    })
}

/// Returns a client that masks.
fn client_send() -> Turn {
    let (mut client, _) = connected();
    let message = Bytes::from_static(&[7; 1024]);
    Box::new(move || {
        for _ in 0..16 {
            client.send(message.clone()).expect("an open connection");
        }
        discard(&mut client);
    })
}

fn client_receive() -> Turn {
    let (mut client, _) = connected();
    let input = Frame::binary([7; 1024]).unmasked().bytes().repeat(16);
    Box::new(move || {
        client.input().extend_from_slice(&input);
        while let Some(event) = client.poll_event() {
            black_box(event);
        }
    })
}

/// Behind an HTTP stack.
fn handshake_request() -> Turn {
    let request = browser().request();
    let config = Config::server().protocols(["chat"]);
    Box::new(move || {
        let handshake = websocket_driver::Handshake::parse(&request).expect("a handshake");
        black_box(handshake.accept(&config).expect("a handshake"));
    })
}

/// On bare TCP.
fn handshake_head() -> Turn {
    let head = browser().bytes();
    let config = Config::server().protocols(["chat"]);
    Box::new(move || {
        let mut server = Driver::server(config.clone());
        server.receive(&head[..]);
        assert_eq!(server.poll_event(), Some(Event::Connect));
        server.start().expect("a handshake");
        assert_eq!(server.poll_event(), Some(Event::Open));
        discard(&mut server);
    })
}

fn extension_header() -> Turn {
    let line = b"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; \
        server_no_context_takeover; client_no_context_takeover, x-trace; id=\"4711\"; sampled";
    Box::new(|| {
        black_box(parse_header([black_box(line.as_slice())]).expect("it follows the grammar"));
    })
}

/// In both directions, without context takeover.
fn deflate() -> Turn {
    let config = PermessageDeflate::new().no_context_takeover(true).request_no_context_takeover(true);
    let agree = || config.accept(&[Params::new()]).expect("an agreement").1;
    let (mut compressor, mut inflater): (Box<dyn Session>, Box<dyn Session>) = (agree(), agree());
    let messages: Vec<Bytes> = (0..16).map(|number| json(1024, number).into()).collect();
    Box::new(move || {
        for text in &messages {
            let mut message = Message::new(true, text.clone());
            compressor.encode(&mut message).expect("it compresses");
            let mut inspect = |_: &[u8]| Ok(());
            inflater.decode(&mut message, &mut BoundedBuffer::new(1 << 20, &mut inspect)).expect("it inflates");
            assert_eq!(message.data.len(), text.len());
        }
    })
}

fn discard(driver: &mut Driver) {
    let output = driver.output();
    output.advance(output.remaining());
}

fn connected() -> (Driver, Driver) {
    let mut client = Driver::client(&Uri::from_static("ws://example.com/"), Config::client()).expect("a URL");
    let mut server = Driver::server(Config::server());
    client.start().expect("a request");
    hand_over(&mut client, &mut server);
    assert_eq!(server.poll_event(), Some(Event::Connect));
    server.start().expect("an answer");
    assert_eq!(server.poll_event(), Some(Event::Open));
    hand_over(&mut server, &mut client);
    assert_eq!(client.poll_event(), Some(Event::Open));
    (client, server)
}

fn hand_over(from: &mut Driver, to: &mut Driver) {
    let output = from.output();
    to.receive(&output.copy_to_bytes(output.remaining())[..]);
}

/// Returns a request with all the headers of a browser.
fn browser() -> Handshake {
    Handshake::of(Version::Hybi13)
        .with("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .with("Accept-Language", "en-US,en;q=0.5")
        .with("Accept-Encoding", "gzip, deflate")
        .with("Cache-Control", "no-cache")
        .with("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
        .with("Sec-WebSocket-Protocol", "chat")
}

fn fragments(size: usize, count: usize) -> Vec<u8> {
    let piece = vec![7; size / count];
    let more = (2..count).map(|_| Frame::continuation(&piece).more());
    frames([Frame::binary(&piece).more()].into_iter().chain(more).chain([Frame::continuation(&piece)]))
}

fn text_fragments(size: usize, count: usize) -> Vec<u8> {
    let piece = vec![b'x'; size / count];
    let more = (2..count).map(|_| Frame::continuation(&piece).more());
    frames([Frame::text(&piece).more()].into_iter().chain(more).chain([Frame::continuation(&piece)]))
}

/// Returns a text of `size` bytes, a third of them in characters of two to four bytes.
fn mixed(size: usize) -> String {
    let mut text = "the quick brown fox, größe, naïve café, привет, 日本語, 数据 🚀 ".repeat(size / 64 + 1);
    let end = (0..=size).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.truncate(end);
    text + &".".repeat(size - end)
}

/// Returns a text of `size` bytes of JSON.
fn json(size: usize, number: usize) -> String {
    let mut text = String::from("[");
    for at in number.. {
        if text.len() >= size {
            break;
        }
        let (symbol, side) = (["BTC-USD", "ETH-USD", "EUR-USD"][at % 3], ["buy", "sell"][at % 2]);
        let (id, price) = (at * 7919 % 100_003, at * 104_729 % 9973);
        text += &format!(r#"{{"id":{id},"symbol":"{symbol}","side":"{side}","price":{price}.25}},"#);
    }
    text.truncate(size);
    text
}
