//! Abnormal ends, caused by faults of the peer or of the transport.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tower_websocket::error::ProtocolError;
use tower_websocket::{CloseCode, CloseFrame, Config, Error, Event, SendError, Version, WebSocket, accept};
use websocket_tests::wire::{Frame, HYBI, Handshake, VERSIONS, frames, server_frames};

use crate::client::{Client, texts_of};
use crate::pair::{over, over_memory, over_tcp, tcp, with_peer};
use crate::run::{run, run_paused};
use crate::stacks::{Stack, config};
use crate::transports::{Probe, Probed};
use crate::wire::Wire;

async fn probed(version: Version) -> (WebSocket<Probed<DuplexStream>>, Client, Probe) {
    let (server, client) = tokio::io::duplex(64 * 1024);
    let (server, probe) = Probed::new(server);
    let (socket, client) = over(server, Wire::new(client), version, Config::server()).await;
    (socket, client, probe)
}

/// Asserts that the socket has ended with this code, and stays so.
async fn has_ended<T: crate::wire::Transport>(socket: &mut WebSocket<T>, code: CloseCode) {
    assert!(socket.recv().await.is_none());
    assert_eq!(socket.close_frame().map(|close| close.code), Some(code));
    assert!(socket.next_event().await.is_none() && socket.recv().await.is_none());
    assert!(matches!(socket.send("late").await, Err(Error::Send(SendError::Closed))));
    socket.flush().await.unwrap();
}

#[test]
fn end_without_a_close_is_no_error_after_earlier_messages() {
    run(async || {
        for version in VERSIONS {
            for is_cut in [false, true] {
                let (mut socket, mut peer) = with_peer(version, Config::server()).await;
                assert_eq!(socket.close_frame(), None);
                peer.send_text("one");
                peer.send_text("two");
                if is_cut {
                    peer.send_raw(&texts_of(version, &["cut in two"])[..5]);
                }
                peer.cut();
                for expected in ["one", "two"] {
                    assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some(expected));
                }
                let in_order = version == Version::Hixie75 && !is_cut;
                has_ended(&mut socket, if in_order { CloseCode::NO_STATUS } else { CloseCode::ABNORMAL }).await;
            }
        }
    });
}

#[test]
fn client_that_ends_its_output_receives_the_replies() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            client.send(&["question"]).await;
            client.wire.half_close().await;
            assert!(socket.recv().await.is_some());
            // Only fed: it is written before the end.
            socket.feed("answer").await.unwrap();
            assert!(socket.recv().await.is_none());
            assert_eq!(client.text().await, "answer");
            client.wire.eof().await;
        }
    });
}

#[test]
fn violation_is_reported_once_and_to_the_client() {
    run(async || {
        for version in HYBI {
            let (mut socket, mut peer) = with_peer(version, Config::server()).await;
            peer.send_raw(frames([Frame::text("before"), Frame::new(3, "?"), Frame::text("after")]));
            assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("before"));
            socket.feed("reply").await.unwrap();
            let error = socket.recv().await.unwrap().unwrap_err();
            assert!(matches!(error, Error::Protocol(ProtocolError::UnknownOpcode(3))), "{error:?}");
            has_ended(&mut socket, CloseCode::PROTOCOL_ERROR).await;
            peer.expect_text("reply").await;
            peer.expect_close(1002).await;
            peer.expect_eof().await;
        }
    });
}

#[test]
fn next_event_returns_a_violation_and_then_the_close() {
    run(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        peer.send_raw(Frame::text(b"\xff").bytes());
        assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Error(ProtocolError::InvalidUtf8));
        let Event::Close(CloseFrame { code, .. }) = socket.next_event().await.unwrap().unwrap() else {
            panic!("no close");
        };
        assert_eq!(code, CloseCode::INVALID_PAYLOAD);
        assert!(socket.next_event().await.is_none());
    });
}

#[test]
fn client_that_sends_after_its_violation_receives_the_close_and_no_reset() {
    run(async || {
        for stack in [Stack::Tcp, Stack::Hyper, Stack::Axum] {
            let server = stack.serve(config()).await;
            for size in [100_000, 4_000_000] {
                let client = server.open(Version::Hybi13).await;
                let (mut reader, mut writer) = tokio::io::split(client.wire.into_io());
                let writing = tokio::spawn(async move {
                    let breach = Frame::text("not masked").unmasked().bytes();
                    let rest = [breach, Frame::binary(vec![7; size]).bytes()].concat();
                    // The server does not read all of it.
                    let _ = writer.write_all(&rest).await;
                    writer
                });
                let mut read = Vec::new();
                reader.read_to_end(&mut read).await.expect("an end, and no reset");
                let codes: Vec<_> = server_frames(&read).iter().map(|frame| frame.close_code()).collect();
                assert_eq!(codes, [Some(1002)], "{size}");
                writing.await.unwrap();
            }
        }
    });
}

