//! Messages that are received while they arrive.

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tower_websocket::error::ProtocolError;
use tower_websocket::test;
use tower_websocket::{CloseCause, Config, Error, MessageKind, SendError, Version, WebSocket};
use websocket_tests::wire::{Frame, HYBI, VERSIONS, frames};

use super::open;
use crate::pair::{over_memory, with_peer};
use crate::run::{run, run_paused};

const LIMIT: u64 = 1 << 40;

/// All of the next message.
async fn whole(socket: &mut WebSocket) -> Vec<u8> {
    let mut message = socket.recv_stream(LIMIT).await.expect("a message").unwrap();
    let mut all = Vec::new();
    while let Some(chunk) = message.chunk().await.unwrap() {
        assert!(!chunk.is_empty());
        all.extend_from_slice(&chunk);
    }
    // It stays at its end.
    assert_eq!(message.chunk().await.unwrap(), None);
    all
}

#[test]
fn message_is_received_while_it_arrives() {
    run(async || {
        for version in HYBI {
            let (mut socket, mut peer) = with_peer(version, Config::server()).await;
            let frame = Frame::text("Grüße, and more of it").bytes();
            peer.send_raw(&frame[..6]);
            let mut message = socket.recv_stream(LIMIT).await.unwrap().unwrap();
            assert_eq!(message.kind(), MessageKind::Text);
            assert!(message.chunk().now_or_never().is_none());
            peer.send_raw(&frame[6..9]);
            assert_eq!(message.chunk().await.unwrap().unwrap(), &b"Gr\xc3"[..]);
            peer.send_raw(&frame[9..]);
            assert_eq!(message.chunk().await.unwrap().unwrap(), &b"\xbc\xc3\x9fe, and more of it"[..]);
            assert_eq!(message.chunk().await.unwrap(), None);
            drop(message);
            peer.send_text("whole");
            assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("whole"));
        }
    });
}

#[test]
fn messages_are_received_by_streams_in_every_version() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut peer) = with_peer(version, Config::server()).await;
            let long = "long ".repeat(50_000);
            for text in ["", "hello", &long] {
                peer.send_text(text);
                assert_eq!(whole(&mut socket).await, text.as_bytes(), "{version}");
            }
            let receiving = tokio::spawn(async move { socket.recv_stream(LIMIT).await.is_none() });
            peer.close(4000, "bye").await;
            assert!(receiving.await.unwrap());
        }
    });
}

#[test]
fn message_is_read_as_bytes_and_lines() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        let text = "one\ntwo, which is ".to_owned() + &"long ".repeat(1000) + "\nthree";
        let bytes = text.as_bytes();
        for _ in 0..2 {
            peer.send_raw(frames([
                Frame::text(&bytes[..2]).more(),
                Frame::continuation(&bytes[2..700]).more(),
                Frame::continuation("").more(),
                Frame::continuation(&bytes[700..]),
            ]));
        }
        let mut message = socket.recv_stream(LIMIT).await.unwrap().unwrap();
        let mut read = String::new();
        assert_eq!(message.read_to_string(&mut read).await.unwrap(), text.len());
        assert_eq!(read, text);
        drop(message);
        let mut lines = socket.recv_stream(LIMIT).await.unwrap().unwrap().lines();
        for line in text.lines() {
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(line));
        }
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn stream_has_its_own_limit() {
    run(async || {
        let config = Config::server().max_message_size(10).max_frame_size(10);
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config).await;
        peer.send_binary([7; 100_000]);
        assert_eq!(whole(&mut socket).await, [7; 100_000]);
        peer.send_raw(frames([Frame::binary([7; 20]).more(), Frame::continuation([7; 20])]));
        let mut message = socket.recv_stream(30).await.unwrap().unwrap();
        assert_eq!(message.chunk().await.unwrap().unwrap(), &[7; 20][..]);
        let error = message.chunk().await.unwrap_err();
        let too_big = ProtocolError::MessageTooBig { size: 40, limit: 30 };
        assert!(matches!(&error, Error::Protocol(error) if *error == too_big), "{error:?}");
        drop(message);
        assert!(socket.recv().await.is_none());
        let exceeded = too_big.exceeded().unwrap();
        assert_eq!(socket.close_cause(), Some(CloseCause::Limit(exceeded)));
        peer.expect_close(1009).await;
    });
}

