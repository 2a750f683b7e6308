//! HTTP/2 frame by frame: what the client sends and when, and its reaction to frames that no
//! library would send (RFC 9113 §6, RFC 8441 §3).

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tower_websocket::client::ConnectError;
use tower_websocket::{CloseCode, Config, Message, WebSocket, connect};
use websocket_tests::wire::Frame;

use crate::http2_wire::{
    ACK, CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Http2Frame, Http2Wire, NO_ERROR, OK, PING, RST_STREAM,
    SETTINGS, STREAM, TAKES_WEBSOCKETS, WINDOW_UPDATE, frame,
};
use crate::run::{run, run_paused};

const URL: &str = "ws://example.com/chat";

fn code(socket: &WebSocket) -> Option<CloseCode> {
    socket.close_frame().map(|close| close.code)
}

/// Returns an open WebSocket and the server's side.
async fn open() -> (WebSocket, Http2Wire) {
    let (io, other) = tokio::io::duplex(1024 * 1024);
    let (opened, wire) = tokio::join!(connect(URL).http2().over(io).into_future(), Http2Wire::accept(other));
    (opened.expect("an open socket").0, wire)
}

/// Returns a message as a DATA frame.
fn data(frame_of: Frame) -> Vec<u8> {
    frame(DATA, 0, STREAM, frame_of.unmasked().bytes())
}

/// RFC 8441 §3: no CONNECT before the settings that allow it, however late they arrive.
#[test]
fn request_waits_for_the_settings() {
    run_paused(async || {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let server = async {
            let mut wire = Http2Wire::begin(other).await;
            let begin = Instant::now();
            let mut pings = Vec::new();
            while let Ok(frame) = timeout(Duration::from_secs(5), wire.read()).await {
                assert_ne!(frame.kind, HEADERS, "after {:?}", begin.elapsed());
                if frame.kind == PING {
                    pings.push(frame.payload);
                }
            }
            wire.write(SETTINGS, 0, 0, TAKES_WEBSOCKETS).await;
            for payload in pings {
                wire.write(PING, ACK, 0, payload).await;
            }
            let request = wire.next(HEADERS).await;
            assert_eq!((request.stream, request.flags), (STREAM, END_HEADERS));
            wire.write(HEADERS, END_HEADERS, STREAM, OK).await;
            wire
        };
        let (opened, _wire) = tokio::join!(connect(URL).http2().over(io).into_future(), server);
        opened.unwrap();
    });
}

/// A server whose settings do not allow it receives no request.
#[test]
fn server_that_accepts_no_websockets_receives_no_request() {
    run_paused(async || {
        // No settings; only MAX_CONCURRENT_STREAMS; the setting with the value 0.
        for settings in [&[][..], &[0, 3, 0, 0, 0, 100], &[0, 8, 0, 0, 0, 0]] {
            let (io, other) = tokio::io::duplex(64 * 1024);
            let server = async {
                let mut wire = Http2Wire::begin(other).await;
                wire.write(SETTINGS, 0, 0, settings).await;
                let ping = wire.next(PING).await;
                wire.write(PING, ACK, 0, ping.payload).await;
                wire.rest().await
            };
            let (opened, seen) = tokio::join!(connect(URL).http2().over(io).into_future(), server);
            let error = opened.unwrap_err();
            let is_it = matches!(&error, ConnectError::NoExtendedConnect { host } if host == "example.com:80");
            assert!(is_it && !error.is_transient(), "{error:?}");
            assert!(seen.iter().all(|frame| frame.kind != HEADERS), "{seen:?}");
            let last = seen.last().expect("a GOAWAY");
            assert_eq!((last.kind, &last.payload[4..8]), (GOAWAY, &NO_ERROR[..]));
        }
    });
}

