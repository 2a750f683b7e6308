//! Peers that read slowly: control frames overtake queued data, and the peers do not time out.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};
use tower_websocket::error::Timeout;
use tower_websocket::{CloseCause, Config, Version};
use websocket_tests::wire::{Frame, server_frame};

use crate::pair::over_memory;
use crate::run::run_paused;
use crate::wire::Transport;

const SECOND: Duration = Duration::from_secs(1);

/// Reads `bytes` bytes per second for `time`, and answers pings if `answers`. Returns the number of
/// pings answered.
async fn read_slowly(io: &mut Box<dyn Transport>, bytes: usize, time: Duration, answers: bool) -> usize {
    let begun = Instant::now();
    let (mut read, mut pings) = (Vec::new(), 0);
    let mut buffer = vec![0; bytes];
    while begun.elapsed() < time {
        sleep(SECOND).await;
        let Ok(Ok(count)) = timeout(SECOND / 2, io.read(&mut buffer)).await else { continue };
        if count == 0 {
            break;
        }
        read.extend_from_slice(&buffer[..count]);
        while let Some((frame, length)) = server_frame(&read) {
            read.drain(..length);
            if frame.opcode == 9 {
                pings += 1;
                if answers {
                    io.write_all(&Frame::pong(frame.payload).bytes()).await.unwrap();
                }
            }
        }
    }
    pings
}

#[test]
fn pong_overtakes_data_that_was_not_started() {
    run_paused(async || {
        let (mut socket, mut client) = over_memory(1000, Version::Hybi13, Config::server()).await;
        for number in 0..200u8 {
            socket.feed(vec![number; 1000]).await.unwrap();
        }
        let server = tokio::spawn(async move { socket.recv().await });
        tokio::task::yield_now().await;
        client.wire.write(Frame::ping("theirs").bytes()).await;
        tokio::task::yield_now().await;
        let mut frames = Vec::new();
        for _ in 0..201 {
            frames.push(client.wire.frame().await);
        }
        let place = frames.iter().position(|frame| frame.opcode == 10).unwrap();
        // The data in the transport, and the message that was started.
        assert!(place <= 3, "behind {place} messages");
        assert_eq!(frames.remove(place).payload, b"theirs");
        assert!(frames.iter().enumerate().all(|(number, frame)| frame.payload == [number as u8; 1000]));
        server.abort();
    });
}

#[test]
fn ping_overtakes_data_that_was_not_started() {
    run_paused(async || {
        let (mut socket, mut client) = over_memory(1000, Version::Hybi13, Config::server()).await;
        for number in 0..200u8 {
            socket.feed(vec![number; 1000]).await.unwrap();
        }
        let begun = Instant::now();
        let server = tokio::spawn(async move {
            let _ = socket.recv().await;
        });
        sleep(21 * SECOND).await;
        let mut before = 0;
        while client.wire.frame().await.opcode != 9 {
            before += 1;
        }
        assert!(before <= 3, "behind {before} messages");
        assert_eq!(begun.elapsed(), 21 * SECOND);
        server.abort();
    });
}

/// With the default timeouts and a constantly full output of messages that take longer to read than
/// the pong timeout.
#[test]
fn peer_that_reads_1_kib_a_second_is_kept_while_data_is_queued() {
    run_paused(async || {
        for (size, answers) in [(1000, true), (100_000, true), (100_000, false)] {
            let (mut socket, client) = over_memory(1000, Version::Hybi13, Config::server()).await;
            let mut client = client.wire.into_io();
            let sender = socket.sender();
            let sending = tokio::spawn(async move { while sender.send(vec![7; size]).await.is_ok() {} });
            let begun = Instant::now();
            let server = tokio::spawn(async move {
                while let Some(Ok(_)) = socket.recv().await {}
                (socket.close_cause(), begun.elapsed())
            });
            read_slowly(&mut client, 1024, 600 * SECOND, answers).await;
            assert!(!server.is_finished() && !sending.is_finished(), "{size} bytes: {:?}", server.await.unwrap());
            // A peer that reads nothing at all is dropped.
            let stopped = begun.elapsed();
            let (cause, ended) = server.await.unwrap();
            assert_eq!(cause, Some(CloseCause::Timeout(Timeout::Pong)), "{size} bytes");
            assert!((19 * SECOND..=61 * SECOND).contains(&(ended - stopped)), "after {:?}", ended - stopped);
            sending.await.unwrap();
        }
    });
}

#[test]
fn peer_that_reads_the_queue_and_then_answers_is_kept() {
    run_paused(async || {
        let (mut socket, client) = over_memory(1000, Version::Hybi13, Config::server()).await;
        let mut client = client.wire.into_io();
        for _ in 0..3 {
            socket.feed(vec![7; 80_000]).await.unwrap();
        }
        let server = tokio::spawn(async move { socket.recv().await });
        let pings = read_slowly(&mut client, 1024, 1000 * SECOND, true).await;
        assert!(pings > 20, "{pings}");
        assert!(!server.is_finished());
        server.abort();
    });
}

#[test]
fn senders_behind_a_peer_that_does_not_read_fail_when_the_connection_ends() {
    run_paused(async || {
        for way in ["given up", "dropped", "dropped with writes pending", "closed"] {
            let config = Config::server().close_timeout(5 * SECOND);
            let (mut socket, mut client) = over_memory(1000, Version::Hybi13, config).await;
            let sender = socket.sender();
            let begun = Instant::now();
            // Some wait for their message to be written, others for room.
            let sending: Vec<_> = (0..4)
                .map(|_| {
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        for _ in 0..3 {
                            if sender.send(vec![7; 100_000]).await.is_err() {
                                break;
                            }
                        }
                        let _ = sender.ping().await;
                    })
                })
                .collect();
            sleep(SECOND).await;
            match way {
                "given up" => assert!(socket.recv().await.is_none()),
                "dropped" => {}
                "closed" => socket.close(1000.into(), "").await.unwrap(),
                _ => {
                    client.send(&["one", "two"]).await;
                    socket.recv().await.unwrap().unwrap();
                    sender.try_send("deferred").unwrap_err();
                    socket.start_close(1000.into(), "").unwrap();
                }
            }
            drop(socket);
            for sending in sending {
                timeout(10 * SECOND, sending).await.unwrap_or_else(|_| panic!("{way}: one hangs")).unwrap();
            }
            assert!(begun.elapsed() < 60 * SECOND, "{way}: {:?}", begun.elapsed());
            drop(client);
        }
    });
}
