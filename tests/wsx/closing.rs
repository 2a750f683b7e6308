//! The close by the client: its code, its timing, and its outcome.

use std::time::{Duration, Instant};

use websocket_tests::wire::Frame;

use crate::events::{EOF, OPEN};
use crate::peer::{Peer, listen};
use crate::program::Wsx;
use crate::run::run;

#[test]
fn the_code_and_reason_are_those_of_the_option() {
    run(async || {
        let longest = format!("4999:{}", "x".repeat(123));
        for option in ["1000", "1001:bye", "1000:", "3000:a:b", "4000:größer", &longest] {
            let (listener, url) = listen().await;
            let program = Wsx::json(url).args(["--close", option, "--wait", "0"]).start();
            let (code, reason) = Peer::open(&listener).await.answer_close().await;
            let (wanted, wanted_reason) = option.split_once(':').unwrap_or((option, ""));
            assert_eq!((code.to_string(), &*reason), (wanted.to_owned(), wanted_reason));
            let close = format!("{{\"event\":\"close\",\"code\":{code},\"reason\":\"\"}}");
            program.end().await.is_clean(&[OPEN, &close, EOF]);
        }
    });
}

#[test]
fn with_1005_the_close_is_empty() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--close", "1005", "--wait", "0"]).start();
        assert_eq!(Peer::open(&listener).await.answer_close().await, (1005, String::new()));
        program.end().await.is_clean(&[OPEN, r#"{"event":"close","code":1005,"reason":""}"#, EOF]);
    });
}

#[test]
fn the_close_that_is_told_is_the_servers() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--close", "1000:mine", "--wait", "0"]).start();
        let mut peer = Peer::open(&listener).await;
        peer.close().await;
        peer.send(Frame::close(4001, "yours")).await;
        drop(peer);
        program.end().await.is_clean(&[OPEN, r#"{"event":"close","code":4001,"reason":"yours"}"#, EOF]);
    });
}

#[test]
fn what_comes_before_the_servers_close_is_told() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--wait", "0"]).start();
        let mut peer = Peer::open(&listener).await;
        peer.close().await;
        for frame in [Frame::text("late"), Frame::ping("too"), Frame::close(1000, "now")] {
            peer.send(frame).await;
        }
        drop(peer);
        let message = r#"{"event":"message","text":"late"}"#;
        let close = r#"{"event":"close","code":1000,"reason":"now"}"#;
        program.end().await.is_clean(&[OPEN, message, r#"{"event":"ping","size":3}"#, close, EOF]);
    });
}

#[test]
fn a_server_that_ends_instead_of_answering_is_1006() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--wait", "0"]).start();
        let mut peer = Peer::open(&listener).await;
        peer.close().await;
        drop(peer);
        program.end().await.is_clean(&[OPEN, r#"{"event":"close","code":1006,"reason":""}"#, EOF]);
    });
}

#[test]
fn an_answer_that_breaks_the_protocol_is_an_error() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--wait", "0"]).start();
        let mut peer = Peer::open(&listener).await;
        peer.close().await;
        peer.write([0x83, 0]).await;
        drop(peer);
        let message = "unknown opcode 3 (RFC 6455 §5.2)";
        program.end().await.has_failed(&[
            OPEN,
            &format!("{{\"event\":\"error\",\"message\":\"{message}\"}}"),
            &format!("{{\"event\":\"close\",\"code\":1002,\"reason\":\"{message}\"}}"),
            EOF,
        ]);
    });
}

#[test]
fn nothing_must_have_come_for_the_time_of_the_option() {
    run(async || {
        for (option, wait) in [(None, 500), (Some("0.2"), 200), (Some("1"), 1000)] {
            let (listener, url) = listen().await;
            let args = option.map(|seconds| ["--wait", seconds]).into_iter().flatten();
            let program = Wsx::json(url).args(args).start();
            let mut peer = Peer::open(&listener).await;
            let begun = Instant::now();
            peer.close().await;
            let waited = begun.elapsed();
            assert!(waited >= Duration::from_millis(wait - 20), "{option:?}: {waited:?}");
            // A loaded machine may be late, but not by so much that the option has no effect.
            assert!(waited < Duration::from_millis(wait + 5000), "{option:?}: {waited:?}");
            peer.send(Frame::close(1000, "")).await;
            drop(peer);
            assert_eq!(program.end().await.status, Some(0));
        }
    });
}

#[test]
fn whatever_comes_begins_that_time_anew() {
    run(async || {
        let (listener, url) = listen().await;
        let program = Wsx::json(url).args(["--wait", "0.6"]).start();
        let mut peer = Peer::open(&listener).await;
        let begun = Instant::now();
        for frame in [Frame::text("a"), Frame::pong("b"), Frame::text("c"), Frame::pong("d")] {
            assert!(
                tokio::time::timeout(Duration::from_millis(200), peer.frame()).await.is_err(),
                "{:?}",
                begun.elapsed()
            );
            peer.send(frame).await;
        }
        peer.answer_close().await;
        assert!(begun.elapsed() >= Duration::from_millis(4 * 200 + 580), "{:?}", begun.elapsed());
        assert_eq!(program.end().await.lines.len(), 7);
    });
}

#[test]
fn who_waits_for_ever_leaves_the_end_to_the_server() {
    run(async || {
        for wait in ["1e18", "1e10"] {
            let (listener, url) = listen().await;
            let program = Wsx::json(url).args(["--wait", wait]).start();
            Peer::open(&listener).await.finish(1000, "").await;
            assert_eq!(program.end().await.status, Some(0));
        }
    });
}