#[test]
fn whole_message_over_the_limit_of_a_stream_closes_with_1009() {
    run(async || {
        // In this draft, and behind a ping, messages are received whole.
        for version in [Version::Hixie76, Version::Hybi13] {
            let (mut socket, mut peer) = with_peer(version, Config::server()).await;
            peer.send_text("12345678901");
            if version == Version::Hybi13 {
                peer.send_pong(1u64.to_be_bytes());
                socket.ping().await.unwrap();
                peer.expect_ping(1u64.to_be_bytes()).await;
            }
            let error = socket.recv_stream(10).await.unwrap().unwrap_err();
            let expected = ProtocolError::MessageTooBig { size: 11, limit: 10 };
            assert!(matches!(&error, Error::Protocol(error) if *error == expected), "{error:?}");
            let closing = tokio::spawn(async move { while socket.recv().await.is_some() {} });
            peer.expect_close(1009).await;
            peer.send_close(1009, "");
            closing.await.unwrap();
        }
    });
}

#[test]
fn streamed_text_closes_with_1007_before_it_is_complete() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        peer.send_raw(Frame::text(b"a\xe2\x82").more().bytes());
        peer.send_raw(&Frame::continuation([b'!'; 1000]).bytes()[..10]);
        let mut message = socket.recv_stream(LIMIT).await.unwrap().unwrap();
        assert_eq!(message.chunk().await.unwrap().unwrap(), &b"a\xe2\x82"[..]);
        assert_eq!(message.read_u8().await.unwrap_err().kind(), ErrorKind::InvalidData);
        peer.expect_close(1007).await;
    });
}

#[test]
fn rest_of_a_dropped_message_is_skipped() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        for is_streamed in [true, false, true] {
            peer.send_raw(Frame::text("dropped").more().bytes());
            drop(socket.recv_stream(LIMIT).await.unwrap().unwrap());
            peer.send_raw(frames([Frame::ping("p"), Frame::continuation([b'x'; 300_000]).more()]));
            assert!(socket.recv().now_or_never().is_none());
            peer.expect_pong("p").await;
            peer.send_raw(frames([Frame::continuation("end"), Frame::text("next")]));
            if is_streamed {
                assert_eq!(whole(&mut socket).await, b"next");
            } else {
                assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("next"));
            }
        }
    });
}

#[test]
fn connection_that_ends_within_a_message_is_an_error() {
    run(async || {
        for has_close in [false, true] {
            let (mut socket, mut peer) = open().await;
            peer.send_raw(Frame::binary("half").more().bytes());
            let mut message = socket.recv_stream(LIMIT).await.unwrap().unwrap();
            assert_eq!(message.chunk().await.unwrap().unwrap(), &b"half"[..]);
            if has_close {
                peer.send_close(1001, "");
            } else {
                peer.end();
            }
            assert!(matches!(message.chunk().await, Err(Error::Interrupted)));
            assert_eq!(message.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
            drop(message);
            assert!(socket.recv().await.is_none());
            assert_eq!(u16::from(socket.close_frame().unwrap().code), if has_close { 1001 } else { 1006 });
        }
    });
}

#[test]
fn pings_are_answered_while_a_chunk_is_waited_for() {
    run_paused(async || {
        let second = Duration::from_secs(1);
        let config = Config::server().ping_interval(Some(20 * second)).pong_timeout(10 * second);
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config).await;
        peer.send_raw(Frame::binary("a").more().bytes());
        let server = tokio::spawn(async move {
            let mut message = socket.recv_stream(LIMIT).await.unwrap().unwrap();
            let mut all = Vec::new();
            message.read_to_end(&mut all).await.unwrap();
            all
        });
        peer.send_ping("p");
        peer.expect_pong("p").await;
        // The silence within a message is no reason to drop the connection.
        for _ in 0..5 {
            peer.expect_ping("").await;
            peer.send_pong("");
        }
        peer.send_raw(Frame::continuation("b").bytes());
        assert_eq!(server.await.unwrap(), b"ab");
    });
}

