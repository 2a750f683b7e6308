//! Memory of compression, as counted by the allocator. A separate test binary, since other tests
//! would be counted too.
//!
//! ```text
//! cargo test -p websocket-tests --test extensions_memory -- --nocapture
//! ```

#[expect(dead_code, reason = "it has more than is needed here")]
mod peer;

use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use permessage_deflate::{PermessageDeflate, WindowBits};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use websocket_driver::extensions::{Extensions, Message, Pipeline, Rsv, parse_header};
use websocket_driver::{Config, Event, ServerConfig};
use websocket_tests::wire::Frame;

use crate::peer::{Deflater, OFFER, Server, compressed, noise, prose};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Less than any codec, and more than what the threads of the test harness allocate in the
/// meantime.
const LITTLE: i64 = 30_000;

/// One test at a time, since the allocator counts all threads.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test exclusively, on a thread whose memory is freed before the next test begins.
fn alone(test: fn()) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(panic) = std::thread::spawn(test).join() {
        std::panic::resume_unwind(panic);
    }
}

/// Returns the result of a step with what it has allocated, and what remains allocated while the
/// result is held.
fn cost<T>(step: impl FnOnce() -> T) -> (T, Stats, i64) {
    let region = Region::new(ALLOCATOR);
    let result = step();
    let change = region.change();
    (result, change, change.bytes_allocated as i64 - change.bytes_deallocated as i64)
}

/// Returns a value measured three times out of five, since the threads of the test harness allocate
/// occasionally.
fn settled<T: Ord + Copy>(measure: impl Fn() -> T) -> T {
    let mut held: Vec<T> = (0..5).map(|_| measure()).collect();
    held.sort();
    held[2]
}

/// Returns what a codec holds. A codec left over on the thread is held as well, but was not created
/// for the session.
fn settled_codec(measure: impl Fn() -> (i64, i64)) -> i64 {
    let (held, told) = settled(measure);
    assert!(held < 1000 || (held - told).abs() < 1000, "{held} are held, the session reports {told}");
    held
}

/// Performs allocations that happen once per thread.
fn warm_up() {
    let mut server = Server::deflate(fresh());
    // Short and long messages use separate compressors.
    for len in [300, 3000] {
        exchange(&mut server, &Deflater::new().no_takeover().binary(prose(len)));
    }
}

fn fresh() -> PermessageDeflate {
    PermessageDeflate::new().no_context_takeover(true).request_no_context_takeover(true)
}

/// Exchanges one compressed message in each direction.
fn exchange(server: &mut Server, sent: &[u8]) {
    let events = server.feed(sent);
    let [Event::Message(message)] = &events[..] else { panic!("{} events", events.len()) };
    assert_eq!(server.send(message.clone()).first, 0xc2);
}

#[test]
fn connection_holds_no_codec_before_its_first_compressed_message() {
    alone(|| {
        warm_up();
        let config = Config::server().extension(PermessageDeflate::new()).unwrap();
        let open = |config: &ServerConfig| settled(|| cost(|| Server::open(config.clone(), &[OFFER])).2);
        let (without, with) = (open(&Config::server()), open(&config));
        assert!(with - without < LITTLE, "{with} bytes with compression, {without} without");

        // The same holds after uncompressed messages in either direction.
        let mut server = Server::open(config, &[OFFER]);
        let plain = Frame::text("x".repeat(63)).bytes();
        let (_, _, held) = cost(|| {
            for _ in 0..10 {
                assert_eq!(server.feed(&plain).len(), 1);
                assert_eq!(server.send("x".repeat(63)).first, 0x81);
            }
        });
        assert!(held < LITTLE, "{held}");
        // If another connection has taken the codecs of the thread, one is created for each
        // direction.
        exchange(&mut Server::deflate(PermessageDeflate::new()), &Deflater::new().binary(prose(300)));
        let (_, _, inflating) = cost(|| server.feed(Deflater::new().binary(prose(300))).len());
        let (_, _, deflating) = cost(|| server.send(prose(300)).first);
        assert!((30_000..100_000).contains(&inflating), "{inflating}");
        assert!((100_000..500_000).contains(&deflating), "{deflating}");
    });
}

