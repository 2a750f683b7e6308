//! Flow control over HTTP/2 (RFC 9113 §5.2): a socket that is not read blocks its own sender and no
//! other.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::FutureExt;
use h2::server::Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tower_websocket::{Config, Message, MessageKind};
use websocket_tests::wire::Frame;

use crate::http2_peer::{Tunnel, builder, connection, open, open_on};
use crate::http2_servers::{FLOOD, FLOOD_MESSAGE, Stack};
use crate::peer::echoes;
use crate::run::{run, run_paused};

/// The client's window for a stream.
const STREAM_WINDOW: usize = 1024 * 1024;

/// Long enough for everything that can happen, since the clock is paused.
const LONG: Duration = Duration::from_secs(5);

/// Returns a server with these windows for each stream and for the connection.
fn windows(stream: u32, connection: u32) -> Builder {
    let mut builder = builder();
    builder.initial_window_size(stream).initial_connection_window_size(connection);
    builder
}

/// Sends part of a message that is longer than any window, until the window is full. Returns the
/// number of bytes.
async fn fill(tunnel: &mut Tunnel) -> usize {
    tunnel.write_bytes(Frame::binary([]).unmasked().announcing(1 << 25).bytes(), false);
    let mut sent = 10;
    while let Ok(room) = timeout(LONG, tunnel.capacity(16 * 1024)).await {
        tunnel.write_bytes(vec![7; room], false);
        sent += room;
    }
    // Releases the capacity that was requested and not granted.
    tunnel.send.reserve_capacity(0);
    sent
}

#[test]
fn server_with_small_windows_receives_everything_in_small_pieces() {
    run(async || {
        for window in [1, 16, 1000, 65_535] {
            let (mut socket, mut tunnel, _peer) = open(windows(window, 65_535)).await;
            let length = if window == 1 { 300 } else { 100_000 };
            let bytes: Vec<u8> = (0..length).map(|i: usize| i as u8).collect();
            let (sent, (first, payload)) = tokio::join!(socket.send(bytes.clone()), tunnel.frame());
            sent.unwrap();
            assert!(first == 0x82 && payload == bytes, "{window}");
        }
    });
}

#[test]
fn server_that_reads_nothing_blocks_only_its_sender() {
    run_paused(async || {
        let (connection, mut peer) = connection(windows(1000, 1024 * 1024)).await;
        let (mut stuck, mut to_stuck) = open_on(&connection, &mut peer, Config::client()).await;
        let (mut other, mut to_other) = open_on(&connection, &mut peer, Config::client()).await;
        let mut sending = Box::pin(stuck.send(vec![7; 100_000]));
        assert!(timeout(LONG, &mut sending).await.is_err(), "no room");
        for _ in 0..10 {
            let (sent, _) = tokio::join!(other.send(vec![8; 10_000]), to_other.frame());
            sent.unwrap();
            to_other.write(Frame::text("and back"));
            assert_eq!(other.recv().await.unwrap().unwrap(), Message::text("and back"));
        }
        let (sent, (_, payload)) = tokio::join!(sending, to_stuck.frame());
        sent.unwrap();
        assert_eq!(payload.len(), 100_000);
    });
}

