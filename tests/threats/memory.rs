//! The memory that peers can make a connection hold. A separate binary, since it counts all
//! allocations of the process.

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use permessage_deflate::PermessageDeflate;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_websocket::{WebSocket, accept};
use websocket_driver::{Config, Driver, Event, ServerConfig, Version};
use websocket_tests::wire::{ACCEPT, Frame, Handshake};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A margin for allocations of the test harness.
const MARGIN: i64 = 16 * 1024;

/// Runs one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the number of bytes allocated now.
fn held() -> i64 {
    let stats = GLOBAL.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Returns an open server driver, with permessage-deflate if `deflate`.
fn server(version: Version, deflate: bool) -> Driver {
    let config = Config::server().allow_drafts(true).extension(PermessageDeflate::new()).unwrap();
    let mut handshake = Handshake::of(version);
    if deflate {
        handshake = handshake.with(EXTENSIONS, "permessage-deflate");
    }
    let (response, mut driver) = websocket_tests::accept(&handshake.request(), config).unwrap();
    assert_eq!(response.headers().contains_key(EXTENSIONS), deflate);
    driver.receive(&handshake.body[..]);
    opened(driver)
}

/// Returns an open client driver, with permessage-deflate if `deflate`.
fn client(deflate: bool) -> Driver {
    let config = Config::client().extension(PermessageDeflate::new()).unwrap();
    // 16 bytes for the key, then four bytes per masking key.
    let config = config.random(|bytes| bytes.copy_from_slice(&b"the sample nonce"[..bytes.len()]));
    let mut driver = Driver::client(&"ws://example.com/".parse().unwrap(), config).unwrap();
    driver.start().unwrap();
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n"
    );
    if deflate {
        answer += "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    }
    driver.receive((answer + "\r\n").as_bytes());
    opened(driver)
}

fn opened(mut driver: Driver) -> Driver {
    assert_eq!(driver.poll_event(), Some(Event::Open));
    assert_eq!(driver.poll_event(), None);
    drop(written(&mut driver));
    driver
}

fn written(driver: &mut Driver) -> Vec<u8> {
    let output = driver.output();
    output.copy_to_bytes(output.remaining()).into()
}

/// A driver, and how its peer encodes a frame.
type Side = (Driver, fn(Frame) -> Frame);

fn both_sides(deflate: bool) -> [Side; 2] {
    [(server(Version::Hybi13, deflate), |frame| frame), (client(deflate), Frame::unmasked)]
}

/// Returns the additional memory of a driver after receiving `count` fragments of an endless
/// message. Each is received in a separate buffer, as if it were a complete read.
fn held_for(driver: &mut Driver, first: &[u8], fragment: &[u8], count: usize) -> i64 {
    let before = held();
    for i in 0..count {
        let mut buffer = BytesMut::with_capacity(4096);
        buffer.extend_from_slice(if i == 0 { first } else { fragment });
        driver.receive(buffer);
        assert_eq!(driver.poll_event(), None, "{i}");
    }
    // The last buffer is kept for the next fragment.
    drop(std::mem::take(driver.input()));
    held() - before
}

#[test]
fn cve_2026_48779_fragments_of_a_byte_hold_little_more_than_their_bytes() {
    let _alone = alone();
    let count = 100_000;
    for (deflate, rsv) in [(false, 0), (true, 0), (true, 0x40)] {
        for opcode in [1, 2] {
            for (mut driver, as_sent) in both_sides(deflate) {
                let first = as_sent(Frame::new(opcode, "x").rsv(rsv).more()).bytes();
                let fragment = as_sent(Frame::continuation("x").more()).bytes();
                let held = held_for(&mut driver, &first, &fragment, count);
                // In one buffer that doubles.
                assert!(held <= 2 * count as i64 + MARGIN, "{held} bytes for {count} fragments");
            }
        }
    }
}

#[test]
fn cve_2026_12151_empty_fragments_hold_nothing() {
    let _alone = alone();
    for (deflate, rsv) in [(false, 0), (true, 0), (true, 0x40)] {
        for (mut driver, as_sent) in both_sides(deflate) {
            let first = as_sent(Frame::text("").rsv(rsv).more()).bytes();
            let fragment = as_sent(Frame::continuation("").more()).bytes();
            let held = held_for(&mut driver, &first, &fragment, 100_000);
            assert!(held <= MARGIN, "{held} bytes");
        }
    }
}

#[test]
fn cve_2026_54466_skipped_frame_is_not_held() {
    let _alone = alone();
    for version in [Version::Hixie76, Version::Hixie75] {
        let mut driver = server(version, false);
        let before = held();
        // 60 MiB, encoded with 7 bits per byte, of which at most one piece is held.
        let piece = 64 * 1024;
        driver.receive(&[0x80, 0x9e, 0x80, 0x80, 0x00][..]);
        for i in 0..60 * 16 {
            assert_eq!(driver.poll_event(), None);
            let held = held() - before;
            assert!(held <= piece as i64 + MARGIN, "{held} bytes behind {i} pieces");
            driver.receive(vec![0; piece].as_slice());
        }
        driver.receive(&b"\x00in step\xff"[..]);
        assert!(matches!(driver.poll_event(), Some(Event::Message(message)) if message.as_text() == Some("in step")));
    }
}

#[test]
fn unanswered_pings_of_a_driver_hold_nothing() {
    let _alone = alone();
    for (mut driver, _) in both_sides(false) {
        let ping = |driver: &mut Driver, i: u32| {
            driver.send_ping(format!("{i:0125}")).unwrap();
            let output = driver.output();
            output.advance(output.remaining());
        };
        // The output has allocated its buffer now.
        ping(&mut driver, 0);
        let before = held();
        (1..100_000).for_each(|i| ping(&mut driver, i));
        let held = held() - before;
        assert!(held <= MARGIN, "{held} bytes");
    }
}

/// Runs a test with an open socket and its peer, which has read the response to its handshake.
fn with_socket(config: ServerConfig, test: impl AsyncFnOnce(WebSocket<DuplexStream>, DuplexStream)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (io, mut peer) = tokio::io::duplex(64 * 1024);
        peer.write_all(&Handshake::of(Version::Hybi13).bytes()).await.unwrap();
        let Ok(mut socket) = accept(io, config).await else { panic!("no WebSocket") };
        socket.flush().await.unwrap();
        assert!(peer.read(&mut [0; 1024]).await.unwrap() > 0);
        test(socket, peer).await;
    });
}

