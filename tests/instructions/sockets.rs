//! The hot paths of a `WebSocket`: its futures, its lock and its buffers, without a kernel. See
//! README.md.

use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tower_websocket::{CompletedHandshake, Config, WebSocket};
use websocket_tests::instructions::{self, HotPath, Turn};
use websocket_tests::wire::Frame;

const ALL: &[HotPath] = &[
    HotPath::new("socket-text-32", 64, 100, || echo(Frame::text([b'x'; 32]).bytes().repeat(64))),
    HotPath::new("socket-single-32", 1, 1000, || echo(Frame::text([b'x'; 32]).bytes())),
    HotPath::new("socket-borrowed-32", 64, 100, || borrowed(Frame::text([b'x'; 32]).bytes().repeat(64))),
];

fn main() -> ExitCode {
    instructions::run(ALL)
}

/// Returns a socket that echoes with `recv` and `send`, and ends a turn when it waits for input.
fn echo(input: Vec<u8>) -> Turn {
    let (runtime, mut socket, is_ready) = open(input);
    Box::new(move || {
        is_ready.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            while let Poll::Ready(received) = poll(socket.recv()) {
                let message = received.expect("an open connection").expect("a message");
                assert!(matches!(poll(socket.send(message)), Poll::Ready(Ok(()))), "a full output");
            }
            // Lets the background task write, if anything is left to it.
            yield_now().await;
        });
    })
}

/// Returns a socket that echoes with `for_each_borrowed`.
fn borrowed(input: Vec<u8>) -> Turn {
    let (runtime, mut socket, is_ready) = open(input);
    Box::new(move || {
        is_ready.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            let echoing = socket.for_each_borrowed(|message, replies| {
                replies.send_borrowed(message).expect("an open connection");
            });
            assert!(poll(echoing).is_pending());
            yield_now().await;
        });
    })
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn open(input: Vec<u8>) -> (Runtime, WebSocket<Memory>, Arc<AtomicBool>) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let is_ready = Arc::new(AtomicBool::new(false));
    let io = Memory { input, is_ready: is_ready.clone() };
    // Without timers, as the clock would change the counts.
    let config = Config::server().ping_interval(None).idle_timeout(None);
    let socket = runtime.block_on(async { WebSocket::from_raw(io, "", CompletedHandshake::new(), config) });
    (runtime, socket, is_ready)
}

/// A transport from which the same input arrives when it is ready, in one read, and that accepts
/// all output.
struct Memory {
    input: Vec<u8>,
    is_ready: Arc<AtomicBool>,
}

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.is_ready.swap(false, Ordering::Relaxed) {
            return Poll::Pending;
        }
        buf.put_slice(&self.input);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
