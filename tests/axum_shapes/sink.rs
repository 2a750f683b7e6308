//! The socket as a sink and a stream, whole and split.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use axum_websocket::ws::{Message, WebSocket, close_code};
use futures_util::stream::{self, FusedStream, SplitSink, SplitStream};
use futures_util::{Sink, SinkExt, StreamExt, TryStreamExt};
use tokio::time::{sleep, timeout};
use tower_websocket::test::{Frame, Peer};
use tower_websocket::{Config, SendError};

use crate::messages::{close, open, open_with, send_error};
use crate::run::{run, run_paused};

async fn split() -> (SplitSink<WebSocket, Message>, SplitStream<WebSocket>, Peer) {
    let (socket, peer) = open().await;
    let (sink, stream) = socket.split();
    (sink, stream, peer)
}

#[test]
fn stream_ends_behind_the_close() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        peer.send_text("one");
        peer.send_close(1000, "");
        assert!(!socket.is_terminated());
        let all: Vec<_> = socket.by_ref().try_collect().await.unwrap();
        assert_eq!(all, [Message::text("one"), close(1000, "")]);
        assert!(socket.is_terminated() && socket.next().await.is_none());
    });
}

#[test]
fn sink_feeds_every_kind_in_order() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        for message in
            ["one".into(), Message::Ping("two".into()), Message::binary(vec![3]), Message::Pong("four".into())]
        {
            socket.feed(message).await.unwrap();
        }
        SinkExt::flush(&mut socket).await.unwrap();
        // Control frames overtake queued messages.
        let mut frames = Vec::new();
        for _ in 0..4 {
            frames.push(peer.next_frame().await.to_string());
        }
        frames.sort();
        assert_eq!(
            frames,
            [r#"a ping with "two""#, r#"a pong with "four""#, r#"the binary message "\x03""#, r#"the text "one""#]
        );
    });
}

#[test]
fn sink_close_sends_a_close_without_code_and_waits_for_no_answer() {
    run_paused(async || {
        let (mut sink, mut stream, mut peer) = split().await;
        sink.send("last".into()).await.unwrap();
        sink.close().await.unwrap();
        sink.close().await.unwrap();
        assert_eq!(send_error(sink.send("late".into()).await), SendError::Closed);
        peer.expect_text("last").await;
        peer.expect_close(1005).await;
        peer.send_text("still received");
        peer.send_close(1005, "");
        assert_eq!(stream.next().await.unwrap().unwrap(), Message::text("still received"));
        assert_eq!(stream.next().await.unwrap().unwrap(), Message::Close(None));
        assert!(stream.next().await.is_none());
        sink.close().await.unwrap();
    });
}

#[test]
fn sink_close_behind_a_close_keeps_its_code() {
    run_paused(async || {
        let (mut sink, _stream, mut peer) = split().await;
        sink.send(close(close_code::AGAIN, "later")).await.unwrap();
        sink.close().await.unwrap();
        assert_eq!(peer.expect_close(1013).await, "later");
        peer.expect_nothing(Duration::from_secs(5)).await;
    });
}

#[test]
fn halves_stay_open_until_both_are_dropped() {
    run_paused(async || {
        let (mut sink, stream, mut peer) = split().await;
        drop(stream);
        for number in 0..100 {
            sink.send(Message::text(format!("{number}"))).await.unwrap();
            peer.expect_text(&format!("{number}")).await;
        }
        drop(sink);
        peer.expect_eof().await;

        let (sink, mut stream, mut peer) = split().await;
        drop(sink);
        for number in 0..100 {
            peer.send_text(format!("{number}"));
            assert_eq!(stream.next().await.unwrap().unwrap(), Message::text(format!("{number}")));
        }
        // Polling the reading half is enough to answer pings.
        peer.send_ping("there?");
        assert_eq!(stream.next().await.unwrap().unwrap(), Message::Ping("there?".into()));
        let waiting = tokio::spawn(async move { stream.next().await.is_none() });
        peer.expect_pong("there?").await;
        waiting.abort();
        peer.expect_eof().await;
    });
}

#[test]
fn halves_are_one_socket_again() {
    run_paused(async || {
        let (sink, stream, mut peer) = split().await;
        let mut socket = sink.reunite(stream).unwrap();
        socket.send("whole".into()).await.unwrap();
        peer.expect_text("whole").await;
    });
}

