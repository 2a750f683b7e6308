//! The cause of a socket's end, as reported to its owner and an observer.

use std::io::ErrorKind;
use std::time::Duration;

use permessage_deflate::PermessageDeflate;
use tokio::time::{Instant, sleep};
use tower_websocket::error::{Limit, LimitExceeded, ProtocolError, Timeout};
use tower_websocket::test::{self, Handshake, Peer, Recorder};
use tower_websocket::{
    CloseCause, CloseCode, CloseFrame, Config, Error, Message, ServerConfig, Shutdown, Version, WebSocket, accept,
};
use websocket_tests::wire::{Frame, HYBI, Handshake as Head, VERSIONS, frames};

use crate::pair::{over_memory, tcp, with_peer};
use crate::run::{run, run_paused};
use crate::tls;
use crate::transports::Probed;
use crate::wire::{Transport, Wire};

const SECOND: Duration = Duration::from_secs(1);

fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code: code.into(), reason: reason.into() }
}

/// Receives until the end. Returns the messages, the error, and the cause.
async fn outcome<T: Transport>(mut socket: WebSocket<T>) -> (Vec<Message>, Option<Error>, CloseCause) {
    let (mut messages, mut error) = (Vec::new(), None);
    while let Some(next) = socket.recv().await {
        match next {
            Ok(message) => messages.push(message),
            Err(one) => assert!(error.replace(one).is_none(), "a second error"),
        }
    }
    (messages, error, socket.close_cause().expect("it is over"))
}

/// Returns the error and the cause if a peer does this after a message, which is received.
async fn cause_of(
    version: Version,
    config: ServerConfig,
    act: impl AsyncFnOnce(&mut Peer),
) -> (Option<Error>, CloseCause) {
    let (socket, mut peer) = with_peer(version, config).await;
    let outcome = tokio::spawn(outcome(socket));
    peer.send_text("before");
    act(&mut peer).await;
    let (messages, error, cause) = outcome.await.unwrap();
    assert_eq!(messages, [Message::text("before")], "{version}: {cause}");
    (error, cause)
}

#[test]
fn remote_close_is_the_cause_even_if_the_transport_fails_after_it() {
    run_paused(async || {
        for version in VERSIONS {
            let expected = if version.is_hixie() { frame(1005, "") } else { frame(4000, "bye") };
            let (error, cause) = cause_of(version, Config::server(), async |peer| peer.close(4000, "bye").await).await;
            assert!(error.is_none(), "{version}: {error:?}");
            assert_eq!(cause, CloseCause::Remote(expected.clone()), "{version}");
            // The end is the regular close of hixie-75, but a reset is not.
            if version != Version::Hixie75 {
                let reset = async |peer: &mut Peer| {
                    peer.send_close(4000, "bye");
                    peer.reset();
                };
                let (error, cause) = cause_of(version, Config::server(), reset).await;
                assert!(error.is_none(), "{version}: {error:?}");
                assert_eq!(cause, CloseCause::Remote(expected), "{version}");
            }
        }
    });
}

#[test]
fn local_close_is_the_cause_from_its_start() {
    run_paused(async || {
        for version in VERSIONS {
            for way in ["answered", "crossed", "ended", "reset"] {
                let (mut socket, mut peer) = with_peer(version, Config::server()).await;
                if way == "crossed" && version != Version::Hixie75 {
                    peer.send_close(3000, "mine");
                }
                socket.start_close(4000.into(), "bye").unwrap();
                let ours = CloseCause::Local(frame(4000, "bye"));
                assert_eq!(socket.close_cause(), Some(ours.clone()), "{version}");
                let outcome = tokio::spawn(outcome(socket));
                match way {
                    "answered" | "crossed" => {
                        peer.expect_close(4000).await;
                        if way == "answered" && version != Version::Hixie75 {
                            peer.send_close(4000, "");
                        }
                        peer.expect_eof().await;
                    }
                    "ended" => peer.end(),
                    _ => peer.reset(),
                }
                assert_eq!(outcome.await.unwrap().2, ours, "{version}, {way}");
            }
        }
    });
}

