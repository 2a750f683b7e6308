//! Closing by either side. A client lets the server close the transport first (RFC 6455 §7.1.1),
//! but waits no longer than `close_timeout`. The clock is paused, so that waits are exact.

use std::time::Duration;

use tokio::time::Instant;
use tower_websocket::test::{Peer, client};
use tower_websocket::{CloseCode, Config, Error, Message, WebSocket, accept, connect};
use websocket_tests::wire::Frame;

use crate::peer::listen;
use crate::run::{run, run_paused};

const LIMIT: Duration = Duration::from_secs(3);
const SHORT: Duration = Duration::from_secs(1);

async fn open() -> (WebSocket, Peer) {
    client(Config::client().close_timeout(LIMIT)).await
}

#[test]
fn closing_client_waits_for_the_server_to_end_the_transport() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let begin = Instant::now();
        let server = async {
            peer.expect_close(1000).await;
            peer.send_close(1000, "");
            // The client does not close the transport first.
            peer.expect_nothing(SHORT).await;
            drop(peer);
        };
        let (closed, ()) = tokio::join!(socket.close(CloseCode::NORMAL, ""), server);
        closed.unwrap();
        assert_eq!(begin.elapsed().as_secs(), SHORT.as_secs());
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL));
    });
}

#[test]
fn closed_client_answers_and_waits_for_the_server_to_end_the_transport() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let begin = Instant::now();
        let server = async {
            peer.send_close(4000, "bye");
            peer.expect_close(4000).await;
            peer.expect_nothing(SHORT).await;
            drop(peer);
        };
        let (end, ()) = tokio::join!(socket.recv(), server);
        assert!(end.is_none());
        assert_eq!(begin.elapsed().as_secs(), SHORT.as_secs());
        let close = socket.close_frame().unwrap();
        assert_eq!((close.code, close.reason.as_str()), (4000.into(), "bye"));
    });
}

#[test]
fn server_that_does_not_end_the_transport_is_timed_out() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let begin = Instant::now();
        let server = async {
            peer.expect_close(1001).await;
            peer.send_close(1001, "");
        };
        let (closed, ()) = tokio::join!(socket.close(CloseCode::GOING_AWAY, ""), server);
        closed.unwrap();
        assert_eq!(begin.elapsed().as_secs(), LIMIT.as_secs());
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::GOING_AWAY));
        drop(socket);
        peer.expect_eof().await;
    });
}

#[test]
fn server_that_sends_after_its_close_is_timed_out() {
    run_paused(async || {
        let (mut socket, mut peer) = open().await;
        let begin = Instant::now();
        let server = async {
            peer.send_close(1000, "");
            for _ in 0..100 {
                tokio::time::sleep(SHORT / 10).await;
                peer.send_text("more");
            }
        };
        let client = async {
            assert!(socket.recv().await.is_none());
            assert_eq!(begin.elapsed().as_secs(), LIMIT.as_secs());
            drop(socket);
        };
        tokio::join!(server, client);
    });
}

#[test]
fn server_that_does_not_answer_the_close_counts_as_gone() {
    run_paused(async || {
        let (mut socket, _peer) = open().await;
        let begin = Instant::now();
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), LIMIT.as_secs());
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::ABNORMAL));
    });
}

#[test]
fn server_that_ends_without_a_close_is_an_abnormal_end() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        peer.send_text("last");
        drop(peer);
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::ABNORMAL));
    });
}

#[test]
fn masked_frame_fails_the_connection_and_is_reported() {
    run(async || {
        let (mut socket, mut peer) = open().await;
        let server = async {
            peer.send_raw(Frame::text("masked").bytes());
            peer.expect_close(1002).await;
            peer.expect_eof().await;
        };
        let client = async {
            assert!(matches!(socket.recv().await, Some(Err(Error::Protocol(_)))));
            assert!(socket.recv().await.is_none());
            drop(socket);
        };
        tokio::join!(server, client);
    });
}

#[test]
fn both_sides_of_this_project_close_each_other_over_tcp() {
    run(async || {
        for server_closes in [true, false] {
            let (listener, port) = listen().await;
            let server = async {
                let Ok(mut socket) = accept(listener.accept().await.unwrap().0, Config::server()).await else {
                    panic!()
                };
                if server_closes {
                    socket.close(CloseCode::SERVICE_RESTART, "later").await.unwrap();
                } else {
                    assert!(socket.recv().await.is_none());
                }
                socket.close_frame().cloned().unwrap()
            };
            let client = async {
                let (mut socket, _) = connect(format!("ws://127.0.0.1:{port}")).await.unwrap();
                if server_closes {
                    assert!(socket.recv().await.is_none());
                } else {
                    socket.close(CloseCode::SERVICE_RESTART, "later").await.unwrap();
                }
                socket.close_frame().cloned().unwrap()
            };
            let begin = Instant::now();
            let (server, client) = tokio::join!(server, client);
            // No timeout, 10 s on both sides, has expired.
            assert!(begin.elapsed() < Duration::from_secs(9));
            assert_eq!((server.code, client.code), (CloseCode::SERVICE_RESTART, CloseCode::SERVICE_RESTART));
            assert_eq!(if server_closes { client.reason } else { server.reason }, "later");
        }
    });
}