/// Both directions are full: the peer reads only occasionally, and each half waits in a separate
/// task.
#[test]
fn halves_in_two_tasks_lose_nothing() {
    run(async || {
        for (capacity, count) in [(1, 100), (100, 1000), (100_000, 2000)] {
            let (socket, mut peer) = open_with(Config::server().max_output(1000)).await;
            peer.capacity(capacity);
            let (mut sink, mut stream) = socket.split();
            let sending = tokio::spawn(async move {
                for number in 0..count {
                    let text = Message::text(format!("{number} {}", "x".repeat(number % 300)));
                    if number % 3 == 0 { sink.send(text).await } else { sink.feed(text).await }.unwrap();
                    if number % 100 == 0 {
                        sink.send(Message::Pong(vec![1; 100].into())).await.unwrap();
                    }
                }
                sink.flush().await.unwrap();
                sink
            });
            let receiving = tokio::spawn(async move {
                let mut next = 0;
                while let Some(Ok(message)) = stream.next().await {
                    match message {
                        Message::Text(text) => {
                            assert_eq!(text, next.to_string());
                            next += 1;
                        }
                        Message::Ping(_) => {}
                        Message::Close(_) => break,
                        message => panic!("{message:?}"),
                    }
                }
                next
            });
            let mut next = 0;
            for number in 0..count {
                peer.send_text(number.to_string());
                if number % 50 == 0 {
                    peer.send_ping("x");
                    tokio::task::yield_now().await;
                }
            }
            while next < count {
                let frame = timeout(Duration::from_secs(10), peer.next_frame()).await.expect("a wake-up").to_string();
                if let Some(text) = frame.strip_prefix("the text \"") {
                    assert_eq!(text.split(' ').next(), Some(next.to_string().as_str()), "{capacity}");
                    next += 1;
                }
            }
            drop(sending.await.unwrap());
            peer.send_close(1000, "");
            while !matches!(peer.next_frame().await, Frame::Close(_)) {}
            assert_eq!(receiving.await.unwrap(), count);
        }
    });
}

#[test]
fn sink_that_waits_for_room_is_woken_while_the_stream_waits_too() {
    run_paused(async || {
        let (socket, mut peer) = open_with(Config::server().max_output(1000)).await;
        let (mut sink, mut stream) = socket.split();
        let receiving = tokio::spawn(async move { stream.next().await.unwrap().unwrap() });
        peer.stall();
        let sending = tokio::spawn(async move {
            for _ in 0..10 {
                sink.feed(Message::text("x".repeat(600))).await.unwrap();
            }
            sink.flush().await.unwrap();
            sink
        });
        sleep(Duration::from_secs(5)).await;
        assert!(!sending.is_finished(), "the peer reads nothing");
        // The reader is polled in between, and receives.
        peer.send_text("hello");
        assert_eq!(receiving.await.unwrap(), Message::text("hello"));
        assert!(!sending.is_finished(), "the peer reads nothing");
        peer.resume();
        for _ in 0..10 {
            peer.expect_text(&"x".repeat(600)).await;
        }
        drop(sending.await.unwrap());
        peer.expect_eof().await;
    });
}

#[test]
fn sink_is_ready_again_only_when_there_is_room() {
    run_paused(async || {
        let (mut socket, mut peer) = open_with(Config::server().max_output(1000)).await;
        peer.stall();
        let mut sink = Pin::new(&mut socket);
        let cx = &mut Context::from_waker(Waker::noop());
        let mut taken = 0;
        while sink.as_mut().poll_ready(cx).is_ready() {
            sink.as_mut().start_send(Message::Ping(vec![b'x'; 100].into())).unwrap();
            taken += 1;
            assert!(taken < 100, "there is no end of it");
        }
        assert_eq!(send_error(sink.as_mut().start_send(Message::Pong("x".into()))), SendError::OutputFull);
        // A close frame is always accepted.
        sink.as_mut().start_send(close(close_code::NORMAL, "")).unwrap();
        peer.resume();
        for _ in 0..taken {
            peer.expect_ping([b'x'; 100]).await;
        }
        peer.expect_close(1000).await;
    });
}

#[test]
fn forward_echoes_until_the_close() {
    run_paused(async || {
        let (sink, stream, mut peer) = split().await;
        let echo = tokio::spawn(
            stream.try_filter(|message| std::future::ready(!matches!(message, Message::Close(_)))).forward(sink),
        );
        for text in ["one", "two"] {
            peer.send_text(text);
            peer.expect_text(text).await;
        }
        peer.send_close(1000, "");
        peer.expect_close(1000).await;
        echo.await.unwrap().unwrap();
        peer.expect_eof().await;
    });
}

#[test]
fn send_all_sends_a_stream() {
    run_paused(async || {
        let (mut sink, _stream, mut peer) = split().await;
        let mut messages = stream::iter(["one", "two", "three"].map(|text| Ok(Message::text(text))));
        sink.send_all(&mut messages).await.unwrap();
        for text in ["one", "two", "three"] {
            peer.expect_text(text).await;
        }
    });
}
