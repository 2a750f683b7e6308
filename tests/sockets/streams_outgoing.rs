//! Messages that are sent while they are made.

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::FutureExt;
use permessage_deflate::PermessageDeflate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tower_websocket::test::{self, Peer};
use tower_websocket::{
    CloseCode, Config, Error, IncomingMessage, MessageKind, OutgoingMessage, SendError, Version, WebSocket,
};
use websocket_tests::wire::{Frame, VERSIONS};

use crate::pair::with_peer;
use crate::run::{run, run_paused};

async fn open() -> (WebSocket, Peer) {
    with_peer(Version::Hybi13, Config::server()).await
}

#[test]
fn writes_are_fragments_of_one_message() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        let mut message = socket.send_stream(MessageKind::Text);
        message.write_all(b"on\xc3").await.unwrap();
        message.flush().await.unwrap();
        peer.expect_raw(b"\x01\x03on\xc3").await;
        message.write_chunk("").await.unwrap();
        message.write_chunk(&b"\xa9"[..]).await.unwrap();
        message.finish().await.unwrap();
        peer.expect_raw(b"\0\x01\xa9\x80\0").await;
        message.finish().await.unwrap();
        assert!(matches!(message.write_chunk("x").await, Err(Error::Send(SendError::MessageNotStarted))));
        drop(message);
        let mut empty = socket.send_stream(MessageKind::Binary);
        empty.shutdown().await.unwrap();
        peer.expect_raw(b"\x82\0").await;
        drop(empty);
        // Nothing was written of this one.
        drop(socket.send_stream(MessageKind::Binary));
        socket.send("next").await.unwrap();
        peer.expect_text("next").await;
    });
}

#[test]
fn generic_type_holds_messages_without_bounds_on_the_transport() {
    struct Forwarding<'a, T> {
        from: IncomingMessage<'a, T>,
        to: OutgoingMessage<'static, T>,
    }
    run(async || {
        let ((mut from, mut source), (to, mut target)) = (open().await, open().await);
        source.send_text("forwarded");
        source.send_text("next");
        let message = from.recv_stream(100).await.unwrap().unwrap();
        let mut forwarding = Forwarding { to: to.sender().send_stream(message.kind()), from: message };
        let chunk = forwarding.from.chunk().await.unwrap().unwrap();
        forwarding.to.write_chunk(chunk).await.unwrap();
        forwarding.to.flush().await.unwrap();
        target.expect_raw(b"\x01\x09forwarded").await;
        // Dropping it still closes one connection, and leaves the other open.
        drop(forwarding);
        assert_eq!(target.expect_close(CloseCode::INTERNAL_ERROR).await, "message was not finished");
        assert_eq!(from.recv().await.unwrap().unwrap(), "next".into());
    });
}

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
fn unfinished_message_that_is_dropped_closes_the_connection() {
    run(async || {
        for is_split in [false, true] {
            let (mut socket, mut peer) = open().await;
            let mut message = socket.send_stream(MessageKind::Binary);
            message.write_all(b"half").await.unwrap();
            drop(message);
            assert!(matches!(socket.send("x").await, Err(Error::Send(SendError::Closed))));
            if is_split {
                let _split = socket.split();
                peer.expect_raw(b"\x02\x04half\x88\x1a\x03\xf3message was not finished").await;
                continue;
            }
            let receiving = tokio::spawn(async move { socket.recv().await.is_none() });
            peer.expect_raw(b"\x02\x04half\x88\x1a\x03\xf3message was not finished").await;
            peer.send_close(1011, "");
            assert!(receiving.await.unwrap());
        }
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

#[test]
fn text_that_is_not_utf8_is_refused_and_can_be_mended() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        let mut message = socket.send_stream(MessageKind::Text);
        message.write_all(b"a\xe2\x82").await.unwrap();
        assert!(matches!(message.finish().await, Err(Error::Send(SendError::InvalidUtf8))));
        assert_eq!(message.write(b"\xff").await.unwrap_err().kind(), ErrorKind::InvalidData);
        message.write_all(b"\xac").await.unwrap();
        message.finish().await.unwrap();
        peer.expect_text("a€").await;
    });
}

