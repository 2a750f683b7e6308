//! Messages that are encoded once and sent on many connections.

use bytes::Buf;
use permessage_deflate::PermessageDeflate;
use tower_websocket::{
    CloseCode, Config, Message, PreparedBatch, PreparedMessage, ServerConfig, WebSocket, accept, connect,
};
use websocket_driver::Event;
use websocket_tests::wire::{Handshake, VERSIONS};

use crate::pair::over_tcp;
use crate::run::run;

#[test]
fn prepared_message_is_received_in_every_version_between_others() {
    run(async || {
        for length in [0, 5, 511, 512, 1024, 70_000] {
            let text = "n".repeat(length);
            let news = PreparedMessage::new(text.as_str());
            for version in VERSIONS {
                let (mut socket, mut client) = over_tcp(version, Config::server()).await;
                let news = news.clone();
                let server = tokio::spawn(async move {
                    socket.feed("before").await.unwrap();
                    socket.send_prepared(&news).await.unwrap();
                    socket.send_prepared(&news).await.unwrap();
                    socket.send("after").await.unwrap();
                });
                for expected in ["before", &text, &text, "after"] {
                    assert_eq!(client.text().await, expected, "{version}");
                }
                server.await.unwrap();
            }
        }
    });
}

/// Returns both ends of a connection that compresses as configured by the server.
async fn compressing(deflate: PermessageDeflate) -> (WebSocket<tokio::io::DuplexStream>, WebSocket) {
    let (server, client) = tokio::io::duplex(64 * 1024);
    let server = accept(server, Config::server().extension(deflate).unwrap());
    let config = Config::client().extension(PermessageDeflate::new()).unwrap();
    let client = connect("ws://localhost/").config(config).over(client).into_future();
    let (server, client) = tokio::join!(server, client);
    (server.ok().unwrap(), client.unwrap().0)
}

#[test]
fn connections_that_compress_differently_all_receive_a_joined_batch() {
    run(async || {
        let news = (0..5).map(|number| PreparedMessage::new(format!("all the news that fits {number} ").repeat(50)));
        let news = PreparedBatch::new(news);
        let fresh = || PermessageDeflate::new().no_context_takeover(true);
        for deflate in [fresh(), fresh(), fresh().level(1), fresh().threshold(100_000), PermessageDeflate::new()] {
            for may_compress in [true, false] {
                let (mut server, mut client) = compressing(deflate.clone()).await;
                server.set_compression(may_compress);
                for text in ["first", "second"] {
                    server.send(text).await.unwrap();
                    assert_eq!(server.sender().try_send_joined(&news), Ok(5));
                    assert_eq!(client.recv().await.unwrap().unwrap(), Message::text(text));
                    for message in news.messages() {
                        assert_eq!(client.recv().await.unwrap().unwrap(), *message.message(), "{deflate:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn prepared_message_is_received_whatever_the_compression() {
    run(async || {
        let news = PreparedMessage::new("all the news that fits ".repeat(50));
        let fresh = || PermessageDeflate::new().no_context_takeover(true);
        for deflate in [fresh(), fresh(), fresh().level(1), fresh().threshold(100_000), PermessageDeflate::new()] {
            for may_compress in [true, false] {
                let (mut server, mut client) = compressing(deflate.clone()).await;
                server.set_compression(may_compress);
                for text in ["first", "second"] {
                    server.send(text).await.unwrap();
                    server.send_prepared(&news).await.unwrap();
                    assert_eq!(client.recv().await.unwrap().unwrap(), Message::text(text));
                    assert_eq!(client.recv().await.unwrap().unwrap(), *news.message(), "{deflate:?}");
                }
                let (closed, _) = tokio::join!(server.close(CloseCode::NORMAL, ""), client.recv());
                closed.unwrap();
            }
        }
    });
}

/// Returns the address of the bytes that a server's driver writes for a prepared message, which
/// shows whether they were copied.
fn written(config: ServerConfig, offer: &str, news: &PreparedMessage) -> usize {
    let handshake = Handshake::hybi("13").with("Sec-WebSocket-Extensions", offer);
    let (_, mut driver) = websocket_tests::accept(&handshake.request(), config).unwrap();
    assert_eq!(driver.poll_event(), Some(Event::Open));
    driver.send_prepared(news).unwrap();
    driver.output().chunk().as_ptr().addr()
}

#[test]
fn connections_that_encode_alike_share_the_bytes() {
    let news = PreparedMessage::new((0..2000).map(|i| format!("{} ", i * 7919 % 1009)).collect::<String>());
    let deflate = |level| {
        let deflate = PermessageDeflate::new().no_context_takeover(true).level(level);
        Config::server().extension(deflate).unwrap()
    };
    let offer = "permessage-deflate; client_max_window_bits";
    let plain = written(Config::server(), offer, &news);
    assert_eq!(plain, written(Config::server(), offer, &news));
    assert_eq!(plain, written(deflate(6), "other", &news));
    let compressed = written(deflate(6), offer, &news);
    assert_ne!(plain, compressed);
    assert_eq!(compressed, written(deflate(6), offer, &news));
    assert_ne!(compressed, written(deflate(1), offer, &news));
    assert_ne!(compressed, written(deflate(6), &format!("{offer}; server_max_window_bits=10"), &news));
    // With a context, there is nothing to share.
    let kept = || Config::server().extension(PermessageDeflate::new()).unwrap();
    assert_ne!(written(kept(), offer, &news), compressed);
}
