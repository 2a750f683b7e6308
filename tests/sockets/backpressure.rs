//! A client that does not read does not make the server's memory grow.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::time::timeout;
use tower_websocket::{Config, Message, Version, WebSocket};
use websocket_tests::wire::{Frame, HYBI, VERSIONS, server_frame};

use crate::client::texts_of;
use crate::pair::over_memory;
use crate::run::run_paused;
use crate::wire::Transport;

/// The capacity of the transport in each direction.
const WAY: usize = 16 * 1024;

/// The limit of the server's output.
const QUEUE: usize = 32 * 1024;

/// The maximum length of a read.
const READ: usize = 128 * 1024;

type Io = Box<dyn Transport>;

async fn open(version: Version) -> (WebSocket<DuplexStream>, ReadHalf<Io>, WriteHalf<Io>) {
    let (socket, client) = over_memory(WAY, version, Config::server().max_output(QUEUE)).await;
    let (reader, writer) = tokio::io::split(client.wire.into_io());
    (socket, reader, writer)
}

/// Writes the same packet repeatedly until the server has accepted nothing for ten seconds, which
/// is less than its timeout for a client to read. Returns the number of bytes accepted.
async fn write_until_stuck(writer: &mut WriteHalf<Io>, packet: &[u8]) -> usize {
    let mut taken = 0;
    while taken < 64 * 1024 * 1024 {
        let from = taken % packet.len();
        match timeout(Duration::from_secs(10), writer.write(&packet[from..])).await {
            Ok(written) => taken += written.expect("the server is there"),
            Err(_) => return taken,
        }
    }
    panic!("the server reads without an end");
}

/// Returns the length of a server's frame with a text of 1000 bytes.
fn text_size(version: Version) -> usize {
    if version.is_hixie() { 1002 } else { 1004 }
}

#[test]
fn echo_loop_stops_reading_and_continues_where_it_stopped() {
    run_paused(async || {
        for version in VERSIONS {
            let (mut socket, mut reader, mut writer) = open(version).await;
            let echo = tokio::spawn(async move {
                while let Some(Ok(message)) = socket.recv().await {
                    socket.send(message).await.expect("a client that stays");
                }
            });
            let packet = texts_of(version, &[&"x".repeat(1000)]);
            let taken = write_until_stuck(&mut writer, &packet).await;
            let rest = packet[taken % packet.len()..].to_vec();
            // Both directions, the output and a message beyond its limit, and input that was read
            // and not processed.
            assert!(taken <= 2 * WAY + QUEUE + READ + 4 * packet.len(), "{version} {taken}");
            // Then it reads: everything that the server has accepted is echoed, including the rest
            // of the last message.
            let reading = tokio::spawn(async move {
                let mut read = vec![0; text_size(version) * (taken / packet.len() + 1)];
                reader.read_exact(&mut read).await.unwrap();
            });
            writer.write_all(&rest).await.unwrap();
            reading.await.unwrap();
            echo.abort();
        }
    });
}

#[test]
fn fed_messages_are_bounded() {
    run_paused(async || {
        let (mut socket, _reader, mut writer) = open(Version::Hybi13).await;
        let echo = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.recv().await {
                socket.feed(message).await.expect("a client that stays");
            }
        });
        let packet = Frame::binary([7; 1000]).bytes();
        let taken = write_until_stuck(&mut writer, &packet).await;
        assert!(taken <= 2 * WAY + QUEUE + READ + 4 * packet.len(), "{taken}");
        echo.abort();
    });
}

#[test]
fn split_socket_is_bounded() {
    run_paused(async || {
        let (socket, _reader, mut writer) = open(Version::Hybi13).await;
        let (sink, stream) = socket.split();
        let echo = tokio::spawn(stream.forward(sink));
        let packet = Frame::binary([7; 1000]).bytes();
        let taken = write_until_stuck(&mut writer, &packet).await;
        assert!(taken <= 2 * WAY + QUEUE + READ + 4 * packet.len(), "{taken}");
        echo.abort();
    });
}