#[test]
fn client_grants_the_maximum_connection_window_and_no_pushes() {
    run(async || {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let server = async {
            let mut wire = Http2Wire::begin(other).await;
            let settings = wire.read().await;
            assert_eq!((settings.kind, settings.flags), (SETTINGS, 0));
            wire.write(SETTINGS, 0, 0, TAKES_WEBSOCKETS).await;
            let update = wire.next(WINDOW_UPDATE).await;
            (settings.payload, update)
        };
        let connect = connect(URL).http2().over(io).into_future();
        let (settings, update) = tokio::select! {
            seen = server => seen,
            _ = connect => unreachable!("nobody answers"),
        };
        let settings: Vec<_> = settings.chunks(6).collect();
        assert!(settings.contains(&&[0, 2, 0, 0, 0, 0][..]), "ENABLE_PUSH is 0: {settings:?}");
        let window = settings.iter().find(|setting| setting[..2] == [0, 4]).expect("INITIAL_WINDOW_SIZE");
        assert!(u32::from_be_bytes(window[2..].try_into().unwrap()) >= 65_535, "{window:?}");
        // RFC 9113 §6.9.1: the maximum window is 2^31 - 1, and the initial one is 65,535.
        assert_eq!((update.stream, u32::from_be_bytes(update.payload.try_into().unwrap())), (0, (1 << 31) - 65_536));
    });
}

#[test]
fn message_leaves_in_one_data_frame_with_its_header() {
    run(async || {
        let (mut socket, mut wire) = open().await;
        // 16,384 is the maximum frame size (RFC 9113 §6.5.2).
        for (length, header) in [(0, 6), (100, 6), (10_000, 8), (16_376, 8), (40_000, 8)] {
            socket.send(vec![7; length]).await.unwrap();
            let first = wire.next(DATA).await;
            assert_eq!((first.stream, first.flags), (STREAM, 0));
            assert_eq!(first.payload.len(), (header + length).min(16_384), "{length}");
            let mut rest = header + length - first.payload.len();
            while rest > 0 {
                rest -= wire.next(DATA).await.payload.len();
            }
        }
        // Fed messages leave together.
        for text in ["one", "two", "three"] {
            socket.feed(text).await.unwrap();
        }
        socket.flush().await.unwrap();
        assert_eq!(wire.next(DATA).await.payload.len(), 3 * 6 + 11);
    });
}

#[test]
fn message_waits_for_room_and_uses_what_there_is() {
    run_paused(async || {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let server = async {
            let mut wire = Http2Wire::begin(other).await;
            // INITIAL_WINDOW_SIZE is 0.
            wire.write(SETTINGS, 0, 0, [&TAKES_WEBSOCKETS[..], &[0, 4, 0, 0, 0, 0]].concat()).await;
            wire.next(HEADERS).await;
            wire.write(HEADERS, END_HEADERS, STREAM, OK).await;
            wire
        };
        let (opened, mut wire) = tokio::join!(connect(URL).http2().over(io).into_future(), server);
        let (mut socket, _) = opened.unwrap();
        let mut sending = Box::pin(socket.send("hello"));
        assert!(timeout(Duration::from_secs(5), &mut sending).await.is_err());
        let server = async {
            // A header of 2 bytes, a masking key of 4, a payload of 5.
            for (room, comes) in [(1, 1), (6, 6), (100, 4)] {
                wire.write(WINDOW_UPDATE, 0, STREAM, u32::to_be_bytes(room)).await;
                assert_eq!(wire.next(DATA).await.payload.len(), comes);
            }
        };
        tokio::join!(async { sending.await.unwrap() }, server);
    });
}

#[test]
fn data_following_the_response_is_received() {
    run(async || {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let server = async {
            let mut wire = Http2Wire::begin(other).await;
            wire.write(SETTINGS, 0, 0, TAKES_WEBSOCKETS).await;
            wire.next(HEADERS).await;
            let answer = frame(HEADERS, END_HEADERS, STREAM, OK);
            wire.write_all(&[answer, data(Frame::text("one")), data(Frame::text("two"))]).await;
            wire
        };
        let (opened, _wire) = tokio::join!(connect(URL).http2().over(io).into_future(), server);
        let (mut socket, _) = opened.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("one"));
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("two"));
    });
}

