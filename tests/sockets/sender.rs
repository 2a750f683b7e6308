//! Senders used concurrently with the receiver.

use std::time::Duration;

use tokio::time::timeout;
use tower_websocket::{CloseCode, Config, Error, Message, PreparedBatch, PreparedMessage, SendError, Version};
use websocket_tests::wire::{Frame, ServerFrame, VERSIONS};

use crate::pair::{counted, over_memory, over_tcp};
use crate::run::{run, run_paused};

#[test]
fn messages_of_each_sender_keep_their_order() {
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
            // The receiver sends as well.
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
fn senders_behind_a_slow_client_are_all_woken_and_bounded() {
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
fn close_of_sender_completes_with_the_answer_or_after_the_timeout() {
    run_paused(async || {
        // With a client that answers the close frame, and one that does not.
        for answers in [true, false] {
            let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
            let sender = socket.sender();
            let receiving = tokio::spawn(async move {
                assert!(socket.recv().await.is_none());
                socket.close_frame().map(|close| close.code)
            });
            tokio::task::yield_now().await;
            let begun = tokio::time::Instant::now();
            let closing = tokio::spawn({
                let sender = sender.clone();
                async move { sender.close(CloseCode::GOING_AWAY, "bye").await }
            });
            assert_eq!(client.wire.frame().await, ServerFrame::close(1001, "bye"));
            assert!(!closing.is_finished(), "the client has not answered");
            assert!(matches!(sender.send("late").await, Err(Error::Send(SendError::Closed))));
            if answers {
                client.wire.write(Frame::close(1001, "").bytes()).await;
            }
            let expected = if answers { CloseCode::GOING_AWAY } else { CloseCode::ABNORMAL };
            assert_eq!(receiving.await.unwrap(), Some(expected));
            closing.await.unwrap().unwrap();
            assert_eq!(begun.elapsed() >= Config::server().timeouts().close, !answers);
        }
    });
}

#[test]
fn sender_sends_everything() {
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
fn dropped_socket_closes_the_connection() {
    run(async || {
        let (mut socket, mut client) = over_tcp(Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        sender.send("before").await.unwrap();
        // Two messages have arrived, so the reply is held back until the second is received.
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
fn batch_leaves_in_one_write_before_the_task_yields() {
    run(async || {
        let (socket, mut client, probe) = counted().await;
        let sender = socket.sender();
        let messages: Vec<_> = (0..10).map(|number| PreparedMessage::new(number.to_string())).collect();
        assert_eq!(sender.try_send_batch(&messages.iter().collect::<Vec<_>>()), Ok(10));
        assert_eq!(probe.take().1, 1);
        for number in 0..10 {
            assert_eq!(client.text().await, number.to_string());
        }
        // None of it was left to the background.
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(probe.take().1, 0);
    });
}

#[test]
fn batch_stops_at_max_output_and_is_continued_in_order() {
    run_paused(async || {
        for version in VERSIONS {
            let (socket, mut client) = over_memory(256, version, Config::server().max_output(1000)).await;
            let sender = socket.sender();
            let messages: Vec<_> = (0..100).map(|number| PreparedMessage::new(format!("{number:0100}"))).collect();
            let messages: Vec<_> = messages.iter().collect();
            let sending = tokio::spawn({
                let messages: Vec<_> = messages.iter().copied().cloned().collect();
                async move {
                    let mut left: Vec<_> = messages.iter().collect();
                    let mut rounds = 0;
                    while !left.is_empty() {
                        sender.ready().await.unwrap();
                        let sent = sender.try_send_batch(&left).unwrap();
                        assert!(sent <= 13, "{sent}");
                        left.drain(..sent);
                        rounds += 1;
                    }
                    assert_eq!(sender.try_send_batch(&[]), Ok(0));
                    rounds
                }
            });
            for number in 0..100 {
                assert_eq!(client.text().await, format!("{number:0100}"), "{version}");
            }
            assert!(sending.await.unwrap() > 5);
            drop(socket);
        }
    });
}

#[test]
fn batch_on_a_full_output_accepts_nothing_and_holds_no_buffer() {
    run_paused(async || {
        let (socket, mut client) = over_memory(256, Version::Hybi13, Config::server().max_output(1000)).await;
        let sender = socket.sender();
        let message = PreparedMessage::new("x".repeat(700));
        assert_eq!(sender.try_send_batch(&[&message; 5]), Ok(2));
        let before = socket.memory();
        assert_eq!(sender.try_send_batch(&[&message; 5]), Ok(0));
        assert_eq!(socket.memory(), before);
        assert!(before < 8 * 1024, "{before}");
        for _ in 0..2 {
            assert_eq!(client.text().await.len(), 700);
        }
    });
}

#[test]
fn batch_on_a_closing_connection_is_refused_even_if_its_output_is_full() {
    run_paused(async || {
        let (socket, _client) = over_memory(256, Version::Hybi13, Config::server().max_output(1000)).await;
        let sender = socket.sender();
        let message = PreparedMessage::new("x".repeat(600));
        assert_eq!(sender.try_send_batch(&[&message; 2]), Ok(2));
        sender.start_close(CloseCode::TRY_AGAIN_LATER, "").unwrap();
        assert_eq!(sender.try_send_batch(&[&message; 2]), Err(SendError::Closed));
    });
}

#[test]
fn batch_reports_the_first_message_that_is_refused() {
    run(async || {
        let (socket, mut client) = over_tcp(Version::Hixie76, Config::server()).await;
        let sender = socket.sender();
        let (text, binary) = (PreparedMessage::new("text"), PreparedMessage::new(vec![1]));
        assert_eq!(sender.try_send_batch(&[&text, &binary, &text]), Ok(1));
        assert!(matches!(sender.try_send_batch(&[&binary, &text]), Err(SendError::NotSupported { .. })));
        assert_eq!(sender.try_send_batch(&[&text]), Ok(1));
        assert_eq!([client.text().await, client.text().await], ["text", "text"]);
    });
}

#[test]
fn joined_batch_is_taken_and_received_like_the_messages_one_by_one() {
    run_paused(async || {
        for version in VERSIONS {
            for (max_output, sizes) in [
                (1000, [1, 99, 100, 300, 0]),
                (1000, [700, 1, 1, 1, 1]),
                (3000, [500, 600, 700, 800, 900]),
                (100_000, [2000, 2000, 2000, 2000, 2000]),
                (1 << 20, [30_000, 100, 30_000, 100, 30_000]),
            ] {
                let config = || Config::server().max_output(max_output);
                let (first, mut one_by_one) = over_memory(256, version, config()).await;
                let (second, mut joined) = over_memory(256, version, config()).await;
                let texts = sizes.map(|size| "x".repeat(size));
                let batch = PreparedBatch::new(texts.iter().map(|text| PreparedMessage::new(text.as_str())));
                let messages: Vec<_> = batch.messages().iter().collect();
                for _ in 0..4 {
                    let sent = first.sender().try_send_batch(&messages);
                    assert_eq!(second.sender().try_send_joined(&batch), sent, "{version}, {max_output}");
                    for text in &texts[..sent.unwrap()] {
                        assert!(one_by_one.text().await == *text && joined.text().await == *text, "{version}");
                    }
                    // It may be taken again while the last of it waits.
                    assert_eq!(first.sender().try_send_batch(&messages[..1]), Ok(1));
                    assert_eq!(second.sender().try_send_batch(&messages[..1]), Ok(1));
                    let sent = second.sender().try_send_joined(&batch);
                    assert_eq!(first.sender().try_send_batch(&messages), sent, "{version}, {max_output}");
                    for text in texts[..1].iter().chain(&texts[..sent.unwrap()]) {
                        assert!(one_by_one.text().await == *text && joined.text().await == *text, "{version}");
                    }
                }
            }
        }
    });
}

/// Of frames of 4 bytes, the last one begins at 16.
#[test]
fn joined_batch_is_taken_whole_if_its_last_message_begins_before_the_limit() {
    run_paused(async || {
        for max_output in 1..24 {
            let config = Config::server().max_output(max_output);
            let (socket, mut client) = over_memory(256, Version::Hybi13, config).await;
            let batch = PreparedBatch::new((0..5).map(|number| PreparedMessage::new(format!("{number}!"))));
            let sent = max_output.div_ceil(4).min(5);
            assert_eq!(socket.sender().try_send_joined(&batch), Ok(sent), "{max_output}");
            for number in 0..sent {
                assert_eq!(client.text().await, format!("{number}!"));
            }
        }
    });
}

#[test]
fn joined_batch_leaves_in_one_write_and_empty_one_in_none() {
    run(async || {
        let (socket, mut client, probe) = counted().await;
        let sender = socket.sender();
        assert_eq!(sender.try_send_joined(&PreparedBatch::new([])), Ok(0));
        assert_eq!(probe.take().1, 0);
        for size in [10, 1000] {
            let text = "x".repeat(size);
            let batch = PreparedBatch::new((0..10).map(|_| PreparedMessage::new(text.as_str())));
            assert_eq!(sender.try_send_joined(&batch), Ok(10));
            assert_eq!(probe.take().1, 1);
            for _ in 0..10 {
                assert_eq!(client.text().await, text);
            }
        }
    });
}

#[test]
fn joined_batch_reports_the_first_message_that_is_refused() {
    run(async || {
        let (socket, mut client) = over_tcp(Version::Hixie76, Config::server()).await;
        let sender = socket.sender();
        let (text, binary) = (PreparedMessage::new("text"), PreparedMessage::new(vec![1]));
        assert_eq!(sender.try_send_joined(&PreparedBatch::new([text.clone(), binary.clone()])), Ok(1));
        let refused = sender.try_send_joined(&PreparedBatch::new([binary, text]));
        assert!(matches!(refused, Err(SendError::NotSupported { .. })));
        assert_eq!(client.text().await, "text");
        sender.start_close(CloseCode::NORMAL, "").unwrap();
        let late = PreparedBatch::new([PreparedMessage::new("late"), PreparedMessage::new("later")]);
        assert_eq!(sender.try_send_joined(&late), Err(SendError::Closed));
    });
}

#[test]
fn start_close_does_not_wait_and_ends_the_receiver() {
    run_paused(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
        let sender = socket.sender();
        assert!(matches!(sender.start_close(CloseCode::ABNORMAL, ""), Err(SendError::InvalidCloseCode(_))));
        assert_eq!(sender.start_close(CloseCode::TRY_AGAIN_LATER, "too slow"), Ok(()));
        assert_eq!(sender.try_send("late"), Err(SendError::Closed));
        assert_eq!(client.wire.frame().await, ServerFrame::close(1013, "too slow"));
        client.wire.write(Frame::close(1013, "").bytes()).await;
        assert!(socket.recv().await.is_none());
        drop((socket, client));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(sender.start_close(CloseCode::NORMAL, ""), Err(SendError::Closed));
    });
}
