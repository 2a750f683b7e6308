//! Pings that wait for their pongs, in virtual time.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FusedStream;
use tokio::time::{Instant, sleep, timeout};
use tower_websocket::test::{Frame as Got, Peer};
use tower_websocket::{CloseCode, Config, Error, Event, Message, SendError, ServerConfig, Version, WebSocket};
use websocket_tests::wire::{Frame, VERSIONS, frames};

use crate::pair::{over_memory, with_peer};
use crate::run::run_paused;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

fn config() -> ServerConfig {
    Config::server().ping_interval(None).pong_timeout(10 * SECOND)
}

async fn open() -> (WebSocket, Peer) {
    with_peer(Version::Hybi13, config()).await
}

/// Returns the payload of the next frame, which is a ping.
async fn pinged(peer: &mut Peer) -> Vec<u8> {
    match peer.next_frame().await {
        Got::Ping(data) => data.to_vec(),
        other => panic!("no ping: {other}"),
    }
}

async fn next_texts(socket: &mut WebSocket, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(socket.recv().await.unwrap().unwrap().as_text().unwrap().to_string());
    }
    texts
}

#[test]
fn round_trip_is_measured_from_the_ping_to_its_pong() {
    run_paused(async || {
        for by_sender in [false, true] {
            let (mut socket, mut peer) = open().await;
            let sender = socket.sender();
            let server = tokio::spawn(async move {
                if !by_sender {
                    return socket.ping().await.unwrap();
                }
                let receiving = tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
                let time = sender.ping().await.unwrap();
                receiving.abort();
                time
            });
            let data = pinged(&mut peer).await;
            sleep(30 * MILLI).await;
            // None of these is the answer.
            peer.send_pong("");
            peer.send_pong("12345678");
            peer.send_pong(&data[..7]);
            peer.send_pong([&data[..], b"x"].concat());
            peer.send_pong(data.iter().map(|byte| byte ^ 0x80).collect::<Vec<_>>());
            peer.send_text("hello");
            sleep(40 * MILLI).await;
            assert!(!server.is_finished());
            peer.send_pong(&data);
            assert_eq!(server.await.unwrap(), 70 * MILLI, "by a sender: {by_sender}");
        }
    });
}

#[test]
fn pong_answers_the_pings_before_it_and_none_after_it() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        let mut pings = Vec::new();
        let mut data = Vec::new();
        for _ in 0..3 {
            let sender = sender.clone();
            pings.push(tokio::spawn(async move { sender.ping().await }));
            data.push(pinged(&mut peer).await);
            sleep(10 * MILLI).await;
        }
        // RFC 6455 §5.5.3: a peer may answer only the latest.
        peer.send_pong(&data[1]);
        let mut pings = pings.into_iter();
        assert_eq!(pings.next().unwrap().await.unwrap().unwrap(), 30 * MILLI);
        assert_eq!(pings.next().unwrap().await.unwrap().unwrap(), 20 * MILLI);
        let last = pings.next().unwrap();
        sleep(5 * MILLI).await;
        assert!(!last.is_finished());
        // A ping that was answered is not answered again.
        peer.send_pong(&data[0]);
        sleep(5 * MILLI).await;
        assert!(!last.is_finished());
        peer.send_pong(&data[2]);
        assert_eq!(last.await.unwrap().unwrap(), 20 * MILLI);
    });
}

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
fn peer_that_does_not_answer_in_time_is_reported_and_the_socket_continues() {
    run_paused(async || {
        for by_sender in [false, true] {
            let (mut socket, mut peer) = open().await;
            let sender = socket.sender();
            let begun = Instant::now();
            if by_sender {
                let receiving = tokio::spawn(async move {
                    let message = socket.recv().await;
                    (socket, message)
                });
                assert!(matches!(sender.ping().await, Err(Error::NoPong)));
                peer.send_text("still here");
                let message;
                (socket, message) = receiving.await.unwrap();
                assert_eq!(message.unwrap().unwrap(), Message::text("still here"));
            } else {
                assert!(matches!(socket.ping().await, Err(Error::NoPong)));
            }
            assert_eq!(begun.elapsed(), 10 * SECOND);
            // Its late pong does not answer another ping.
            let late = pinged(&mut peer).await;
            peer.send_pong(late);
            let server = tokio::spawn(async move { (socket.ping().await.unwrap(), socket) });
            let data = pinged(&mut peer).await;
            sleep(MILLI).await;
            peer.send_pong(data);
            assert_eq!(server.await.unwrap().0, MILLI);
        }
    });
}

#[test]
fn oldest_of_more_than_16_unanswered_pings_is_dropped() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        let mut pings = Vec::new();
        let mut data = Vec::new();
        for _ in 0..17 {
            assert!(!pings.iter().any(tokio::task::JoinHandle::is_finished));
            let sender = sender.clone();
            pings.push(tokio::spawn(async move { sender.ping().await }));
            data.push(pinged(&mut peer).await);
        }
        let mut pings = pings.into_iter();
        let begun = Instant::now();
        assert!(matches!(pings.next().unwrap().await.unwrap(), Err(Error::NoPong)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        peer.send_pong(data.pop().unwrap());
        for ping in pings {
            ping.await.unwrap().unwrap();
        }
    });
}

#[test]
fn cancelled_pings_do_not_displace_others() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let sender = socket.sender();
        tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        let waiting = tokio::spawn({
            let sender = sender.clone();
            async move { sender.ping().await }
        });
        let data = pinged(&mut peer).await;
        for _ in 0..100 {
            assert!(timeout(MILLI, sender.ping()).await.is_err());
            pinged(&mut peer).await;
        }
        assert!(!waiting.is_finished());
        peer.send_pong(data);
        assert_eq!(waiting.await.unwrap().unwrap(), 100 * MILLI);
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

#[test]
fn hixie_returns_not_supported_at_once() {
    run_paused(async || {
        for version in VERSIONS.into_iter().filter(|version| version.is_hixie()) {
            let (mut socket, mut peer) = with_peer(version, config()).await;
            let begun = Instant::now();
            let is_refused = |error| matches!(error, Err(Error::Send(SendError::NotSupported { .. })));
            assert!(is_refused(socket.ping().await), "{version}");
            assert!(is_refused(socket.sender().ping().await), "{version}");
            assert_eq!(begun.elapsed(), Duration::ZERO);
            peer.send_text("goes on");
            assert_eq!(next_texts(&mut socket, 1).await, ["goes on"]);
        }
    });
}

#[test]
fn ping_on_a_closing_or_closed_connection_is_refused() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        socket.start_close(CloseCode::NORMAL, "").unwrap();
        let is_refused = |error| matches!(error, Err(Error::Send(SendError::Closed)));
        assert!(is_refused(socket.ping().await));
        peer.send_close(1000, "");
        assert!(socket.recv().await.is_none());
        let sender = socket.sender();
        assert!(is_refused(socket.ping().await) && is_refused(sender.ping().await));
        drop(socket);
        assert!(is_refused(sender.ping().await));
    });
}

#[test]
fn dropped_socket_fails_the_pings_of_its_senders_at_once() {
    run_paused(async || {
        let (socket, mut peer) = open().await;
        let sender = socket.sender();
        let ping = tokio::spawn(async move { sender.ping().await });
        pinged(&mut peer).await;
        let begun = Instant::now();
        drop(socket);
        assert!(matches!(ping.await.unwrap(), Err(Error::NoPong)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}
