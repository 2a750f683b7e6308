//! A socket in two halves.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tower_websocket::test::{self, Frame, Peer};
use tower_websocket::{CloseCause, CloseCode, Config, Error, Message, SendError, Version, WebSocket};

use crate::pair::over_tcp;
use crate::run::{run, run_paused};

async fn open() -> (WebSocket, Peer) {
    test::server("/", Config::server()).await
}

#[test]
fn halves_send_and_receive_in_two_tasks_in_order() {
    run_paused(async || {
        let (socket, mut peer) = open().await;
        let (sender, mut reader) = socket.split();
        let tasks: Vec<_> = ["a", "b", "c"]
            .map(|name| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    for number in 0..100 {
                        sender.send(format!("{name}{number}")).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                })
            })
            .into();
        let receiver = tokio::spawn(async move {
            let mut received = 0;
            while let Some(message) = reader.recv().await {
                message.unwrap();
                received += 1;
            }
            (received, reader.close_cause())
        });
        let mut next = [0; 3];
        for _ in 0..300 {
            peer.send_text("up");
            let Frame::Text(text) = peer.next_frame().await else { panic!("no text") };
            let (name, number) = text.split_at(1);
            let of = ["a", "b", "c"].iter().position(|other| *other == name).unwrap();
            assert_eq!(number.parse(), Ok(next[of]), "{text}");
            next[of] += 1;
        }
        for task in tasks {
            task.await.unwrap();
        }
        sender.start_close(CloseCode::NORMAL, "done").unwrap();
        assert_eq!(peer.expect_close(1000).await, "done");
        peer.send_close(1000, "");
        // Complete already, or completed by the reader.
        sender.close(CloseCode::NORMAL, "").await.unwrap();
        let (received, cause) = receiver.await.unwrap();
        assert_eq!(received, 300);
        assert!(matches!(cause, Some(CloseCause::Local(close)) if close.reason.as_str() == "done"));
        assert!(matches!(sender.send("late").await, Err(Error::Send(SendError::Closed))));
    });
}

#[test]
fn halves_are_a_sink_and_a_stream_and_can_be_reunited() {
    run_paused(async || {
        let (socket, mut peer) = open().await;
        let (sender, reader) = socket.split();
        let echo = tokio::spawn(async move {
            let mut reader = reader;
            let mut sender = sender;
            sender.send_all(&mut reader.by_ref().take(2)).await.unwrap();
            reader.into_inner()
        });
        for text in ["one", "two"] {
            peer.send_text(text);
            peer.expect_text(text).await;
        }
        let mut socket = echo.await.unwrap();
        peer.send_text("three");
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("three"));
    });
}

#[test]
fn connection_ends_with_the_reader_and_not_with_a_sender() {
    run_paused(async || {
        let (socket, mut peer) = open().await;
        let (sender, reader) = socket.split();
        let other = reader.sender();
        drop(sender);
        other.send("still there").await.unwrap();
        peer.expect_text("still there").await;
        drop(reader);
        peer.expect_eof().await;
        assert!(matches!(other.ping().await, Err(Error::Send(SendError::Closed))));
    });
}

#[test]
fn sender_pings_while_the_reader_receives() {
    run_paused(async || {
        let (socket, mut peer) = open().await;
        let (sender, mut reader) = socket.split();
        let reading = tokio::spawn(async move { reader.recv().await.is_none() });
        let ping = tokio::spawn(async move { sender.ping().await });
        let Frame::Ping(payload) = peer.next_frame().await else { panic!("no ping") };
        tokio::time::sleep(Duration::from_millis(70)).await;
        peer.send_pong(&payload);
        assert_eq!(ping.await.unwrap().unwrap(), Duration::from_millis(70));
        reading.abort();
    });
}

#[test]
fn sender_of_a_split_without_a_reader_sends_all_and_closes() {
    run(async || {
        let (socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        let (sender, _) = socket.split();
        let server = tokio::spawn(async move {
            for number in 0..1000 {
                sender.send(number.to_string()).await.unwrap();
            }
            sender.close(4000.into(), "done").await.unwrap();
        });
        // Input that is not received does not end the connection.
        client.send(&["ignored"]).await;
        client.expect_numbers(1000).await;
        client.expect_close(4000, "done").await;
        server.await.unwrap();
    });
}

#[test]
fn clones_of_a_split_sender_keep_it_open_and_the_last_one_ends_it() {
    run(async || {
        let (socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        let (sender, reader) = socket.split();
        let (clone, weak) = (sender.clone(), reader.sender());
        drop((sender, reader));
        weak.send("weak").await.unwrap();
        clone.send("clone").await.unwrap();
        assert_eq!(client.text().await, "weak");
        assert_eq!(client.text().await, "clone");
        clone.try_send("last").unwrap();
        drop(clone);
        assert_eq!(weak.try_send("refused"), Err(SendError::Closed));
        assert_eq!(client.text().await, "last");
        client.wire.eof().await;
    });
}
