//! WebSockets over HTTP/2 (RFC 8441) with this project's servers: with prior knowledge, and with
//! TLS and ALPN.

use bytes::Bytes;
use http::{StatusCode, header};
use permessage_deflate::PermessageDeflate;
use tower_websocket::{CloseCode, CloseFrame, Config, Event, Message, Version, WebSocket};
use websocket_tests::chain::chain;

use crate::http2_servers::Stack;
use crate::peer::echoes;
use crate::run::run;

fn code(socket: &WebSocket) -> Option<CloseCode> {
    socket.close_frame().map(|close| close.code)
}

/// Sends a binary message and expects its echo.
async fn echoes_bytes(socket: &mut WebSocket, length: usize) {
    let bytes: Bytes = (0..length).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>().into();
    socket.send(bytes.clone()).await.unwrap();
    let message = socket.recv().await.expect("an answer").expect("no error");
    assert!(message.as_bytes() == bytes, "{length} bytes came back changed");
}

#[test]
fn messages_are_echoed_by_every_server() {
    run(async || {
        for stack in Stack::ALL {
            let server = stack.serve(Config::server()).await;
            let (mut socket, response) = server.connect().await.unwrap();
            // RFC 8441 §5: these headers are not used on HTTP/2.
            assert_eq!((response.status(), response.version()), (StatusCode::OK, http::Version::HTTP_2));
            for name in ["upgrade", "connection", "sec-websocket-accept"] {
                assert!(!response.headers().contains_key(name), "{name}");
            }
            assert_eq!((socket.version(), socket.protocol()), (Version::Hybi13, None));
            echoes(&mut socket, "hello").await;
            echoes(&mut socket, "").await;
            for length in [0, 1, 125, 126, 65_535, 65_536, 1024 * 1024] {
                echoes_bytes(&mut socket, length).await;
            }
            echoes(&mut socket, &"ä".repeat(100_000)).await;
            socket.close(CloseCode::NORMAL, "").await.unwrap();
        }
    });
}

#[test]
fn messages_larger_than_any_window_are_echoed() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            echoes_bytes(&mut socket, 16 * 1024 * 1024).await;
            echoes(&mut socket, "and on").await;
        }
    });
}

#[test]
fn many_small_messages_are_echoed_in_order() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            for round in 0..10 {
                for number in 0..500 {
                    socket.feed(format!("{round} {number}")).await.unwrap();
                }
                for number in 0..500 {
                    let message = socket.recv().await.unwrap().unwrap();
                    assert_eq!(message.as_text(), Some(&*format!("{round} {number}")));
                }
            }
        }
    });
}

fn with_deflate<S>(config: Config<S>) -> Config<S> {
    config.extension(PermessageDeflate::new()).unwrap()
}

#[test]
fn messages_are_compressed_if_both_sides_support_it() {
    run(async || {
        for stack in Stack::ALL {
            for is_agreed in [true, false] {
                let config = if is_agreed { with_deflate(Config::server()) } else { Config::server() };
                let server = stack.serve(config).await;
                let (mut socket, response) = server.connect().config(with_deflate(Config::client())).await.unwrap();
                let agreed = response.headers().get(header::SEC_WEBSOCKET_EXTENSIONS);
                assert_eq!(agreed.is_some_and(|value| value.as_bytes().starts_with(b"permessage-deflate")), is_agreed);
                for _ in 0..3 {
                    echoes(&mut socket, &"hello ".repeat(10_000)).await;
                }
            }
        }
    });
}

#[test]
fn subprotocol_is_negotiated() {
    run(async || {
        for stack in Stack::ALL {
            let server = stack.serve(Config::server().protocols(["superchat", "chat"])).await;
            for (offered, agreed) in [(vec!["chat", "superchat"], Some("superchat")), (vec!["other"], None)] {
                let (mut socket, response) = server.connect().protocols(offered).await.unwrap();
                assert_eq!(socket.protocol(), agreed);
                let told = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL).map(|name| name.to_str().unwrap());
                assert_eq!(told, agreed);
                echoes(&mut socket, "hello").await;
            }
        }
    });
}

