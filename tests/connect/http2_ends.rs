//! How a WebSocket over HTTP/2 ends, in order or not (RFC 8441 §5, RFC 9113 §5.4, §6.8).

use std::io::ErrorKind;

use h2::Reason;
use tower_websocket::client::ConnectError;
use tower_websocket::{CloseCode, Config, Error, Message, WebSocket, connect};
use websocket_tests::wire::Frame;

use crate::http2_peer::{Http2Peer, builder, connection, open, open_on};
use crate::peer::listen;
use crate::run::{run, run_paused};

fn code(socket: &WebSocket) -> Option<CloseCode> {
    socket.close_frame().map(|close| close.code)
}

/// Expects a transport error once, and then the end.
async fn failed(socket: &mut WebSocket) -> std::io::Error {
    let message = socket.recv().await;
    let Some(Err(Error::Io(error))) = message else { panic!("{message:?}") };
    assert!(socket.recv().await.is_none());
    assert_eq!(code(socket), Some(CloseCode::ABNORMAL));
    error
}

#[test]
fn stream_end_without_a_close_is_an_abnormal_end_and_no_error() {
    run(async || {
        let (mut socket, mut tunnel, _peer) = open(builder()).await;
        tunnel.write(Frame::text("last"));
        tunnel.write_bytes("", true);
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
        assert!(socket.recv().await.is_none());
        assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
    });
}

/// RFC 8441 §5: resetting a stream with CANCEL corresponds to resetting a TCP connection.
#[test]
fn stream_reset_is_a_connection_reset() {
    run(async || {
        let reasons = [
            Reason::CANCEL,
            Reason::INTERNAL_ERROR,
            Reason::PROTOCOL_ERROR,
            Reason::CONNECT_ERROR,
            Reason::ENHANCE_YOUR_CALM,
            Reason::REFUSED_STREAM,
        ];
        for reason in reasons {
            let (connection, mut peer) = connection(builder()).await;
            let (mut other, mut to_other) = open_on(&connection, &mut peer, Config::client()).await;
            let (mut socket, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
            tunnel.send.send_reset(reason);
            let error = failed(&mut socket).await;
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{reason:?}: {error}");
            assert!(matches!(socket.send("late").await, Err(Error::Send(_))));
            // Other streams are not affected.
            to_other.write(Frame::text("still here"));
            assert_eq!(other.recv().await.unwrap().unwrap(), Message::text("still here"));
            other.send("as I am").await.unwrap();
            to_other.expect("as I am").await;
        }
    });
}

#[test]
fn reset_while_a_message_is_being_sent_ends_the_sending() {
    run(async || {
        for reason in [Reason::CANCEL, Reason::NO_ERROR] {
            let mut small = builder();
            small.initial_window_size(1000);
            let (mut socket, mut tunnel, _peer) = open(small).await;
            let server = async {
                assert_eq!(tunnel.receive.data().await.unwrap().unwrap().len(), 1000);
                tunnel.send.send_reset(reason);
            };
            let (sent, ()) = tokio::join!(socket.send(vec![7; 100_000]), server);
            assert!(matches!(sent, Err(Error::Io(_))), "{sent:?}");
            assert!(socket.recv().await.is_none());
            assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
        }
    });
}

#[test]
fn transport_that_ends_within_a_message_is_an_io_error() {
    run(async || {
        for is_sudden in [false, true] {
            let (listener, port) = listen().await;
            let server = async {
                let stream = listener.accept().await.unwrap().0;
                if is_sudden {
                    stream.set_zero_linger().unwrap();
                }
                let mut peer = Http2Peer::new(stream, builder()).await;
                let mut tunnel = peer.accept().await;
                tunnel.write(Frame::text("first"));
                tunnel.write_bytes(&b"\x81\x05hal"[..], false);
                tunnel.expect("got it").await;
                peer.kill().await;
            };
            let client = async {
                let (mut socket, _) = connect(format!("ws://127.0.0.1:{port}/")).http2().await.unwrap();
                assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("first"));
                socket.send("got it").await.unwrap();
                failed(&mut socket).await;
            };
            tokio::join!(client, server);
        }
    });
}

