//! Messages, control frames and closes that are sent while a streamed message is unfinished.

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use tower_websocket::test;
use tower_websocket::{CloseCode, Config, Error, MessageKind, SendError, Version};

use super::open;
use crate::pair::with_peer;
use crate::run::{run, run_paused};

#[test]
fn other_messages_wait_until_a_stream_is_finished() {
    run(async || {
        let (socket, mut peer) = open().await;
        let (sender, mut reader) = socket.split();
        let mut message = sender.send_stream(MessageKind::Text);
        message.write_chunk("begun").await.unwrap();
        let tasks: Vec<_> = (0..4)
            .map(|i| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    match i {
                        0 => sender.send("other").await.unwrap(),
                        1 => {
                            sender.feed("other").await.unwrap();
                            sender.flush().await.unwrap();
                        }
                        2 => sender.send_prepared(&"other".into()).await.unwrap(),
                        _ => {
                            let mut other = sender.send_stream(MessageKind::Text);
                            other.write_chunk("oth").await.unwrap();
                            other.write_chunk("er").await.unwrap();
                            other.finish().await.unwrap();
                        }
                    }
                })
            })
            .collect();
        // The receiver answers with replies, which wait as well.
        let receiver = tokio::spawn(async move {
            reader.for_each_borrowed(|message, replies| replies.send_borrowed(message).unwrap()).await
        });
        peer.send_ping("p");
        peer.send_text("other");
        assert!(matches!(sender.try_send("x"), Err(SendError::MessageUnfinished)));
        assert_eq!(sender.try_send_batch(&[&"x".into()]).unwrap(), 0);
        sender.send_ping("ping").await.unwrap();
        peer.expect_raw(b"\x01\x05begun\x89\x04ping").await;
        peer.expect_pong("p").await;
        peer.expect_nothing(Duration::from_millis(50)).await;
        message.write_chunk(", and ended").await.unwrap();
        message.finish().await.unwrap();
        peer.expect_raw(b"\0\x0b, and ended\x80\0").await;
        let mut others = 0;
        while others < 5 {
            match peer.next_frame().await {
                test::Frame::Text(text) => {
                    assert_eq!(text, "other");
                    others += 1;
                }
                other => panic!("{other}"),
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        peer.close(1000, "").await;
        receiver.await.unwrap().unwrap();
    });
}

#[test]
fn socket_itself_waits_for_the_stream_of_a_sender() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        let mut message = sender.send_stream(MessageKind::Text);
        message.write_chunk("a").await.unwrap();
        assert!(socket.send("whole").now_or_never().is_none());
        let sending = tokio::spawn(async move {
            socket.send("whole").await.unwrap();
            socket
        });
        tokio::task::yield_now().await;
        message.finish().await.unwrap();
        peer.expect_text("a").await;
        // The first call was dropped.
        peer.expect_text("whole").await;
        drop(sending.await.unwrap());
    });
}

#[test]
fn senders_that_wait_are_refused_when_the_stream_fails() {
    run(async || {
        for by_peer in [false, true] {
            let (mut socket, mut peer) = open().await;
            let sender = socket.sender();
            let mut message = sender.send_stream(MessageKind::Binary);
            message.write_chunk("half").await.unwrap();
            let waiting = tokio::spawn({
                let sender = sender.clone();
                async move { sender.send("x").await }
            });
            tokio::task::yield_now().await;
            let receiving = tokio::spawn(async move { socket.recv().await.is_none() });
            if by_peer {
                peer.send_close(1001, "");
            } else {
                drop(message);
            }
            assert!(matches!(waiting.await.unwrap(), Err(Error::Send(SendError::Closed))));
            peer.send_close(1001, "");
            assert!(receiving.await.unwrap());
        }
    });
}

#[test]
fn stream_waits_for_a_peer_that_does_not_read() {
    run_paused(async || {
        let config = Config::server().max_output(32 * 1024).ping_interval(None);
        let (socket, mut peer) = with_peer(Version::Hybi13, config).await;
        peer.capacity(16 * 1024);
        peer.stall();
        let (sender, mut reader) = socket.split();
        let memory = sender.clone();
        let writing = tokio::spawn(async move {
            let mut message = sender.send_stream(MessageKind::Binary);
            for _ in 0..1000 {
                message.write_all(&[7; 4096]).await.unwrap();
            }
            message.finish().await.unwrap();
        });
        sleep(Duration::from_secs(60)).await;
        assert!(!writing.is_finished());
        drop(memory);
        let receiving = tokio::spawn(async move { reader.recv().await.is_none() });
        peer.resume();
        peer.expect_binary(vec![7; 4096 * 1000]).await;
        writing.await.unwrap();
        peer.close(1000, "").await;
        assert!(receiving.await.unwrap());
    });
}

#[test]
fn keepalive_pings_pass_between_fragments() {
    run_paused(async || {
        let second = Duration::from_secs(1);
        let config = Config::server().ping_interval(Some(20 * second)).pong_timeout(10 * second);
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config).await;
        let sender = socket.sender();
        let receiving = tokio::spawn(async move { socket.recv().await.is_none() });
        let mut message = sender.send_stream(MessageKind::Binary);
        for _ in 0..3 {
            message.write_all(b"a").await.unwrap();
            message.flush().await.unwrap();
            let frame = peer.next_frame().await;
            assert_eq!(frame, test::Frame::Ping(vec![]));
            peer.send_pong("");
        }
        message.finish().await.unwrap();
        peer.expect_binary(b"aaa").await;
        peer.close(1000, "").await;
        assert!(receiving.await.unwrap());
    });
}

#[test]
fn close_passes_an_unfinished_message() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        let mut message = sender.send_stream(MessageKind::Binary);
        message.write_all(b"a").await.unwrap();
        let closing = tokio::spawn(async move { socket.close(CloseCode::GOING_AWAY, "").await });
        peer.expect_raw(b"\x02\x01a\x88\x02\x03\xe9").await;
        assert_eq!(message.write(b"b").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(matches!(message.finish().await, Err(Error::Send(SendError::Closed))));
        peer.send_close(1001, "");
        closing.await.unwrap().unwrap();
    });
}