#[test]
fn rustsec_2022_0035_trickling_frame_holds_little_more_than_was_received() {
    let _alone = alone();
    let unlimited = Config::server().max_frame_size(usize::MAX).max_message_size(usize::MAX);
    for (opcode, config, announced) in [
        (1, Config::server(), 60 << 20),
        (2, Config::server(), 60 << 20),
        (1, unlimited.clone(), u64::MAX >> 1),
        (2, unlimited, u64::MAX >> 1),
    ] {
        with_socket(config, async |mut socket, mut peer| {
            // The pool has allocated its buffers now.
            peer.write_all(&Frame::binary([7; 60_000]).bytes()).await.unwrap();
            drop(socket.recv().await);
            let before = held();
            peer.write_all(&Frame::new(opcode, "").mask([0; 4]).announcing(announced).header()).await.unwrap();
            for i in 1..=100 {
                assert!(socket.recv().now_or_never().is_none());
                let held = held() - before;
                assert!(held <= 16 * i + MARGIN, "{held} bytes for {i}");
                peer.write_all(b"7").await.unwrap();
            }
        });
    }
}

#[test]
fn unanswered_pings_of_a_socket_hold_nothing() {
    let _alone = alone();
    with_socket(Config::server(), async |mut socket, mut peer| {
        let mut read = vec![0; 64 * 1024];
        let mut before = 0;
        for i in 0..50_000 {
            socket.send_ping(format!("{i:0125}")).await.unwrap();
            assert_eq!(peer.read(&mut read).await.unwrap(), 127);
            if i == 10 {
                before = held();
            }
        }
        let held = held() - before;
        assert!(held <= MARGIN, "{held} bytes");
    });
}

#[test]
fn unsolicited_pongs_are_not_kept() {
    let _alone = alone();
    for (mut driver, as_sent) in both_sides(false) {
        let pong = as_sent(Frame::pong([7; 125])).bytes();
        let before = held();
        for _ in 0..100_000 {
            driver.receive(&pong[..]);
            assert!(matches!(driver.poll_event(), Some(Event::Pong(_))));
        }
        drop(std::mem::take(driver.input()));
        let held = held() - before;
        assert!(held <= MARGIN, "{held} bytes");
    }
}