#[test]
fn ten_thousand_idle_connections_without_context_takeover_hold_no_codec() {
    alone(|| {
        warm_up();
        let sent = Deflater::new().no_takeover().binary(prose(300));
        let config = Config::server().extension(fresh()).unwrap();
        let count = 10_000;
        let (servers, change, held) = cost(|| {
            let mut servers: Vec<Server> = (0..count).map(|_| Server::open(config.clone(), &[OFFER])).collect();
            servers.iter_mut().for_each(|server| exchange(server, &sent));
            servers
        });
        let each = held / count;
        assert!(each < 1500, "{each} bytes a connection");
        // None was created for them either: those of the warm-up served all.
        let made = change.bytes_allocated as i64 / count;
        assert!(made < 30_000, "{made} bytes a connection");
        drop(servers);
    });
}

#[test]
fn idle_connections_with_context_takeover_hold_no_compressor() {
    alone(|| {
        warm_up();
        let sent = Deflater::new().binary(prose(300));
        let config = Config::server().extension(PermessageDeflate::new()).unwrap();
        let open = || {
            let mut server = Server::open(config.clone(), &[OFFER]);
            exchange(&mut server, &sent);
            server
        };
        // They take the codecs of the thread.
        let _others = [(); 8].map(|()| open());
        let count = 100;
        let (mut servers, _, active) = cost(|| (0..count).map(|_| open()).collect::<Vec<_>>());
        let (_, _, released) = cost(|| {
            for server in &mut servers {
                server.driver.release_idle();
                server.driver.release_idle();
            }
        });
        let (active, idle) = (active / count, (active + released) / count);
        println!("{active} bytes per connection after messages, {idle} if it is idle");
        assert!((341_568..345_000).contains(&active) && (47_552..50_000).contains(&idle), "{active}, {idle}");
        let told = servers[0].driver.memory() as i64;
        assert!((idle - told).abs() < 1000, "{idle} are held, the driver reports {told}");
    });
}

#[test]
fn codecs_are_released_with_their_connection() {
    alone(|| {
        for options in [PermessageDeflate::new(), fresh()] {
            warm_up();
            let config = Config::server().extension(options).unwrap();
            let (_, _, held) = cost(|| {
                for _ in 0..50 {
                    let mut server = Server::open(config.clone(), &[OFFER]);
                    exchange(&mut server, &Deflater::new().binary(prose(300)));
                }
            });
            assert!(held < LITTLE, "{held}");
        }
    });
}

#[test]
fn connection_without_extensions_allocates_nothing_for_compression() {
    alone(|| {
        let traffic = |config: ServerConfig, offers: &[&str]| {
            let mut server = Server::open(config, offers);
            let (small, large) = (Frame::text(prose(300)).bytes(), Frame::binary(noise(100_000, 1)).bytes());
            let reply = prose(300);
            let count = || {
                let (_, change, _) = cost(|| {
                    for sent in [&small, &large] {
                        server.feed(sent);
                        server.driver.send(reply.clone()).unwrap();
                        server.bytes();
                    }
                });
                change.allocations as i64
            };
            let mut counts: Vec<i64> = std::iter::repeat_with(count).take(9).collect();
            counts.sort();
            counts[4]
        };
        let without = traffic(Config::server(), &[]);
        let deflate = || Config::server().extension(PermessageDeflate::new()).unwrap();
        assert_eq!(traffic(deflate(), &[]), without);
        assert_eq!(traffic(deflate(), &["permessage-deflate; unknown"]), without);
        assert_eq!(traffic(deflate().decline_extensions(|_| true), &[OFFER]), without);
    });
}

