//! Cancelled closing handshakes.

use websocket_tests::cancel::polled;
use websocket_tests::insist;

cancel_test!(close_is_resumed_by_close_after_cancellation, |socket, times, outcome| {
    let message = insist!(times, socket.recv()).unwrap().unwrap();
    outcome.messages.push(message.clone());
    let _ = polled(times, socket.send(message));
    insist!(times, socket.close(4000.into(), "bye")).unwrap();
});

cancel_test!(close_is_resumed_by_recv_after_cancellation, |socket, times, outcome| {
    if let Some(result) = polled(times, socket.close(4000.into(), "bye")) {
        result.unwrap();
    }
    // Further messages are dropped by one and returned by the other, so they are not part of the
    // outcome.
    while insist!(times, socket.recv()).is_some() {}
});

cancel_test!(close_of_sender_is_started_despite_cancellation, |socket, times, outcome| {
    let sender = socket.sender();
    // Nothing is received meanwhile, so that it does not complete.
    assert!(polled(times, sender.close(4000.into(), "bye")).is_none());
    while insist!(times, socket.recv()).is_some() {}
    sender.close(4000.into(), "bye").await.unwrap();
});
