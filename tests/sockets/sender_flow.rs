//! Senders that feed, flush, start to close, and send heartbeats.

use std::time::Duration;

use tokio::time::Instant;
use tower_websocket::{
    CloseCode, Config, Error, MessageKind, PreparedBatch, PreparedMessage, SendError, Version, test,
};

use crate::pair::with_peer;
use crate::run::run_paused;

#[test]
fn sender_feed_waits_for_the_flush() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        sender.feed("one").await.unwrap();
        sender.feed(vec![2]).await.unwrap();
        peer.expect_nothing(Duration::from_secs(5)).await;
        sender.flush().await.unwrap();
        peer.expect_text("one").await;
        peer.expect_binary([2]).await;
        // Also written by the next sender, and by the receiver before it waits.
        sender.feed("three").await.unwrap();
        sender.send("four").await.unwrap();
        peer.expect_text("three").await;
        peer.expect_text("four").await;
        sender.feed("five").await.unwrap();
        tokio::spawn(async move { socket.recv().await.is_none() });
        peer.expect_text("five").await;
    });
}

#[test]
fn sender_feed_waits_for_room() {
    run_paused(async || {
        let (socket, mut peer) = with_peer(Version::Hybi13, Config::server().max_output(1000)).await;
        let (sender, _reader) = socket.split();
        peer.stall();
        sender.feed("x".repeat(2000)).await.unwrap();
        let waiting = tokio::spawn({
            let sender = sender.clone();
            async move { sender.feed("behind").await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "there is no room");
        peer.resume();
        peer.expect_text(&"x".repeat(2000)).await;
        waiting.await.unwrap().unwrap();
        sender.flush().await.unwrap();
        peer.expect_text("behind").await;
    });
}

#[test]
fn sender_start_close_is_written_in_the_background() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        assert_eq!(sender.start_close(CloseCode::ABNORMAL, ""), Err(SendError::InvalidCloseCode(CloseCode::ABNORMAL)));
        assert_eq!(sender.start_close(CloseCode::NORMAL, &"x".repeat(124)), Err(SendError::ReasonTooLong));
        assert!(!sender.is_closed());
        sender.feed("before").await.unwrap();
        sender.start_close(CloseCode::GOING_AWAY, "bye").unwrap();
        assert!(sender.is_closed());
        assert!(matches!(sender.feed("late").await, Err(Error::Send(SendError::Closed))));
        // The socket is not polled.
        peer.expect_text("before").await;
        assert_eq!(peer.expect_close(1001).await, "bye");
        peer.send_close(1001, "");
        assert!(socket.recv().await.is_none());
        // A later one does nothing.
        assert_eq!(sender.start_close(CloseCode::NORMAL, ""), Ok(()));
    });
}

#[test]
fn sender_is_closed_when_nothing_can_be_sent() {
    run_paused(async || {
        // By the peer, by the transport, and by dropping the socket.
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        assert!(!sender.is_closed());
        peer.send_close(1000, "");
        assert!(socket.recv().await.is_none() && sender.is_closed());

        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        peer.reset();
        assert!(socket.recv().await.unwrap().is_err() && sender.is_closed());

        let (socket, _peer) = with_peer(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        drop(socket);
        assert!(sender.is_closed());
    });
}

#[test]
fn sender_sends_unsolicited_pongs() {
    run_paused(async || {
        let config = Config::server().ping_interval(None).idle_timeout(Some(Duration::from_secs(60)));
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config).await;
        let sender = socket.sender();
        sender.send_pong("beat").await.unwrap();
        peer.expect_pong("beat").await;
        assert!(matches!(sender.send_pong(vec![0; 126]).await, Err(Error::Send(SendError::ControlTooLong))));
        // Heartbeats do not count as messages.
        let begun = Instant::now();
        tokio::spawn(async move { socket.recv().await.is_none() });
        tokio::spawn(async move {
            while sender.send_pong("").await.is_ok() && sender.send_ping("").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        });
        while !matches!(peer.next_frame().await, test::Frame::Close(_)) {}
        assert!(begun.elapsed() < Duration::from_secs(80), "{:?}", begun.elapsed());
    });
}

#[test]
fn joined_batch_counts_as_messages_for_the_idle_timeout() {
    run_paused(async || {
        let config = Config::server().ping_interval(None).idle_timeout(Some(Duration::from_secs(60)));
        let (mut socket, mut peer) = with_peer(Version::Hybi13, config).await;
        let sender = socket.sender();
        tokio::spawn(async move { socket.recv().await.is_none() });
        let batch = PreparedBatch::new(["one", "two"].map(PreparedMessage::new));
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(40)).await;
            assert_eq!(sender.try_send_joined(&batch), Ok(2));
            peer.expect_text("one").await;
            peer.expect_text("two").await;
        }
    });
}

#[test]
fn refused_messages_do_not_count_for_the_idle_timeout() {
    run_paused(async || {
        let config = Config::server().ping_interval(None).idle_timeout(Some(Duration::from_secs(60)));
        let (mut socket, _peer) = with_peer(Version::Hybi13, config).await;
        let (sender, other) = (socket.sender(), socket.sender());
        tokio::spawn(async move { socket.recv().await.is_none() });
        let mut unfinished = other.send_stream(MessageKind::Text);
        unfinished.write_chunk("begun").await.unwrap();
        let message = PreparedMessage::new("refused");
        let batch = PreparedBatch::new([message.clone()]);
        let begun = Instant::now();
        while !sender.is_closed() {
            assert_eq!(sender.try_send_batch(&[&message]), Ok(0));
            assert_eq!(sender.try_send_joined(&batch), Ok(0));
            assert_eq!(sender.try_send_prepared(&message), Err(SendError::MessageUnfinished));
            assert_eq!(sender.try_send("refused"), Err(SendError::MessageUnfinished));
            assert!(begun.elapsed() < Duration::from_secs(80));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}
