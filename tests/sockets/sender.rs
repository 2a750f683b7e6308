//! Senders beside the one who receives.

use std::time::Duration;

use tokio::time::timeout;
use tower_websocket::{CloseCode, Config, Error, Message, PreparedMessage, SendError, Version, test};
use websocket_tests::wire::{Frame, ServerFrame, VERSIONS};

use crate::pair::{over_memory, over_tcp, with_peer};
use crate::run::{run, run_paused};

#[test]
fn what_each_sender_sends_keeps_its_order() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            let sender = socket.sender();
            let tasks: Vec<_> = (0..4)
                .map(|task| {
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        for number in 0..100 {
                            sender.send(format!("{task} {number}")).await.unwrap();
                        }
                    })
                })
                .collect();
            let receiving = tokio::spawn(async move {
                while let Some(Ok(message)) = socket.recv().await {
                    socket.send(message).await.unwrap();
                }
            });
            let mut next = [0; 4];
            for _ in 0..400 {
                let text = client.text().await;
                let (task, number) = text.split_once(' ').unwrap();
                let next = &mut next[task.parse::<usize>().unwrap()];
                assert_eq!(number.parse(), Ok(*next), "{version}");
                *next += 1;
            }
            // The one who receives sends as well.
            client.send(&["echo"]).await;
            assert_eq!(client.text().await, "echo");
            for task in tasks {
                task.await.unwrap();
            }
            client.close().await;
            receiving.await.unwrap();
            assert!(matches!(sender.send("late").await, Err(Error::Send(SendError::Closed))), "{version}");
        }
    });
}

#[test]
fn senders_that_wait_for_a_slow_client_are_all_woken_and_bounded() {
    run_paused(async || {
        let config = Config::server().max_output(1000);
        let (mut socket, mut client) = over_memory(256, Version::Hybi13, config).await;
        let sender = socket.sender();
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    for _ in 0..20 {
                        sender.send("x".repeat(500)).await.unwrap();
                    }
                })
            })
            .collect();
        let receiving = tokio::spawn(async move { socket.recv().await.is_none() });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(tasks.iter().all(|task| !task.is_finished()), "the client has read nothing");
        assert_eq!(sender.try_send("no room"), Err(SendError::OutputFull));
        for _ in 0..100 {
            assert_eq!(timeout(Duration::from_secs(60), client.text()).await.unwrap().len(), 500);
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(sender.try_send("room"), Ok(()));
        assert_eq!(client.text().await, "room");
        client.close().await;
        assert!(receiving.await.unwrap());
    });
}

#[test]
fn a_sender_that_closes_ends_the_one_who_receives() {
    run_paused(async || {
        // With a client that answers the close, and one that does not.
        for answers in [true, false] {
            let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
            let sender = socket.sender();
            let receiving = tokio::spawn(async move {
                assert!(socket.recv().await.is_none());
                socket.close_frame().map(|close| close.code)
            });
            tokio::task::yield_now().await;
            let begun = tokio::time::Instant::now();
            sender.close(CloseCode::GOING_AWAY, "bye").await.unwrap();
            assert_eq!(client.wire.frame().await, ServerFrame::close(1001, "bye"));
            assert!(matches!(sender.send("late").await, Err(Error::Send(SendError::Closed))));
            if answers {
                client.wire.write(Frame::close(1001, "").bytes()).await;
            }
            let expected = if answers { CloseCode::GOING_AWAY } else { CloseCode::ABNORMAL };
            assert_eq!(receiving.await.unwrap(), Some(expected));
            assert_eq!(begun.elapsed() >= Config::server().get_close_timeout(), !answers);
        }
    });
}

#[test]
fn everything_there_is_can_be_sent() {
    run(async || {
        let (mut socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        let receiving = tokio::spawn(async move { while let Some(Ok(_)) = socket.recv().await {} });
        sender.send_ping("p").await.unwrap();
        sender.send_prepared(&PreparedMessage::new("prepared")).await.unwrap();
        sender.send(vec![1; 100_000]).await.unwrap();
        sender.try_send("tried").unwrap();
        assert!(matches!(sender.send_ping([0; 126].to_vec()).await, Err(Error::Send(SendError::ControlTooLong))));
        assert!(matches!(
            sender.close(CloseCode::ABNORMAL, "").await,
            Err(Error::Send(SendError::InvalidCloseCode(_)))
        ));
        assert_eq!(client.wire.frame().await, ServerFrame::new(9, "p"));
        assert_eq!(client.wire.frame().await, ServerFrame::text("prepared"));
        assert_eq!(client.wire.frame().await, ServerFrame::new(2, [1; 100_000]));
        assert_eq!(client.wire.frame().await, ServerFrame::text("tried"));
        client.close().await;
        receiving.await.unwrap();
    });
}

#[test]
fn a_socket_that_is_dropped_takes_the_connection_with_it() {
    run(async || {
        let (mut socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        sender.send("before").await.unwrap();
        // Two have come, so that the reply waits for the second to be received.
        client.send(&["one", "two"]).await;
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("one"));
        socket.send("reply").await.unwrap();
        drop(socket);
        assert!(matches!(sender.send("late").await, Err(Error::Send(SendError::Closed))));
        assert_eq!(sender.try_send("late"), Err(SendError::Closed));
        assert_eq!(client.text().await, "before");
        assert_eq!(client.text().await, "reply");
        client.wire.eof().await;
    });
}

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
        // Also written by whoever sends next, and by the receiver before it waits.
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
        // Nobody polls the socket.
        peer.expect_text("before").await;
        assert_eq!(peer.expect_close(1001).await, "bye");
        peer.send_close(1001, "");
        assert!(socket.recv().await.is_none());
        drop(socket);
        assert_eq!(sender.start_close(CloseCode::NORMAL, ""), Err(SendError::Closed));
    });
}

#[test]
fn sender_is_closed_when_nothing_can_be_sent() {
    run_paused(async || {
        // By the peer, by the transport, and by the socket that is dropped.
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
        // Heartbeats are no messages.
        let begun = tokio::time::Instant::now();
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