#[test]
fn client_that_reads_nothing_blocks_only_its_server() {
    run_paused(async || {
        let (connection, mut peer) = connection(builder()).await;
        let mut stuck = Vec::new();
        for _ in 0..5 {
            let (socket, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
            assert_eq!(fill(&mut tunnel).await, STREAM_WINDOW);
            stuck.push((socket, tunnel));
        }
        let (mut other, mut to_other) = open_on(&connection, &mut peer, Config::client()).await;
        let (received, ()) = tokio::join!(other.recv(), async {
            let mut bytes = &Frame::binary(vec![8; 2 * STREAM_WINDOW]).unmasked().bytes()[..];
            while !bytes.is_empty() {
                let room = to_other.capacity(bytes.len()).await.min(bytes.len());
                to_other.write_bytes(bytes[..room].to_vec(), false);
                bytes = &bytes[room..];
            }
        });
        assert_eq!(received.unwrap().unwrap().as_bytes().len(), 2 * STREAM_WINDOW);
        other.send("and back").await.unwrap();
        to_other.expect("and back").await;
        // A socket that is read again opens its window.
        let (mut socket, mut tunnel) = stuck.swap_remove(2);
        assert!(socket.recv().now_or_never().is_none());
        assert!(timeout(LONG, tunnel.capacity(1)).await.is_ok());
        assert!(timeout(LONG, stuck[0].1.capacity(1)).await.is_err(), "and the others get none");
    });
}

/// Any future of a socket may be dropped at any time. The data that it then waits to send does not
/// reserve capacity that another stream could use.
#[test]
fn cancelled_send_blocks_no_other_socket() {
    run_paused(async || {
        // The windows of streams are larger than that of the connection, as in hyper and most
        // servers.
        let (connection, mut peer) = connection(windows(1024 * 1024, 65_535)).await;
        let (mut idle, mut to_idle) = open_on(&connection, &mut peer, Config::client()).await;
        let (mut other, mut to_other) = open_on(&connection, &mut peer, Config::client()).await;
        assert!(timeout(LONG, idle.send(vec![7; 300_000])).await.is_err(), "no room for all");
        // The server reads everything that has arrived, which opens the window again.
        let mut read = 0;
        while let Ok(data) = timeout(LONG, to_idle.more()).await {
            read += data.expect("no end").expect("no error").len();
        }
        assert!(read >= 65_535, "{read}");
        assert!(timeout(LONG, other.send("hello")).await.is_ok_and(|sent| sent.is_ok()), "there is room");
        assert!(timeout(LONG, to_other.expect("hello")).await.is_ok());
        // The first one continues when it is polled.
        let (flushed, _) = tokio::join!(timeout(LONG, idle.flush()), async {
            while read < 300_000 {
                read += to_idle.more().await.expect("no end").expect("no error").len();
            }
        });
        flushed.expect("in time").unwrap();
    });
}

/// The same if the first waits for capacity in its own task while the other is used.
#[test]
fn concurrent_senders_share_the_window() {
    run(async || {
        let (connection, mut peer) = connection(windows(1024 * 1024, 65_535)).await;
        let mut tasks = Vec::new();
        for number in 0..20_u8 {
            let (mut socket, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
            tasks.push(tokio::spawn(async move {
                let bytes = vec![number; 200_000];
                let (sent, (_, payload)) = tokio::join!(socket.send(bytes.clone()), tunnel.frame());
                sent.unwrap();
                assert!(payload == bytes, "{number}");
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// A server that shrinks its windows makes them negative (RFC 9113 §6.9.2).
#[test]
fn windows_may_shrink_while_a_message_is_sent() {
    run(async || {
        let (mut socket, mut tunnel, peer) = open(windows(60_000, 1024 * 1024)).await;
        let mut sending = Box::pin(socket.send(vec![7; 200_000]));
        assert!(poll_fn(|cx| std::task::Poll::Ready(sending.as_mut().poll(cx).is_pending())).await);
        let mut read = 0;
        while read < 50_000 {
            read += tunnel.receive.data().await.unwrap().unwrap().len();
        }
        peer.shrink_windows(100);
        let reading = async {
            // Including the header and the masking key.
            let _ = tunnel.receive.flow_control().release_capacity(read);
            while read < 200_014 {
                read += tunnel.more().await.unwrap().unwrap().len();
            }
        };
        let (sent, ()) = tokio::join!(sending, reading);
        sent.unwrap();
    });
}

#[test]
fn socket_that_is_not_read_blocks_no_other_on_a_real_server() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let connection = server.connect().http2_connection().await.unwrap();
            let mut stuck = Vec::new();
            for _ in 0..3 {
                let (mut socket, _) = server.connect().on(&connection).await.unwrap();
                socket.send("flood").await.unwrap();
                stuck.push(socket);
            }
            let (mut other, _) = server.connect().on(&connection).await.unwrap();
            for _ in 0..10 {
                echoes(&mut other, "hello").await;
                echoes(&mut other, &"long ".repeat(100_000)).await;
            }
            // Everything arrives once it is requested.
            for socket in &mut stuck {
                for _ in 0..FLOOD {
                    assert_eq!(socket.recv().await.unwrap().unwrap().as_bytes().len(), FLOOD_MESSAGE);
                }
                echoes(socket, "and on").await;
            }
        }
    });
}

#[test]
fn messages_are_streamed_both_ways() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.expect("a server");
            let sender = socket.sender();
            let bytes: Vec<u8> = (0..3_000_000).map(|i: u32| (i % 251) as u8).collect();
            socket.send("stream").await.unwrap();
            let sending = async {
                let mut message = sender.send_stream(MessageKind::Binary);
                message.write_all(&bytes).await.unwrap();
                message.finish().await.unwrap();
            };
            let receiving = async {
                let mut message = socket.recv_stream(1 << 30).await.expect("an echo").unwrap();
                let mut all = Vec::new();
                message.read_to_end(&mut all).await.unwrap();
                all
            };
            let ((), received) = tokio::join!(sending, receiving);
            assert!(received == bytes);
            socket.close(1000.into(), "").await.unwrap();
        }
    });
}