/// Open streams continue, and no new ones are accepted (RFC 9113 §6.8).
#[test]
fn graceful_goaway_keeps_open_sockets() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        let (mut socket, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
        peer.go_away();
        tunnel.write(Frame::text("still here"));
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("still here"));
        // The final GOAWAY follows the answer to a ping.
        let error = loop {
            tokio::task::yield_now().await;
            match connect("ws://example.com/").on(&connection).timeout(std::time::Duration::from_millis(50)).await {
                Err(ConnectError::TimedOut) => {}
                other => break other.expect_err("no more sockets"),
            }
        };
        assert!(matches!(&error, ConnectError::Io { host, .. } if host == "example.com:80"), "{error:?}");
        assert!(error.is_transient());
        socket.send("and here").await.unwrap();
        tunnel.expect("and here").await;
        let server = async {
            assert_eq!(tunnel.frame().await.0, 0x88);
            tunnel.write(Frame::close(1000, ""));
            tunnel.write_bytes("", true);
        };
        let (closed, ()) = tokio::join!(socket.close(CloseCode::NORMAL, ""), server);
        closed.unwrap();
        assert_eq!(code(&socket), Some(CloseCode::NORMAL));
    });
}

#[test]
fn goaway_with_an_error_ends_all_sockets() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        let (mut one, _one) = open_on(&connection, &mut peer, Config::client()).await;
        let (mut two, _two) = open_on(&connection, &mut peer, Config::client()).await;
        peer.go_away_at_once(Reason::INTERNAL_ERROR);
        for socket in [&mut one, &mut two] {
            failed(socket).await;
        }
        let error = connect("ws://example.com/").on(&connection).await.unwrap_err();
        assert!(matches!(error, ConnectError::Io { .. }), "{error:?}");
    });
}

#[test]
fn lost_connection_ends_all_sockets_and_opens_no_more() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        let mut sockets = Vec::new();
        for _ in 0..5 {
            sockets.push(open_on(&connection, &mut peer, Config::client()).await);
        }
        peer.kill().await;
        for (socket, _) in &mut sockets {
            failed(socket).await;
        }
        let begin = std::time::Instant::now();
        let error = connect("ws://example.com/").on(&connection).await.unwrap_err();
        assert!(matches!(error, ConnectError::Io { .. }) && error.is_transient(), "{error:?}");
        assert!(begin.elapsed().as_secs() < 5, "and that is known at once");
    });
}

#[test]
fn dropped_socket_resets_its_stream() {
    run(async || {
        let (connection, mut peer) = connection(builder()).await;
        let (socket, mut tunnel) = open_on(&connection, &mut peer, Config::client()).await;
        drop(socket);
        assert_eq!(tunnel.reset().await, Reason::CANCEL);
        let (mut other, mut to_other) = open_on(&connection, &mut peer, Config::client()).await;
        other.send("still here").await.unwrap();
        to_other.expect("still here").await;
    });
}

/// The stream ends like a TCP connection (RFC 6455 §7.1.1): the server closes first.
#[test]
fn closing_client_waits_for_the_server_to_end_the_stream_and_ends_it_too() {
    run_paused(async || {
        let limit = std::time::Duration::from_secs(3);
        for ends in [true, false] {
            let (connection, mut peer) = connection(builder()).await;
            let config = Config::client().close_timeout(limit);
            let (mut socket, mut tunnel) = open_on(&connection, &mut peer, config).await;
            let begin = tokio::time::Instant::now();
            let server = async {
                assert_eq!(tunnel.frame().await, (0x88, 1000_u16.to_be_bytes().to_vec()));
                tunnel.write(Frame::close(1000, ""));
                tokio::time::sleep(limit / 3).await;
                if ends {
                    tunnel.write_bytes("", true);
                    tunnel.ended().await;
                }
            };
            let (closed, ()) = tokio::join!(socket.close(CloseCode::NORMAL, ""), server);
            closed.unwrap();
            assert_eq!(begin.elapsed().as_secs(), if ends { 1 } else { 3 });
            assert_eq!(code(&socket), Some(CloseCode::NORMAL));
        }
    });
}

#[test]
fn close_without_room_is_bounded_by_the_close_timeout() {
    run_paused(async || {
        let mut small = builder();
        small.initial_window_size(10);
        let (connection, mut peer) = connection(small).await;
        let config = Config::client().close_timeout(std::time::Duration::from_secs(3));
        let (mut socket, mut tunnel) = open_on(&connection, &mut peer, config).await;
        socket.feed(vec![7; 1000]).await.unwrap();
        let begin = tokio::time::Instant::now();
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 3);
        assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
        drop(socket);
        assert_eq!(tunnel.reset().await, Reason::CANCEL);
    });
}
