//! Messages that are sent while they are made.

use std::io::ErrorKind;

use tokio::io::AsyncWriteExt;
use tower_websocket::test;
use tower_websocket::{CloseCode, Config, Error, IncomingMessage, MessageKind, OutgoingMessage, SendError};
use websocket_tests::wire::{Frame, VERSIONS};

use super::open;
use crate::pair::with_peer;
use crate::run::run;

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
