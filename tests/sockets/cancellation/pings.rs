//! Cancelled pings and pongs.

use tower_websocket::{Config, Version, accept};
use websocket_tests::cancel::{FOREVER, polled};
use websocket_tests::insist;
use websocket_tests::wire::{Frame, Handshake, frames, server_frames};

use super::open_and_flush;
use crate::run::run;
use crate::transports::Trickle;

#[test]
fn ping_is_sent_whole_despite_cancellation() {
    run(async || {
        for times in 1..=25 {
            let (mut socket, trickle, head) = open_and_flush(times, Config::server()).await;
            if let Some(result) = polled(times, socket.send_ping("are you there?")) {
                result.unwrap();
            }
            insist!(times, socket.flush()).unwrap();
            assert_eq!(trickle.written().0[head..], *b"\x89\x0eare you there?");
        }
    });
}

#[test]
fn send_pong_is_cancel_safe() {
    run(async || {
        for times in 1..=25 {
            for by_sender in [false, true] {
                let (mut socket, trickle, head) = open_and_flush(times, Config::server()).await;
                let sent = if by_sender {
                    polled(times, socket.sender().send_pong("still here"))
                } else {
                    polled(times, socket.send_pong("still here"))
                };
                sent.unwrap_or(Ok(())).unwrap();
                insist!(times, socket.flush()).unwrap();
                assert_eq!(trickle.written().0[head..], *b"\x8a\x0astill here");
            }
        }
    });
}

/// Returns what a client sends that answers the first pings before they were sent, between
/// messages.
fn ponging() -> Vec<u8> {
    let pong = |number: u64| Frame::pong(number.to_be_bytes());
    let body = frames([
        Frame::text("one"),
        Frame::text("tw").more(),
        pong(1),
        Frame::continuation("o"),
        pong(2),
        Frame::binary([7; 300]),
        pong(3),
        Frame::text("three"),
        Frame::close(3000, "bye"),
    ]);
    [Handshake::of(Version::Hybi13).bytes(), body].concat()
}

#[test]
fn ping_is_cancel_safe() {
    run(async || {
        let mut undisturbed = None;
        for times in [FOREVER].into_iter().chain(1..=60).chain([100, 200, 400, 800]) {
            for by_sender in [false, true] {
                let trickle = Trickle::new(ponging());
                let mut socket = accept(trickle.clone(), Config::server()).await.expect("a handshake");
                insist!(times, socket.flush()).unwrap();
                let head = trickle.written().0.len();
                let mut messages = Vec::new();
                for _ in 0..3 {
                    if by_sender {
                        let sender = socket.sender();
                        // Nothing receives, so no pong is processed.
                        let polls = times.min(1000);
                        assert!(polled(polls, sender.ping()).is_none());
                    } else {
                        // The close may be received before its pong.
                        let _ = polled(times, socket.ping());
                    }
                }
                while let Some(message) = insist!(times, socket.recv()) {
                    messages.push(message.unwrap());
                }
                let outcome = (messages, socket.close_frame().cloned(), trickle.written().1);
                assert_eq!(outcome.0.len(), 4);
                assert_eq!(undisturbed.get_or_insert_with(|| outcome.clone()), &outcome, "{times} polls");
                // Complete frames: up to three pings, and the answer to the close frame.
                let written = server_frames(&trickle.written().0[head..]);
                let (close, pings) = written.split_last().unwrap();
                assert_eq!(close.close_code(), Some(3000));
                assert!((1..=3).contains(&pings.len()) && pings.iter().all(|ping| ping.opcode == 9), "{written:?}");
            }
        }
    });
}