#[test]
fn client_closes() {
    run(async || {
        for stack in Stack::ALL {
            let mut server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            echoes(&mut socket, "hello").await;
            let begin = std::time::Instant::now();
            socket.close(4321.into(), "done").await.unwrap();
            assert_eq!(code(&socket), Some(4321.into()));
            assert!(socket.recv().await.is_none());
            let told = CloseFrame { code: 4321.into(), reason: "done".into() };
            assert_eq!(server.end().await, Some(told));
            // No timeout, 10 s on both sides, has expired.
            assert!(begin.elapsed().as_secs() < 9);
        }
    });
}

#[test]
fn server_closes() {
    run(async || {
        for stack in Stack::ALL {
            let mut server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            let begin = std::time::Instant::now();
            socket.send("close").await.unwrap();
            assert!(socket.recv().await.is_none());
            let bye = CloseFrame { code: 4000.into(), reason: "bye".into() };
            assert_eq!(socket.close_frame(), Some(&bye));
            assert_eq!(server.end().await.map(|close| close.code), Some(bye.code));
            assert!(begin.elapsed().as_secs() < 9);
            assert!(socket.send("late").await.is_err());
        }
    });
}

#[test]
fn messages_sent_before_a_close_arrive() {
    run(async || {
        for stack in Stack::TWO {
            let mut server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            for _ in 0..100 {
                socket.feed(vec![7; 10_000]).await.unwrap();
            }
            socket.close(CloseCode::NORMAL, "").await.unwrap();
            assert_eq!(server.end().await, Some(CloseCode::NORMAL.into()));
        }
    });
}

#[test]
fn pings_are_answered_on_either_side() {
    run(async || {
        for stack in Stack::TWO {
            let server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            socket.send_ping("hello?").await.unwrap();
            assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Pong(Bytes::from_static(b"hello?")));
            socket.send("ping").await.unwrap();
            assert_eq!(socket.next_event().await.unwrap().unwrap(), Event::Ping(Bytes::from_static(b"are you there?")));
            echoes(&mut socket, "the pong was one").await;
        }
    });
}

#[test]
fn server_that_drops_the_socket_is_an_abnormal_end() {
    run(async || {
        for stack in Stack::ALL {
            let server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            socket.send("drop").await.unwrap();
            // In order or not.
            while let Some(message) = socket.recv().await {
                assert!(message.is_err());
            }
            assert_eq!(code(&socket), Some(CloseCode::ABNORMAL));
        }
    });
}

#[test]
fn client_that_drops_the_socket_is_an_abnormal_end() {
    run(async || {
        for stack in Stack::ALL {
            let mut server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().await.unwrap();
            echoes(&mut socket, "hello").await;
            drop(socket);
            assert_eq!(server.end().await.map(|close| close.code), Some(CloseCode::ABNORMAL));
        }
    });
}

#[test]
fn limits_of_the_configuration_hold() {
    run(async || {
        for stack in Stack::TWO {
            let mut server = stack.serve(Config::server()).await;
            let (mut socket, _) = server.connect().config(Config::client().max_message_size(10)).await.unwrap();
            echoes(&mut socket, "0123456789").await;
            socket.send("01234567890").await.unwrap();
            assert!(socket.recv().await.unwrap().is_err());
            assert!(socket.recv().await.is_none());
            assert_eq!(code(&socket), Some(CloseCode::MESSAGE_TOO_BIG));
            assert_eq!(server.end().await.map(|close| close.code), Some(CloseCode::MESSAGE_TOO_BIG));
        }
    });
}

#[test]
fn path_without_a_websocket_is_a_404() {
    run(async || {
        for stack in [Stack::Axum, Stack::AxumTls] {
            let server = stack.serve(Config::server()).await;
            let url = server.url().replace("/echo", "/other");
            let connection = server.connect().http2_connection().await.unwrap();
            let error = tower_websocket::connect(url).on(&connection).await.unwrap_err();
            let told =
                matches!(&error, tower_websocket::client::ConnectError::Refused(_)) && chain(&error).contains("404");
            assert!(told, "{error:?}");
        }
    });
}

#[test]
fn message_type_is_preserved() {
    run(async || {
        let server = Stack::Axum.serve(Config::server()).await;
        let (mut socket, _) = server.connect().await.unwrap();
        for message in [Message::text("text"), Message::binary("text".as_bytes())] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap(), message);
        }
    });
}
