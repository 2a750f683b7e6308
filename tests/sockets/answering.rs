//! Handshakes that HTTP stacks other than hyper have read: a parser on a stream, and the crate
//! `h2`.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode, Version as HttpVersion};
use permessage_deflate::PermessageDeflate;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message as PeerMessage;
use tower_websocket::config::Charge;
use tower_websocket::server::{ConnectProtocol, HandshakeError, HandshakeRequest, UpgradeError, UpgradeRefusal};
use tower_websocket::test::{self, Peer, Recorder, Transport};
use tower_websocket::{
    Budget, CloseCode, Config, Message, ServerConfig, Shutdown, Version, WebSocket, answer, connect, is_handshake,
};
use websocket_tests::wire::{Answer, Frame, HIXIE76_BODY, HIXIE76_DIGEST, Handshake as Head, VERSIONS};

use crate::run::{run, run_paused};

/// Reads one request by the crate `httparse`. Returns what follows it as well.
async fn read_request(io: &mut Transport) -> (Request<()>, BytesMut) {
    let mut read = BytesMut::new();
    loop {
        assert!(io.read_buf(&mut read).await.unwrap() > 0);
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(length) = parsed.parse(&read).unwrap() {
            let mut request = Request::builder().method(parsed.method.unwrap()).uri(parsed.path.unwrap());
            for header in parsed.headers {
                request = request.header(header.name, header.value);
            }
            read.advance(length);
            return (request.body(()).unwrap(), read);
        }
    }
}

/// Writes a response as an HTTP/1.1 stack does.
async fn write_response<B: AsRef<[u8]>>(io: &mut Transport, response: &Response<B>) {
    let mut head = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head.extend(response.body().as_ref());
    io.write_all(&head).await.unwrap();
}

/// Serves one connection with an echo.
async fn serve(mut io: Transport, config: ServerConfig) -> Result<(), UpgradeError> {
    let (request, leftover) = read_request(&mut io).await;
    match answer(&request, &config) {
        Ok((response, pending)) => {
            write_response(&mut io, &response.map(|()| "")).await;
            echo(pending.open(io, leftover).await?).await;
        }
        Err(refusal) => write_response(&mut io, &refusal.to_response()).await,
    }
    Ok(())
}

async fn echo(mut socket: WebSocket<Transport>) {
    while let Some(Ok(message)) = socket.recv().await {
        socket.send(message).await.unwrap();
    }
}

fn served(config: ServerConfig) -> (Transport, JoinHandle<Result<(), UpgradeError>>) {
    let (io, other) = test::transport();
    (other, tokio::spawn(serve(io, config)))
}

#[test]
fn answered_request_of_any_version_becomes_a_socket_with_its_leftover_bytes() {
    run_paused(async || {
        for version in VERSIONS {
            let (other, server) = served(Config::server().allow_drafts(true));
            let mut peer = Peer::new(other);
            // The 8 bytes of hixie-76 and a whole message, behind the head and in one piece with
            // it.
            let mut bytes = Head::of(version).bytes();
            bytes.extend(match version.is_hixie() {
                true => b"\x00early\xff".to_vec(),
                false => Frame::text("early").bytes(),
            });
            peer.send_raw(bytes);
            peer.end();
            let written = peer.rest().await;
            let (answer, length) = Answer::read(&written).expect("an answer");
            assert_eq!(answer.status, 101, "{version}");
            let frames = &written[length..];
            let digest = if version == Version::Hixie76 { &HIXIE76_DIGEST[..] } else { b"" };
            let echo = if version.is_hixie() { &b"\x00early\xff"[..] } else { b"\x81\x05early" };
            assert!(frames.starts_with(&[digest, echo].concat()), "{version}: {frames:?}");
            server.await.unwrap().unwrap();
        }
    });
}