#[test]
fn unanswered_close_is_a_timeout() {
    run_paused(async || {
        for version in VERSIONS.into_iter().filter(|&version| version != Version::Hixie75) {
            let (mut socket, mut peer) = with_peer(version, Config::server().close_timeout(5 * SECOND)).await;
            let begun = Instant::now();
            socket.close(4000.into(), "bye").await.unwrap();
            assert_eq!(begun.elapsed(), 5 * SECOND);
            assert_eq!(socket.close_cause(), Some(CloseCause::Timeout(Timeout::Close)), "{version}");
            assert_eq!(socket.close_frame().unwrap().code, CloseCode::ABNORMAL);
            peer.expect_close(4000).await;
        }
    });
}

/// The application drops the socket before its close is complete.
#[test]
fn close_of_a_dropped_socket_is_reported_when_it_ends() {
    run_paused(async || {
        for way in ["read", "unread", "cut"] {
            let (recorder, shutdown) = (Recorder::new(), Shutdown::new());
            let config = Config::server().close_timeout(5 * SECOND).observer(recorder.clone());
            let (mut socket, mut client) = over_memory(4096, Version::Hybi13, config).await;
            socket.join_shutdown(&shutdown);
            socket.feed(vec![7; 8192]).await.unwrap();
            socket.start_close(4000.into(), "bye").unwrap();
            drop(socket);
            let cause = match way {
                "read" => {
                    client.wire.frame().await;
                    client.wire.frame().await;
                    CloseCause::Local(frame(4000, "bye"))
                }
                "unread" => CloseCause::Timeout(Timeout::Close),
                _ => {
                    assert_eq!(shutdown.wait(SECOND).await, 1);
                    CloseCause::Cut
                }
            };
            assert_eq!(recorder.closed().await, cause, "{way}");
        }
    });
}

#[test]
fn violation_is_reported_with_its_section() {
    run_paused(async || {
        for version in HYBI {
            for (bytes, error) in [
                (Frame::text("").unmasked().bytes(), ProtocolError::UnmaskedFrame),
                (Frame::text("").rsv(0x20).bytes(), ProtocolError::ReservedBits),
                (Frame::text(b"\xff").bytes(), ProtocolError::InvalidUtf8),
                (Frame::continuation("").bytes(), ProtocolError::UnexpectedContinuation),
                (Frame::ping("").more().bytes(), ProtocolError::FragmentedControl),
                (Frame::close(1006, "").bytes(), ProtocolError::InvalidCloseCode(1006.into())),
            ] {
                let act = async |peer: &mut Peer| {
                    peer.send_raw(&bytes);
                    peer.expect_close(error.close_code()).await;
                };
                let (told, cause) = cause_of(version, Config::server(), act).await;
                assert!(matches!(&told, Some(Error::Protocol(told)) if *told == error), "{told:?}");
                assert_eq!(cause, CloseCause::Protocol(error.clone()), "{version}");
                assert!(cause.to_string().contains(error.section().unwrap()));
            }
        }
        let act = async |peer: &mut Peer| peer.send_raw([&[0x80][..], &[0x80; 10]].concat());
        let (_, cause) = cause_of(Version::Hixie75, Config::server(), act).await;
        assert_eq!(cause, CloseCause::Protocol(ProtocolError::LengthUnterminated));
    });
}

