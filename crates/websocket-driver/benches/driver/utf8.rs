//! Texts, whose bytes are judged while they come. `binary` is the same read without that.

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::pair::{open, read};
use websocket_wire::opcode::{BINARY, TEXT};

use crate::wire;

const SIZES: [usize; 4] = [32, 1024, 16 * 1024, 1024 * 1024];
const FRAGMENTS: usize = 16;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf8");
    for size in SIZES {
        let (ascii, mixed) = ("x".repeat(size), wire::mixed(size));
        for (name, frame) in [
            ("binary", wire::masked(BINARY, mixed.as_bytes())),
            ("ascii", wire::masked(TEXT, ascii.as_bytes())),
            ("mixed", wire::masked(TEXT, mixed.as_bytes())),
            ("binary in 16", wire::fragments(BINARY, mixed.as_bytes(), FRAGMENTS)),
            ("mixed in 16", wire::fragments(TEXT, mixed.as_bytes(), FRAGMENTS)),
        ] {
            let (frames, count) = wire::many(&frame);
            group.throughput(Throughput::Bytes((count * size) as u64));
            group.bench_function(BenchmarkId::new(name, size), |b| {
                let (_, mut server) = open();
                b.iter(|| assert_eq!(read(&mut server, &frames), count));
            });
        }
    }
    group.finish();
}