#[test]
fn bomb_costs_no_more_than_a_few_times_the_limit() {
    alone(|| {
        warm_up();
        let one = Deflater::new().message(vec![0; 1 << 20]);
        let bomb = compressed(2, [&one[..], &[0x00, 0x00, 0xff, 0xff]].concat().repeat(256));
        assert!(bomb.len() < 270_000);
        for limit in [300_000, 1 << 20, 4 << 20] {
            let config = Config::server().max_message_size(limit);
            let mut server = Server::limited(PermessageDeflate::new(), config);
            let (events, change, held) = cost(|| server.feed(&bomb));
            server.assert_failed(&events, 1009);
            // The bytes of the frame, the decompressor, and the decompressed data in a buffer that
            // doubles.
            let most = 2 * limit + 2 * bomb.len() + 200_000;
            assert!(change.bytes_allocated < most, "{} with a limit of {limit}", change.bytes_allocated);
            let most = bomb.len() as i64 + LITTLE;
            assert!(held < most, "{held} held after it failed, {} of it for the frame", bomb.len());
        }
    });
}

#[test]
fn large_message_leaves_no_large_buffer() {
    alone(|| {
        warm_up();
        let mut server = Server::deflate(fresh());
        let (message, sent) = (noise(8 << 20, 1), compressed(2, Deflater::new().message(vec![b'x'; 8 << 20])));
        let (_, _, held) = cost(|| {
            assert_eq!(server.feed(&sent).len(), 1);
            server.send(message.clone()).payload.len()
        });
        assert!(held < 200_000, "{held}");
    });
}

/// Returns the only session of a pipeline, for a side that only compresses or only decompresses.
fn pipeline(options: PermessageDeflate, is_client: bool) -> Pipeline {
    let mut extensions = Extensions::new();
    extensions.register(options).unwrap();
    if is_client {
        return extensions.offer().activate(&parse_header([b"permessage-deflate".as_slice()]).unwrap()).unwrap();
    }
    extensions.accept(&parse_header([OFFER.as_bytes()]).unwrap()).0
}

fn compressing(bits: u8, mem_level: u8) -> i64 {
    let bits = WindowBits::new(bits).expect("8 to 15");
    settled_codec(|| {
        let mut pipeline = pipeline(PermessageDeflate::new().max_window_bits(bits).mem_level(mem_level), true);
        let before = pipeline.memory();
        let held = cost(|| pipeline.encode(&mut Message::new(true, prose(300))).unwrap()).2;
        (held, (pipeline.memory() - before) as i64)
    })
}

fn inflating(bits: u8) -> i64 {
    let sent = Deflater::with_window(9).message(prose(300));
    let bits = WindowBits::new(bits).expect("8 to 15");
    settled_codec(|| {
        let mut pipeline = pipeline(PermessageDeflate::new().request_max_window_bits(bits), false);
        let before = pipeline.memory();
        let held = cost(|| {
            let mut message = Message::new(true, sent.clone());
            message.rsv = Rsv::RSV1;
            pipeline.decode(&mut message, 1000, &mut |_| Ok(())).unwrap();
        })
        .2;
        (held, (pipeline.memory() - before) as i64)
    })
}

const README: &str = include_str!("../../crates/permessage-deflate/README.md");

#[test]
fn codec_memory_matches_the_table_of_the_readme() {
    alone(|| {
        warm_up();
        let levels = [1, 4, 6, 8, 9];
        let mut table = "| window bits | inflate |".to_owned();
        levels.iter().for_each(|level| table += &format!(" compress, mem_level {level} |"));
        table += "\n|---:|---:|---:|---:|---:|---:|---:|\n";
        for bits in 9..=15 {
            table += &format!("| {bits} | {} |", inflating(bits));
            levels.iter().for_each(|level| table += &format!(" {} |", compressing(bits, *level)));
            table += "\n";
        }
        println!("{table}");
        assert!(README.contains(&table), "the README has another table than\n{table}");
    });
}
