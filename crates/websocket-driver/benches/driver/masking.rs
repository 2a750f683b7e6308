//! Masking, both ways. `unmasked` is the same read without a mask, by a client, and `send` has the key drawn from the
//! generator of the thread, as it is by default.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};

use crate::pair::{discard, open, read};
use websocket_wire::opcode::BINARY;

use crate::wire;

const SIZES: [usize; 5] = [16, 125, 1024, 16 * 1024, 1024 * 1024];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("masking");
    for size in SIZES {
        let payload = vec![0x5a; size];
        let (masked, count) = wire::many(&wire::masked(BINARY, &payload));
        let unmasked = wire::unmasked(BINARY, &payload).repeat(count);
        group.throughput(Throughput::Bytes((count * size) as u64));
        group.bench_function(BenchmarkId::new("masked", size), |b| {
            let (_, mut server) = open();
            b.iter(|| assert_eq!(read(&mut server, &masked), count));
        });
        group.bench_function(BenchmarkId::new("unmasked", size), |b| {
            let (mut client, _) = open();
            b.iter(|| assert_eq!(read(&mut client, &unmasked), count));
        });
        let message = Bytes::from(payload);
        group.bench_function(BenchmarkId::new("send", size), |b| {
            let (mut client, _) = open();
            b.iter(|| {
                for _ in 0..count {
                    client.send(message.clone()).expect("an open connection");
                }
                discard(&mut client);
            });
        });
    }
    group.finish();
}
