//! Messages that the options send.

use crate::events::{CLOSED, EOF, OPEN};
use crate::peer::{BINARY, Peer, listen};
use crate::program::Wsx;
use crate::run::run;

#[test]
fn texts_are_sent_in_their_order_and_then_the_close() {
    run(async || {
        let (listener, url) = listen().await;
        let program =
            Wsx::json(url).args(["--send", "one", "--send", "", "--send", "/ping", "--send=--three", "--wait", "0"]);
        let program = program.start();
        let mut peer = Peer::open(&listener).await;
        for text in ["one", "", "/ping", "--three"] {
            assert_eq!(peer.text().await, text);
        }
        assert_eq!(peer.answer_close().await, (1000, String::new()));
        program.end().await.is_clean(&[OPEN, CLOSED, EOF]);
    });
}

#[test]
fn the_messages_of_echo_client_follow() {
    run(async || {
        let (listener, url) = listen().await;
        let args = ["--text", "again", "--count", "3", "--send", "first", "--wait", "0"];
        let _program = Wsx::json(&url).args(args).start();
        let mut peer = Peer::open(&listener).await;
        for text in ["first", "again", "again", "again"] {
            assert_eq!(peer.text().await, text);
        }
        peer.answer_close().await;

        let _program = Wsx::json(url).args(["--binary-size", "300", "--count", "2", "--wait", "0"]).start();
        let mut peer = Peer::open(&listener).await;
        let pattern: Vec<u8> = (0..300).map(|i| (i * 7 % 251) as u8).collect();
        for _ in 0..2 {
            assert_eq!(peer.frame().await, (BINARY, pattern.clone()));
        }
        peer.answer_close().await;
    });
}

#[test]
fn what_is_given_with_send_is_text_under_binary_too() {
    run(async || {
        let (listener, url) = listen().await;
        let _program = Wsx::json(url).args(["--binary", "--send", "text"]).input("bytes\n").start();
        let mut peer = Peer::open(&listener).await;
        assert_eq!(peer.text().await, "text");
        assert_eq!(peer.frame().await, (BINARY, b"bytes".to_vec()));
        peer.answer_close().await;
    });
}

#[test]
fn sending_stops_where_the_peer_has_closed() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--text", "x", "--count", "1000000000"]).start();
        let mut peer = Peer::open(&listener).await;
        peer.send(websocket_tests::wire::Frame::close(1013, "enough")).await;
        while peer.frame().await.0 != 8 {}
        drop(peer);
        program.end().await.is_clean(&[OPEN, r#"{"event":"close","code":1013,"reason":"enough"}"#, EOF]);
    });
}