#[test]
fn messages_may_be_received_in_both_ways_by_turns() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        // Both are in one read, and waited for in the other way before.
        assert!(socket.recv().now_or_never().is_none());
        peer.send_raw(frames([Frame::text("one"), Frame::text("two"), Frame::text("three"), Frame::text("four")]));
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("one"));
        assert_eq!(whole(&mut socket).await, b"two");
        assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("three"));
        assert_eq!(whole(&mut socket).await, b"four");
        // A message whose beginning was received in the other way.
        peer.send_raw(frames([Frame::text("fi").more(), Frame::continuation("v").more()]));
        assert!(socket.recv().now_or_never().is_none());
        let mut message = socket.recv_stream(LIMIT).await.unwrap().unwrap();
        peer.send_raw(frames([Frame::continuation("e"), Frame::text("six")]));
        let mut text = String::new();
        message.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "five");
        drop(message);
        assert!(socket.recv_stream(3).await.is_some_and(|message| message.is_ok()));
    });
}

#[test]
fn close_passes_while_a_message_is_received() {
    run(async || {
        let (socket, mut peer) = open().await;
        let (sender, mut reader) = socket.split();
        peer.send_raw(Frame::binary("a").more().bytes());
        let mut message = reader.recv_stream(LIMIT).await.unwrap().unwrap();
        assert_eq!(message.chunk().await.unwrap().unwrap(), &b"a"[..]);
        sender.start_close(1001.into(), "bye").unwrap();
        assert_eq!(peer.expect_close(1001).await, "bye");
        // The rest may still arrive.
        peer.send_raw(frames([Frame::continuation("b"), Frame::close(1001, "")]));
        assert_eq!(message.chunk().await.unwrap().unwrap(), &b"b"[..]);
        assert_eq!(message.chunk().await.unwrap(), None);
        drop(message);
        assert!(reader.recv_stream(LIMIT).await.is_none());
        assert!(matches!(sender.send("x").await, Err(Error::Send(SendError::Closed))));
    });
}

#[test]
fn slow_reader_of_chunks_stops_the_peer() {
    run_paused(async || {
        const WAY: usize = 16 * 1024;
        let (mut socket, client) = over_memory(WAY, Version::Hybi13, Config::server()).await;
        let (_reader, mut writer) = tokio::io::split(client.wire.into_io());
        let len = 8u64 << 20;
        let writer = tokio::spawn(async move {
            let header = [&[0x82, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat();
            writer.write_all(&header).await.unwrap();
            let (mut written, mut is_stuck) = (0, false);
            while written < len {
                let piece = [7; 4096];
                match timeout(Duration::from_secs(1), writer.write_all(&piece)).await {
                    Ok(result) => result.unwrap(),
                    // What of the piece was written is not known, so the count would be wrong.
                    Err(_) => panic!("cancelled within a piece"),
                }
                written += 4096;
                is_stuck |= written > 7 << 20;
            }
            is_stuck
        });
        let mut message = socket.recv_stream(len).await.unwrap().unwrap();
        let mut received = 0;
        while let Some(chunk) = message.chunk().await.unwrap() {
            assert!(chunk.iter().all(|byte| *byte == 7));
            received += chunk.len() as u64;
        }
        assert_eq!(received, len);
        assert!(writer.await.unwrap());
    });
}

#[test]
fn pair_streams_on_both_sides() {
    run(async || {
        let (mut server, mut client) = test::pair(Config::server(), Config::client()).await;
        for len in [0, 1, 100_000, 3_000_000] {
            let bytes: Vec<u8> = (0..len).map(|i: u32| (i % 251) as u8).collect();
            let (sent, received) = tokio::join!(server.send(bytes.clone()), whole(&mut client));
            sent.unwrap();
            assert!(received == bytes);
            let (sent, received) = tokio::join!(client.send(bytes.clone()), whole(&mut server));
            sent.unwrap();
            assert!(received == bytes);
        }
    });
}
