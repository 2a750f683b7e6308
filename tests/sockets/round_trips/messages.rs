//! Messages and other events that arrive before a pong, and are received after it.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FusedStream;
use tokio::time::{Instant, timeout};
use tower_websocket::test::Peer;
use tower_websocket::{Error, Event, Message, Version, WebSocket};
use websocket_tests::wire::{Frame, frames};

use super::{SECOND, config, next_texts, open};
use crate::pair::{over_memory, pinged, with_peer};
use crate::run::run_paused;

/// Returns a socket that was pinged twice, with messages before, between and after.
async fn pinged_between_messages() -> (WebSocket, Peer) {
    let (mut socket, mut peer) = open().await;
    // In one packet, so that some have been received already when it pings.
    peer.send_raw(frames(["1", "2", "3"].map(Frame::text)));
    assert_eq!(next_texts(&mut socket, 1).await, ["1"]);
    let client = tokio::spawn(async move {
        let data = pinged(&mut peer).await;
        peer.send_raw(frames([Frame::text("4"), Frame::pong(data), Frame::text("5"), Frame::text("6")]));
        let data = pinged(&mut peer).await;
        peer.send_text("7");
        peer.send_pong(data);
        peer.send_text("8");
        peer
    });
    for _ in 0..2 {
        socket.ping().await.unwrap();
    }
    let mut peer = client.await.unwrap();
    peer.send_text("9");
    peer.send_close(4000, "bye");
    (socket, peer)
}

const EXPECTED: [&str; 8] = ["2", "3", "4", "5", "6", "7", "8", "9"];

#[test]
fn messages_before_the_pong_are_stashed_and_received_in_order() {
    run_paused(async || {
        let (mut socket, _peer) = pinged_between_messages().await;
        assert_eq!(next_texts(&mut socket, 8).await, EXPECTED);
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.close_frame().unwrap().code, 4000);

        let (mut socket, _peer) = pinged_between_messages().await;
        let (mut texts, mut pongs, mut closes) = (Vec::new(), 0, 0);
        while let Some(event) = socket.next_event().await {
            match event.unwrap() {
                Event::Message(message) => texts.push(message.as_text().unwrap().to_string()),
                Event::Pong(_) => pongs += 1,
                Event::Close(_) => closes += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((texts, pongs, closes), (EXPECTED.map(String::from).to_vec(), 2, 1));

        let (socket, _peer) = pinged_between_messages().await;
        let texts: Vec<_> = socket.map(|message| message.unwrap().as_text().unwrap().to_string()).collect().await;
        assert_eq!(texts, EXPECTED);

        let (mut socket, mut peer) = pinged_between_messages().await;
        let mut texts = Vec::new();
        let served = WebSocket::for_each_borrowed(&mut socket, |message, replies| {
            let message = Message::from(message);
            texts.push(message.as_text().unwrap().to_string());
            let _ = replies.send(message);
        });
        served.await.unwrap();
        assert_eq!(texts, EXPECTED);
        for text in EXPECTED {
            peer.expect_text(text).await;
        }
    });
}

#[test]
fn stream_is_not_terminated_while_messages_are_stashed() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let client = tokio::spawn(async move {
            let data = pinged(&mut peer).await;
            peer.send_text("kept");
            peer.send_close(4000, "bye");
            peer.send_pong(data);
        });
        assert!(matches!(socket.ping().await, Err(Error::NoPong)));
        client.await.unwrap();
        assert!(!socket.is_terminated());
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("kept"));
        assert!(socket.next().await.is_none());
        assert!(socket.is_terminated());
    });
}

#[test]
fn stash_is_bounded_and_more_is_not_read() {
    run_paused(async || {
        let config = config().max_output(10_000);
        let (mut socket, mut client) = over_memory(1000, Version::Hybi13, config).await;
        let server = tokio::spawn(async move {
            let begun = Instant::now();
            assert!(matches!(socket.ping().await, Err(Error::NoPong)));
            assert_eq!(begun.elapsed(), 10 * SECOND);
            socket
        });
        let mut sent = 0;
        while timeout(SECOND, client.wire.write(Frame::binary([sent as u8; 500]).bytes())).await.is_ok() {
            sent += 1;
        }
        assert!((18..40).contains(&sent), "{sent} messages of 500 bytes");
        let mut socket = server.await.unwrap();
        for number in 0..sent {
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::binary(vec![number as u8; 500]));
        }
        // There is room again.
        assert!(timeout(SECOND, socket.recv()).await.is_err());
    });
}

#[test]
fn stash_has_room_after_messages_are_received() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config().max_output(10_000)).await;
        let client = tokio::spawn(async move {
            for _ in 0..20 {
                let data = pinged(&mut peer).await;
                peer.send_text("x".repeat(2000));
                peer.send_text("x".repeat(2000));
                peer.send_pong(data);
            }
            peer
        });
        socket.ping().await.unwrap();
        // One is always left.
        for _ in 0..19 {
            next_texts(&mut socket, 1).await;
            socket.ping().await.unwrap();
            next_texts(&mut socket, 1).await;
        }
        assert_eq!(next_texts(&mut socket, 2).await.len(), 2);
        let peer = client.await.unwrap();
        drop(peer);
        assert!(socket.recv().await.is_none());
    });
}

#[test]
fn connection_events_during_a_ping_are_not_lost() {
    run_paused(async || {
        for way in ["reset", "end", "close", "breach"] {
            for by_sender in [false, true] {
                let (mut socket, mut peer) = open().await;
                let sender = socket.sender();
                let begun = Instant::now();
                let server = tokio::spawn(async move {
                    let mut kept = Vec::new();
                    let pong = if by_sender {
                        let receiving = tokio::spawn(async move {
                            while let Some(message) = socket.recv().await {
                                kept.push(message.map_err(|error| error.to_string()));
                            }
                            (socket, kept)
                        });
                        let pong = sender.ping().await;
                        (socket, kept) = receiving.await.unwrap();
                        pong
                    } else {
                        let pong = socket.ping().await;
                        while let Some(message) = socket.recv().await {
                            kept.push(message.map_err(|error| error.to_string()));
                        }
                        pong
                    };
                    (pong, kept, socket.close_cause().unwrap().kind())
                });
                pinged(&mut peer).await;
                peer.send_text("before");
                match way {
                    "reset" => peer.reset(),
                    "end" => peer.end(),
                    "close" => peer.send_close(4000, "bye"),
                    _ => peer.send_raw(Frame::text("").unmasked().bytes()),
                }
                let (pong, kept, cause) = server.await.unwrap();
                assert!(matches!(pong, Err(Error::NoPong)), "{way}: {pong:?}");
                assert_eq!(kept[0], Ok(Message::text("before")), "{way}");
                let (count, expected) = match way {
                    "reset" => (2, "reset"),
                    "end" => (1, "ended"),
                    "close" => (1, "remote"),
                    _ => (2, "protocol"),
                };
                assert_eq!((kept.len(), cause), (count, expected), "{way}: {kept:?}");
                assert!(kept.get(1).is_none_or(Result::is_err), "{way}");
                // It is reported at once, not when the timeout expires.
                assert_eq!(begun.elapsed(), Duration::ZERO, "{way}");
            }
        }
    });
}
