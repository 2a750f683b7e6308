//! `for_each_borrowed`: every message once, in order and in place, whatever is between them.

use std::time::Duration;

use futures_util::FutureExt;
use permessage_deflate::PermessageDeflate;
use tower_websocket::error::ProtocolError;
use tower_websocket::{CloseCode, Config, Error, Message, MessageRef, SendError, Version};
use websocket_tests::wire::{Frame, ServerFrame, VERSIONS, frames};

use crate::pair::{counted, over_memory, over_tcp};
use crate::run::{run, run_paused};

#[test]
fn every_version_is_echoed_until_the_client_closes() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            let server = tokio::spawn(async move {
                socket.for_each_borrowed(|message, replies| replies.send_borrowed(message).unwrap()).await.unwrap();
                socket
            });
            let long = "é".repeat(40_000);
            let texts = ["", "a", "é", "forty-eight bytes are held in the message itself.", &long, "last"];
            client.send(&texts).await;
            for text in texts {
                assert_eq!(client.text().await, text, "{version}");
            }
            client.close().await;
            assert!(server.await.unwrap().close_frame().is_some(), "{version}");
        }
    });
}

#[test]
fn frames_of_every_type_keep_their_order() {
    run(async || {
        let (mut socket, mut client, _) = counted().await;
        let bytes = frames([
            Frame::text("one"),
            Frame::text("tw").more(),
            Frame::ping("p"),
            Frame::continuation("o"),
            Frame::binary([3; 300]),
            Frame::text("four"),
            Frame::binary([5; 70_000]),
            Frame::text("six"),
            Frame::close(1000, "bye"),
        ]);
        // In pieces that split every frame somewhere.
        for piece in bytes.chunks(1001) {
            client.wire.write(piece).await;
        }
        let mut seen = Vec::new();
        socket.for_each_borrowed(|message, _| seen.push(Message::from(message))).await.unwrap();
        let expected: [Message; 6] =
            ["one".into(), "two".into(), vec![3; 300].into(), "four".into(), vec![5; 70_000].into(), "six".into()];
        assert_eq!(seen, expected);
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL));
        assert_eq!(client.wire.frame().await, ServerFrame::pong("p"));
        assert_eq!(client.wire.frame().await, ServerFrame::close(1000, ""));
    });
}

#[test]
fn invalid_text_and_later_messages_are_not_passed_on() {
    run(async || {
        for bad in [&b"\xff"[..], &[b'x'; 47], &[b'x'; 48], &[b'x'; 200], &[b'x'; 20_000]].map(|bytes| {
            let mut bytes = bytes.to_vec();
            *bytes.last_mut().unwrap() = 0xff;
            bytes
        }) {
            for lent in [true, false] {
                let (mut socket, mut client, _) = counted().await;
                client.wire.write(frames([Frame::text("good"), Frame::text(&bad), Frame::text("late")])).await;
                let mut seen = Vec::new();
                let outcome = if lent {
                    socket.for_each_borrowed(|message, _| seen.push(Message::from(message))).await
                } else {
                    loop {
                        match socket.recv().await {
                            Some(Ok(message)) => seen.push(message),
                            Some(Err(error)) => break Err(error),
                            None => break Ok(()),
                        }
                    }
                };
                assert!(matches!(outcome, Err(Error::Protocol(ProtocolError::InvalidUtf8))), "{outcome:?}");
                assert_eq!(seen, [Message::text("good")]);
                assert_eq!(client.wire.frame().await.close_code(), Some(1007));
                assert!(socket.recv().now_or_never().is_none_or(|next| next.is_none()));
            }
        }
    });
}

#[test]
fn batch_is_answered_in_one_write() {
    run(async || {
        let (mut socket, mut client, probe) = counted().await;
        client.send(&["hello"; 100]).await;
        let echo = socket.for_each_borrowed(|message, replies| replies.send_borrowed(message).unwrap());
        assert!(echo.now_or_never().is_none());
        let (reads, writes) = probe.take();
        assert!(reads <= 2 && writes == 1, "{reads} reads, {writes} writes");
        for _ in 0..100 {
            assert_eq!(client.text().await, "hello");
        }
    });
}

#[test]
fn client_that_does_not_read_is_not_served_further() {
    run(async || {
        let config = Config::server().max_output(1000);
        let (mut socket, mut client) = over_memory(64 * 1024, Version::Hybi13, config).await;
        client.send(&["x"; 50]).await;
        let mut seen = 0;
        let answers = socket.for_each_borrowed(|_, replies| {
            seen += 1;
            replies.send("y".repeat(10_000)).unwrap();
        });
        assert!(answers.now_or_never().is_none());
        assert!((1..20).contains(&seen), "{seen} of 50 messages were answered, and nobody read");
        let rest = tokio::spawn(async move {
            let mut rest = 0;
            socket.for_each_borrowed(|_, _| rest += 1).await.unwrap();
            rest
        });
        for _ in 0..seen {
            assert_eq!(client.text().await.len(), 10_000);
        }
        client.close().await;
        assert_eq!(seen + rest.await.unwrap(), 50);
    });
}

