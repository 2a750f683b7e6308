//! The handshake: of a server behind an HTTP stack, of one that reads the head itself, of a client.

use bytes::Buf;
use criterion::Criterion;
use http::{Request, Uri};
use websocket_driver::{Config, Driver, Event, Handshake};

/// As a browser sends it.
const HEAD: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate\r\n\
    Accept-Language: en\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    let config = Config::server().protocols(["chat"]).allow_drafts(true);

    let request = request(HEAD);
    group.bench_function("request", |b| {
        b.iter(|| Handshake::parse(&request).and_then(|handshake| handshake.accept(&config)).expect("a handshake"));
    });
    group.bench_function("server", |b| {
        b.iter(|| {
            let mut server = Driver::server(config.clone());
            server.receive(HEAD.as_bytes());
            assert_eq!(server.poll_event(), Some(Event::Connect));
            server.start().expect("a handshake");
            assert_eq!(server.poll_event(), Some(Event::Open));
            server.output().remaining()
        });
    });
    // Of draft-hixie-76 §1.2.
    let hixie76 = "GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
        Origin: http://example.com\r\n\r\n^n:ds[4U";
    group.bench_function("server, hixie-76", |b| {
        b.iter(|| {
            let mut server = Driver::server(config.clone());
            server.receive(hixie76.as_bytes());
            assert_eq!(server.poll_event(), Some(Event::Connect));
            server.start().expect("a handshake");
            assert_eq!(server.poll_event(), Some(Event::Open));
            server.output().remaining()
        });
    });
    // A client is of no use without an answer, and the answer needs its key: both sides are in here.
    let url = Uri::from_static("ws://example.com/chat");
    group.bench_function("client and server", |b| {
        b.iter(|| {
            let mut client = Driver::client(&url, Config::client().protocols(["chat"])).expect("a URL");
            let mut server = Driver::server(config.clone());
            client.start().expect("a request");
            crate::pair::pass(&mut client, &mut server);
            assert_eq!(server.poll_event(), Some(Event::Connect));
            server.start().expect("an answer");
            crate::pair::pass(&mut server, &mut client);
            assert_eq!(client.poll_event(), Some(Event::Open));
        });
    });
    group.finish();
}

/// The head as an HTTP stack gives it.
fn request(head: &str) -> Request<()> {
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a request line");
    let headers = lines.filter_map(|line| line.split_once(": "));
    headers
        .fold(Request::get(target), |request, (name, value)| request.header(name, value))
        .body(())
        .expect("a request")
}
