//! Futures that are dropped while they wait: nothing is lost, duplicated or truncated.

use axum_websocket::ws::Message;
use tower_websocket::Config;
use websocket_tests::cancel::polled;
use websocket_tests::wire::{Frame, frames};

use crate::messages::{close, open, open_with};
use crate::run::run_paused;

#[test]
fn recv_is_cancel_safe() {
    run_paused(async || {
        let input = frames([
            Frame::text("hel").more(),
            Frame::ping("in between"),
            Frame::continuation("lo"),
            Frame::binary([7; 300]),
            Frame::pong("unsolicited"),
            Frame::close(3000, "bye"),
        ]);
        let expected = [
            Message::Ping("in between".into()),
            Message::text("hello"),
            Message::binary(vec![7; 300]),
            Message::Pong("unsolicited".into()),
            close(3000, "bye"),
        ];
        for step in 1..40 {
            let (mut socket, mut peer) = open().await;
            let mut received = Vec::new();
            for bytes in input.chunks(step) {
                peer.send_raw(bytes);
                while let Some(Some(message)) = polled(1, socket.recv()) {
                    received.push(message.unwrap());
                }
            }
            assert_eq!(received, expected, "steps of {step}");
            assert!(socket.recv().await.is_none());
        }
    });
}

#[test]
fn send_is_cancel_safe() {
    run_paused(async || {
        for times in 1..4 {
            let (mut socket, mut peer) = open_with(Config::server().max_output(500)).await;
            peer.capacity(10);
            peer.stall();
            let mut taken = 0;
            for number in 0..30 {
                let data = format!("{number:02} {}", "x".repeat(50));
                let message = match number % 3 {
                    0 => Message::text(data),
                    1 => Message::Ping(data.into()),
                    _ => Message::Pong(data.into()),
                };
                // Nothing is written completely, so no future completes.
                assert!(polled(times, socket.send(message)).is_none());
                taken = number;
            }
            assert!(polled(times, socket.send(close(1000, "bye"))).is_none());
            peer.resume();
            let receiving = tokio::spawn(async move { socket.recv().await });
            let (mut numbers, mut texts) = (Vec::new(), Vec::new());
            loop {
                let frame = peer.next_frame().await.to_string();
                if frame.contains("bye") {
                    break;
                }
                let number: usize = frame.split('"').nth(1).unwrap()[..2].parse().unwrap();
                assert!(frame.contains(&"x".repeat(50)), "{frame}");
                if frame.starts_with("the text") { texts.push(number) } else { numbers.push(number) }
            }
            // None twice, and not all: messages that found no room are not sent at all.
            assert!(texts.is_sorted_by(|one, next| one < next) && numbers.is_sorted_by(|one, next| one < next));
            assert!((1..taken).contains(&(texts.len() + numbers.len())), "{texts:?} {numbers:?}");
            peer.send_close(1000, "");
            assert_eq!(receiving.await.unwrap().unwrap().unwrap(), close(1000, ""));
        }
    });
}
