//! The operations of an open socket.

use futures_util::FutureExt;
use tokio::io::BufStream;
use tower_websocket::{CloseCode, CloseFrame, Config, Error, Event, Message, SendError, Version};
use websocket_tests::wire::{Frame, HYBI, ServerFrame, VERSIONS, frames};

use crate::client::texts_of;
use crate::pair::{counted, over, over_memory, over_tcp, with_peer};
use crate::run::run;
use crate::transports::Probed;
use crate::wire::Wire;

const MEMORY: usize = 1024 * 1024;

fn text(message: Option<Result<Message, Error>>) -> String {
    message.expect("a message").expect("no error").as_text().expect("a text").into()
}

#[test]
fn socket_reports_what_was_negotiated() {
    run(async || {
        for version in VERSIONS {
            let (socket, _peer) = with_peer(version, Config::server()).await;
            assert_eq!((socket.version(), socket.protocol(), socket.close_frame()), (version, None, None));
            let request = socket.request().expect("the request that `accept` has read");
            assert_eq!(request.headers()["host"], "example.com");
        }
    });
}

#[test]
fn messages_of_both_types_are_sent_and_received() {
    run(async || {
        for version in HYBI {
            let (mut socket, mut peer) = with_peer(version, Config::server()).await;
            peer.send_raw(frames([Frame::text("text"), Frame::binary([0, 255]), Frame::text("")]));
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("text"));
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::binary(vec![0, 255]));
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text(""));
            socket.send("a str").await.unwrap();
            socket.send(String::from("a String")).await.unwrap();
            socket.send(vec![1, 2, 3]).await.unwrap();
            socket.send(bytes::Bytes::from_static(b"Bytes")).await.unwrap();
            peer.expect_text("a str").await;
            peer.expect_text("a String").await;
            peer.expect_binary([1, 2, 3]).await;
            peer.expect_binary("Bytes").await;
        }
    });
}

#[test]
fn fed_messages_leave_with_a_flush_in_one_write() {
    run(async || {
        let (mut socket, mut client, probe) = counted().await;
        for number in 0..100 {
            socket.feed(format!("message {number}")).await.unwrap();
        }
        assert_eq!(probe.take(), (0, 0));
        socket.flush().await.unwrap();
        assert_eq!(probe.take(), (0, 1));
        socket.flush().await.unwrap();
        assert_eq!(probe.take(), (0, 0));
        for number in 0..100 {
            assert_eq!(client.text().await, format!("message {number}"));
        }
    });
}