#[test]
fn tungstenite_talks_to_a_stack_of_its_own() {
    run(async || {
        let (other, server) = served(Config::server());
        let (mut client, _) = client_async("ws://localhost/echo", other).await.unwrap();
        for message in [PeerMessage::text("hello"), PeerMessage::binary(vec![7; 100_000])] {
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        client.close(None).await.unwrap();
        assert!(matches!(client.next().await, Some(Ok(PeerMessage::Close(None)))));
        server.await.unwrap().unwrap();
    });
}

/// As an HTTP stack does whose router rewrites URIs.
#[test]
fn handshake_can_be_changed_before_it_is_accepted() {
    run(async || {
        for (version, name, offered) in
            [(Version::Hybi13, "sec-websocket-protocol", "one, two"), (Version::Hixie75, "websocket-protocol", "two")]
        {
            let recorder = Recorder::new();
            let config = Config::server().allow_drafts(true).protocols(["one"]).observer(recorder.clone());
            let mut request = HandshakeRequest::new(&Head::of(version).with(name, offered).request()).unwrap();
            request.handshake_mut().set_protocol(Some("two"));
            request.handshake_mut().set_uri("/original?secret=1".parse().unwrap());
            let (response, pending) = request.accept(&config).unwrap();
            assert_eq!(response.headers()[name], "two", "{version}");
            if version.is_hixie() {
                assert_eq!(response.headers()["websocket-location"], "ws://example.com/original?secret=1");
            }
            let socket = pending.open(test::transport().0, Bytes::new()).await.unwrap();
            assert_eq!(socket.protocol(), Some("two"), "{version}");
            assert_eq!(recorder.take().opened[0].path, "/original", "{version}");
        }
    });
}

#[test]
fn answer_agrees_to_subprotocol_and_extensions() {
    run(async || {
        let server = Config::server().extension(PermessageDeflate::new()).unwrap().protocols(["chat"]);
        let (other, _server) = served(server);
        let client = Config::client().extension(PermessageDeflate::new()).unwrap().protocols(["chat"]);
        let client = connect("ws://localhost/").config(client).over(other);
        let (mut socket, response) = client.await.unwrap();
        assert_eq!(socket.protocol(), Some("chat"));
        assert!(response.headers()["sec-websocket-extensions"].to_str().unwrap().starts_with("permessage-deflate"));
        socket.send("a".repeat(10_000)).await.unwrap();
        assert_eq!(socket.recv().await.unwrap().unwrap().len(), 10_000);
        socket.close(CloseCode::NORMAL, "").await.unwrap();
    });
}

#[test]
fn answer_refuses_what_is_no_handshake_and_what_has_no_room() {
    run_paused(async || {
        let plain = Request::get("/").header("host", "localhost").body(()).unwrap();
        assert!(answer(&plain, &Config::server()).unwrap_err().is_plain_http());
        let budget = Budget::new(1);
        let mut spent = Charge::new(&budget);
        spent.set(1);
        for (head, config, status) in [
            (Head::hybi("14"), Config::server(), 426),
            (Head::hybi("13").with("Upgrade", "x"), Config::server().max_headers(3), 400),
            (Head::hybi("13"), Config::server().budget(&budget), 503),
            (Head::of(Version::Hixie75), Config::server(), 426),
            (
                Head { body: Vec::new(), ..Head::of(Version::Hixie76).with("Content-Length", "8") },
                Config::server().allow_drafts(true),
                400,
            ),
        ] {
            let (other, server) = served(config);
            let mut peer = Peer::new(other);
            peer.send_raw(head.bytes());
            peer.end();
            assert_eq!(Answer::read(&peer.rest().await).unwrap().0.status, status, "{head:?}");
            server.await.unwrap().unwrap();
        }
    });
}

#[test]
fn pending_socket_times_out_without_the_bytes_of_hixie76() {
    run_paused(async || {
        let (other, server) = served(Config::server().allow_drafts(true));
        let mut peer = Peer::new(other);
        peer.send_raw(Head { body: HIXIE76_BODY[..7].into(), ..Head::of(Version::Hixie76) }.bytes());
        assert!(matches!(server.await.unwrap(), Err(UpgradeError::TimedOut)));
    });
}

#[test]
fn pending_socket_reports_a_transport_that_has_ended() {
    run_paused(async || {
        let (other, server) = served(Config::server().allow_drafts(true));
        let mut peer = Peer::new(other);
        peer.send_raw(Head { body: Vec::new(), ..Head::of(Version::Hixie76) }.bytes());
        peer.end();
        assert!(matches!(server.await.unwrap(), Err(UpgradeError::Io(_))));
    });
}

#[test]
fn pending_socket_belongs_to_its_shutdown() {
    run_paused(async || {
        let shutdown = Shutdown::new();
        let (_, pending) =
            answer(&extended_connect(HttpVersion::HTTP_2, Some("websocket")), &Config::server()).unwrap();
        let pending = pending.shutdown(&shutdown);
        assert_eq!(shutdown.open_sockets(), 1);
        let (io, other) = test::transport();
        let mut socket = pending.open(io, "").await.unwrap();
        let mut peer = Peer::new(other);
        shutdown.begin(CloseCode::GOING_AWAY, "").unwrap();
        tokio::spawn(async move { while socket.recv().await.is_some() {} });
        peer.expect_close(1001).await;
    });
}

fn extended_connect(version: HttpVersion, protocol: Option<&'static str>) -> Request<()> {
    let request = Request::builder().method(Method::CONNECT).version(version).uri("https://example.com/chat");
    let mut request = request.header("sec-websocket-version", "13").body(()).unwrap();
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(ConnectProtocol::new(protocol));
    }
    request
}