#[test]
fn exceeded_limit_is_reported_with_maximum_and_size() {
    run_paused(async || {
        // The message before has 6 bytes and counts as a frame.
        let fragments = [Frame::text("").more(), Frame::continuation("").more(), Frame::continuation("")];
        let pieces = [Frame::text([b'x'; 60]).more(), Frame::continuation([b'x'; 41])];
        let limit = |limit, max, size| CloseCause::Limit(LimitExceeded { limit, max, size });
        let config = Config::server;
        for (config, bytes, expected, code) in [
            (config().max_frame_size(100), Frame::binary([0; 101]).bytes(), limit(Limit::FrameSize, 100, 101), 1009),
            (config().max_message_size(100), frames(pieces), limit(Limit::MessageSize, 100, 101), 1009),
            (config().max_fragments(2), frames(fragments), limit(Limit::Fragments, 2, 3), 1009),
            (
                config().max_frame_rate(Some(3)),
                Frame::binary("").bytes().repeat(3),
                limit(Limit::FrameRate, 3, 4),
                1008,
            ),
            (
                config().max_control_rate(Some(3)),
                Frame::pong("").bytes().repeat(4),
                limit(Limit::ControlRate, 3, 4),
                1008,
            ),
        ] {
            let (socket, mut peer) = with_peer(Version::Hybi13, config).await;
            peer.send_raw([Frame::text("before").bytes(), bytes].concat());
            let (messages, error, cause) = outcome(socket).await;
            assert_eq!(messages[0], Message::text("before"));
            assert!(matches!(error, Some(Error::Protocol(_))));
            assert_eq!(cause, expected);
            peer.expect_close(code).await;
        }
        let (socket, mut peer) = with_peer(Version::Hybi13, config().max_memory(150_000)).await;
        peer.send_raw([Frame::text("before").bytes(), Frame::binary(vec![0; 200_000]).more().bytes()].concat());
        let (messages, _, cause) = outcome(socket).await;
        assert_eq!(messages, [Message::text("before")]);
        assert!(
            matches!(cause, CloseCause::Limit(LimitExceeded { limit: Limit::Memory, max: 150_000, .. })),
            "{cause}"
        );
        peer.expect_close(1009).await;
    });
}

#[test]
fn message_over_limit_after_inflating_is_reported_as_limit() {
    run_paused(async || {
        let config = Config::server().max_message_size(100).extension(PermessageDeflate::new()).unwrap();
        let offer = Handshake::new("/").header("Sec-WebSocket-Extensions", "permessage-deflate");
        let (socket, mut peer) = test::server(offer, config).await;
        // 300 bytes of "a", compressed.
        peer.send_raw(Frame::binary(b"\x4a\x4c\x1c\x05\xc4\x02\x00\x00").rsv(0x40).bytes());
        let (_, _, cause) = outcome(socket).await;
        assert_eq!(cause, CloseCause::Limit(LimitExceeded { limit: Limit::MessageSize, max: 100, size: 101 }));
        peer.expect_close(1009).await;
    });
}

#[test]
fn expired_timeouts_are_reported() {
    run_paused(async || {
        for version in VERSIONS {
            let config = Config::server().idle_timeout(Some(30 * SECOND)).ping_interval(None);
            let (error, cause) = cause_of(version, config, async |_| sleep(3600 * SECOND).await).await;
            assert!(error.is_none());
            assert_eq!(cause, CloseCause::Timeout(Timeout::Idle), "{version}");
        }
        for version in HYBI {
            let (error, cause) = cause_of(version, Config::server(), async |_| sleep(3600 * SECOND).await).await;
            assert!(error.is_none());
            assert_eq!(cause, CloseCause::Timeout(Timeout::Pong), "{version}");
        }
    });
}

#[test]
fn end_without_a_close_is_reported_as_such() {
    run_paused(async || {
        for version in VERSIONS {
            let (error, cause) = cause_of(version, Config::server(), async |peer| peer.end()).await;
            assert!(error.is_none());
            let ended =
                if version == Version::Hixie75 { CloseCause::Remote(frame(1005, "")) } else { CloseCause::Ended };
            assert_eq!(cause, ended, "{version}");
            let (error, cause) = cause_of(version, Config::server(), async |peer| peer.reset()).await;
            assert!(matches!(error, Some(Error::Io(_))), "{version}: {error:?}");
            assert_eq!(cause, CloseCause::Reset, "{version}");
        }
    });
}

#[test]
fn transport_error_is_reported_by_kind() {
    run_paused(async || {
        for (kind, expected) in [
            (ErrorKind::UnexpectedEof, CloseCause::Truncated),
            (ErrorKind::ConnectionReset, CloseCause::Reset),
            (ErrorKind::TimedOut, CloseCause::Failed(ErrorKind::TimedOut)),
        ] {
            let (server, client) = tokio::io::duplex(1024);
            let (server, probe) = Probed::new(server);
            let opening = crate::client::Opening::of(Version::Hybi13);
            let mut wire = Wire::new(client);
            wire.write(opening.handshake.bytes()).await;
            let Ok(mut socket) = accept(server, Config::server()).await else { panic!("no WebSocket") };
            let mut client = opening.confirmed(wire).await;
            client.send(&["before"]).await;
            probe.break_reads(kind);
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("before"));
            assert!(matches!(socket.recv().await, Some(Err(Error::Io(error))) if error.kind() == kind));
            assert!(socket.recv().await.is_none());
            assert_eq!(socket.close_cause(), Some(expected));
        }
    });
}

