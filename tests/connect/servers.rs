//! The client with this project's servers, over TCP.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use axum_websocket::WebSocketUpgrade;
use http::{StatusCode, header};
use permessage_deflate::PermessageDeflate;
use tokio::sync::mpsc::unbounded_channel;
use tower_websocket::{CloseCode, Config, Message, Version, WebSocket, accept, connect};

use crate::peer::{echo, echo_server, echoes, listen};
use crate::run::run;

async fn axum(router: Router) -> u16 {
    let (listener, port) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn echo_all(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.expect("a client that stays");
    }
}

#[test]
fn messages_are_echoed_by_accept_and_axum() {
    run(async || {
        let router = Router::new().route("/echo", any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo_all)));
        for port in [echo_server(Config::server()).await, axum(router).await] {
            let (mut socket, response) = connect(format!("ws://127.0.0.1:{port}/echo")).await.unwrap();
            assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert_eq!(response.headers()[header::UPGRADE], "websocket");
            assert_eq!((socket.version(), socket.protocol()), (Version::Hybi13, None));
            echoes(&mut socket, "hello").await;
            echoes(&mut socket, "").await;
            socket.send(vec![0, 1, 255]).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::binary(vec![0, 1, 255]));
            socket.close(CloseCode::NORMAL, "done").await.unwrap();
            assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::NORMAL));
            assert!(socket.recv().await.is_none());
        }
    });
}

#[test]
fn host_name_is_resolved_and_every_address_tried() {
    run(async || {
        let port = echo_server(Config::server()).await;
        let (mut socket, _) = connect(format!("ws://localhost:{port}")).await.unwrap();
        echoes(&mut socket, "hello").await;
    });
}

#[test]
fn ipv6_address_in_brackets_is_connected_to() {
    run(async || {
        // The host may not support IPv6.
        let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
        let port = listener.local_addr().unwrap().port();
        let server = async { echo(listener.accept().await.unwrap().0, Config::server()).await };
        let client = async {
            let (mut socket, _) = connect(format!("ws://[::1]:{port}/")).await.unwrap();
            echoes(&mut socket, "hello").await;
        };
        tokio::join!(server, client);
    });
}

#[test]
fn http_schemes_are_accepted() {
    run(async || {
        let port = echo_server(Config::server()).await;
        let (mut socket, _) = connect(format!("http://127.0.0.1:{port}")).await.unwrap();
        echoes(&mut socket, "hello").await;
    });
}

#[test]
fn subprotocol_is_negotiated() {
    run(async || {
        let port = echo_server(Config::server().protocols(["superchat", "chat"])).await;
        let url = format!("ws://127.0.0.1:{port}");
        for (offered, agreed) in [(vec!["chat", "superchat"], Some("superchat")), (vec!["other"], None)] {
            let (mut socket, response) = connect(&*url).protocols(offered).await.unwrap();
            assert_eq!(socket.protocol(), agreed);
            let told = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL).map(|name| name.to_str().unwrap());
            assert_eq!(told, agreed);
            echoes(&mut socket, "hello").await;
        }
    });
}

#[test]
fn server_sees_the_request() {
    run(async || {
        let (listener, port) = listen().await;
        let server = async {
            let Ok(socket) = accept(listener.accept().await.unwrap().0, Config::server()).await else { panic!() };
            let request = socket.request().expect("the request");
            assert_eq!(request.uri(), "/a%20b?c=d");
            let all = |name: &str| request.headers().get_all(name).iter().collect::<Vec<_>>();
            assert_eq!(all("host"), [format!("127.0.0.1:{port}").as_str()]);
            assert_eq!(all("x-one"), ["1", "2"]);
            assert_eq!(all("origin"), ["https://example.com"]);
            // RFC 7617 §2: `Aladdin:open sesame`.
            assert_eq!(all("authorization"), ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
        };
        let client = connect(format!("ws://Aladdin:open%20sesame@127.0.0.1:{port}/a%20b?c=d"))
            .header("X-One", "1")
            .header("x-one", "2")
            .header(header::ORIGIN, "https://example.com")
            .into_future();
        let (client, ()) = tokio::join!(client, server);
        client.unwrap();
    });
}

#[test]
fn axum_passes_the_headers_and_adds_its_own_to_the_response() {
    run(async || {
        let (seen, mut sees) = unbounded_channel();
        let handler = async move |ws: WebSocketUpgrade, request: Request| -> Response {
            seen.send(request.headers()["x-token"].clone()).unwrap();
            let mut response = ws.on_upgrade(echo_all);
            response.headers_mut().insert("x-served-by", "axum".parse().unwrap());
            response
        };
        let port = axum(Router::new().fallback(handler)).await;
        let (mut socket, response) =
            connect(format!("ws://127.0.0.1:{port}")).header("x-token", "secret").await.unwrap();
        assert_eq!(sees.recv().await.unwrap(), "secret");
        assert_eq!(response.headers()["x-served-by"], "axum");
        echoes(&mut socket, "hello").await;
    });
}

#[test]
fn protocols_of_connect_override_those_of_its_configuration_in_any_order() {
    run(async || {
        let url = format!("ws://127.0.0.1:{}", echo_server(Config::server().protocols(["chat"])).await);
        let config = Config::client().protocols(["other"]);
        let before = connect(&*url).protocols(["chat"]).config(config.clone());
        let after = connect(&*url).config(config).protocols(["chat"]);
        for connect in [before, after] {
            assert_eq!(connect.await.unwrap().0.protocol(), Some("chat"));
        }
    });
}

fn with_deflate<S>(config: Config<S>) -> Config<S> {
    config.extension(PermessageDeflate::new()).unwrap()
}

#[test]
fn messages_are_compressed_if_both_sides_support_it() {
    run(async || {
        let with = echo_server(with_deflate(Config::server())).await;
        let without = echo_server(Config::server()).await;
        let text = "hello ".repeat(10_000);
        for (port, is_agreed) in [(with, true), (without, false)] {
            let connect = connect(format!("ws://127.0.0.1:{port}")).config(with_deflate(Config::client()));
            let (mut socket, response) = connect.await.unwrap();
            let extensions = response.headers().get(header::SEC_WEBSOCKET_EXTENSIONS);
            assert_eq!(extensions.is_some_and(|value| value.as_bytes().starts_with(b"permessage-deflate")), is_agreed);
            for _ in 0..3 {
                echoes(&mut socket, &text).await;
            }
        }
    });
}

#[test]
fn large_messages_are_echoed() {
    run(async || {
        let port = echo_server(Config::server()).await;
        let (mut socket, _) = connect(format!("ws://127.0.0.1:{port}")).await.unwrap();
        for size in [125, 126, 0xffff, 0x1_0000, 8 * 1024 * 1024] {
            let bytes: Vec<u8> = (0..size).map(|i: usize| (i * 31 % 251) as u8).collect();
            socket.send(bytes.clone()).await.unwrap();
            let message = socket.recv().await.unwrap().unwrap();
            assert!(message.as_bytes() == bytes, "{size} bytes came back changed");
        }
    });
}

#[test]
fn limits_of_the_configuration_hold() {
    run(async || {
        let port = echo_server(Config::server()).await;
        let connect = connect(format!("ws://127.0.0.1:{port}")).config(Config::client().max_message_size(10));
        let (mut socket, _) = connect.await.unwrap();
        echoes(&mut socket, "0123456789").await;
        socket.send("01234567890").await.unwrap();
        assert!(socket.recv().await.unwrap().is_err());
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::MESSAGE_TOO_BIG));
    });
}