#[test]
fn extended_connect_is_known_by_our_extension_type() {
    for version in [HttpVersion::HTTP_2, HttpVersion::HTTP_3] {
        let request = extended_connect(version, Some("websocket"));
        assert!(is_handshake(&request));
        let (response, pending) = answer(&request, &Config::server()).unwrap();
        assert_eq!((response.status(), pending.version()), (StatusCode::OK, Version::Hybi13));
        assert!(response.headers().is_empty());
        for other in [None, Some("connect-udp"), Some("WebSocket")] {
            let request = extended_connect(version, other);
            assert!(!is_handshake(&request));
            let refusal = HandshakeRequest::new(&request).unwrap_err();
            assert_eq!(refusal, UpgradeRefusal::Handshake { error: HandshakeError::Upgrade, is_http1: false });
        }
    }
}

/// One stream of HTTP/2 as a transport, through memory.
fn as_transport(mut send: h2::SendStream<Bytes>, mut receive: h2::RecvStream) -> DuplexStream {
    let (near, far) = duplex(16 * 1024);
    let (mut far_read, mut far_write) = split(far);
    tokio::spawn(async move {
        let mut read = BytesMut::new();
        while far_read.read_buf(&mut read).await.unwrap() > 0 {
            send.send_data(read.split().freeze(), false).unwrap();
        }
        send.send_data(Bytes::new(), true).unwrap();
    });
    tokio::spawn(async move {
        while let Some(Ok(data)) = receive.data().await {
            receive.flow_control().release_capacity(data.len()).unwrap();
            far_write.write_all(&data).await.unwrap();
        }
    });
    near
}

#[test]
fn stream_of_the_crate_h2_becomes_a_socket() {
    run(async || {
        let (io, other) = test::transport();
        tokio::spawn(async move {
            let mut connection = h2::server::Builder::new().enable_connect_protocol().handshake(io).await.unwrap();
            while let Some(accepted) = connection.accept().await {
                let (mut request, mut respond) = accepted.unwrap();
                let protocol = request.extensions().get::<h2::ext::Protocol>().unwrap().as_str().to_owned();
                request.extensions_mut().insert(ConnectProtocol::new(protocol));
                let (response, pending) = answer(&request, &Config::server()).unwrap();
                let send = respond.send_response(response, false).unwrap();
                let io = as_transport(send, request.into_body());
                tokio::spawn(async move {
                    let mut socket = pending.open(io, "").await.unwrap();
                    while let Some(Ok(message)) = socket.recv().await {
                        socket.send(message).await.unwrap();
                    }
                });
            }
        });
        let connection = connect("ws://localhost/chat").over(other).http2_connection().await.unwrap();
        for size in [5, 100_000] {
            let (mut socket, response) = connect("ws://localhost/chat").on(&connection).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            socket.send("x".repeat(size)).await.unwrap();
            assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("x".repeat(size)));
            socket.close(CloseCode::NORMAL, "").await.unwrap();
        }
    });
}
