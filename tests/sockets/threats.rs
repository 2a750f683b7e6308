//! Attacks on the timers and the closing of a socket that the other tests do not cover.
//! `tests/threats/README.md` lists all.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};
use tower_websocket::{CloseCause, Config, Version, WebSocket};
use websocket_tests::wire::{Frame, HIXIE76_CLOSE, ServerFrame, VERSIONS};

use crate::client::Client;
use crate::pair::{over_memory, over_tcp};
use crate::run::{run, run_paused};

/// Returns an open socket whose handshake ran on a runtime with timers, which has ended.
fn without_timers(version: Version) -> (WebSocket<DuplexStream>, Client) {
    let (sender, receiver) = mpsc::channel();
    // Without the keepalive timer, which is created once when a connection opens.
    let config = Config::server().ping_interval(None);
    run(async move || sender.send(over_memory(64 * 1024, version, config).await).expect("the test waits"));
    receiver.recv().expect("an open socket")
}

#[test]
fn message_registers_no_timer() {
    // On this runtime, creating a timer panics.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for version in VERSIONS {
        let (mut socket, mut client) = without_timers(version);
        runtime.block_on(async {
            for number in 0..100 {
                let texts = ["one", "two", "three", &"long ".repeat(1000 * (number % 3))];
                client.send(&texts).await;
                for text in texts {
                    let message = socket.recv().await.unwrap().unwrap();
                    assert_eq!(message.as_text(), Some(text));
                    socket.send(message).await.unwrap();
                }
                for text in texts {
                    // Also for replies that are held back.
                    assert_eq!(tokio::join!(client.text(), tokio::task::yield_now()).0, text);
                }
                if !version.is_hixie() {
                    client.wire.write(Frame::ping("?").bytes()).await;
                    assert!(socket.next_event().await.unwrap().is_ok());
                    socket.send_ping("!").await.unwrap();
                    assert_eq!(client.wire.frame().await, ServerFrame::pong("?"));
                    assert_eq!(client.wire.frame().await, ServerFrame::new(9, "!"));
                }
                socket.feed("fed").await.unwrap();
                assert!(socket.recv().now_or_never().is_none());
                assert_eq!(client.text().await, "fed");
            }
        });
        // Closing has a timeout, so it must create a timer.
        let close = AssertUnwindSafe(|| runtime.block_on(socket.close(4000.into(), "bye")).is_ok());
        assert_eq!(catch_unwind(close).is_err(), version != Version::Hixie75, "{version}");
    }
}

#[test]
fn message_does_not_reset_the_ping_timer() {
    run_paused(async || {
        let second = Duration::from_secs(1);
        let config = Config::server().ping_interval(Some(20 * second));
        let (mut socket, mut client) = over_memory(64 * 1024, Version::Hybi13, config).await;
        let begin = Instant::now();
        let (sender, mut polled) = unbounded_channel();
        let server = tokio::spawn(async move {
            let mut received = 0;
            poll_fn(|cx| {
                sender.send(begin.elapsed()).expect("the test waits");
                while let Poll::Ready(message) = socket.poll_next_unpin(cx) {
                    let Some(Ok(_)) = message else { return Poll::Ready(()) };
                    received += 1;
                }
                Poll::Pending
            })
            .await;
            received
        });
        for _ in 1..=10 {
            sleep(second).await;
            client.send(&["here"]).await;
        }
        assert_eq!(client.wire.frame().await, ServerFrame::new(9, ""));
        assert_eq!(begin.elapsed(), 30 * second);
        client.close().await;
        assert_eq!(server.await.unwrap(), 10);
        let times: Vec<_> = std::iter::from_fn(|| polled.try_recv().ok()).map(|time| time.as_secs()).collect();
        // It is woken only by input, and when a ping is due.
        let expected: Vec<_> = (0..=10).chain([30, 30]).collect();
        assert_eq!(times, expected);
    });
}

/// Returns the bytes of a close with 4000 and "bye".
fn close_of(version: Version) -> Vec<u8> {
    match version {
        Version::Hixie75 => Vec::new(),
        Version::Hixie76 => HIXIE76_CLOSE.into(),
        _ => b"\x88\x05\x0f\xa0bye".into(),
    }
}

#[test]
fn socket_dropped_during_its_close_has_sent_the_close_frame() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_memory(64 * 1024, version, Config::server()).await;
            socket.feed("last").await.unwrap();
            let _ = socket.close(4000.into(), "bye").now_or_never();
            drop(socket);
            assert_eq!(client.text().await, "last");
            assert_eq!(client.wire.rest().await, close_of(version), "{version}");

            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            socket.feed("last").await.unwrap();
            let _ = socket.close(4000.into(), "bye").now_or_never();
            drop(socket);
            assert_eq!(client.text().await, "last");
            assert_eq!(client.wire.rest().await, close_of(version), "{version}");
        }
    });
}

#[test]
fn socket_dropped_after_its_close_sends_nothing_more() {
    run(async || {
        for version in VERSIONS {
            for is_late in [false, true] {
                let (mut socket, client) = over_tcp(version, Config::server()).await;
                let (closed, ()) = tokio::join!(socket.close(4000.into(), "bye"), client.expect_close(4000, "bye"));
                closed.unwrap();
                if is_late {
                    // Messages were refused, so nothing is written after the end.
                    assert!(socket.send("late").await.is_err());
                    assert!(socket.recv().await.is_none());
                }
                drop(socket);
            }
        }
    });
}

/// A client that writes everything before it reads anything, like blocking clients.
#[test]
fn message_over_limit_is_answered_with_1009_and_no_reset() {
    const SIZE: usize = 8_000_000;
    run(async || {
        for in_a_frame in [true, false] {
            let (mut socket, mut client) = over_tcp(Version::Hybi13, Config::server().max_message_size(100_000)).await;
            let server = tokio::spawn(async move {
                socket.recv().await.unwrap().unwrap_err();
                assert!(socket.recv().await.is_none());
                socket.close_cause()
            });
            let message = if in_a_frame {
                Frame::binary(vec![7; SIZE]).bytes()
            } else {
                let fragment = Frame::continuation([7; 50_000]).more().bytes();
                [Frame::binary("").more().bytes(), fragment.repeat(SIZE / 50_000), Frame::continuation("").bytes()]
                    .concat()
            };
            client.wire.write(message).await;
            assert_eq!(client.wire.frame().await.close_code(), Some(1009));
            client.wire.eof().await;
            assert!(matches!(server.await.unwrap(), Some(CloseCause::Limit(_))));
        }
    });
}
