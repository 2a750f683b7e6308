//! Cancelled sends and flushes.

use std::future::pending;
use std::time::Duration;

use tokio::time::timeout;
use tower_websocket::{Config, Error, Message, PreparedMessage, Version, WebSocket};
use websocket_tests::cancel::polled;
use websocket_tests::insist;
use websocket_tests::wire::server_frames;

use super::{Outcome, nothing_changes, open, open_and_flush};
use crate::pair::over_memory;
use crate::run::{run, run_paused};
use crate::transports::Trickle;

/// Echoes a message of each type with sends that are cancelled.
async fn cancelled_sends_change_nothing(send: impl AsyncFn(&mut WebSocket<Trickle>, Message) -> Result<(), Error>) {
    nothing_changes(async |version, times| {
        let (mut socket, trickle) = open(version, Config::server()).await;
        let mut outcome = Outcome::default();
        while let Some(message) = insist!(times, socket.recv()) {
            let message = message.unwrap();
            outcome.messages.push(message.clone());
            // There is room, so the message is accepted by the first poll.
            if let Some(result) = polled(times, send(&mut socket, message)) {
                result.unwrap();
            }
        }
        outcome.of(&socket, &trickle)
    })
    .await;
}

#[test]
fn send_is_cancel_safe_once_the_message_is_taken() {
    run(async || cancelled_sends_change_nothing(async |socket, message| socket.send(message).await).await);
}

#[test]
fn send_prepared_is_cancel_safe_once_the_message_is_taken() {
    run(async || {
        cancelled_sends_change_nothing(async |socket, message| socket.send_prepared(&message.into()).await).await;
    });
}

cancel_test!(flush_is_resumed_after_cancellation, |socket, times, outcome| {
    while let Some(message) = insist!(times, socket.recv()) {
        outcome.messages.push(message.unwrap());
        for text in ["one", "two"] {
            polled(1, socket.feed(text)).expect("room").unwrap();
        }
        insist!(times, socket.flush()).unwrap();
    }
});

/// Sends 20 texts, each longer than half of the limit on queued output. Returns those for which the
/// operation has completed.
fn completed(mut send: impl FnMut(String) -> Option<Result<(), Error>>) -> Vec<String> {
    let texts = (0..20).map(|number| format!("message {number:02}, which is more than half of what may be queued"));
    let send = |text: &String| send(text.clone()).map(Result::unwrap).is_some();
    texts.filter(send).collect()
}

/// Returns the texts that were sent, without the control frames between them.
fn sent(trickle: &Trickle, head: usize) -> Vec<String> {
    let frames = server_frames(&trickle.written().0[head..]).into_iter();
    let texts = frames.filter(|frame| frame.opcode == 1);
    texts.map(|frame| String::from_utf8(frame.payload).unwrap()).collect()
}

/// Asserts that each message is complete, at most once and in order, and that those whose sender
/// was notified are there.
fn assert_each_is_whole(sent: &[String], done: &[String], times: usize) {
    assert!(sent.is_sorted_by(|one, next| one < next), "{times} polls: {sent:?}");
    assert!(done.iter().all(|text| sent.contains(text)), "{times} polls: {sent:?}, but done: {done:?}");
    assert!(!sent.is_empty(), "{times} polls");
}

#[test]
fn feed_cancelled_without_room_takes_nothing() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (mut socket, trickle, head) = open_and_flush(times, Config::server().max_output(50)).await;
            let fed = completed(|text| polled(times, socket.feed(text)));
            assert!(times > 20 || fed.len() < 20, "{times} polls");
            insist!(times, socket.flush()).unwrap();
            // Unlike a send, it completes as soon as the message is accepted.
            assert_eq!(sent(&trickle, head), fed, "{times} polls");
        }
    });
}

#[test]
fn sender_feed_and_flush_are_cancel_safe() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (socket, trickle, head) = open_and_flush(times, Config::server().max_output(50)).await;
            let (sender, _reader) = socket.split();
            let fed = completed(|text| polled(times, sender.feed(text)));
            assert!(times > 20 || fed.len() < 20, "{times} polls");
            insist!(times, sender.flush()).unwrap();
            assert_eq!(sent(&trickle, head), fed, "{times} polls");
        }
    });
}

#[test]
fn send_cancelled_without_room_sends_nothing() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (mut socket, trickle, head) = open_and_flush(times, Config::server().max_output(50)).await;
            let done = completed(|text| polled(times, socket.send(text)));
            insist!(times, socket.flush()).unwrap();
            let sent = sent(&trickle, head);
            assert_each_is_whole(&sent, &done, times);
            assert!(times > 1 || sent.len() < 20, "{times} polls: {sent:?}");
        }
    });
}

#[test]
fn sender_cancelled_sends_whole_messages_or_none() {
    run(async || {
        for times in (1..=60).chain([200]) {
            let (mut socket, trickle, head) = open_and_flush(times, Config::server().max_output(50)).await;
            let (sender, mut number) = (socket.sender(), 0);
            let done = completed(|text| {
                let prepared = PreparedMessage::new(text.as_str());
                number += 1;
                let result = match number % 3 {
                    0 => polled(times, sender.send(text)),
                    1 => polled(times, sender.send_prepared(&prepared)),
                    _ => polled(times, socket.send_prepared(&prepared)),
                };
                // Between them, to be complete as well.
                let _ = polled(times, sender.send_ping("ping"));
                result
            });
            insist!(times, socket.flush()).unwrap();
            assert_each_is_whole(&sent(&trickle, head), &done, times);
        }
    });
}

/// They are cancelled before the peer has read anything.
#[test]
fn cancelled_sends_are_not_sent_later() {
    run_paused(async || {
        let (socket, mut client) = over_memory(1024, Version::Hybi13, Config::server().ping_interval(None)).await;
        let sender = socket.sender();
        // The transport accepts some data at first, which makes room again.
        for _ in 0..100 {
            while sender.try_send(vec![7; 1000]).is_ok() {}
            tokio::task::yield_now().await;
        }
        let held = socket.memory();
        for _ in 0..1000 {
            timeout(Duration::from_millis(1), sender.send("cancelled")).await.unwrap_err();
        }
        assert!(socket.memory() <= held, "{} bytes", socket.memory() - held);
        let server = tokio::spawn(async move {
            socket.sender().send("behind all").await.unwrap();
            pending::<()>().await;
        });
        loop {
            let frame = client.wire.frame().await;
            if frame.opcode == 1 {
                assert_eq!(frame.payload, b"behind all");
                break;
            }
        }
        server.abort();
    });
}
