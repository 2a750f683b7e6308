//! A flood on one connection does not delay the other tasks of its thread: timers, and round trips
//! of other clients.
//!
//! The server has its own runtime. Its clients are threads with blocking sockets, so that they
//! measure only the server and the kernel. Other processes may disturb a measurement, but not all
//! of several, so the best one counts.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until};
use tower_websocket::{Config, Version, WebSocket, accept};
use websocket_tests::blocking::connect;
use websocket_tests::wire::{Frame, frames};

/// The maximum 99th percentile, in a debug build beside other processes. If a poll handles
/// everything that has arrived, it is 200 ms to several seconds.
const LIMIT: Duration = Duration::from_millis(12);

/// The duration of a flood before anything is measured, in which it fills the kernel's buffers.
const SETTLING: Duration = Duration::from_millis(40);

/// The duration of the measurement.
const MEASURING: Duration = Duration::from_millis(120);

/// The number of measurements, the best of which counts.
const ATTEMPTS: usize = 6;

/// How the server handles the flooded connection.
#[derive(Debug, Clone, Copy)]
enum Handler {
    Recv,
    Echo,
    ForEach,
}

impl Handler {
    async fn run(self, mut socket: WebSocket<tokio::net::TcpStream>) {
        match self {
            Self::Recv => while let Some(Ok(_)) = socket.recv().await {},
            Self::Echo => {
                while let Some(Ok(message)) = socket.recv().await {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
            }
            Self::ForEach => {
                // The flood ends by cutting the transport.
                let _ = socket
                    .for_each_borrowed(|message, replies| {
                        let _ = replies.send_borrowed(message);
                    })
                    .await;
            }
        }
    }
}

/// A server and its clients.
struct Scene {
    runtime: Runtime,
    honest: SocketAddr,
    flooded: SocketAddr,
    lateness: Arc<Mutex<Vec<Duration>>>,
}

impl Scene {
    fn new(workers: usize, handler: Handler) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime");
        let honest = serve(&runtime, Handler::Echo);
        let flooded = serve(&runtime, handler);
        let lateness = Arc::<Mutex<Vec<_>>>::default();
        let late = lateness.clone();
        runtime.spawn(async move {
            loop {
                let due = Instant::now() + Duration::from_millis(1);
                sleep_until(due).await;
                late.lock().expect("no panic").push(due.elapsed());
            }
        });
        Self { runtime, honest, flooded, lateness }
    }

    /// Returns the 99th percentiles of the round trips of an honest client and of the lateness of a
    /// timer.
    fn measure(&self) -> (Duration, Duration) {
        let mut client = connect(self.honest, Version::Hybi13);
        let (request, mut reply) = (Frame::text("hello").bytes(), [0; 7]);
        let mut round_trips = Vec::new();
        self.lateness.lock().expect("no panic").clear();
        let begun = Instant::now();
        while begun.elapsed() < MEASURING {
            let sent = Instant::now();
            client.write_all(&request).expect("a server");
            client.read_exact(&mut reply).expect("a reply");
            assert_eq!(reply, *b"\x81\x05hello");
            round_trips.push(sent.elapsed());
        }
        let lateness = std::mem::take(&mut *self.lateness.lock().expect("no panic"));
        assert!(!lateness.is_empty(), "the timer did not fire in {MEASURING:?}");
        (percentile(round_trips), percentile(lateness))
    }
}

fn percentile(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn serve(runtime: &Runtime, handler: Handler) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let addr = listener.local_addr().expect("an address");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a TCP stream");
            tokio::spawn(
                async move { handler.run(accept(stream, Config::server()).await.expect("a WebSocket")).await },
            );
        }
    });
    addr
}

/// A client that writes endlessly and reads all replies, until it is dropped.
struct Flooder {
    stream: TcpStream,
    threads: Vec<JoinHandle<()>>,
}

impl Flooder {
    fn new(addr: SocketAddr, block: &Arc<[u8]>) -> Self {
        let stream = connect(addr, Version::Hybi13);
        let (mut writer, mut reader) = (stream.try_clone().expect("a socket"), stream.try_clone().expect("a socket"));
        let block = block.clone();
        let writing = thread::spawn(move || while writer.write_all(&block).is_ok() {});
        let reading = thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            while reader.read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        Self { stream, threads: vec![writing, reading] }
    }

    /// Panics if the server has closed the connection, in which case nothing was measured.
    fn stop(mut self) {
        assert!(self.threads.iter().all(|thread| !thread.is_finished()), "the flood has ended before");
        self.stream.shutdown(Shutdown::Both).expect("an open connection");
        for thread in self.threads.drain(..) {
            thread.join().expect("no panic");
        }
    }
}

/// One measurement at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leaves_others_punctual(handler: Handler, packet: Vec<u8>) {
    let _alone = alone();
    let block: Arc<[u8]> = packet.repeat((256 * 1024_usize).div_ceil(packet.len())).into();
    for workers in [1, 2] {
        let scene = Scene::new(workers, handler);
        let (idle_round_trip, idle_lateness) = scene.measure();
        // One more than there are threads to handle them.
        let flooders: Vec<_> = (0..=workers).map(|_| Flooder::new(scene.flooded, &block)).collect();
        thread::sleep(SETTLING);
        let mut measured = Vec::new();
        let is_punctual = (0..ATTEMPTS).any(|_| {
            let (round_trip, lateness) = scene.measure();
            measured.push((round_trip, lateness));
            round_trip <= LIMIT + 3 * idle_round_trip && lateness <= LIMIT + 3 * idle_lateness
        });
        println!("{workers} workers: idle {:?}, flooded {measured:?}", (idle_round_trip, idle_lateness));
        assert!(is_punctual, "{workers} workers: round trips and timers take {measured:?}");
        flooders.into_iter().for_each(Flooder::stop);
        scene.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

/// Returns a message of the maximum number of fragments, all of them empty.
fn fragments() -> Vec<u8> {
    let first = Frame::binary("").more();
    let more = std::iter::repeat_n(Frame::continuation("").more(), 500);
    frames(std::iter::once(first).chain(more).chain([Frame::continuation("")]))
}

macro_rules! floods {
    ($module:ident, $handler:expr) => {
        mod $module {
            use super::*;

            #[test]
            fn flood_of_empty_messages_leaves_others_punctual() {
                leaves_others_punctual($handler, Frame::binary("").bytes());
            }

            #[test]
            fn flood_of_short_texts_leaves_others_punctual() {
                leaves_others_punctual($handler, Frame::text("twenty bytes of text").bytes());
            }

            #[test]
            fn flood_of_pings_leaves_others_punctual() {
                leaves_others_punctual($handler, Frame::ping("").bytes());
            }

            #[test]
            fn flood_of_pongs_leaves_others_punctual() {
                leaves_others_punctual($handler, Frame::pong("").bytes());
            }

            #[test]
            fn flood_of_empty_fragments_leaves_others_punctual() {
                leaves_others_punctual($handler, fragments());
            }
        }
    };
}

floods!(recv, Handler::Recv);
floods!(echo, Handler::Echo);
floods!(for_each, Handler::ForEach);
