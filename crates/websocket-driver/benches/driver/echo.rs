//! A message from a client to a server and back: two drivers, with a copy between them where a socket would be.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use websocket_driver::{Config, Driver, Event, Handshake, Message};
use websocket_wire::opcode::TEXT;

use crate::pair::{discard, open, pass};
use crate::wire;

const SIZES: [usize; 6] = [16, 64, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let binary = Message::Binary(Bytes::from(vec![0x5a; size]));
        let text = Message::text(wire::mixed(size));
        for (name, message) in [("binary", binary), ("text", text)] {
            group.bench_function(BenchmarkId::new(name, size), |b| {
                let (mut client, mut server) = open();
                b.iter(|| {
                    client.send(message.clone()).expect("an open connection");
                    pass(&mut client, &mut server);
                    let Some(Event::Message(received)) = server.poll_event() else { panic!("no message") };
                    server.send(received).expect("an open connection");
                    pass(&mut server, &mut client);
                    let Some(Event::Message(received)) = client.poll_event() else { panic!("no message") };
                    received.len()
                });
            });
        }
    }
    // What a server sees of many clients: a batch in one read, answered in one write.
    let (frames, count) = wire::many(&wire::masked(TEXT, &[b'x'; 32]));
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("batch of 32 B", |b| {
        let (_, mut server) = open();
        b.iter(|| echo_all(&mut server, &frames));
    });
    let (frames, count) = wire::many(&[b"\0".as_slice(), &[b'x'; 32], b"\xff"].concat());
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("batch of 32 B, hixie-75", |b| {
        let mut server = hixie75();
        b.iter(|| echo_all(&mut server, &frames));
    });
    group.finish();
}

fn echo_all(server: &mut Driver, frames: &[u8]) {
    server.input().extend_from_slice(frames);
    while let Some(event) = server.poll_event() {
        if let Event::Message(message) = event {
            server.send(message).expect("an open connection");
        }
    }
    discard(server);
}

fn hixie75() -> Driver {
    let request = http::Request::get("/")
        .header("Host", "example.com")
        .header("Origin", "http://example.com")
        .header("Connection", "Upgrade")
        .header("Upgrade", "WebSocket")
        .body(())
        .expect("a request");
    let handshake = Handshake::parse(&request).expect("a handshake of hixie-75");
    let (_, mut server) = handshake.accept(&Config::server().allow_drafts(true)).expect("drafts are allowed");
    assert_eq!(server.poll_event(), Some(Event::Open));
    server
}