#[test]
fn replies_to_one_packet_leave_in_one_write_when_recv_waits() {
    run(async || {
        let (mut socket, mut client, probe) = counted().await;
        let texts: Vec<_> = (0..100).map(|number| format!("message {number}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        client.send(&texts).await;
        for _ in 0..100 {
            let message = socket.recv().await.unwrap().unwrap();
            socket.feed(message).await.unwrap();
        }
        assert_eq!(probe.take(), (1, 0));
        // Nothing has arrived: it waits, and flushes first.
        assert!(socket.recv().now_or_never().is_none());
        assert_eq!(probe.take(), (0, 1));
        for expected in texts {
            assert_eq!(client.text().await, expected);
        }
    });
}

#[test]
fn message_of_any_size_costs_one_write() {
    run(async || {
        let (mut socket, mut client, probe) = counted().await;
        for size in [0, 1, 125, 126, 4096, 16 * 1024 - 1, 16 * 1024, 65_535, 65_536, 500_000] {
            let message = vec![7; size];
            socket.send(message.clone()).await.unwrap();
            assert_eq!(probe.take(), (0, 1), "{size}");
            assert_eq!(client.wire.frame().await, ServerFrame::new(2, message));
        }
    });
}

#[test]
fn round_trip_costs_one_read_and_one_write_each() {
    run(async || {
        let (mut socket, mut client, probe) = counted().await;
        for _ in 0..50 {
            client.send(&["ping pong"]).await;
            let message = socket.recv().await.unwrap().unwrap();
            socket.send(message).await.unwrap();
            assert_eq!(client.text().await, "ping pong");
        }
        assert_eq!(probe.take(), (50, 50));
    });
}

#[test]
fn pings_and_closes_are_answered_while_waiting_for_a_message() {
    run(async || {
        let (mut socket, mut client, _) = counted().await;
        client.wire.write(frames([Frame::ping("1"), Frame::text("text"), Frame::ping("2")])).await;
        assert_eq!(text(socket.recv().await), "text");
        assert!(socket.recv().now_or_never().is_none());
        assert_eq!(client.wire.frame().await, ServerFrame::pong("1"));
        assert_eq!(client.wire.frame().await, ServerFrame::pong("2"));
        client.wire.write(Frame::close(1001, "away").bytes()).await;
        assert!(socket.recv().await.is_none());
        assert_eq!(client.wire.frame().await, ServerFrame::close(1001, ""));
        client.wire.eof().await;
    });
}

#[test]
fn next_event_returns_pings_pongs_and_the_close() {
    run(async || {
        let (mut socket, mut client, _) = counted().await;
        socket.send_ping("are you there?").await.unwrap();
        assert_eq!(client.wire.frame().await, ServerFrame::new(9, "are you there?"));
        client.wire.write(frames([Frame::pong("are you there?"), Frame::ping("and you?"), Frame::text("yes")])).await;
        client.wire.write(Frame::close(3000, "bye").bytes()).await;
        let close = CloseFrame { code: 3000.into(), reason: "bye".into() };
        for expected in [
            Event::Pong("are you there?".into()),
            Event::Ping("and you?".into()),
            Event::Message(Message::text("yes")),
            Event::Close(close.clone()),
        ] {
            assert_eq!(socket.next_event().await.unwrap().unwrap(), expected);
        }
        assert!(socket.next_event().await.is_none() && socket.recv().await.is_none());
        assert_eq!(socket.close_frame(), Some(&close));
    });
}

#[test]
fn ping_that_is_too_long_is_refused_and_the_socket_continues() {
    run(async || {
        let (mut socket, mut client, _) = counted().await;
        let error = socket.send_ping(vec![7; 126]).await.unwrap_err();
        assert!(matches!(error, Error::Send(SendError::ControlTooLong)), "{error:?}");
        socket.send_ping(vec![7; 125]).await.unwrap();
        assert_eq!(client.wire.frame().await, ServerFrame::new(9, [7; 125]));
        socket.send("on").await.unwrap();
        assert_eq!(client.text().await, "on");
    });
}

#[test]
fn operations_that_a_hixie_draft_lacks_are_refused_and_the_socket_continues() {
    run(async || {
        for version in [Version::Hixie76, Version::Hixie75] {
            let (mut socket, mut peer) = with_peer(version, Config::server()).await;
            for result in
                [socket.send(vec![1, 2, 3]).await, socket.feed(vec![1, 2, 3]).await, socket.send_ping("ping").await]
            {
                assert!(matches!(result, Err(Error::Send(SendError::NotSupported { .. }))), "{result:?}");
            }
            socket.send("on").await.unwrap();
            peer.expect_text("on").await;
        }
    });
}

#[test]
fn message_of_8_mib_is_echoed() {
    run(async || {
        let bytes: Vec<u8> = (0..=250).cycle().take(8 * 1024 * 1024).collect();
        let (mut socket, client) = over_tcp(Version::Hybi13, Config::server()).await;
        let server = async {
            let message = socket.recv().await.unwrap().unwrap();
            socket.send(message).await.unwrap();
            assert!(socket.recv().await.is_none());
        };
        let client = async {
            let mut client = client;
            client.wire.write(Frame::binary(&bytes).bytes()).await;
            assert!(client.wire.frame().await == ServerFrame::new(2, &bytes));
            client.close().await;
        };
        tokio::join!(server, client);
    });
}

#[test]
fn buffering_transport_is_flushed() {
    run(async || {
        for version in VERSIONS {
            let (server, client) = tokio::io::duplex(MEMORY);
            let server = BufStream::new(server);
            let (mut socket, mut client) = over(server, Wire::new(client), version, Config::server()).await;
            socket.send("sent").await.unwrap();
            assert_eq!(client.text().await, "sent");
            socket.feed("fed").await.unwrap();
            assert!(socket.recv().now_or_never().is_none());
            assert_eq!(client.text().await, "fed");
            let (result, ()) = tokio::join!(socket.close(4000.into(), "bye"), client.expect_close(4000, "bye"));
            result.unwrap();
        }
    });
}

#[test]
fn output_over_its_limit_is_written_on_the_way() {
    run(async || {
        let (server, client) = tokio::io::duplex(MEMORY);
        let (server, probe) = Probed::new(server);
        let config = Config::server().max_output(1000);
        let (mut socket, mut client) = over(server, Wire::new(client), Version::Hybi13, config).await;
        probe.take();
        for number in 0..500 {
            socket.feed(format!("message {number}")).await.unwrap();
        }
        let (_, writes) = probe.take();
        assert!((2..20).contains(&writes), "{writes}");
        socket.flush().await.unwrap();
        for number in 0..500 {
            assert_eq!(client.text().await, format!("message {number}"));
        }
    });
}

#[test]
fn messages_are_received_however_their_bytes_arrive() {
    run(async || {
        for version in VERSIONS {
            let (mut socket, mut client) = over_tcp(version, Config::server()).await;
            let texts = ["", "short", "Grüße, 世界", &"long".repeat(100)];
            let bytes = texts_of(version, &texts);
            let writer = async {
                for byte in bytes {
                    client.wire.write([byte]).await;
                    tokio::task::yield_now().await;
                }
            };
            let reader = async {
                for expected in texts {
                    assert_eq!(text(socket.recv().await), expected);
                }
            };
            tokio::join!(writer, reader);
            assert_eq!(socket.close_frame().map(|close| close.code), None::<CloseCode>);
        }
    });
}

#[test]
fn socket_start_ping_and_pong_leave_with_the_next_flush() {
    run(async || {
        let (mut socket, mut client, probe) = counted().await;
        socket.start_ping("ping").unwrap();
        socket.start_pong("pong").unwrap();
        assert_eq!(socket.start_ping(vec![0; 126]), Err(SendError::ControlTooLong));
        assert_eq!(socket.start_pong(vec![0; 126]), Err(SendError::ControlTooLong));
        assert_eq!(probe.take().1, 0);
        socket.flush().await.unwrap();
        assert_eq!(probe.take().1, 1);
        assert_eq!(client.wire.frame().await, ServerFrame::new(9, "ping"));
        assert_eq!(client.wire.frame().await, ServerFrame::pong("pong"));
        // The receiver writes them before it waits.
        socket.start_pong("again").unwrap();
        assert!(socket.recv().now_or_never().is_none());
        assert_eq!(client.wire.frame().await, ServerFrame::pong("again"));
    });
}

#[test]
fn socket_start_ping_is_refused_when_the_output_is_full() {
    run(async || {
        let (mut socket, _client) = over_memory(16, Version::Hybi13, Config::server().max_output(10)).await;
        while socket.start_ping("ping").is_ok() {}
        assert_eq!(socket.start_ping("ping"), Err(SendError::OutputFull));
        socket.start_close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(socket.start_pong("pong"), Err(SendError::Closed));
    });
}

#[test]
fn socket_sends_unsolicited_pongs() {
    run(async || {
        let (mut socket, mut peer) = with_peer(Version::Hybi13, Config::server()).await;
        socket.send_pong("beat").await.unwrap();
        peer.expect_pong("beat").await;
        let error = socket.send_pong(vec![0; 126]).await.unwrap_err();
        assert!(matches!(error, Error::Send(SendError::ControlTooLong)), "{error:?}");
        let (mut socket, _peer) = with_peer(Version::Hixie76, Config::server()).await;
        let error = socket.send_pong("beat").await.unwrap_err();
        assert!(matches!(error, Error::Send(SendError::NotSupported { .. })), "{error:?}");
    });
}
