//! Streamed messages that are compressed.

use permessage_deflate::PermessageDeflate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_websocket::test;
use tower_websocket::{CloseCode, Config, Error, MessageKind};

use super::echo::echo_streams;
use crate::run::run;

#[test]
fn streams_are_compressed_with_and_without_context() {
    run(async || {
        for has_context in [true, false] {
            let deflate = || PermessageDeflate::new().threshold(0).no_context_takeover(!has_context);
            let server = Config::server().extension(deflate()).unwrap();
            let client = Config::client().extension(deflate()).unwrap();
            let (server, mut client) = test::pair(server, client).await;
            let serving = tokio::spawn(echo_streams(server, 1 << 30));
            // Whole messages and streams by turns share one context.
            for round in 0..3 {
                let text = format!("round {round} of text, text and text again; ").repeat(20_000);
                client.send(text.clone()).await.unwrap();
                assert!(client.recv().await.unwrap().unwrap().as_text() == Some(&text));
                let sender = client.sender();
                let sending = async {
                    let mut message = sender.send_stream(MessageKind::Text);
                    for piece in text.as_bytes().chunks(1 + 3001 * round) {
                        message.write_all(piece).await.unwrap();
                    }
                    message.flush().await.unwrap();
                    message.finish().await.unwrap();
                };
                let receiving = async {
                    let mut message = client.recv_stream(1 << 30).await.unwrap().unwrap();
                    let mut all = String::new();
                    message.read_to_string(&mut all).await.unwrap();
                    all
                };
                let ((), received) = tokio::join!(sending, receiving);
                assert!(received == text);
                let mut empty = client.send_stream(MessageKind::Binary);
                empty.finish().await.unwrap();
                drop(empty);
                assert!(client.recv().await.unwrap().unwrap().is_empty());
            }
            client.close(CloseCode::NORMAL, "").await.unwrap();
            serving.await.unwrap().unwrap();
        }
    });
}

#[test]
fn decompressed_stream_is_held_against_its_limit() {
    run(async || {
        let server = Config::server().extension(PermessageDeflate::new()).unwrap();
        let client = Config::client().extension(PermessageDeflate::new()).unwrap();
        let (mut server, mut client) = test::pair(server, client).await;
        let sending = tokio::spawn(async move {
            let _ = client.send(vec![0; 8 << 20]).await;
            while client.recv().await.is_some() {}
            client.close_frame().map(|close| close.code)
        });
        let mut message = server.recv_stream(1 << 20).await.unwrap().unwrap();
        let mut received = 0;
        let error = loop {
            match message.chunk().await {
                Ok(Some(chunk)) => received += chunk.len(),
                Ok(None) => panic!("no limit"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Protocol(_)), "{error:?}");
        assert_eq!(received, 1 << 20);
        drop(message);
        assert!(server.recv().await.is_none());
        assert_eq!(sending.await.unwrap(), Some(CloseCode::MESSAGE_TOO_BIG));
    });
}