#[test]
fn replies_over_the_limit_are_refused() {
    run(async || {
        let (mut socket, mut client) =
            over_memory(1024 * 1024, Version::Hybi13, Config::server().max_output(1000)).await;
        client.send(&["x"]).await;
        let mut refused = None;
        let answers = socket.for_each_borrowed(|_, replies| {
            replies.send("y".repeat(2000)).unwrap();
            refused = Some(replies.send("z"));
        });
        assert!(answers.now_or_never().is_none());
        assert_eq!(refused, Some(Err(SendError::OutputFull)));
        assert_eq!(client.text().await.len(), 2000);
    });
}

/// Messages that are not part of a batch: fragments here, and all messages if there is an observer.
#[test]
fn client_that_does_not_read_is_not_served_fragments_further() {
    run(async || {
        let config = Config::server().max_output(1000);
        let (mut socket, mut client) = over_memory(64 * 1024, Version::Hybi13, config).await;
        let bytes = frames((0..50).flat_map(|_| [Frame::text("x").more(), Frame::continuation("y")]));
        client.wire.write(bytes).await;
        let server = tokio::spawn(async move {
            socket.for_each_borrowed(|_, replies| replies.send("z".repeat(10_000)).unwrap()).await.unwrap();
        });
        // Time to answer more than there is room for.
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..50 {
            assert_eq!(client.text().await.len(), 10_000);
        }
        client.close().await;
        server.await.unwrap();
    });
}

#[test]
fn unprocessed_messages_are_received_and_the_reverse() {
    run(async || {
        let (mut socket, mut client, _) = counted().await;
        client.send(&["1", "2", "3", "4"]).await;
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("1"));
        let mut seen = Vec::new();
        let each = socket.for_each_borrowed(|message, _| seen.push(Message::from(message)));
        assert!(each.now_or_never().is_none());
        assert_eq!(seen, ["2", "3", "4"].map(Message::text));
        client.send(&["5"]).await;
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("5"));
    });
}

#[test]
fn close_among_the_replies_ends_it_within_the_timeout() {
    run_paused(async || {
        // The second client answers the close frame, the first does not.
        for answers in [false, true] {
            let (mut socket, mut client) = over_memory(64 * 1024, Version::Hybi13, Config::server()).await;
            client.send(&["go"]).await;
            let begun = tokio::time::Instant::now();
            let server = tokio::spawn(async move {
                socket
                    .for_each_borrowed(|message, replies| {
                        assert_eq!(message, MessageRef::Text("go"));
                        replies.start_close(CloseCode::GOING_AWAY, "gone").unwrap();
                        assert_eq!(replies.send_borrowed("late"), Err(SendError::Closed));
                    })
                    .await
                    .unwrap();
                socket.close_frame().map(|close| close.code)
            });
            assert_eq!(client.wire.frame().await, ServerFrame::close(1001, "gone"));
            if answers {
                client.wire.write(frames([Frame::close(1001, "")])).await;
            }
            let code = server.await.unwrap();
            let expected = if answers { CloseCode::GOING_AWAY } else { CloseCode::ABNORMAL };
            assert_eq!(code, Some(expected));
            let limit = Config::server().timeouts().close;
            assert_eq!(begun.elapsed() >= limit, !answers, "{:?}", begun.elapsed());
        }
    });
}

#[test]
fn compressed_messages_are_passed_on_inflated() {
    run(async || {
        let config = Config::server().extension(PermessageDeflate::new()).unwrap();
        let (server, client) = tokio::io::duplex(64 * 1024);
        let serving = tokio::spawn(async move {
            let Ok(mut socket) = tower_websocket::accept(server, config).await else { panic!("no WebSocket") };
            socket.for_each_borrowed(|message, replies| replies.send_borrowed(message).unwrap()).await.unwrap();
        });
        let config = Config::client().extension(PermessageDeflate::new()).unwrap();
        let (mut client, _) = tower_websocket::connect("ws://localhost/").config(config).over(client).await.unwrap();
        for text in ["", "x", &"compress me ".repeat(1000)] {
            client.send(text).await.unwrap();
            assert_eq!(client.recv().await.unwrap().unwrap(), Message::text(text));
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
        serving.await.unwrap();
    });
}
