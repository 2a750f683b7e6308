//! Messages larger than the memory used for them. This is a separate test binary, since it measures
//! the whole process.

#![cfg(target_os = "linux")]

#[path = "../sockets/streams/echo.rs"]
mod echo;

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use permessage_deflate::PermessageDeflate;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tower_websocket::{ClientConfig, Config, MessageKind, OutgoingMessage, ServerConfig, WebSocket, accept, connect};

use self::echo::echo_streams;

const MIB: u64 = 1 << 20;

/// The number of bytes per write.
const PIECE: usize = 256 * 1024;

/// Runs one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the peak of the resident memory since the last [`forget_peak`], in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Resets the peak to the current resident memory.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("Linux");
}

/// Returns bytes that depend on their position in the message. A deflate window finds only short
/// repetitions in them.
fn fill(piece: &mut [u8], mut at: u64) {
    for word in piece.chunks_exact_mut(8) {
        word.copy_from_slice(&at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        at += 8;
    }
}

async fn send(mut message: OutgoingMessage<'static>, len: u64) {
    let mut piece = vec![0; PIECE];
    for at in (0..len).step_by(PIECE) {
        fill(&mut piece, at);
        message.write_all(&piece).await.expect("a server that reads");
    }
    message.finish().await.expect("a server that reads");
}

async fn receive(socket: &mut WebSocket, len: u64) {
    let mut message = socket.recv_stream(len).await.expect("an echo").expect("an echo");
    let (mut received, mut expected, mut rest) = (0, vec![0; PIECE], &[][..]);
    while let Some(chunk) = message.chunk().await.expect("the whole echo") {
        let mut chunk = &chunk[..];
        while !chunk.is_empty() {
            if rest.is_empty() {
                fill(&mut expected, received);
                rest = &expected[..];
            }
            let len = rest.len().min(chunk.len());
            let same = rest[..len] == chunk[..len];
            assert!(same, "at {received}");
            (rest, chunk) = (&rest[len..], &chunk[len..]);
            received += len as u64;
        }
    }
    assert_eq!(received, len);
}

/// Streams a message of this size to an echo server and back. Returns the peak memory.
async fn round_trip(len: u64, server: ServerConfig, client: ClientConfig) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let Ok(socket) = accept(stream, server).await else { panic!("no WebSocket") };
        echo_streams(socket, len).await
    });
    let (mut socket, _) = connect(&url).config(client).await.expect("a server");
    forget_peak();
    let sending = tokio::spawn(send(socket.sender().send_stream(MessageKind::Binary), len));
    receive(&mut socket, len).await;
    sending.await.expect("no panic");
    let peak = peak();
    socket.close(1000.into(), "").await.expect("a server that answers");
    serving.await.expect("no panic").expect("an end in order");
    peak
}

fn run(len: u64, server: ServerConfig, client: ClientConfig) -> u64 {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(round_trip(len, server, client))
}

fn deflate<S>(config: Config<S>) -> Config<S> {
    config.extension(PermessageDeflate::new()).expect("the first")
}

#[test]
fn message_of_64_mib_takes_a_fraction_of_it_in_memory() {
    let peak = run(64 * MIB, Config::server(), Config::client());
    assert!(peak < 32 * MIB, "{} KiB", peak / 1024);
}

#[test]
fn compressed_message_of_64_mib_takes_a_fraction_of_it_in_memory() {
    let peak = run(64 * MIB, deflate(Config::server()), deflate(Config::client()));
    assert!(peak < 32 * MIB, "{} KiB", peak / 1024);
}

/// To run it with a memory limit, pass the test binary to `prlimit --data=67108864`.
#[test]
#[ignore = "takes minutes"]
fn message_of_4_gib_passes_through_64_mib() {
    let peak = run(4096 * MIB, Config::server(), Config::client());
    println!("peak: {} KiB", peak / 1024);
    assert!(peak < 64 * MIB, "{} KiB", peak / 1024);
}
