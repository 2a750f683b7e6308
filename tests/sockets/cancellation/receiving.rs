//! Cancelled receiving of messages and events.

use tower_websocket::{Config, Event, Message, Version};
use websocket_tests::cancel::polled;
use websocket_tests::insist;

use super::open;
use crate::run::run;

cancel_test!(recv_is_cancel_safe, |socket, times, outcome| {
    while let Some(message) = insist!(times, socket.recv()) {
        outcome.messages.push(message.unwrap());
    }
});

cancel_test!(next_event_is_cancel_safe, |socket, times, outcome| {
    while let Some(event) = insist!(times, socket.next_event()) {
        outcome.events += 1;
        if let Event::Message(message) = event.unwrap() {
            outcome.messages.push(message);
        }
    }
});

cancel_test!(for_each_borrowed_is_cancel_safe, |socket, times, outcome| {
    insist!(
        times,
        socket.for_each_borrowed(|message, replies| {
            outcome.messages.push(message.into());
            replies.send_borrowed(message).unwrap();
        })
    )
    .unwrap();
});

cancel_test!(recv_in_select_is_cancel_safe, |socket, times, outcome| {
    loop {
        let other = async {
            for _ in 0..times.min(1000) {
                tokio::task::yield_now().await;
            }
        };
        // If the other branch completes first, other tasks such as the background run in between.
        tokio::select! {
            message = socket.recv() => match message {
                Some(message) => {
                    let message = message.unwrap();
                    outcome.messages.push(message.clone());
                    socket.send(message).await.unwrap();
                }
                None => break,
            },
            () = other => {}
        }
    }
});

#[test]
fn socket_moved_to_another_task_continues() {
    run(async || {
        for times in 1..=25 {
            let (mut socket, trickle) = open(Version::Hybi13, Config::server()).await;
            let mut texts = Vec::new();
            while let Some(message) = polled(times, socket.recv()).unwrap_or(Some(Ok(Message::text("again")))) {
                texts.push(message.unwrap());
                socket = tokio::spawn(async move {
                    tokio::task::yield_now().await;
                    socket
                })
                .await
                .unwrap();
            }
            texts.retain(|message| message.as_text() != Some("again"));
            assert_eq!(texts.len(), 5);
            assert!(trickle.written().1);
        }
    });
}
