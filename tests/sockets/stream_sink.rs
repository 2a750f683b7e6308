//! The socket as a `Stream` and a `Sink`.

use std::pin::Pin;
use std::task::{Context, Waker};

use futures_util::stream::{self, FusedStream};
use futures_util::{FutureExt, Sink, SinkExt, StreamExt, TryStreamExt};
use tower_websocket::test::Peer;
use tower_websocket::{CloseCode, Config, Error, Message, SendError, Version, WebSocket};
use websocket_tests::wire::{Frame, VERSIONS};

use crate::pair::{over_memory, with_peer};
use crate::run::run;

async fn open(version: Version) -> (WebSocket, Peer) {
    with_peer(version, Config::server()).await
}

#[test]
fn stream_yields_messages_and_then_the_end() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut peer) = open(version).await;
            assert!(!socket.is_terminated());
            peer.send_text("one");
            peer.send_text("two");
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("one"));
            let (rest, ()) = tokio::join!(socket.by_ref().try_collect::<Vec<_>>(), peer.close(4321, "done"));
            assert_eq!(rest.unwrap(), [Message::text("two")]);
            assert!(socket.is_terminated() && socket.next().await.is_none());
        }
    });
}

#[test]
fn stream_yields_an_error_once() {
    run(async || {
        let (socket, mut peer) = open(Version::Hybi13).await;
        peer.send_text("one");
        peer.send_raw(Frame::text("not masked").unmasked().bytes());
        let all: Vec<_> = socket.collect().await;
        assert!(matches!(&all[..], [Ok(_), Err(Error::Protocol(_))]), "{all:?}");
    });
}

#[test]
fn sink_accepts_messages_and_flushes_them() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut peer) = open(version).await;
            let mut messages = stream::iter(["one", "two", "three"].map(|text| Ok(Message::text(text))));
            socket.send_all(&mut messages).await.unwrap();
            for expected in ["one", "two", "three"] {
                peer.expect_text(expected).await;
            }
            SinkExt::feed(&mut socket, Message::text("fed")).await.unwrap();
            SinkExt::flush(&mut socket).await.unwrap();
            SinkExt::send(&mut socket, Message::text("sent")).await.unwrap();
            peer.expect_text("fed").await;
            peer.expect_text("sent").await;
        }
    });
}

#[test]
fn closing_the_sink_closes_the_connection_with_1000() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut peer) = open(version).await;
            let answering = async {
                assert_eq!(peer.expect_close(1000).await, "");
                peer.send_close(1000, "");
                peer.expect_eof().await;
            };
            let (result, ()) = tokio::join!(SinkExt::close(&mut socket), answering);
            result.unwrap();
            // Again, and with a message.
            SinkExt::close(&mut socket).await.unwrap();
            let error = SinkExt::send(&mut socket, Message::text("late")).await.unwrap_err();
            assert!(matches!(error, Error::Send(SendError::Closed)), "{error:?}");
            assert!(socket.next().await.is_none());
        }
    });
}

#[test]
fn halves_of_a_split_socket_echo_with_forward() {
    run(async || {
        for version in VERSIONS {
            let (socket, mut peer) = open(version).await;
            let echo = tokio::spawn(async move {
                let (sink, stream) = socket.split();
                stream.forward(sink).await
            });
            for texts in [&["hello", "there"][..], &["again"]] {
                texts.iter().for_each(|text| peer.send_text(text));
                for text in texts {
                    peer.expect_text(text).await;
                }
            }
            peer.close(4321, "done").await;
            echo.await.unwrap().unwrap();
        }
    });
}

#[test]
fn halves_of_a_split_socket_work_in_two_tasks() {
    run(async || {
        let (socket, mut peer) = open(Version::Hybi13).await;
        let (sink, stream) = socket.split();
        let reader = tokio::spawn(stream.try_collect::<Vec<_>>());
        // One waits in the reader all the time.
        for text in ["one", "two"] {
            sink.send(Message::text(text)).await.unwrap();
            peer.expect_text(text).await;
        }
        peer.send_ping("ping");
        peer.expect_pong("ping").await;
        peer.send_text("last");
        peer.close(4321, "done").await;
        assert_eq!(reader.await.unwrap().unwrap(), [Message::text("last")]);
        assert!(matches!(sink.send(Message::text("late")).await, Err(Error::Send(SendError::Closed))));
    });
}

#[test]
fn forward_ends_with_the_error_of_the_stream() {
    run(async || {
        let (socket, mut peer) = open(Version::Hybi13).await;
        let (sink, stream) = socket.split();
        peer.send_raw(Frame::new(3, "?").bytes());
        assert!(matches!(stream.forward(sink).await, Err(Error::Protocol(_))));
        peer.expect_close(1002).await;
    });
}

#[test]
fn sink_is_ready_again_only_when_there_is_room() {
    run(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server().max_output(2000)).await;
        let mut sink = Pin::new(&mut socket);
        let cx = &mut Context::from_waker(Waker::noop());
        let mut taken = 0;
        while sink.as_mut().poll_ready(cx).is_ready() {
            sink.as_mut().start_send(Message::text("x".repeat(100))).unwrap();
            taken += 1;
            assert!(taken < 100, "there is no end of it");
        }
        // Sending without `poll_ready` returns an error, and no part of the message is accepted.
        let error = loop {
            match sink.as_mut().start_send(Message::text("x".repeat(100))) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
            assert!(taken < 100, "there is no end of it");
        };
        assert!(matches!(error, Error::Send(SendError::OutputFull)), "{error:?}");
        let reading = async {
            for _ in 0..taken {
                assert_eq!(client.text().await.len(), 100);
            }
        };
        tokio::join!(async { socket.flush().await.unwrap() }, reading);
        SinkExt::send(&mut socket, Message::text("on")).await.unwrap();
        assert_eq!(client.text().await, "on");
        assert_eq!(socket.close_frame().map(|close| close.code), None::<CloseCode>);
        assert!(socket.next().now_or_never().is_none());
    });
}