#[test]
fn ping_flood_from_a_client_that_does_not_read_is_answered_sparingly() {
    run_paused(async || {
        for version in HYBI {
            let (mut socket, mut reader, mut writer) = open(version).await;
            let server = tokio::spawn(async move {
                let message = socket.recv().await;
                (socket, message)
            });
            for _ in 0..1000 {
                writer.write_all(&Frame::ping([7; 125]).bytes().repeat(100)).await.unwrap();
            }
            writer.write_all(&[Frame::ping("latest").bytes(), Frame::text("done").bytes()].concat()).await.unwrap();
            // Other messages of the client are received in the meantime.
            let (mut socket, message) = server.await.unwrap();
            assert_eq!(message.unwrap().unwrap().as_text(), Some("done"));
            let reading = tokio::spawn(async move {
                let (mut read, mut taken) = (Vec::new(), 0);
                loop {
                    taken += reader.read_buf(&mut read).await.unwrap();
                    while let Some((frame, length)) = server_frame(&read) {
                        read.drain(..length);
                        if frame.payload == b"latest" {
                            return taken;
                        }
                        assert_eq!(frame.payload, [7; 125]);
                    }
                }
            });
            socket.flush().await.unwrap();
            // The data in transit, and about 16 KiB after it.
            let taken = reading.await.unwrap();
            assert!(taken <= WAY + 2 * 16 * 1024, "{version} {taken}");
        }
    });
}

#[test]
fn two_peers_that_write_first_do_not_deadlock() {
    run_paused(async || {
        let (mut socket, mut reader, mut writer) = open(Version::Hybi13).await;
        // More in each direction than the transport and the output hold.
        let count = 20;
        let server = tokio::spawn(async move {
            let (mut sent, mut received) = (0, 0);
            let text = "y".repeat(10_000);
            // Like a `select!` in a loop that may have something to send at any time.
            std::future::poll_fn(|cx| {
                loop {
                    let mut progress = false;
                    if sent < count
                        && let std::task::Poll::Ready(ready) = socket.poll_ready_unpin(cx)
                    {
                        ready.unwrap();
                        socket.start_send_unpin(Message::text(text.as_str())).unwrap();
                        (sent, progress) = (sent + 1, true);
                    }
                    while let std::task::Poll::Ready(Some(message)) = socket.poll_next_unpin(cx) {
                        message.unwrap();
                        (received, progress) = (received + 1, true);
                    }
                    if received == count && sent == count && socket.poll_flush_unpin(cx).is_ready() {
                        return std::task::Poll::Ready(());
                    }
                    if !progress {
                        return std::task::Poll::Pending;
                    }
                }
            })
            .await;
            socket
        });
        // The client reads nothing before all its data was accepted.
        let texts = Frame::text("x".repeat(10_000)).bytes().repeat(count);
        timeout(Duration::from_secs(60), writer.write_all(&texts)).await.expect("the server reads").unwrap();
        let mut read = vec![0; 10_004 * count];
        reader.read_exact(&mut read).await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn sender_is_woken_while_another_task_waits_for_the_transport() {
    run_paused(async || {
        let (socket, mut reader, _writer) = open(Version::Hybi13).await;
        // `StreamExt::split` uses its own lock, and either half may be dropped.
        let (mut sink, mut stream) = StreamExt::split(socket);
        let sending = tokio::spawn(async move {
            for _ in 0..20 {
                sink.send(Message::text("x".repeat(10_000))).await.unwrap();
            }
        });
        tokio::task::yield_now().await;
        // It is the last to register with the transport, and is dropped.
        let receiving = tokio::spawn(async move { stream.next().await.is_none() });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        receiving.abort();
        let mut read = vec![0; 10_004 * 20];
        timeout(Duration::from_secs(60), reader.read_exact(&mut read)).await.expect("it goes on").unwrap();
        sending.await.unwrap();
    });
}

#[test]
fn server_that_does_not_receive_reads_nothing() {
    run_paused(async || {
        let (mut socket, _reader, mut writer) = open(Version::Hybi13).await;
        let taken = write_until_stuck(&mut writer, &Frame::binary([7; 1000]).bytes()).await;
        assert_eq!(taken, WAY);
        // Sending alone does not change that.
        socket.send("news").await.unwrap();
        assert_eq!(write_until_stuck(&mut writer, b"x").await, 0);
    });
}