#[test]
fn transport_error_of_a_write_is_reported_by_kind() {
    run_paused(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        peer.reset();
        assert!(matches!(socket.send("hello").await, Err(Error::Io(_))));
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.close_cause(), Some(CloseCause::Reset));
    });
}

/// RFC 8446 §6.1.
#[test]
fn tls_without_close_notify_is_truncated() {
    run(async || {
        for is_told in [false, true] {
            let (server, client) = tcp().await;
            let accepting = async {
                let stream = tls::acceptor().accept(server).await.unwrap();
                let Ok(socket) = accept(stream, Config::server()).await else { panic!("no WebSocket") };
                socket
            };
            let client = async {
                let mut stream = tls::connect(client, "http/1.1").await;
                let sent = [Head::of(Version::Hybi13).bytes(), Frame::text("before").bytes()].concat();
                tokio::io::AsyncWriteExt::write_all(&mut stream, &sent).await.unwrap();
                stream
            };
            let (mut socket, mut stream) = tokio::join!(accepting, client);
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("before"));
            let outcome = tokio::spawn(outcome(socket));
            if is_told {
                tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
                // The input is read, so that the end below is not a reset.
                let mut rest = Vec::new();
                let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
                assert_eq!(outcome.await.unwrap().2, CloseCause::Ended);
            } else {
                let mut answer = [0; 1024];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut answer).await.unwrap();
                drop(stream.into_inner().0);
                let (_, error, cause) = outcome.await.unwrap();
                assert!(matches!(error, Some(Error::Io(error)) if error.kind() == ErrorKind::UnexpectedEof));
                assert_eq!(cause, CloseCause::Truncated);
            }
        }
    });
}

#[test]
fn dropped_socket_is_the_cause() {
    run_paused(async || {
        for version in VERSIONS {
            let recorder = Recorder::new();
            let (socket, _peer) = with_peer(version, Config::server().observer(recorder.clone())).await;
            drop(socket);
            assert_eq!(recorder.recorded().closed, [CloseCause::Dropped], "{version}");
            // An earlier cause takes precedence.
            let recorder = Recorder::new();
            let (mut socket, _peer) = with_peer(version, Config::server().observer(recorder.clone())).await;
            socket.start_close(CloseCode::NORMAL, "").unwrap();
            drop(socket);
            // The background writes the close frame first.
            sleep(SECOND).await;
            assert_eq!(recorder.recorded().closed, [CloseCause::Local(frame(1000, ""))], "{version}");
        }
    });
}

#[test]
fn socket_that_outlasts_a_shutdown_is_cut() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let config = || Config::server().close_timeout(60 * SECOND);
        let (mut receiving, _one) = over_memory(1024, Version::Hybi13, config()).await;
        let (mut elsewhere, _other) = over_memory(1024, Version::Hybi13, config()).await;
        receiving.join_shutdown(&shutdown);
        elsewhere.join_shutdown(&shutdown);
        let outcome = tokio::spawn(outcome(receiving));
        tokio::task::yield_now().await;
        shutdown.begin(CloseCode::GOING_AWAY, "down").unwrap();
        assert_eq!(elsewhere.close_cause(), Some(CloseCause::Local(frame(1001, "down"))));
        assert_eq!(shutdown.wait(3 * SECOND).await, 2);
        assert_eq!(outcome.await.unwrap().2, CloseCause::Cut);
        // Known before and after receiving.
        assert_eq!(elsewhere.close_cause(), Some(CloseCause::Cut));
        assert!(elsewhere.recv().await.is_none());
        assert_eq!(elsewhere.close_cause(), Some(CloseCause::Cut));
    });
}
