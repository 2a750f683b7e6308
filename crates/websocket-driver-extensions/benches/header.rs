//! Parsing and writing of `Sec-WebSocket-Extensions`: as browsers send it, and at the maximum length of a head.
//!
//! ```text
//! cargo bench -p websocket-driver-extensions
//! ```

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use websocket_driver_extensions::{parse_header, write_header};

fn bench(criterion: &mut Criterion) {
    let offers = "permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; \
        server_no_context_takeover; client_no_context_takeover, x-trace; id=\"4711\"; sampled";
    let many = ["permessage-deflate; client_max_window_bits"; 350].join(", ");
    let one = format!("x; a=\"{}\"", "\\y".repeat(7_500));

    let mut group = criterion.benchmark_group("extension header");
    for (name, line) in [
        ("browser", "permessage-deflate; client_max_window_bits"),
        ("offers", offers),
        ("many entries", many.as_str()),
        ("one long value", one.as_str()),
    ] {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(format!("parse/{name}"), |b| {
            b.iter(|| parse_header([line.as_bytes()]).expect("it follows the grammar").len());
        });
    }
    let entries = parse_header([offers.as_bytes()]).expect("it follows the grammar");
    group.throughput(Throughput::Bytes(offers.len() as u64));
    group.bench_function("write/offers", |b| {
        b.iter(|| write_header(entries.iter().map(|(name, params)| (name.as_str(), params))));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
