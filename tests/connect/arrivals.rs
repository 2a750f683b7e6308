//! Data that a server has sent is received, even if it has closed the connection and reads nothing
//! more.

use tower_websocket::{CloseCause, CloseCode, WebSocket, connect};

use crate::peer::{Peer, sample_config, upgraded};
use crate::run::run;

const MESSAGES: usize = 2000;

/// Opens a connection whose server has sent messages, each preceded by a ping if `with_pings`, and
/// a close frame, and is gone.
async fn open(with_pings: bool) -> WebSocket {
    let (io, other) = tokio::io::duplex(2 * 1024 * 1024);
    let mut peer = Peer::new(other);
    let mut output = upgraded("").into_bytes();
    for number in 0..MESSAGES {
        if with_pings {
            output.extend(b"\x89\x00");
        }
        output.extend(b"\x82\x7e\x01\xf4");
        output.extend([number as u8; 500]);
    }
    output.extend(b"\x88\x02\x03\xe9");
    let server = async move {
        peer.head().await;
        peer.write(output).await;
    };
    let opening = connect("ws://example.com").config(sample_config()).over(io).into_future();
    let (opened, ()) = tokio::join!(opening, server);
    opened.expect("a handshake").0
}

async fn expect_all(mut socket: WebSocket) {
    for number in 0..MESSAGES {
        let received = socket.recv().await;
        let Some(Ok(message)) = received else { panic!("behind {number}: {received:?}, {:?}", socket.close_cause()) };
        assert_eq!(message.as_bytes(), [number as u8; 500]);
    }
    while let Some(received) = socket.recv().await {
        received.expect_err("all messages were received");
    }
    assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::GOING_AWAY));
    assert!(matches!(socket.close_cause(), Some(CloseCause::Remote(_))), "{:?}", socket.close_cause());
}

#[test]
fn failed_send_loses_nothing_that_the_server_has_sent() {
    run(async || {
        for with_pings in [false, true] {
            let mut socket = open(with_pings).await;
            let _ = socket.send("to nobody").await;
            expect_all(socket).await;
        }
    });
}

#[test]
fn failed_pong_loses_nothing_that_the_server_has_sent() {
    run(async || expect_all(open(true).await).await);
}

#[test]
fn failed_send_of_a_sender_loses_nothing_that_the_server_has_sent() {
    run(async || {
        let socket = open(false).await;
        socket.sender().send("to nobody").await.expect_err("the server is gone");
        expect_all(socket).await;
    });
}

#[test]
fn failed_send_between_messages_loses_none_of_them() {
    run(async || {
        let mut socket = open(false).await;
        for number in 0..MESSAGES {
            let message = socket.recv().await.expect("more messages").expect("no error before the end");
            assert_eq!(message.as_bytes(), [number as u8; 500]);
            let _ = socket.send("to nobody").await;
        }
        while let Some(received) = socket.recv().await {
            received.expect_err("all messages were received");
        }
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::GOING_AWAY));
    });
}