#[test]
fn input_after_a_violation_is_read_so_that_the_end_is_no_reset() {
    run(async || {
        // More than one read returns, and less than the kernel buffers.
        let behind = Frame::binary(vec![7; 170_000]).bytes();
        let listener = TcpSocket::new_v4().unwrap();
        listener.set_recv_buffer_size(1024 * 1024).unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (server, client) = tokio::join!(listener.accept(), connecting);
        let (server, mut client) = (server.unwrap().0, client.unwrap());
        client.write_all(&Handshake::of(Version::Hybi13).bytes()).await.unwrap();
        let mut socket = accept(server, Config::server()).await.unwrap();
        let mut head = [0; 512];
        assert!(client.read(&mut head).await.unwrap() > 0);

        client.write_all(&[Frame::new(3, "?").bytes(), behind].concat()).await.unwrap();
        assert!(matches!(socket.recv().await, Some(Err(Error::Protocol(_)))));
        drop(socket);
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(server_frames(&read)[0].close_code(), Some(1002));
        // Closing with unread input would have sent a reset, and a client that reads late could
        // lose everything before it.
        assert!(client.take_error().unwrap().is_none());
    });
}

#[test]
fn client_that_does_not_read_the_close_frame_is_timed_out() {
    run_paused(async || {
        let (mut socket, mut client) = over_memory(1024, Version::Hybi13, Config::server()).await;
        // With its header this fills the transport.
        socket.send("x".repeat(1020)).await.unwrap();
        client.wire.write(Frame::new(3, "?").bytes()).await;
        let start = Instant::now();
        let error = socket.recv().await;
        assert!(matches!(error, Some(Err(Error::Protocol(_)))), "{error:?}");
        assert_eq!(start.elapsed().as_secs(), 10);
        has_ended(&mut socket, CloseCode::PROTOCOL_ERROR).await;
    });
}

#[test]
fn read_error_is_returned_once_after_earlier_messages() {
    run(async || {
        for version in VERSIONS {
            println!("{version}");
            let (mut socket, mut client, probe) = probed(version).await;
            client.send(&["one", "two"]).await;
            probe.break_reads(ErrorKind::ConnectionReset);
            for expected in ["one", "two"] {
                assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some(expected));
            }
            let error = socket.recv().await.unwrap().unwrap_err();
            assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset), "{error:?}");
            assert!(socket.recv().await.is_none());
            assert!(socket.next_event().await.is_none());
            if version != Version::Hixie75 {
                assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::ABNORMAL), "{version}");
            }
            assert!(matches!(socket.send("late").await, Err(Error::Send(SendError::Closed))));
        }
    });
}

#[test]
fn write_error_is_returned_by_send() {
    run_paused(async || {
        for version in VERSIONS {
            let (mut socket, _client, probe) = probed(version).await;
            probe.break_writes(ErrorKind::BrokenPipe);
            let error = socket.send("news").await.unwrap_err();
            assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe), "{error:?}");
            assert!(matches!(socket.send("more").await, Err(Error::Send(SendError::Closed))));
            assert!(socket.recv().await.is_none() && socket.recv().await.is_none());
            assert!(matches!(socket.send("late").await, Err(Error::Send(SendError::Closed))));
            socket.close(CloseCode::NORMAL, "").await.unwrap();
        }
    });
}

#[test]
fn write_error_is_returned_once_and_received_messages_are_delivered() {
    run_paused(async || {
        for version in VERSIONS {
            let (mut socket, mut client, probe) = probed(version).await;
            client.send(&["one", "two", "three"]).await;
            assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("one"));
            probe.break_writes(ErrorKind::BrokenPipe);
            // Since more input has arrived, the reply may be held back for a moment, and with it
            // the error.
            let mut results = vec![socket.send("reply").await.map(|()| String::new())];
            while let Some(result) = socket.recv().await {
                results.push(result.map(|message| message.as_text().unwrap().into()));
            }
            let errors = results.iter().filter(|result| matches!(result, Err(Error::Io(_)))).count();
            assert_eq!(errors, 1, "{version} {results:?}");
            let texts: Vec<_> = results.into_iter().flatten().filter(|text| !text.is_empty()).collect();
            assert_eq!(texts, ["two", "three"]);
            assert!(socket.recv().await.is_none());
        }
    });
}

#[test]
fn recv_returns_the_write_error_of_fed_messages() {
    run_paused(async || {
        let (mut socket, _client, probe) = probed(Version::Hybi13).await;
        probe.break_writes(ErrorKind::BrokenPipe);
        socket.feed("reply").await.unwrap();
        assert!(matches!(socket.recv().await, Some(Err(Error::Io(_)))));
        has_ended(&mut socket, CloseCode::ABNORMAL).await;
    });
}

#[test]
fn close_that_cannot_be_written_is_an_error_and_the_end() {
    run_paused(async || {
        for version in HYBI {
            let (mut socket, _client, probe) = probed(version).await;
            probe.break_writes(ErrorKind::BrokenPipe);
            assert!(matches!(socket.close(CloseCode::NORMAL, "").await, Err(Error::Io(_))));
            has_ended(&mut socket, CloseCode::ABNORMAL).await;
        }
    });
}

#[test]
fn connection_reset_is_an_error_and_the_end() {
    run(async || {
        let (server, client) = tcp().await;
        // Closing with unread input causes a reset.
        let (mut socket, client) = over(server, Wire::new(client), Version::Hybi13, Config::server()).await;
        socket.send("unread").await.unwrap();
        drop(client);
        assert!(
            matches!(socket.recv().await, Some(Err(Error::Io(error))) if error.kind() == ErrorKind::ConnectionReset)
        );
        has_ended(&mut socket, CloseCode::ABNORMAL).await;
    });
}