#[test]
fn streams_are_refused_in_the_drafts_without_fragments() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut peer) = with_peer(version, Config::server()).await;
            let mut message = socket.send_stream(MessageKind::Text);
            let written = message.write_chunk("hello").await;
            if version.is_hixie() {
                assert!(matches!(written, Err(Error::Send(SendError::NotSupported { .. }))), "{version}");
                assert_eq!(message.write(b"x").await.unwrap_err().kind(), ErrorKind::Unsupported);
                drop(message);
                socket.send("whole").await.unwrap();
                peer.expect_text("whole").await;
            } else {
                message.finish().await.unwrap();
                peer.expect_text("hello").await;
            }
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

/// Echoes what it receives, as a stream.
async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    let sender = socket.sender();
    while let Some(message) = socket.recv_stream(1 << 30).await {
        let mut message = message?;
        let mut echo = sender.send_stream(message.kind());
        while let Some(chunk) = message.chunk().await? {
            echo.write_chunk(chunk).await?;
        }
        echo.finish().await?;
    }
    Ok(())
}

#[test]
fn streams_are_compressed_with_and_without_context() {
    run(async || {
        for has_context in [true, false] {
            let deflate = || PermessageDeflate::new().threshold(0).no_context_takeover(!has_context);
            let server = Config::server().extension(deflate()).unwrap();
            let client = Config::client().extension(deflate()).unwrap();
            let (server, mut client) = test::pair(server, client).await;
            let serving = tokio::spawn(echo(server));
            // Whole messages and streams by turns share one context.
            for round in 0..3 {
                let text = format!("round {round} of text, text and text again; ").repeat(20_000);
                client.send(text.clone()).await.unwrap();
                assert!(client.recv().await.unwrap().unwrap().as_text() == Some(&text));
                let sender = client.sender();
                let sending = async {
                    let mut message = sender.send_stream(MessageKind::Text);
                    for piece in text.as_bytes().chunks(1 + 3001 * round) {
                        message.write_all(piece).await.unwrap();
                    }
                    message.flush().await.unwrap();
                    message.finish().await.unwrap();
                };
                let receiving = async {
                    let mut message = client.recv_stream(1 << 30).await.unwrap().unwrap();
                    let mut all = String::new();
                    message.read_to_string(&mut all).await.unwrap();
                    all
                };
                let ((), received) = tokio::join!(sending, receiving);
                assert!(received == text);
                let mut empty = client.send_stream(MessageKind::Binary);
                empty.finish().await.unwrap();
                drop(empty);
                assert!(client.recv().await.unwrap().unwrap().is_empty());
            }
            client.close(CloseCode::NORMAL, "").await.unwrap();
            serving.await.unwrap().unwrap();
        }
    });
}

#[test]
fn decompressed_stream_is_held_against_its_limit() {
    run(async || {
        let server = Config::server().extension(PermessageDeflate::new()).unwrap();
        let client = Config::client().extension(PermessageDeflate::new()).unwrap();
        let (mut server, mut client) = test::pair(server, client).await;
        let sending = tokio::spawn(async move {
            let _ = client.send(vec![0; 8 << 20]).await;
            while client.recv().await.is_some() {}
            client.close_frame().map(|close| close.code)
        });
        let mut message = server.recv_stream(1 << 20).await.unwrap().unwrap();
        let mut received = 0;
        let error = loop {
            match message.chunk().await {
                Ok(Some(chunk)) => received += chunk.len(),
                Ok(None) => panic!("no limit"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Protocol(_)), "{error:?}");
        assert_eq!(received, 1 << 20);
        drop(message);
        assert!(server.recv().await.is_none());
        assert_eq!(sending.await.unwrap(), Some(CloseCode::MESSAGE_TOO_BIG));
    });
}

#[test]
fn client_streams_to_a_server() {
    run(async || {
        let (mut socket, mut peer) = test::client(Config::client()).await;
        let mut message = socket.send_stream(MessageKind::Binary);
        message.write_all(&[7; 100]).await.unwrap();
        message.write_all(&[7; 200_000]).await.unwrap();
        message.finish().await.unwrap();
        drop(message);
        peer.expect_binary(vec![7; 200_100]).await;
        peer.send_raw(Frame::text("a").unmasked().more().bytes());
        let mut message = socket.recv_stream(10).await.unwrap().unwrap();
        assert_eq!(message.chunk().await.unwrap().unwrap(), "a");
    });
}
