//! Futures over HTTP/2 that are dropped at every await point: nothing is lost, duplicated or
//! truncated.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::sync::mpsc::unbounded_channel;
use tower_websocket::client::Http2Connection;
use tower_websocket::{CloseCode, Config, Event, Message, WebSocket, connect};
use websocket_tests::wire::Frame;

use crate::http2_peer::{builder, connection, open, open_on};
use crate::http2_servers::Stack;
use crate::peer::echoes;
use crate::run::run;

/// More than any of the futures here needs.
const FOREVER: usize = 100_000;

const URL: &str = "ws://example.com/";

/// The number of polls before a future is dropped.
fn polls() -> impl Iterator<Item = usize> {
    (1..=10).chain([20, FOREVER])
}

/// Polls a future at most `times` times, and lets all other tasks run in between.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Creates and polls futures `times` times each, until one completes.
macro_rules! insist {
    ($times:expr, $future:expr) => {{
        let mut left = FOREVER;
        loop {
            if let Some(output) = polled($times, $future).await {
                break output;
            }
            left -= 1;
            assert!(left > 0, "{} polls are never enough", $times);
        }
    }};
}

/// Returns a connection to an echo server over a transport that transfers a few bytes at a time.
async fn slow() -> Http2Connection {
    let (io, other) = tokio::io::duplex(64);
    let (sender, _ends) = unbounded_channel();
    tokio::spawn(Stack::Hyper.serve_connection(Box::new(other), Config::server(), sender));
    connect(URL).http2().over(io).http2_connection().await.expect("a connection")
}

async fn slow_socket() -> WebSocket {
    connect(URL).on(&slow().await).await.expect("an open socket").0
}

fn messages() -> [Message; 5] {
    let long = "long ".repeat(300);
    [Message::text(""), Message::text("hello"), Message::binary(vec![7; 3000]), Message::text(&*long), "Grüße".into()]
}

#[test]
fn cancelled_recv_and_next_event_lose_nothing() {
    run(async || {
        for times in polls() {
            let mut socket = slow_socket().await;
            for message in messages() {
                socket.feed(message).await.unwrap();
            }
            socket.flush().await.unwrap();
            for (number, message) in messages().into_iter().enumerate() {
                if number % 2 == 0 {
                    assert_eq!(insist!(times, socket.recv()).unwrap().unwrap(), message, "{times} polls");
                } else {
                    let event = insist!(times, socket.next_event()).unwrap().unwrap();
                    assert_eq!(event, Event::Message(message), "{times} polls");
                }
            }
            insist!(times, socket.close(CloseCode::NORMAL, "")).unwrap();
            assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL), "{times} polls");
        }
    });
}

#[test]
fn cancelled_send_of_an_accepted_message_is_sent_whole_and_once() {
    run(async || {
        for times in polls() {
            let mut socket = slow_socket().await;
            for message in messages() {
                // There is room, so the message is accepted by the first poll.
                if let Some(sent) = polled(times, socket.send(message)).await {
                    sent.unwrap();
                }
            }
            insist!(times, socket.flush()).unwrap();
            for message in messages() {
                assert_eq!(socket.recv().await.unwrap().unwrap(), message, "{times} polls");
            }
        }
    });
}

#[test]
fn send_that_waits_for_room_is_sent_whole_or_not_at_all() {
    run(async || {
        for times in polls() {
            let mut small = builder();
            small.initial_window_size(50);
            let (connection, mut peer) = connection(small).await;
            let config = Config::client().max_output(100);
            let (mut socket, mut tunnel) = open_on(&connection, &mut peer, config).await;
            let server = tokio::spawn(async move {
                let mut texts = Vec::new();
                loop {
                    let (first, payload) = tunnel.frame().await;
                    if first == 0x88 {
                        tunnel.write(Frame::close(1000, ""));
                        tunnel.write_bytes("", true);
                        return texts;
                    }
                    texts.push(String::from_utf8(payload).expect("a text"));
                }
            });
            let mut done = Vec::new();
            for number in 0..30 {
                let text = format!("message {number:02}, which is more than half of what may be queued");
                if let Some(sent) = polled(times, socket.send(text.clone())).await {
                    sent.unwrap();
                    done.push(text);
                }
            }
            insist!(times, socket.flush()).unwrap();
            insist!(times, socket.close(CloseCode::NORMAL, "")).unwrap();
            // Each message is complete, at most once and in order, and those whose sender was
            // notified are there.
            let sent = server.await.expect("no panic");
            assert!(sent.is_sorted_by(|one, next| one < next), "{times} polls: {sent:?}");
            assert!(sent.iter().all(|text| text.ends_with("queued")), "{times} polls: {sent:?}");
            assert!(done.iter().all(|text| sent.contains(text)), "{times} polls: {sent:?}, but done: {done:?}");
            assert!(times < FOREVER || sent.len() == 30, "{sent:?}");
        }
    });
}

#[test]
fn recv_in_a_select_loses_nothing() {
    run(async || {
        for times in polls().take(10) {
            let mut socket = slow_socket().await;
            for message in messages() {
                socket.feed(message).await.unwrap();
            }
            let mut received = Vec::new();
            while received.len() < messages().len() {
                let other = async {
                    for _ in 0..times {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    message = socket.recv() => received.push(message.unwrap().unwrap()),
                    () = other => {}
                }
            }
            assert_eq!(received, messages());
        }
    });
}

#[test]
fn server_close_is_completed_by_the_next_poll() {
    run(async || {
        for times in polls() {
            let (mut socket, mut tunnel, _peer) = open(builder()).await;
            tunnel.write(Frame::close(4000, "bye"));
            let server = async {
                assert_eq!(tunnel.frame().await, (0x88, 4000_u16.to_be_bytes().to_vec()));
                tunnel.write_bytes("", true);
                tunnel.ended().await;
            };
            let client = async {
                while insist!(times, socket.recv()).is_some() {}
                let close = socket.close_frame().expect("a close");
                assert_eq!((close.code, close.reason.as_str()), (4000.into(), "bye"), "{times} polls");
            };
            tokio::join!(client, server);
        }
    });
}

#[test]
fn dropped_connect_leaves_the_connection_unchanged() {
    run(async || {
        let connection = slow().await;
        let (mut other, _) = connect(URL).on(&connection).await.unwrap();
        for times in 1..100 {
            if let Some(opened) = polled(times, connect(URL).on(&connection).into_future()).await {
                echoes(&mut opened.unwrap().0, "hello").await;
            }
            echoes(&mut other, "still here").await;
        }
        let (mut socket, _) = connect(URL).on(&connection).await.unwrap();
        echoes(&mut socket, "hello").await;
    });
}

#[test]
fn dropped_connection_attempt_ends_its_transport() {
    run(async || {
        let mut is_done = false;
        for times in 0..500 {
            let (io, other) = tokio::io::duplex(64);
            let (sender, _ends) = unbounded_channel();
            let server = tokio::spawn(Stack::Hyper.serve_connection(Box::new(other), Config::server(), sender));
            let made = polled(times, connect(URL).http2().over(io).http2_connection()).await;
            is_done = made.is_some();
            drop(made);
            // Hangs if the transport stays open.
            server.await.unwrap();
            if is_done {
                break;
            }
        }
        assert!(is_done);
    });
}
