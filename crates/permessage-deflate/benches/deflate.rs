//! Compression and inflation of messages through a negotiated session, as in the driver.
//!
//! ```text
//! cargo bench -p permessage-deflate
//! ```

use std::fmt::Write;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use permessage_deflate::PermessageDeflate;
use websocket_driver_extensions::{BoundedBuffer, Extension, Message, Params, Session};

const SIZES: [usize; 3] = [128, 1024, 64 * 1024];

/// Total length of the different messages sent in sequence: twice the window, since with context takeover the compressor would
/// find a repeated message in it.
const LAP: usize = 64 * 1024;

fn bench(criterion: &mut Criterion) {
    for (context, fresh) in [("fresh", true), ("takeover", false)] {
        let config = PermessageDeflate::new().no_context_takeover(fresh).request_no_context_takeover(fresh);
        let mut group = criterion.benchmark_group(format!("deflate, {context}"));
        for size in SIZES {
            let texts: Vec<Bytes> = (0..(LAP / size).max(4)).map(|seed| json(size, seed).into()).collect();
            group.throughput(Throughput::Bytes((size * texts.len()) as u64));
            for level in [1, 6] {
                group.bench_function(BenchmarkId::new(format!("compress, level {level}"), size), |b| {
                    let mut session = agree(&config.clone().level(level));
                    b.iter(|| texts.iter().map(|text| compress(&mut *session, text).data.len()).sum::<usize>());
                });
            }
            let mut session = agree(&config);
            let compressed: Vec<Message> = texts.iter().map(|text| compress(&mut *session, text)).collect();
            group.bench_function(BenchmarkId::new("inflate", size), |b| {
                // A new session each time, since a kept context fits one sequence only.
                b.iter_batched(
                    || (agree(&config), compressed.clone()),
                    |(mut session, messages)| {
                        messages.into_iter().map(|message| inflate(&mut *session, message)).sum::<usize>()
                    },
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

/// Returns the session of a server whose client offers everything.
fn agree(config: &PermessageDeflate) -> Box<dyn Session> {
    let offer = Params::new().flag("client_max_window_bits");
    config.accept(&[offer]).expect("an agreement").1
}

fn compress(session: &mut dyn Session, text: &Bytes) -> Message {
    let mut message = Message::new(true, text.clone());
    session.encode(&mut message).expect("it compresses");
    message
}

fn inflate(session: &mut dyn Session, mut message: Message) -> usize {
    let mut inspect = |_: &[u8]| Ok(());
    session.decode(&mut message, &mut BoundedBuffer::new(1 << 20, &mut inspect)).expect("it inflates");
    message.data.len()
}

/// Returns JSON-like text of a given length, as services send it.
fn json(size: usize, seed: usize) -> String {
    let mut state = seed as u64 + 1;
    let mut next = |below: u64| {
        // Knuth's constants. The low bits have short periods and are dropped.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = String::from("[");
    while text.len() < size {
        let (id, symbol, side) = (next(100_000), next(4) as usize, next(2) as usize);
        let (symbol, side) = (["BTC-USD", "ETH-USD", "EUR-USD", "XAU-USD"][symbol], ["buy", "sell"][side]);
        let (units, cents) = (next(10_000), next(100));
        write!(text, r#"{{"id":{id},"symbol":"{symbol}","side":"{side}","price":{units}.{cents:02}}},"#)
            .expect("a String takes it");
    }
    text.truncate(size);
    text
}

criterion_group!(benches, bench);
criterion_main!(benches);
