//! The socket as a `Stream` and a `Sink`.

use std::pin::Pin;
use std::task::{Context, Waker};

use futures_util::stream::{self, FusedStream};
use futures_util::{FutureExt, Sink, SinkExt, StreamExt, TryStreamExt};
use tokio::io::DuplexStream;
use tower_websocket::{CloseCode, Config, Error, Message, SendError, Version, WebSocket};
use websocket_tests::wire::{Frame, ServerFrame, VERSIONS};

use crate::client::Client;
use crate::pair::over_memory;
use crate::run::run;

async fn open(version: Version) -> (WebSocket<DuplexStream>, Client) {
    over_memory(64 * 1024, version, Config::server()).await
}

#[test]
fn stream_yields_messages_and_then_the_end() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = open(version).await;
            assert!(!socket.is_terminated());
            client.send(&["one", "two"]).await;
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("one"));
            let (rest, ()) = tokio::join!(socket.by_ref().try_collect::<Vec<_>>(), client.close());
            assert_eq!(rest.unwrap(), [Message::text("two")]);
            assert!(socket.is_terminated() && socket.next().await.is_none());
        }
    });
}

#[test]
fn stream_yields_an_error_once() {
    run(async || {
        let (socket, mut client) = open(Version::Hybi13).await;
        client.send(&["one"]).await;
        client.wire.write(Frame::text("not masked").unmasked().bytes()).await;
        let all: Vec<_> = socket.collect().await;
        assert!(matches!(&all[..], [Ok(_), Err(Error::Protocol(_))]), "{all:?}");
    });
}

#[test]
fn sink_accepts_messages_and_flushes_them() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = open(version).await;
            let mut messages = stream::iter(["one", "two", "three"].map(|text| Ok(Message::text(text))));
            socket.send_all(&mut messages).await.unwrap();
            for expected in ["one", "two", "three"] {
                assert_eq!(client.text().await, expected);
            }
            SinkExt::feed(&mut socket, Message::text("fed")).await.unwrap();
            SinkExt::flush(&mut socket).await.unwrap();
            SinkExt::send(&mut socket, Message::text("sent")).await.unwrap();
            assert_eq!((client.text().await, client.text().await), ("fed".into(), "sent".into()));
        }
    });
}

#[test]
fn closing_the_sink_closes_the_connection_with_1000() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, client) = open(version).await;
            let (result, ()) = tokio::join!(SinkExt::close(&mut socket), client.expect_close(1000, ""));
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
            let (socket, mut client) = open(version).await;
            let echo = tokio::spawn(async move {
                let (sink, stream) = socket.split();
                stream.forward(sink).await
            });
            client.echo(&["hello", "there"]).await;
            client.echo(&["again"]).await;
            client.close().await;
            echo.await.unwrap().unwrap();
        }
    });
}

#[test]
fn halves_of_a_split_socket_work_in_two_tasks() {
    run(async || {
        let (socket, mut client) = open(Version::Hybi13).await;
        let (sink, stream) = socket.split();
        let reader = tokio::spawn(stream.try_collect::<Vec<_>>());
        // One waits in the reader all the time.
        for text in ["one", "two"] {
            sink.send(Message::text(text)).await.unwrap();
            assert_eq!(client.text().await, text);
        }
        client.wire.write(Frame::ping("ping").bytes()).await;
        assert_eq!(client.wire.frame().await, ServerFrame::pong("ping"));
        client.send(&["last"]).await;
        client.close().await;
        assert_eq!(reader.await.unwrap().unwrap(), [Message::text("last")]);
        assert!(matches!(sink.send(Message::text("late")).await, Err(Error::Send(SendError::Closed))));
    });
}

#[test]
fn forward_ends_with_the_error_of_the_stream() {
    run(async || {
        let (socket, mut client) = open(Version::Hybi13).await;
        let (sink, stream) = socket.split();
        client.wire.write(Frame::new(3, "?").bytes()).await;
        assert!(matches!(stream.forward(sink).await, Err(Error::Protocol(_))));
        assert_eq!(client.wire.frame().await.close_code(), Some(1002));
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
