//! Memory of connections. A separate binary, since it counts all allocations of the process.

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum_websocket::WebSocketUpgrade;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower_websocket::{Config, Version, WebSocket, accept};
use websocket_tests::blocking::connect;
use websocket_tests::wire::{Frame, HYBI, hixie_text};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of messages counted. One allocation per message would be as many.
const MESSAGES: usize = 10_000;

/// The maximum number of allocations for all of them, most of which are made by the test harness.
const HANDFUL: usize = 50;

/// The number of idle connections.
const CONNECTIONS: usize = 200;

/// The maximum memory of an idle connection in bytes. Half of it is tokio's registration of the
/// socket and the task of the handler, 256 bytes each.
const HELD: usize = 1040;

/// Runs one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn allocations() -> usize {
    let stats = GLOBAL.stats();
    stats.allocations + stats.reallocations
}

/// Returns the number of bytes allocated now.
fn held() -> usize {
    let stats = GLOBAL.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

#[derive(Debug, Clone, Copy)]
enum Stack {
    Axum,
    Tcp,
}

const STACKS: [Stack; 2] = [Stack::Axum, Stack::Tcp];

/// A server on a thread with its own runtime. Dropping it ends the server and frees its memory, so
/// that the next test does not count it.
struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(stack: Stack) -> Self {
        let (sender, addr) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                sender.send(listener.local_addr().expect("an address")).expect("a test that waits");
                tokio::select! {
                    () = serve(stack, listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { addr: addr.recv().expect("a server"), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(stack: Stack, listener: TcpListener) {
    let config = Config::server().allow_drafts(true);
    match stack {
        Stack::Axum => {
            let router = Router::new().fallback(move |ws: WebSocketUpgrade| {
                let config = config.clone();
                async move { ws.config(config).on_upgrade(echo) }
            });
            axum::serve(listener, router).await.expect("a server");
        }
        Stack::Tcp => {
            while let Ok((stream, _)) = listener.accept().await {
                let config = config.clone();
                tokio::spawn(async move {
                    let mut socket = accept(stream, config).await.expect("a handshake");
                    // Its headers would be more than everything else.
                    socket.take_request();
                    // A new task frees the state of the handshake.
                    tokio::spawn(echo(socket));
                });
            }
        }
    }
}

async fn echo<T>(mut socket: WebSocket<T>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// Sends a frame and reads its echo repeatedly.
fn ping_pong(client: &mut TcpStream, frame: &[u8], reply: &[u8], times: usize) {
    let mut read = vec![0; reply.len()];
    for _ in 0..times {
        client.write_all(frame).expect("a server");
        client.read_exact(&mut read).expect("a reply");
        assert_eq!(read, reply);
    }
}

/// Asserts that a warm connection allocates nothing for these messages.
fn costs_nothing(stack: Stack, frame: &[u8], reply: &[u8], times: usize) {
    let server = Server::start(stack);
    let mut client = connect(server.addr, Version::Hybi13);
    ping_pong(&mut client, frame, reply, times.div_ceil(10));
    let before = allocations();
    ping_pong(&mut client, frame, reply, times);
    let made = allocations() - before;
    assert!(made <= HANDFUL, "{stack:?}: {made} allocations for {MESSAGES} messages");
}

#[test]
fn text_of_up_to_512_bytes_costs_no_allocation() {
    let _alone = alone();
    for stack in STACKS {
        for len in [32, 48, 49, 125, 512] {
            let frame = Frame::text("x".repeat(len));
            costs_nothing(stack, &frame.bytes(), &frame.unmasked().bytes(), MESSAGES);
        }
    }
}

#[test]
fn small_binary_message_costs_no_allocation() {
    let _alone = alone();
    for stack in STACKS {
        let reply = [b"\x82\x40", &[7; 64][..]].concat();
        costs_nothing(stack, &Frame::binary([7; 64]).bytes(), &reply, MESSAGES);
    }
}

#[test]
fn messages_in_packets_of_many_cost_no_allocation() {
    let _alone = alone();
    for stack in STACKS {
        let frames = [Frame::text("x".repeat(32)).bytes(), Frame::binary([7; 64]).bytes()].concat().repeat(50);
        let reply = [&b"\x81\x20"[..], &[b'x'; 32], b"\x82\x40", &[7; 64]].concat().repeat(50);
        costs_nothing(stack, &frames, &reply, MESSAGES / 100);
    }
}

/// Asserts that idle connections hold little memory once they have settled.
fn idle_ones_hold_little(stack: Stack, version: Version, frame: &[u8], reply: &[u8], last: &[u8]) {
    let server = Server::start(stack);
    // The buffer pool and the lists of the runtime grow with the first connections, and are kept.
    let mut warm: Vec<_> = (0..20).map(|_| connect(server.addr, version)).collect();
    warm.iter_mut().for_each(|client| ping_pong(client, frame, reply, 3));
    let before = held();
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut client = connect(server.addr, version);
        ping_pong(&mut client, frame, reply, 3);
        client.write_all(last).expect("a server");
        clients.push(client);
    }
    let start = Instant::now();
    loop {
        let each = held().saturating_sub(before) / CONNECTIONS;
        if each <= HELD {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{stack:?} {version}: {each} bytes for each connection");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn idle_connections_hold_no_buffers() {
    let _alone = alone();
    for stack in STACKS {
        for version in HYBI {
            let reply = [b"\x81\x20", &[b'x'; 32][..]].concat();
            idle_ones_hold_little(stack, version, &Frame::text("x".repeat(32)).bytes(), &reply, b"");
        }
        for version in [Version::Hixie76, Version::Hixie75] {
            let text = hixie_text("x".repeat(32));
            idle_ones_hold_little(stack, version, &text, &text, b"");
        }
    }
}

#[test]
fn connections_within_a_small_frame_hold_no_buffers() {
    let _alone = alone();
    let frame = Frame::text("x".repeat(32)).bytes();
    let reply = [b"\x81\x20", &[b'x'; 32][..]].concat();
    for half in [&frame[..1], &frame[..5], &frame[..30]] {
        idle_ones_hold_little(Stack::Tcp, Version::Hybi13, &frame, &reply, half);
    }
    let text = hixie_text("x".repeat(32));
    idle_ones_hold_little(Stack::Tcp, Version::Hixie76, &text, &text, &text[..10]);
}

#[test]
fn connections_that_announce_large_frames_hold_little() {
    let _alone = alone();
    let (frame, reply) = (Frame::text("x").bytes(), b"\x81\x01x");
    for announcing in [Frame::binary("a few bytes"), Frame::text("a few bytes"), Frame::binary("the first").more()] {
        let header = announcing.announcing(60 * 1024 * 1024).bytes();
        idle_ones_hold_little(Stack::Tcp, Version::Hybi13, &frame, reply, &header);
    }
}

#[test]
fn large_message_leaves_nothing_behind() {
    let _alone = alone();
    for stack in STACKS {
        let server = Server::start(stack);
        let mut client = connect(server.addr, Version::Hybi13);
        ping_pong(&mut client, &Frame::text("x").bytes(), b"\x81\x01x", 10);
        let frame = Frame::binary(vec![7; 1024 * 1024]).bytes();
        let reply = [&b"\x82\x7f\0\0\0\0\0\x10\0\0"[..], &vec![7; 1024 * 1024]].concat();
        let before = held();
        thread::scope(|scope| {
            let mut writer = client.try_clone().expect("a TCP stream");
            let frame = &frame;
            scope.spawn(move || (0..5).for_each(|_| writer.write_all(frame).expect("a server")));
            let mut read = vec![0; reply.len()];
            for _ in 0..5 {
                client.read_exact(&mut read).expect("a reply");
                assert!(read == reply);
            }
        });
        let start = Instant::now();
        // The pool may have grown by a buffer or two.
        while held().saturating_sub(before) > 512 * 1024 {
            assert!(start.elapsed() < Duration::from_secs(5), "{stack:?}: {} bytes", held().saturating_sub(before));
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn long_message_lent_by_for_each_is_echoed_without_a_copy() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut socket, mut peer) = tower_websocket::test::server("/", Config::server()).await;
        let long = vec![7; 1024 * 1024];
        peer.send_binary(&long);
        let mut spent = Vec::new();
        let echo = socket.for_each_borrowed(|message, replies| {
            let before = GLOBAL.stats().bytes_allocated;
            replies.send_borrowed(message).expect("an open connection");
            spent.push(GLOBAL.stats().bytes_allocated - before);
        });
        tokio::select! {
            _ = echo => panic!("it has ended"),
            () = peer.expect_binary(&long) => {}
        }
        assert!(matches!(spent[..], [bytes] if bytes < 1024), "{spent:?}");
    });
}

/// The senders wait for a peer that does not read. A waker, message or entry of any queue that each
/// of them left would be 20,000.
#[test]
fn cancelled_senders_leave_nothing_behind() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let config = Config::server().ping_interval(None);
        let (socket, mut peer) = tower_websocket::test::server("/", config).await;
        peer.capacity(1024);
        let sender = socket.sender();
        // The transport accepts some data at first, which makes room again.
        for _ in 0..100 {
            while sender.try_send(vec![7; 1000]).is_ok() {}
            tokio::task::yield_now().await;
        }
        let cancel = async |count| {
            for _ in 0..count {
                timeout(Duration::from_millis(1), sender.send("cancelled")).await.expect_err("it waits");
                timeout(Duration::from_millis(1), sender.ready()).await.expect_err("it waits");
            }
        };
        cancel(100).await;
        let before = held();
        cancel(10_000).await;
        let left = held().saturating_sub(before);
        assert!(left < 10_000, "{left} bytes");
    });
}