#[test]
fn empty_data_frames_are_not_the_end_and_padding_is_no_data() {
    run(async || {
        const PADDED: u8 = 0x08;
        let (mut socket, mut wire) = open().await;
        let empty = || frame(DATA, 0, STREAM, []);
        let bytes = Frame::text("hello").unmasked().bytes();
        let padded = [&[3], &bytes[2..], &[0; 3]].concat();
        wire.write_all(&[empty(), frame(DATA, 0, STREAM, &bytes[..2]), empty(), frame(DATA, PADDED, STREAM, padded)])
            .await;
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
        wire.write_all(&[empty(), data(Frame::text("there")), frame(DATA, END_STREAM, STREAM, [])]).await;
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("there"));
        assert!(socket.recv().await.is_none());
        assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
    });
}

/// RFC 9113 §8.1: a server that has sent its complete response may reset the stream with NO_ERROR,
/// and the response is valid.
#[test]
fn reset_without_an_error_is_an_end_after_all_data() {
    run(async || {
        for (frames, expected) in [
            (vec![data(Frame::text("last"))], CloseCode::ABNORMAL),
            (vec![data(Frame::text("last")), data(Frame::close(4000, ""))], 4000.into()),
            (
                vec![data(Frame::text("last")), data(Frame::close(4000, "")), frame(DATA, END_STREAM, STREAM, [])],
                4000.into(),
            ),
        ] {
            let (mut socket, mut wire) = open().await;
            let reset = frame(RST_STREAM, 0, STREAM, NO_ERROR);
            wire.write_all(&[frames.concat(), reset]).await;
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
            assert!(socket.recv().await.is_none());
            assert_eq!(code(&socket), Some(expected));
        }
    });
}

#[test]
fn trailers_end_the_stream() {
    run(async || {
        let (mut socket, mut wire) = open().await;
        // A literal without indexing (RFC 7541 §6.2.2): `x: y`.
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, STREAM, [0, 1, b'x', 1, b'y']);
        wire.write_all(&[data(Frame::text("last")), trailers]).await;
        assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("last"));
        assert!(socket.recv().await.is_none());
        assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
    });
}

/// Sent data is transmitted: a socket over TCP that is dropped after a `send` has sent it as well.
#[test]
fn sent_data_leaves_if_the_socket_is_dropped_at_once() {
    run(async || {
        for length in [10, 100_000] {
            let (mut socket, mut wire) = open().await;
            socket.send(vec![7; length]).await.unwrap();
            drop(socket);
            let mut came = 0;
            while let Http2Frame { kind: DATA, payload, .. } = wire.next_of(&[DATA, RST_STREAM]).await {
                came += payload.len();
            }
            assert!(came > length, "{came} bytes of {length} have come before the reset");
        }
    });
}

/// RFC 6455 §7.1.7: the server is told what it did wrong.
#[test]
fn violation_is_answered_if_the_socket_is_dropped_at_once() {
    run(async || {
        let (mut socket, mut wire) = open().await;
        let server = async {
            wire.write(DATA, 0, STREAM, Frame::text("masked").bytes()).await;
            wire.next_of(&[DATA, RST_STREAM]).await
        };
        let client = async {
            assert!(socket.recv().await.unwrap().is_err());
            drop(socket);
        };
        let ((), answer) = tokio::join!(client, server);
        assert_eq!((answer.kind, answer.payload.first()), (DATA, Some(&0x88)));
    });
}

#[test]
fn dropped_socket_resets_its_stream_with_cancel() {
    run(async || {
        let (socket, mut wire) = open().await;
        drop(socket);
        let reset = wire.next(RST_STREAM).await;
        assert_eq!((reset.stream, &reset.payload[..]), (STREAM, &CANCEL[..]));
        // It was the last stream of the connection.
        let rest = wire.rest().await;
        assert!(matches!(&rest[..], [Http2Frame { kind: GOAWAY, .. }]), "{rest:?}");
    });
}

#[test]
fn connect_dropped_while_waiting_for_the_response_resets_its_stream() {
    run(async || {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let server = async {
            let mut wire = Http2Wire::begin(other).await;
            wire.write(SETTINGS, 0, 0, TAKES_WEBSOCKETS).await;
            wire.next(HEADERS).await;
            wire
        };
        let mut wire = tokio::select! {
            wire = server => wire,
            _ = connect(URL).config(Config::client()).http2().over(io).into_future() => unreachable!("nobody answers"),
        };
        assert_eq!(wire.next(RST_STREAM).await.payload, CANCEL);
    });
}
