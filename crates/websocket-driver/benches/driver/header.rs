//! Frame headers in each of their lengths, with as little behind them as that length allows.

use criterion::{Criterion, Throughput};

use crate::pair::{open, read};
use websocket_wire::opcode::BINARY;

use crate::wire;

const PONG: u8 = 0xa;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    for (name, opcode, payload) in
        [("7 bits", BINARY, 0), ("16 bits", BINARY, 126), ("64 bits", BINARY, 0x1_0000), ("control", PONG, 0)]
    {
        let (frames, count) = wire::many(&wire::masked(opcode, &vec![0; payload]));
        let messages = if opcode == BINARY { count } else { 0 };
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |b| {
            let (_, mut server) = open();
            b.iter(|| assert_eq!(read(&mut server, &frames), messages));
        });
    }
    // Of one message: the frames between its first and its last cost nothing but their headers.
    let (count, last) = (10_000, wire::masked(0, b""));
    let mut frames = vec![BINARY, 0x80, 0, 0, 0, 0];
    frames.extend([0x00, 0x80, 0, 0, 0, 0].repeat(count));
    frames.extend(last);
    group.throughput(Throughput::Elements(count as u64 + 2));
    group.bench_function("fragment", |b| {
        let (_, mut server) = open();
        b.iter(|| assert_eq!(read(&mut server, &frames), 1));
    });
    group.finish();
}
